"""The embedded store's picture of each goal, and the decisions over one batch against that picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from worldevents import movements, outliers, rules
from worldevents.errors import ContributionConflict, UserBanned, WorldEventsError
from worldevents.ledger.base import Entry, Row
from worldevents.ledger.personal import Barred
from worldevents.model import CommunityGoal, ContributionStatus, GoalContribution, GoalState, TierUnlock
from worldevents.movements import Movement
from worldevents.outliers import History
from worldevents.store.ranking import Ranking


@dataclass(slots=True)
class LiveGoal:
    """A goal in memory: what is declared and all that it stands at."""

    goal: CommunityGoal
    ranking: Ranking
    held: Counter[str]
    days: Counter[tuple[str, date]] | None
    """Counted amounts by user and UTC day; None for a goal without a limit by day."""
    history: History | None = None
    """What counted so far; None for a goal that holds no outliers."""
    total: int = 0
    pending: int = 0
    seq: int = 0
    unlocks: tuple[TierUnlock, ...] = field(default=())
    banned: set[str] = field(default_factory=set)
    barred: Barred = field(default_factory=Barred)

    def refuses(self, user_id: str) -> bool:
        """Whether nothing is taken of this user."""
        return user_id in self.banned or user_id in self.barred

    def rename(self, user_id: str, other: str) -> None:
        """Give another user all that this one has."""
        amount = self.ranking.amount(user_id)
        if amount:
            self.ranking.add(user_id, -amount)
            self.ranking.add(other, amount)
        if user_id in self.held:
            self.held[other] = self.held.pop(user_id)
        days = Counter[tuple[str, date]]() if self.days is None else self.days
        for own in [one for one in days if one[0] == user_id]:
            days[other, own[1]] = days.pop(own)
        if self.history is not None:
            self.history.rename(user_id, other)

    def state(self, epoch: str) -> GoalState:
        return GoalState(
            goal=self.goal,
            total=self.total,
            pending=self.pending,
            participants=len(self.ranking),
            unlocks=self.unlocks,
            epoch=epoch,
            seq=self.seq,
        )


@dataclass(slots=True)
class Case:
    """One goal of a batch: what it stands at, and what the batch adds to it."""

    live: LiveGoal
    arriving: ContributionStatus | None = None
    """What the window says to what happens on arrival: the same for the whole batch. None until it was asked."""
    added: int = 0
    """Counted and held."""
    counted: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    days: dict[tuple[str, date], int] = field(default_factory=dict)
    history: History = field(default_factory=History)

    def is_outlier(self, user_id: str, amount: int) -> bool:
        """Whether the goal's rule, if it has one, holds this amount."""
        rule, kept = self.live.goal.outliers, self.live.history
        if rule is None or kept is None:
            return False
        return outliers.is_outlier(rule, user_id, amount, kept=kept, also=self.history)


class Judge:
    """Decides a batch in its order, as a `Decide` of the ledger: changes nothing but its own running sums."""

    def __init__(self, goals: Mapping[str, LiveGoal], batch: Sequence[GoalContribution], arrived_at: datetime) -> None:
        self._batch = batch
        self._arrived_at = arrived_at
        self._counted_now = Entry(ContributionStatus.COUNTED, arrived_at, arrived_at)
        self._kept: set[tuple[str, str, str]] = set()
        self.cases = {goal_id: Case(goals[goal_id]) for goal_id in {item.goal_id for item in batch}}
        self.names: dict[str, str] = {}
        self.entries: list[Entry | None] = []
        self.refusals: dict[int, WorldEventsError] = {}

    def __call__(self, stored: Sequence[Row | None]) -> Sequence[Entry | None]:
        for index, (item, row) in enumerate(zip(self._batch, stored, strict=True)):
            key = item.goal_id, item.user_id, item.contribution_id
            entry = None if row is not None or key in self._kept else self._decide(index, item)
            if entry is not None:
                self._kept.add(key)
                if item.display_name is not None:
                    self.names[item.user_id] = item.display_name
            self.entries.append(entry)
        return self.entries

    def _decide(self, index: int, item: GoalContribution) -> Entry | None:
        case = self.cases[item.goal_id]
        instant = item.occurred_at or self._arrived_at
        if case.live.refuses(item.user_id):
            self.refusals[index] = UserBanned(field="userId")
            return None
        try:
            status = self._window(case, item.occurred_at)
            if status is ContributionStatus.COUNTED:
                status = self._count(case, item, instant)
        except WorldEventsError as refusal:
            self.refusals[index] = refusal
            return None
        if status is ContributionStatus.COUNTED and item.occurred_at is None:
            return self._counted_now
        return Entry(status, instant, self._arrived_at)

    def _window(self, case: Case, occurred_at: datetime | None) -> ContributionStatus:
        if occurred_at is not None:
            return rules.judge(case.live.goal, occurred_at, self._arrived_at)
        if case.arriving is None:
            case.arriving = rules.judge(case.live.goal, None, self._arrived_at)
        return case.arriving

    def _count(self, case: Case, item: GoalContribution, instant: datetime) -> ContributionStatus:
        live, user_id, amount = case.live, item.user_id, item.amount
        counted = case.counted.get(user_id, 0)
        # What a user has is looked up only where a limit asks for it.
        today = None if live.days is None else (user_id, instant.date())
        has_limit = live.goal.metric.limits.per_user is not None
        status = rules.judge_amount(
            live.goal,
            item,
            total=live.total + live.pending + case.added,
            user_today=0 if live.days is None or today is None else live.days[today] + case.days.get(today, 0),
            user_total=live.ranking.amount(user_id) + counted if has_limit else 0,
            is_outlier=case.is_outlier(user_id, amount),
        )
        case.added += amount
        if status is ContributionStatus.HELD:
            case.held[user_id] = case.held.get(user_id, 0) + amount
        else:
            case.counted[user_id] = counted + amount
            if live.history is not None:
                case.history.add(user_id, amount)
            if today is not None:
                case.days[today] = case.days.get(today, 0) + amount
        return status


class Mover:
    """Decides movements of one user in one goal, as a `Decide` of the ledger: all of them, or it raises."""

    def __init__(self, live: LiveGoal, wanted: Sequence[Movement], arrived_at: datetime, *, by_ban: bool) -> None:
        self._wanted = wanted
        self._arrived_at = arrived_at
        self._by_ban = by_ban
        self.batch = [one.contribution for one in wanted]
        self.cases = {live.goal.id: Case(live)}
        self.names: dict[str, str] = {}
        self.entries: list[Entry | None] = []

    def __call__(self, stored: Sequence[Row | None]) -> Sequence[Entry | None]:
        (case,) = self.cases.values()
        live, new = case.live, []
        for one, row in zip(self._wanted, stored, strict=True):
            if row is not None and (row.amount, row.status) != (one.contribution.amount, one.status):
                raise ContributionConflict(field="id")
            self.entries.append(Entry(one.status, self._arrived_at, self._arrived_at) if row is None else None)
            new += [one] if row is None else []
        if not new:
            return self.entries
        user_id = new[0].contribution.user_id
        if live.refuses(user_id) and not self._by_ban:
            raise UserBanned(field="userId")
        own = live.ranking.amount(user_id), live.held[user_id]
        movements.judge(live.goal, new, now=self._arrived_at, user=own, goal_sums=(live.total, live.pending))
        case.counted[user_id], case.held[user_id] = movements.sums(new)
        return self.entries
