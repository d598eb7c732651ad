"""What a whole system should say: the rows of a store, those that its ledger has, and what these unlock and grant.

One row per kept id, everything else summed from them. Nothing here is fast, and nothing is taken from the code that it
is compared with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from worldevents.model import Audience, CommunityGoal, GoalTier, SeasonalEvent
from worldevents.testing.models import Key, StoreModel


@dataclass
class Promise:
    """What a tier or a challenge gives, by its newest declaration, and whether it is earned by now."""

    goal_id: str
    least: int
    within: timedelta | None
    stock: int | None = None
    is_for_all: bool = False
    is_open: bool = True


@dataclass
class Grant:
    """What became of a reward that somebody has."""

    status: str
    until: datetime | None = None
    has_one: bool = False
    """Whether it has one of its stock."""


@dataclass(frozen=True, kw_only=True)
class End:
    """What a settled goal came to."""

    outcome: str
    total: int
    pending: int
    late: int
    participants: int
    tiers: list[Decimal]
    is_consoled: bool


FinalPlace = tuple[int, int, str, int, str | None]
"""Place, rank, user, amount and name."""


class SystemModel(StoreModel):
    """Rows in the order in which they came; the first `carried` of them are in the ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.carried = 0
        self.arrived: list[datetime] = []
        """When each row came, in their order."""
        self.hidden: set[str] = set()
        self.amounts: Counter[tuple[str, str]] = Counter()
        """What counts in the ledger, by goal and user."""
        self.promises: dict[str, Promise] = {}
        """By the beginning of their grants' ids."""
        self.grants: dict[str, Grant] = {}
        self.tombstones: list[str] = []
        """Of those who were erased, in that order."""
        self.reached: set[str] = set()
        """Goals whose target was reached, once."""
        self.ends: dict[str, End] = {}
        self.final: dict[str, list[tuple[int, str, int]]] = {}
        """Rank, user and amount of everyone in a settled goal, from the top."""

    # What is told.

    def publish(self, event: SeasonalEvent) -> None:
        """The newest version holds; what the ledger's totals reach by it is unlocked."""
        self.versions += 1
        for goal in event.goals:
            self.goals[goal.id] = goal
            for tier in goal.tiers:
                is_open = tier.threshold in self.unlocked[goal.id]
                self.promises[f"tier~{goal.id}~{tier.threshold:f}"] = _promise(goal, tier, is_open=is_open)
            if goal.consolation is not None:
                is_open = goal.id in self.ends and self.ends[goal.id].is_consoled
                self.promises[f"consolation~{goal.id}"] = _promise(goal, goal.consolation, is_open=is_open)
            self._reach(goal, self.total(goal.id))
        for one in event.challenges:
            self.promises[f"challenge~{event.id}~{one.id}"] = Promise(one.goal_id, one.target, one.claim_within)

    def came(self, now: datetime) -> None:
        """Whatever is new has come now."""
        self.arrived += [now] * (len(self.rows) - len(self.arrived))

    def forget(self) -> None:
        """The store loses what the ledger does not have."""
        for key in list(self.rows)[self.carried :]:
            del self.rows[key]
        del self.arrived[self.carried :]

    # The ledger.

    def in_ledger(self, key: Key) -> bool:
        """Whether this row is there."""
        return key in list(self.rows)[: self.carried]

    def told(self) -> list[Key]:
        """What callers contributed."""
        return [key for key, (_, status) in self.rows.items() if status in ("counted", "held", "late")]

    def holds(self) -> list[Key]:
        """What is held and was not decided about, as far as the ledger knows, in its order."""
        known = dict(list(self.rows.items())[: self.carried])
        return [key for key, (_, status) in known.items() if _is_held(status) and decision(key) not in known]

    def carry(self) -> None:
        """The ledger takes what waits, of each goal all at once."""
        new = list(zip(self.rows.items(), self.arrived, strict=True))[self.carried :]
        self.carried = len(self.rows)
        for (key, _), _ in new:
            name = self.said.get(key)
            if name is not None:
                self.names[key[1]] = name
        for goal_id, goal in self.goals.items():
            own = [(key[1], self.counts(*row), at) for (key, row), at in new if key[0] == goal_id]
            if own:
                self._append(goal, own)

    def _append(self, goal: CommunityGoal, rows: Sequence[tuple[str, int, datetime]]) -> None:
        """Who comes past what is asked for on the way is granted it, and what the total reaches on the way is open."""
        before, at = self.amounts.copy(), rows[-1][2]
        tops: Counter[str] = Counter()
        highest = 0
        for user, counted, _ in rows:
            self.amounts[goal.id, user] += counted
            tops[user] = max(tops[user], self.amounts[goal.id, user])
            highest = max(highest, self.total(goal.id))
        for name, promise in self.promises.items():
            if promise.goal_id == goal.id and promise.is_open and not promise.is_for_all:
                for user, top in tops.items():
                    if before[goal.id, user] < promise.least <= top:
                        self._grant(name, promise, user, at)
        self._reach(goal, highest)

    def total(self, goal_id: str) -> int:
        """What counts in the ledger."""
        return sum(amount for (goal, _), amount in self.amounts.items() if goal == goal_id)

    def _reach(self, goal: CommunityGoal, total: int) -> None:
        if total >= goal.target:
            self.reached.add(goal.id)
        for tier in goal.tiers:
            if total * 100 >= goal.target * tier.threshold and tier.threshold not in self.unlocked[goal.id]:
                self.unlocked[goal.id].add(tier.threshold)
                name = f"tier~{goal.id}~{tier.threshold:f}"
                self.promises[name].is_open = True
                if self.promises[name].is_for_all:
                    self._grant_all(name)

    def _grant_all(self, name: str) -> None:
        self.grants.setdefault(name, Grant("claimed"))

    def _grant(self, name: str, promise: Promise, user: str, at: datetime) -> None:
        until = None if promise.within is None else at + promise.within
        self.grants.setdefault(f"{name}~{user}", Grant("claimable", until))

    def work(self, now: datetime) -> None:
        """Whoever has what an open promise asks for is granted it; what is due is claimed, but for who is banned."""
        self.look_back(now)
        for grant_id, one in self.grants.items():
            is_due = one.status == "claimable" and one.until is not None and one.until <= now
            if is_due and _user_of(grant_id) not in self.banned:
                self._claim(grant_id, one)

    def look_back(self, now: datetime) -> None:
        """Whoever has what an open promise asks for is granted it."""
        for name, promise in self.promises.items():
            if promise.is_open and not promise.is_for_all:
                for (goal_id, user), amount in self.amounts.items():
                    if goal_id == promise.goal_id and amount >= promise.least:
                        self._grant(name, promise, user, now)

    # The end.

    def settle(self, now: datetime) -> list[str]:
        """Every goal whose grace is over, and that is not settled, is: says how, and whether it consoles."""
        told = []
        for goal in self.goals.values():
            if now >= goal.ends_at + goal.grace and goal.id not in self.ends:
                self.ends[goal.id] = end = self._end(goal)
                told += [end.outcome, *(["consoled"] if end.is_consoled else [])]
        if told:
            self.look_back(now)
        return told

    def _end(self, goal: CommunityGoal) -> End:
        total = self.total(goal.id)
        is_near = total * 100 >= goal.target * goal.near_miss
        outcome = "met" if goal.id in self.reached else "near_missed" if is_near else "missed"
        tier = goal.consolation
        is_consoled = tier is not None and outcome != "met" and total * 100 >= goal.target * tier.threshold
        if is_consoled:
            name = f"consolation~{goal.id}"
            self.promises[name].is_open = True
            if self.promises[name].is_for_all:
                self._grant_all(name)
        late = sum(amount for key, (amount, status) in self.rows.items() if key[0] == goal.id and status == "late")
        self.final[goal.id] = [row[:3] for row in self.board(goal.id)]
        return End(
            outcome=outcome,
            total=total,
            pending=self.sum(goal.id, "held"),
            late=late,
            participants=len(self.final[goal.id]),
            tiers=sorted(self.unlocked[goal.id]),
            is_consoled=is_consoled,
        )

    def told_end(self, goal_id: str) -> tuple[End, list[FinalPlace]]:
        """What is told of a settled goal today: who is hidden is left out, names are those of today."""
        places = enumerate(self.final[goal_id], start=1)
        rows = [(place, rank, user, amount, self.names.get(user)) for place, (rank, user, amount) in places]
        return self.ends[goal_id], [row for row in rows if row[2] not in self.hidden]

    def ranked(self) -> list[str]:
        """Who has a place in a settled goal and was not erased."""
        places = {user for rows in self.final.values() for _, user, _ in rows}
        return sorted(places.difference(self.tombstones))

    # Who is forgotten.

    def has(self, user: str) -> bool:
        """Whether the ledger or the store has anything of a user that is not an operator's note."""
        named = any(key[1] == user for key in self.rows) or any(_user_of(one) == user for one in self.grants)
        return named or user in self.hidden or user in self.banned

    def erase(self, user: str, tombstone: str, named: Mapping[str, Sequence[str]]) -> None:
        """The tombstone has all that the user had; `named` is what its rows are called now, by goal, in their order."""
        self.tombstones.append(tombstone)
        names = {goal_id: iter(own) for goal_id, own in named.items()}
        now = {key: (key[0], tombstone, _kept_name(key[2], next(names[key[0]]))) for key in self.rows if key[1] == user}
        self.erased |= now
        self.rows = {now.get(key, key): row for key, row in self.rows.items()}
        self.days = {now.get(key, key): at for key, at in self.days.items()}
        self.names.pop(user, None)
        self.amounts = Counter(
            {(goal, tombstone if own == user else own): amount for (goal, own), amount in self.amounts.items()}
        )
        self.grants = {self.renamed(grant_id, user, tombstone): one for grant_id, one in self.grants.items()}
        if user in self.banned:
            self.barred.add(user)
        for some in (self.banned, self.hidden):
            if user in some:
                some.remove(user)
                some.add(tombstone)
        self.final = {
            goal_id: [(rank, tombstone if own == user else own, amount) for rank, own, amount in rows]
            for goal_id, rows in self.final.items()
        }

    @staticmethod
    def renamed(grant_id: str, user: str, tombstone: str) -> str:
        """A grant's id, with the tombstone where it is this user's."""
        return f"{_name_of(grant_id)}~{tombstone}" if _user_of(grant_id) == user else grant_id

    def holders(self) -> list[str]:
        """The grants that have one of a stock."""
        return [grant_id for grant_id, one in self.grants.items() if one.has_one]

    def waiting(self) -> list[str]:
        """The grants that came when there was none left."""
        return [grant_id for grant_id, one in self.grants.items() if one.status == "pending"]

    # What becomes of grants: the status that they have then, or why they do not.

    def claim(self, grant_id: str) -> str:
        """Claim once; of a stock, as long as there is one left."""
        one = self.grants.get(grant_id)
        if one is None or one.status == "revoked":
            return "unknown_grant" if one is None else "grant_revoked"
        if one.status in ("claimable", "pending"):
            if _user_of(grant_id) in self.banned:
                return "user_banned"
            self._claim(grant_id, one)
        return one.status

    def _claim(self, grant_id: str, one: Grant) -> None:
        name = _name_of(grant_id)
        stock = self.promises[name].stock
        taken = sum(other.has_one for other_id, other in self.grants.items() if _name_of(other_id) == name)
        one.has_one = stock is not None and taken < stock
        one.status = "claimed" if stock is None or one.has_one else "pending"

    def deliver(self, grant_id: str) -> str:
        """The player has it."""
        one = self.grants.get(grant_id)
        if one is None or one.status == "revoked":
            return "unknown_grant" if one is None else "grant_revoked"
        one.status = "delivered"
        return one.status

    def give(self, grant_id: str, now: datetime) -> str:
        """Support grants what was not granted, or was taken back."""
        one, promise = self.grants.get(grant_id), self.promises.get(_name_of(grant_id))
        is_world = grant_id in self.promises
        if one is None and (promise is None or is_world):
            return "unknown_grant"
        if one is None and promise is not None:
            self._grant(_name_of(grant_id), promise, grant_id.rpartition("~")[2], now)
        elif one is not None and one.status == "revoked":
            self.grants[grant_id] = Grant("claimed" if is_world else "claimable")
        return self.grants[grant_id].status

    def revoke(self, grant_id: str) -> str:
        """Support takes it back."""
        one = self.grants.get(grant_id)
        if one is None:
            return "unknown_grant"
        one.status, one.has_one = "revoked", False
        return one.status


