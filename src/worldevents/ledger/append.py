"""The append transaction: rows, totals and tier unlocks, decided and written in one commit.

Every function runs in the writer's thread, inside a transaction that holds the writer's lock: what is looked up cannot
change before it is written, and the unique digest stands behind it all the same.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from worldevents.errors import DatabaseOwned, UnknownGoal
from worldevents.ledger.base import Appended, Decide, Entry, GoalTotals, Row
from worldevents.ledger.migrate import Identity
from worldevents.ledger.schema import contribution, contributor, goal, identity, player, tier, tier_unlock
from worldevents.model import ContributionStatus, GoalContribution, Position, TierUnlock

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LOOKUP_MAX: Final = 1_000
"""Ids asked for in one statement."""

_STATUS: Final = (ContributionStatus.COUNTED, ContributionStatus.HELD, ContributionStatus.LATE)
_STATUS_NUMBER: Final = {status: number for number, status in enumerate(_STATUS)}
COUNTED: Final = _STATUS_NUMBER[ContributionStatus.COUNTED]
HELD: Final = _STATUS_NUMBER[ContributionStatus.HELD]

Kept = tuple[int, GoalContribution, Entry]
"""A contribution that is written now, with its position."""


def microseconds(instant: datetime) -> int:
    """An instant as the tables hold it."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def instant(value: int) -> datetime:
    """What `microseconds` wrote down."""
    return EPOCH + timedelta(microseconds=value)


def digest(key: bytes, item: GoalContribution) -> bytes:
    """The unique key of a contribution: keyed, so that a raw id can be forgotten while its repeats are still known."""
    text = f"{item.goal_id}\0{item.user_id}\0{item.contribution_id}"
    return hashlib.blake2b(text.encode(), key=key, digest_size=16).digest()


def lock_writer(connection: Connection, owner: str | None) -> None:
    """Wait until no other transaction appends or publishes; DatabaseOwned where another process has taken over since.

    On SQLite, BEGIN IMMEDIATE and the owner's lock file have seen to both. A PostgreSQL server drops the owner's lock
    with its session, unnoticed: so the name is looked at whenever something is written.
    """
    if connection.dialect.name == "postgresql":
        found = connection.scalar(select(identity.c.owner).with_for_update())
        if owner is not None and found != owner:
            raise DatabaseOwned("another process has taken this database over")


def append(connection: Connection, batch: Sequence[GoalContribution], decide: Decide, ledger: Identity) -> Appended:
    """See `Ledger.append`."""
    lock_writer(connection, ledger.owner)
    digests = [digest(ledger.digest_key, item) for item in batch]
    held = _look_up(connection, digests)
    rows = [held.get(one) for one in digests]
    entries = decide(rows)
    last = connection.scalar(select(func.max(contribution.c.position))) or 0
    kept: list[Kept] = []
    for index, (item, entry) in enumerate(zip(batch, entries, strict=True)):
        if entry is not None and rows[index] is None:
            last += 1
            kept.append((last, item, entry))
            rows[index] = Row(last, item.amount, entry.status)
    if not kept:
        return Appended(rows, {}, ())
    _write_rows(connection, kept, dict(zip(map(id, batch), digests, strict=True)))
    _write_users(connection, kept)
    _write_names(connection, (item for _, item, _ in kept))
    totals, unlocks = _write_goals(connection, kept, ledger.epoch)
    return Appended(rows, totals, unlocks)


def _look_up(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, Row]:
    columns = contribution.c
    query = select(columns.digest, columns.position, columns.amount, columns.status)
    found: dict[bytes, Row] = {}
    for start in range(0, len(digests), LOOKUP_MAX):
        some = query.where(columns.digest.in_(digests[start : start + LOOKUP_MAX]))
        for one, position, amount, status in connection.execute(some):
            found[bytes(one)] = Row(position, amount, _STATUS[status])
    return found


def _write_rows(connection: Connection, kept: Sequence[Kept], digests: Mapping[int, bytes]) -> None:
    rows = [
        {
            "position": position,
            "digest": digests[id(item)],
            "goal_id": item.goal_id,
            "user_id": item.user_id,
            "contribution_id": item.contribution_id,
            "amount": item.amount,
            "status": _STATUS_NUMBER[entry.status],
            "occurred_at": microseconds(entry.occurred_at),
            "received_at": microseconds(entry.received_at),
        }
        for position, item, entry in kept
    ]
    connection.execute(insert(contribution), rows)


