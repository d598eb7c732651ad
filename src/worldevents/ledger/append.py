"""The append transaction: rows, totals and tier unlocks, decided and written in one commit.

Every function runs in the writer's thread, inside a transaction that holds the writer's lock: what is looked up cannot
change before it is written, and the unique digest stands behind it all the same.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection

from worldevents.errors import DatabaseOwned, UnknownGoal
from worldevents.ledger.base import Appended, Decide, Entry, GoalTotals, Row
from worldevents.ledger.migrate import Identity
from worldevents.ledger.statements import Statements, cursor_of
from worldevents.model import ContributionStatus, GoalContribution, Position, TierUnlock

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_STATUS: Final = (ContributionStatus.COUNTED, ContributionStatus.HELD, ContributionStatus.LATE)
_STATUS_NUMBER: Final = {status: number for number, status in enumerate(_STATUS)}
COUNTED: Final = _STATUS_NUMBER[ContributionStatus.COUNTED]
HELD: Final = _STATUS_NUMBER[ContributionStatus.HELD]


@dataclass(frozen=True, slots=True)
class Kept:
    """A contribution that is written now, and where."""

    position: int
    digest: bytes
    item: GoalContribution
    entry: Entry


def microseconds(instant: datetime) -> int:
    """An instant as the tables hold it."""
    return (instant - EPOCH) // _MICROSECOND


def instant(value: int) -> datetime:
    """What `microseconds` wrote down."""
    return EPOCH + timedelta(microseconds=value)


def digest(key: bytes, item: GoalContribution) -> bytes:
    """The unique key of a contribution: keyed, so that a raw id can be forgotten while its repeats are still known."""
    text = f"{item.goal_id}\0{item.user_id}\0{item.contribution_id}"
    return hashlib.blake2b(text.encode(), key=key, digest_size=16).digest()


class Writing:
    """One transaction that appends or publishes, on the driver's cursor; it holds the writer's lock from the start."""

    def __init__(self, connection: Connection, statements: Statements, identity: Identity) -> None:
        self._cursor: Any = cursor_of(connection)
        self._statements = statements
        self._identity = identity
        self._lock()

    def _lock(self) -> None:
        # On SQLite, BEGIN IMMEDIATE and the owner's lock file have seen to it. A PostgreSQL server drops the owner's
        # lock with its session, unnoticed: so the owner's name is looked at whenever something is written.
        if self._statements.lock is None:
            return
        ((owner,),) = self._statements.lock.rows(self._cursor, {})
        if self._identity.owner not in (None, owner):
            raise DatabaseOwned("another process has taken this database over")

    def append(self, batch: Sequence[GoalContribution], decide: Decide) -> Appended:
        """See `Ledger.append`."""
        digests = [digest(self._identity.digest_key, item) for item in batch]
        stored = {
            bytes(one): Row(position, amount, _STATUS[status])
            for one, position, amount, status in self._statements.look_up(self._cursor, digests)
        }
        entries = decide([stored.get(one) for one in digests])
        kept: list[Kept] = []
        ((last,),) = self._statements.last_position.rows(self._cursor, {})
        position = last or 0
        for index, (item, entry) in enumerate(zip(batch, entries, strict=True)):
            if entry is not None and digests[index] not in stored:
                position += 1
                kept.append(Kept(position, digests[index], item, entry))
                stored[digests[index]] = Row(position, item.amount, entry.status)
        rows = [stored.get(one) for one in digests]
        if not kept:
            return Appended(rows, {}, ())
        self._statements.insert_contributions.many(self._cursor, map(_row, kept))
        self._add_to_users(kept)
        self._name_users(kept)
        totals, unlocks = self._move_goals(kept)
        return Appended(rows, totals, unlocks)

    def _add_to_users(self, kept: Iterable[Kept]) -> None:
        sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for one in kept:
            if one.entry.status is not ContributionStatus.LATE:
                own = sums[one.item.goal_id, one.item.user_id]
                own[one.entry.status is ContributionStatus.HELD] += one.item.amount
        if sums:
            self._statements.add_to_contributors.many(
                self._cursor,
                # In key order, so that two writers without the lock could never wait for each other in a circle.
                (
                    {"goal_id": goal_id, "user_id": user_id, "amount": counted, "pending": pending}
                    for (goal_id, user_id), (counted, pending) in sorted(sums.items())
                ),
            )

    def _name_users(self, kept: Iterable[Kept]) -> None:
        names = {one.item.user_id: one.item.display_name for one in kept if one.item.display_name is not None}
        if names:
            rows = ({"user_id": user_id, "display_name": name} for user_id, name in sorted(names.items()))
            self._statements.name_players.many(self._cursor, rows)

    def _move_goals(self, kept: Iterable[Kept]) -> tuple[dict[str, GoalTotals], list[TierUnlock]]:
        by_goal: defaultdict[str, list[Kept]] = defaultdict(list)
        for one in kept:
            by_goal[one.item.goal_id].append(one)
        totals: dict[str, GoalTotals] = {}
        unlocks: list[TierUnlock] = []
        for goal_id, rows in by_goal.items():
            counted = sum(one.item.amount for one in rows if one.entry.status is ContributionStatus.COUNTED)
            held = sum(one.item.amount for one in rows if one.entry.status is ContributionStatus.HELD)
            visible = sum(one.entry.status is not ContributionStatus.LATE for one in rows)
            moved = self.move_goal(goal_id, counted=counted, held=held, changes=visible)
            new = [
                self._unlock(rows, moved.total - counted, value, threshold)
                for threshold, value in self.reached_tiers(goal_id, moved.total)
            ]
            totals[goal_id] = self.unlock(new) or moved
            unlocks += new
        return totals, unlocks

    def _unlock(self, rows: Iterable[Kept], before: int, value: int, threshold: Decimal) -> TierUnlock:
        running = before
        for one in rows:
            running += one.item.amount if one.entry.status is ContributionStatus.COUNTED else 0
            if running >= value:
                return TierUnlock(
                    goal_id=one.item.goal_id,
                    threshold=threshold,
                    unlocked_at=one.entry.received_at,
                    position=Position(self._identity.epoch, one.position),
                )
        raise AssertionError("a tier was reached by none of the rows that reached it")

    def move_goal(self, goal_id: str, *, counted: int = 0, held: int = 0, changes: int) -> GoalTotals:
        """Add to a goal's totals and version, and say what they are now."""
        change = {"goal_id": goal_id, "counted": counted, "held": held, "changes": changes}
        rows = self._statements.move_goal.rows(self._cursor, change)
        if not rows:
            raise UnknownGoal(f"no goal {goal_id} in the ledger")
        return GoalTotals(*rows[0])

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
                }
                for one in unlocks
            ),
        )
        return self.move_goal(unlocks[0].goal_id, changes=len(unlocks))


def _row(kept: Kept) -> dict[str, object]:
    item, entry = kept.item, kept.entry
    return {
        "position": kept.position,
        "digest": kept.digest,
        "goal_id": item.goal_id,
        "user_id": item.user_id,
        "contribution_id": item.contribution_id,
        "amount": item.amount,
        "status": _STATUS_NUMBER[entry.status],
        "occurred_at": microseconds(entry.occurred_at),
        "received_at": microseconds(entry.received_at),
    }
