"""The append transaction: rows, totals and tier unlocks, decided and written in one commit.

Every function runs in the writer's thread, inside a transaction that holds the writer's lock: what is looked up cannot
change before it is written, and the unique digest stands behind it all the same.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from worldevents.errors import BelowZero, DatabaseOwned, GoalNotOpen, UnknownGoal
from worldevents.ledger import granting
from worldevents.ledger.base import Appended, Decide, Entry, GoalTotals, Row
from worldevents.ledger.instants import microseconds
from worldevents.ledger.migrate import Identity
from worldevents.ledger.statements import Statements
from worldevents.model import ContributionStatus, GoalContribution, Position, TierUnlock
from worldevents.movements import effect

STATUSES: Final = tuple(ContributionStatus)
"""As the tables number them: a new one goes to the end."""
COUNTED: Final = STATUSES.index(ContributionStatus.COUNTED)
HELD: Final = STATUSES.index(ContributionStatus.HELD)
LATE: Final = STATUSES.index(ContributionStatus.LATE)
ERASED: Final = STATUSES.index(ContributionStatus.ERASED)


_Kept = tuple[GoalContribution, Entry, Row]
"""A contribution that is written now: why, and as what."""


class _Moved(NamedTuple):
    """What a goal stands at after it was moved, and what that led to."""

    totals: GoalTotals
    went_past: bool
    """Whether this went past a tier."""
    is_completed: bool
    """Whether the target was reached, and nobody has written that down yet."""
    promises: int | None
    """See the goal's table."""
    is_settling: bool
    """Whether its sums stand."""


@dataclass(slots=True)
class _Sums:
    """What the kept contributions of one goal add up to."""

    counted: int = 0
    highest: int = 0
    """The most that the counted ones added up to on their way."""
    held: int = 0
    changes: int = 0
    users: dict[str, tuple[int, int]] = field(default_factory=dict)
    tops: dict[str, int] = field(default_factory=dict)
    """The most that they added up to for a user before a movement took from it; only where one did."""

    def add(self, user_id: str, amount: int, status: ContributionStatus) -> None:
        if status is ContributionStatus.LATE:
            return
        counted, held = self.users.get(user_id, (0, 0))
        self.changes += 1
        if status is ContributionStatus.ERASED:
            # It moves nothing: whom it is about has another name already.
            return
        if status is ContributionStatus.COUNTED:
            self.counted += amount
            counted += amount
        else:
            moved, kept = effect(status, amount)
            if moved < 0:
                self.tops[user_id] = max(self.tops.get(user_id, 0), counted)
            self.counted += moved
            self.held += kept
            counted, held = counted + moved, held + kept
        self.highest = max(self.highest, self.counted)
        self.users[user_id] = counted, held

    def moved(self, goal_id: str, after: Iterable[tuple[str, str, int]]) -> Iterator[tuple[str, int, int]]:
        """Each user's own amount before, and the most that it was from then on; `after` is by goal and user."""
        for goal, user_id, amount in after:
            if goal == goal_id:
                before = amount - self.users[user_id][0]
                yield user_id, before, max(amount, before + self.tops.get(user_id, 0))

    def rows(self) -> Iterator[tuple[str, int, int]]:
        return ((user_id, counted, held) for user_id, (counted, held) in self.users.items())


def digests(key: bytes, batch: Iterable[GoalContribution]) -> list[bytes]:
    """The unique keys of contributions: keyed, so that a raw id can be forgotten while its repeats are still known."""
    keyed = hashlib.blake2b(key=key, digest_size=16)
    found = []
    for item in batch:
        one = keyed.copy()
        one.update(f"{item.goal_id}\0{item.user_id}\0{item.contribution_id}".encode())
        found.append(one.digest())
    return found