def _write_users(connection: Connection, kept: Iterable[Kept]) -> None:
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for _, item, entry in kept:
        if entry.status is not ContributionStatus.LATE:
            sums[item.goal_id, item.user_id][entry.status is ContributionStatus.HELD] += item.amount
    if not sums:
        return
    new = upsert(connection, contributor)
    changes = {
        "amount": contributor.c.amount + new.excluded.amount,
        "pending": contributor.c.pending + new.excluded.pending,
    }
    connection.execute(
        new.on_conflict_do_update(index_elements=["goal_id", "user_id"], set_=changes),
        # In key order, so that two writers without the lock could never wait for each other in a circle.
        [
            {"goal_id": goal_id, "user_id": user_id, "amount": counted, "pending": pending}
            for (goal_id, user_id), (counted, pending) in sorted(sums.items())
        ],
    )


def _write_names(connection: Connection, items: Iterable[GoalContribution]) -> None:
    names = {item.user_id: item.display_name for item in items if item.display_name is not None}
    if names:
        new = upsert(connection, player)
        connection.execute(
            new.on_conflict_do_update(index_elements=["user_id"], set_={"display_name": new.excluded.display_name}),
            [{"user_id": user_id, "display_name": name} for user_id, name in sorted(names.items())],
        )


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """The dialect's INSERT that knows ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


_MOVE_GOAL = (
    update(goal)
    .where(goal.c.id == bindparam("goal_id"))
    .values(
        total=goal.c.total + bindparam("counted"),
        pending=goal.c.pending + bindparam("held"),
        seq=goal.c.seq + bindparam("changes"),
    )
    .returning(goal.c.total, goal.c.pending, goal.c.seq)
)


def _write_goals(
    connection: Connection, kept: Sequence[Kept], epoch: str
) -> tuple[dict[str, GoalTotals], list[TierUnlock]]:
    by_goal: defaultdict[str, list[Kept]] = defaultdict(list)
    for one in kept:
        by_goal[one[1].goal_id].append(one)
    totals: dict[str, GoalTotals] = {}
    unlocks: list[TierUnlock] = []
    for goal_id, rows in by_goal.items():
        counted = sum(item.amount for _, item, entry in rows if entry.status is ContributionStatus.COUNTED)
        pending = sum(item.amount for _, item, entry in rows if entry.status is ContributionStatus.HELD)
        visible = sum(entry.status is not ContributionStatus.LATE for _, _, entry in rows)
        moved = move_goal(connection, goal_id, counted=counted, held=pending, changes=visible)
        reached = locked_tiers(connection, goal_id, moved.total)
        if reached:
            new = [_unlock(rows, moved.total - counted, value, threshold, epoch) for threshold, value in reached]
            write_unlocks(connection, new)
            unlocks += new
            moved = move_goal(connection, goal_id, changes=len(new))
        totals[goal_id] = moved
    return totals, unlocks


def move_goal(connection: Connection, goal_id: str, *, counted: int = 0, held: int = 0, changes: int) -> GoalTotals:
    """Add to a goal's totals and version, and say what they are now."""
    changed = {"goal_id": goal_id, "counted": counted, "held": held, "changes": changes}
    row = connection.execute(_MOVE_GOAL, changed).one_or_none()
    if row is None:
        raise UnknownGoal(f"no goal {goal_id} in the ledger")
    return GoalTotals(row.total, row.pending, row.seq)


def locked_tiers(connection: Connection, goal_id: str, total: int) -> list[tuple[Decimal, int]]:
    """Thresholds (percent, value) that a total has reached and no unlock names yet, lowest first."""
    unlocked = (
        select(tier_unlock.c.threshold)
        .where(tier_unlock.c.goal_id == tier.c.goal_id, tier_unlock.c.threshold == tier.c.threshold)
        .exists()
    )
    query = (
        select(tier.c.threshold, tier.c.threshold_value)
        .where(tier.c.goal_id == goal_id, tier.c.threshold_value <= total, ~unlocked)
        .order_by(tier.c.threshold_value)
    )
    return [(Decimal(threshold), value) for threshold, value in connection.execute(query)]


def _unlock(rows: Iterable[Kept], before: int, value: int, threshold: Decimal, epoch: str) -> TierUnlock:
    running = before
    for position, item, entry in rows:
        running += item.amount if entry.status is ContributionStatus.COUNTED else 0
        if running >= value:
            return TierUnlock(
                goal_id=item.goal_id,
                threshold=threshold,
                unlocked_at=entry.received_at,
                position=Position(epoch, position),
            )
    raise AssertionError("a tier was reached by none of the rows that reached it")


def write_unlocks(connection: Connection, unlocks: Sequence[TierUnlock]) -> None:
    """Make these unlocks facts."""
    connection.execute(
        insert(tier_unlock),
        [
            {
                "goal_id": unlock.goal_id,
                "threshold": f"{unlock.threshold:f}",
                "unlocked_at": microseconds(unlock.unlocked_at),
                "position": None if unlock.position is None else unlock.position.seq,
            }
            for unlock in unlocks
        ],
    )
