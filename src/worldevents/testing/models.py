"""What a store and a ledger should say, in plain dictionaries: one row per kept id, everything else summed from them.

Nothing here is fast, and nothing here is taken from the code it is compared with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from worldevents.model import (
    CommunityGoal,
    ContributionStatus,
    GoalContribution,
    OverLimit,
    SeasonalEvent,
)

Key = tuple[str, str, str]

_COUNTS = {"counted": 1, "corrected": 1, "released": 1, "withheld": -1}
_HOLDS = {"held": 1, "released": -1, "rejected": -1, "withheld": 1}


def place_of(
    user: str, amounts: Mapping[str, int], minimums: Sequence[int]
) -> tuple[int, int, int, int | None, int, dict[int, int]]:
    """A user's amount, and by comparing with everybody: how many have more, as much, what is next, who has that.

    And for each of these minimums, how many have it.
    """
    every = [amount for amount in amounts.values() if amount]
    own = amounts.get(user, 0)
    more = min((amount for amount in every if amount > own), default=None)
    above, tied = sum(amount > own for amount in every), every.count(own)
    reached = {least: sum(amount >= least for amount in every) for least in minimums}
    return own, above, tied, more, 0 if more is None else every.count(more), reached


def step_of(amount: int) -> int:
    """The last of the steps 1, 1 1/8, ... 1 7/8, 2, 2 1/4, ... that is not above an amount, by trying them."""
    doublings = 0
    while 2 ** (doublings + 1) <= amount:
        doublings += 1
    return 8 * doublings + max(part for part in range(8) if Fraction(8 + part, 8) * 2**doublings <= amount)


def is_far(amount: int, amounts: Sequence[int], deviations: int) -> bool:
    """Whether an amount is out of line with these, by sorting them."""
    steps = sorted(map(step_of, amounts))
    centre = steps[(len(steps) - 1) // 2]
    distances = sorted(abs(one - centre) for one in steps)
    return step_of(amount) - centre > deviations * max(4, distances[(len(distances) - 1) // 2])


class LedgerModel:
    """Rows as they are kept, and tiers that never lock again."""

    def __init__(self) -> None:
        self.rows: dict[Key, tuple[int, str]] = {}
        self.goals: dict[str, CommunityGoal] = {}
        self.unlocked: defaultdict[str, set[Decimal]] = defaultdict(set)
        self.names: dict[str, str] = {}
        self.versions = 0

    @staticmethod
    def key(item: GoalContribution) -> Key:
        """What makes a contribution the same."""
        return item.goal_id, item.user_id, item.contribution_id

    def sum(self, goal_id: str, what: str, user: str | None = None) -> int:
        """What is `counted` or `held` in a goal, of one user or of all."""
        times = _COUNTS if what == "counted" else _HOLDS
        return sum(
            amount * times.get(kept, 0)
            for (goal, owner, _), (amount, kept) in self.rows.items()
            if goal == goal_id and user in (None, owner)
        )

    def users(self, goal_id: str) -> list[tuple[str, int, int]]:
        """Who has anything counted or held in a goal, by id."""
        owners = {key[1] for key, (_, kept) in self.rows.items() if key[0] == goal_id and kept != "late"}
        return [(user, self.sum(goal_id, "counted", user), self.sum(goal_id, "held", user)) for user in sorted(owners)]

    def all_unlocked(self) -> set[tuple[str, Decimal]]:
        """Every tier that was ever reached."""
        return {(goal_id, percent) for goal_id, percents in self.unlocked.items() for percent in percents}

    def publish(self, event: SeasonalEvent) -> None:
        """The newest version holds."""
        self.versions += 1
        for goal in event.goals:
            self.goals[goal.id] = goal
            self._unlock(goal)

    def _unlock(self, goal: CommunityGoal) -> None:
        total = self.sum(goal.id, "counted")
        self.unlocked[goal.id] |= {one.threshold for one in goal.tiers if total * 100 >= goal.target * one.threshold}

    def keep(self, item: GoalContribution, status: str) -> None:
        """Write a row, and unlock what it reaches."""
        self.rows[self.key(item)] = (item.amount, status)
        if item.display_name is not None:
            self.names[item.user_id] = item.display_name
        self._unlock(self.goals[item.goal_id])

    def names_no_goal(self, batch: Sequence[GoalContribution], statuses: Sequence[ContributionStatus | None]) -> bool:
        """Whether something that is to be kept is for no goal."""
        return any(item.goal_id not in self.goals and status for item, status in zip(batch, statuses, strict=True))

    def leaves_less_than_nothing(
        self, batch: Sequence[GoalContribution], statuses: Sequence[ContributionStatus | None]
    ) -> bool:
        """Whether somebody would have less than nothing after this; nothing is done."""
        before = dict(self.rows)
        for item, status in zip(batch, statuses, strict=True):
            if status is not None:
                self.rows.setdefault(self.key(item), (item.amount, status.value))
        left = [own for goal_id in self.goals for _, *own in self.users(goal_id)]
        self.rows = before
        return any(min(own) < 0 for own in left)

    def append(self, batch: Sequence[GoalContribution], statuses: Sequence[ContributionStatus | None]) -> int:
        """Keep what is decided and not yet there; how many that was."""
        before = len(self.rows)
        for item, status in zip(batch, statuses, strict=True):
            if status is not None and self.key(item) not in self.rows:
                self.keep(item, status.value)
        return len(self.rows) - before


class StoreModel(LedgerModel):
    """The same rows, and the judgement of each contribution; what they unlock is the ledger's to say."""

    def __init__(self) -> None:
        super().__init__()
        self.days: dict[Key, datetime] = {}
        self.said: dict[Key, str | None] = {}
        """The display names that came with rows."""
        self.banned: set[str] = set()
        self.barred: set[str] = set()
        """Ids of users who were banned when they were erased."""
        self.erased: dict[Key, Key] = {}
        """What the rows of erased users are called now."""
        self.place: Callable[[str], int] = lambda _: 0
        """The partition that a user is in: everyone's history is that of one partition."""

    @staticmethod
    def counts(amount: int, status: str) -> int:
        """What a row adds to what counts."""
        return amount * _COUNTS.get(status, 0)

    def board(self, goal_id: str) -> list[tuple[int, str, int, str | None]]:
        """Rank, user, amount and name, most first."""
        amounts = {user: counted for user, counted, _ in self.users(goal_id) if counted}
        return [
            (1 + sum(other > amount for other in amounts.values()), user, amount, self.names.get(user))
            for user, amount in sorted(amounts.items(), key=lambda one: (-one[1], one[0]))
        ]

    def contribute(self, item: GoalContribution, now: datetime) -> str:
        """What a store should say to this contribution, as a word; and it is done."""
        if item.goal_id not in self.goals:
            return "unknown_goal"
        key = self.key(item)
        known = self.erased.get(key, key)
        if known in self.rows:
            amount, status = self.rows[known]
            return f"{status} again" if amount == item.amount else "contribution_conflict"
        told = "user_banned" if self.refuses(item.user_id) else self._judge(item, now)
        if told in ("counted", "held", "late"):
            self.days[key], self.said[key] = item.occurred_at or now, item.display_name
            self.rows[key] = (item.amount, told)
        return told

    def refuses(self, user: str) -> bool:
        """Whether nothing new is taken of a user."""
        return user in self.banned or user in self.barred

    def _judge(self, item: GoalContribution, now: datetime) -> str:
        goal, instant = self.goals[item.goal_id], item.occurred_at or now
        if instant - now > timedelta(seconds=60):
            return "occurred_at_future"
        if instant < goal.starts_at or instant >= goal.ends_at:
            return "goal_not_open"
        if now >= goal.ends_at + goal.grace:
            return "late"
        limits = goal.metric.limits
        bounds = [
            (limits.per_contribution, item.amount),
            (limits.per_user_day, item.amount + self._on_day(item, instant)),
            (limits.per_user, item.amount + self.sum(goal.id, "counted", item.user_id)),
        ]
        if all(bound is None or amount <= bound for bound, amount in bounds):
            return "held" if self._is_outlier(item) else "counted"
        return "held" if limits.over is OverLimit.HOLD else "limit_exceeded"

    def _is_outlier(self, item: GoalContribution) -> bool:
        # Movements are in no history: a row that was counted stays one, whatever became of its amount.
        rule = self.goals[item.goal_id].outliers
        if rule is None:
            return False
        rows = [
            (owner, amount)
            for (goal, owner, _), (amount, kept) in self.rows.items()
            if goal == item.goal_id and kept == "counted" and self.place(owner) == self.place(item.user_id)
        ]
        own, every = [amount for owner, amount in rows if owner == item.user_id], [amount for _, amount in rows]
        if len(own) < rule.own_least or len(every) < rule.everyones_least:
            return False
        return all(is_far(item.amount, amounts, rule.deviations) for amounts in (own, every))

    def _on_day(self, item: GoalContribution, instant: datetime) -> int:
        return sum(
            amount
            for key, (amount, status) in self.rows.items()
            if key[:2] == (item.goal_id, item.user_id)
            and status == "counted"
            and self.days[key].date() == instant.date()
        )

    # What operators do.

    def move(self, goal_id: str, user: str, rows: Sequence[tuple[str, int, str]], now: datetime) -> str:
        """What a store should say to rows (id, amount, status) that are moved together; and it is done."""
        keys = [(goal_id, user, row_id) for row_id, _, _ in rows]
        wanted = {self.erased.get(key, key): row[1:] for key, row in zip(keys, rows, strict=True)}
        if any(self.rows.get(key, row) != row for key, row in wanted.items()):
            return "contribution_conflict"
        new = {key: row for key, row in wanted.items() if key not in self.rows}
        if not new:
            return "again"
        if self.refuses(user):
            return "user_banned"
        goal = self.goals[goal_id]
        if now >= goal.ends_at + goal.grace:
            return "goal_not_open"
        before = dict(self.rows)
        self.rows |= new
        if min(self.sum(goal_id, what, user) for what in ("counted", "held")) < 0:
            self.rows = before
            return "below_zero"
        return "moved"

    def ban(self, goal_id: str, user: str, number: int) -> None:
        """Move out what a user has, but for who is banned."""
        counted, held = (self.sum(goal_id, what, user) for what in ("counted", "held"))
        for row_id, amount, status in (("ban", -counted, "corrected"), ("held", held, "rejected")):
            if amount:
                self.rows[goal_id, user, f"{row_id}-{number}"] = (amount, status)

    def unban(self, goal_id: str, user: str, number: int) -> None:
        """Move back in what the ban has moved out, where the goal is not over."""
        for row_id in ("ban", "held"):
            amount, status = self.rows.get((goal_id, user, f"{row_id}-{number}"), (0, ""))
            if amount:
                self.rows[goal_id, user, f"back-{row_id}-{number}"] = (-amount, status)