class Writing:
    """One transaction that appends or publishes, on the driver's cursor; it holds the writer's lock from the start."""

    def __init__(self, cursor: Any, statements: Statements, identity: Identity) -> None:
        self._cursor = cursor
        self._statements = statements
        self.identity = identity
        self.granting = granting.Granting(cursor, statements.part(granting.Statements), identity.digest_key)
        self._places: dict[int, Position] = {}
        """Where rows that came by an outbox stood in it, by their own position."""
        self._lock()

    def _lock(self) -> None:
        # On SQLite, BEGIN IMMEDIATE and the owner's lock file have seen to it. A PostgreSQL server drops the owner's
        # lock with its session, unnoticed: so the owner's name is looked at whenever something is written.
        if self._statements.lock is None:
            return
        ((owner,),) = self._statements.lock.rows(self._cursor, {})
        if self.identity.owner not in (None, owner):
            raise DatabaseOwned("another process has taken this database over")

    def append(
        self, batch: Sequence[GoalContribution], decide: Decide, places: Sequence[Position] | None = None
    ) -> Appended:
        """See `Ledger.append`; with `places`, each has come by an outbox where it stood there."""
        ids = digests(self.identity.digest_key, batch)
        stored = {
            bytes(one): Row(position, amount, STATUSES[status])
            for one, position, amount, status in self._statements.look_up(self._cursor, ids)
        }
        entries = decide([stored.get(one) for one in ids])
        # The first of each id that is to be kept, in order.
        kept: dict[bytes, int] = {}
        for index, (one, entry) in enumerate(zip(ids, entries, strict=True)):
            if entry is not None and one not in stored and one not in kept:
                kept[one] = index
        if not kept:
            return Appended([stored.get(one) for one in ids], {}, ())
        items = [batch[index] for index in kept.values()]
        decided = [entry for index in kept.values() if (entry := entries[index]) is not None]
        stood = None if places is None else [places[index] for index in kept.values()]
        new = self._insert(kept, items, decided, stood)
        stored.update(zip(kept, new, strict=True))
        rows = [stored.get(one) for one in ids]
        self._name_users({item.user_id: item.display_name for item in items if item.display_name is not None})
        totals, unlocks = self._move_goals(list(zip(items, decided, new, strict=True)))
        return Appended(rows, totals, unlocks)

    def _insert(
        self,
        ids: Iterable[bytes],
        items: Sequence[GoalContribution],
        entries: Sequence[Entry],
        places: Sequence[Position] | None,
    ) -> list[Row]:
        """Write a row for each; column by column, since here is where a large batch spends its time."""
        ((last,),) = self._statements.last_position.rows(self._cursor, {})
        positions = range((last or 0) + 1, (last or 0) + 1 + len(items))
        goals, users, contributions, amounts, _, _ = zip(*items, strict=True)
        statuses, occurred, received = zip(*entries, strict=True)
        # Most of a batch has one and the same instant.
        instants = {one: microseconds(one) for one in {*occurred, *received}}
        numbers = map(STATUSES.index, statuses)
        times = map(instants.__getitem__, occurred), map(instants.__getitem__, received)
        columns = positions, ids, goals, users, contributions, amounts, numbers, *times
        if places is None:
            none = (None,) * len(items)
            self._statements.insert_contributions.insert(self._cursor, list(zip(*columns, none, none, strict=True)))
        else:
            self._places.update(zip(positions, places, strict=True))
            rows = list(zip(*columns, *zip(*places, strict=True), strict=True))
            self._statements.copy_contributions(self._cursor, rows)
        return list(map(Row, positions, amounts, statuses))

    def _name_users(self, names: Mapping[str, str]) -> None:
        if names:
            rows = ({"user_id": user_id, "display_name": name} for user_id, name in sorted(names.items()))
            self._statements.name_players.many(self._cursor, rows)

    def _move_goals(self, kept: Sequence[_Kept]) -> tuple[dict[str, GoalTotals], list[TierUnlock]]:
        goals: defaultdict[str, _Sums] = defaultdict(_Sums)
        for item, entry, _ in kept:
            goals[item.goal_id].add(item.user_id, item.amount, entry.status)
        # In key order, so that two writers without the lock could never wait for each other in a circle.
        users = [(goal_id, *own) for goal_id in sorted(goals) for own in sorted(goals[goal_id].rows())]
        after = self._statements.add_to_contributors.insert(self._cursor, users)
        self._check_left([(goal_id, user_id) for goal_id, user_id, *own in users if min(own) < 0])
        totals: dict[str, GoalTotals] = {}
        unlocks: list[TierUnlock] = []
        at = kept[-1][1].received_at
        for goal_id, sums in goals.items():
            change = self._move(goal_id, sums)
            if change.is_settling and sums.users:
                raise GoalNotOpen(f"{goal_id} is settled")
            moved = change.totals
            promised = self.granting.promised(goal_id, change.promises)
            if promised:
                self.granting.crossed(promised, sums.moved(goal_id, after), at)
            new: list[TierUnlock] = []
            if change.went_past:
                own = [one for one in kept if one[0].goal_id == goal_id]
                before = moved.total - sums.counted
                reached = self.reached_tiers(goal_id, before + sums.highest)
                new = [self._unlock(own, before, *tier) for tier in reached]
            if change.is_completed:
                self.granting.completed(goal_id, at)
            totals[goal_id] = self.unlock(new) or moved
            unlocks += new
        return totals, unlocks

    def _check_left(self, users: Iterable[tuple[str, str]]) -> None:
        """Raise BelowZero where a movement leaves a user with less than nothing."""
        for goal_id, user_id in users:
            if self._statements.below_zero.rows(self._cursor, {"goal_id": goal_id, "user_id": user_id}):
                raise BelowZero(field="amount")

    def _unlock(self, kept: Iterable[_Kept], before: int, threshold: Decimal, value: int) -> TierUnlock:
        running = before
        for item, entry, row in kept:
            running += effect(entry.status, item.amount)[0]
            if running >= value:
                return TierUnlock(
                    goal_id=item.goal_id,
                    threshold=threshold,
                    unlocked_at=entry.received_at,
                    position=self.written(row) or Position(self.identity.epoch, row.position),
                )
        raise AssertionError("a tier was reached by none of the rows that reached it")

    def written(self, row: Row) -> Position | None:
        """Where a row stood in an outbox if it was written here; None for one that was there before."""
        return self._places.get(row.position)

    def move_goal(self, goal_id: str, *, changes: int) -> GoalTotals:
        """Raise a goal's version, and say what the goal stands at now."""
        return self._move(goal_id, _Sums(changes=changes)).totals

    def _move(self, goal_id: str, sums: _Sums) -> _Moved:
        """Add to a goal's totals and version."""
        change = {
            "goal_id": goal_id,
            "counted": sums.counted,
            "highest": sums.highest,
            "held": sums.held,
            "changes": sums.changes,
        }
        rows = self._statements.move_goal.rows(self._cursor, change)
        if not rows:
            raise UnknownGoal(f"no goal {goal_id} in the ledger")
        total, pending, seq, went_past, target, completed_at, promises, settling_at = rows[0]
        highest = total - sums.counted + sums.highest
        is_completed = target is not None and target <= highest and completed_at is None
        totals = GoalTotals(total, pending, seq)
        return _Moved(totals, bool(went_past), is_completed, promises, is_settling=settling_at is not None)

    def reached_tiers(self, goal_id: str, total: int) -> list[tuple[Decimal, int]]:
        """Thresholds (percent, value) that a total has reached and no unlock names yet, lowest first."""
        rows = self._statements.reached_tiers.rows(self._cursor, {"goal_id": goal_id, "total": total})
        return [(Decimal(threshold), value) for threshold, value in rows]

    def unlock(self, unlocks: Sequence[TierUnlock]) -> GoalTotals | None:
        """Make one goal's unlocks facts, each a change of the goal; says what the goal stands at if there are any."""
        if not unlocks:
            return None
        self._statements.insert_unlocks.many(
            self._cursor,
            (
                {
                    "goal_id": one.goal_id,
                    "threshold": f"{one.threshold:f}",
                    "unlocked_at": microseconds(one.unlocked_at),
                    "position": None if one.position is None else one.position.seq,
                    "epoch": self._epoch_of(one),
                }
                for one in unlocks
            ),
        )
        self.granting.unlocked(unlocks)
        return self.move_goal(unlocks[0].goal_id, changes=len(unlocks))

    def _epoch_of(self, unlock: TierUnlock) -> str | None:
        own = unlock.position is None or unlock.position.epoch == self.identity.epoch
        return None if own or unlock.position is None else unlock.position.epoch