def decision(key: Key) -> Key:
    """The row that decides about a held one."""
    goal_id, user, row_id = key
    return goal_id, user, f"hold#{row_id}"


def _is_held(status: str) -> bool:
    return status in ("held", "withheld")


def _promise(goal: CommunityGoal, tier: GoalTier, *, is_open: bool) -> Promise:
    stock = tier.reward.fields.get("stock")
    return Promise(
        goal.id,
        max(1, tier.minimum),
        tier.claim_within,
        stock if isinstance(stock, int) else None,
        is_for_all=tier.audience is Audience.EVERYONE,
        is_open=is_open,
    )


def _kept_name(row_id: str, named: str) -> str:
    """What an erased user's row is called: rows of bans keep the names that they have here."""
    return row_id if named.startswith(("ban#", "unban#")) else named


def _words_of_name(grant_id: str) -> int:
    return 2 if grant_id.startswith("consolation~") else 3


def _name_of(grant_id: str) -> str:
    """A grant's id without its user, who stands behind the third `~`, of a consolation behind the second."""
    return "~".join(grant_id.split("~")[: _words_of_name(grant_id)])


def _user_of(grant_id: str) -> str:
    """Whose grant it is; empty for the world's."""
    return "~".join(grant_id.split("~")[_words_of_name(grant_id) :])
