"""The ledger behind a store with an outbox: draining it in one transaction with the watermark, and what restores need.

Each public function is the verb of the same name in `OutboxLedger`, which says what it means.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import Final, TypeVar

from sqlalchemy import Connection, func, insert, select, tuple_, update

from worldevents import movements, outliers
from worldevents.errors import BelowZero, GoalNotOpen, UnknownGoal
from worldevents.ledger import base, erasing, held
from worldevents.ledger.append import COUNTED, STATUSES, Writing
from worldevents.ledger.base import Drained, Entry, GoalTotals, Row, Standing, Watermark
from worldevents.ledger.held import chunks
from worldevents.ledger.instants import instant, microseconds
from worldevents.ledger.schema import contribution, contributor, dead_letter, goal, goal_epoch, identity, repair
from worldevents.ledger.schema import watermark as watermarks
from worldevents.ledger.statements import upsert
from worldevents.model import (
    ContributionStatus,
    OutboxEntry,
    Partition,
    Position,
    Repair,
    TierUnlock,
    Unreadable,
)
from worldevents.movements import Erasure

T = TypeVar("T")
E = TypeVar("E", OutboxEntry, OutboxEntry | Unreadable)
_WITHOUT_SUMS: Final = (ContributionStatus.LATE, ContributionStatus.ERASED)

# Draining.


@dataclass(slots=True)
class _Done:
    """What a drain has done so far."""

    kept: int = 0
    repairs: list[OutboxEntry] = field(default_factory=list)
    dead: list[tuple[OutboxEntry | Unreadable, str]] = field(default_factory=list)
    unlocks: list[TierUnlock] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)


def drain(
    connection: Connection,
    writing: Writing,
    mark: Watermark,
    run_id: str,
    entries: Sequence[OutboxEntry | Unreadable],
    *,
    at: datetime,
    is_poison: Callable[[Exception], bool],
) -> Drained | None:
    if watermark(connection, mark.partition, lock=True) != mark:
        return None
    done = _Done(dead=[(one, "it cannot be read") for one in entries if isinstance(one, Unreadable)])
    readable = [one for one in entries if isinstance(one, OutboxEntry)]
    for is_erasing, some in groupby(readable, key=lambda one: one.status is ContributionStatus.ERASED):
        if is_erasing:
            for one in some:
                _erase(connection, writing, one, done)
        else:
            _keep(connection, writing, list(some), done, is_poison)
    own = [one for one in entries if one.position.epoch == mark.epoch]
    _remember(connection, mark, done, at)
    seq = own[-1].position.seq if own else mark.seq
    moved = mark._replace(run_id=run_id, seq=seq, reached=max(mark.reached, seq))
    _write(connection, moved)
    return Drained(
        watermark=moved,
        kept=done.kept,
        repairs=len(list(_repairs(mark, done))),
        dead_letters=len(done.dead),
        unlocks=done.unlocks,
        names=done.names,
    )


def _keep(
    connection: Connection,
    writing: Writing,
    entries: Sequence[OutboxEntry],
    done: _Done,
    is_poison: Callable[[Exception], bool],
) -> None:
    """Keep entries; put aside what the database does not take, what its user does not have, what comes to a result.

    They are found by halves.
    """
    try:
        with connection.begin_nested():
            _append(connection, writing, entries, done)
    except Exception as error:
        if not isinstance(error, BelowZero | GoalNotOpen) and not is_poison(error):
            raise
        if len(entries) == 1:
            done.dead.append((entries[0], type(error).__name__))
            return
        half = len(entries) // 2
        _keep(connection, writing, entries[:half], done, is_poison)
        _keep(connection, writing, entries[half:], done, is_poison)


def _erase(connection: Connection, writing: Writing, entry: OutboxEntry, done: _Done) -> None:
    """What stands before this entry is the tombstone's from here on; what follows is a new user's."""
    tombstone, who = entry.contribution.user_id, writing.identity
    (known,), told = held.look_up(connection, who, [entry.contribution]), erasing.under_way(connection, tombstone)
    if known is None and told is not None:
        erasing.rename(connection, who, entry.contribution.goal_id, told)
        done.names.pop(told.user_id, None)
        done.repairs = [_of_tombstone(one, told) for one in done.repairs]
        done.dead = [(_of_tombstone(one, told), why) for one, why in done.dead]
    _append(connection, writing, [entry], done)


def _of_tombstone(entry: E, told: Erasure) -> E:
    if not isinstance(entry, OutboxEntry) or entry.contribution.user_id != told.user_id:
        return entry
    item = entry.contribution
    row_id = movements.nameless(item.contribution_id, lambda _: erasing.NO_ONE)
    renamed = item._replace(user_id=told.tombstone, contribution_id=row_id, display_name=None)
    return entry._replace(contribution=renamed)


def _append(connection: Connection, writing: Writing, entries: Sequence[OutboxEntry], done: _Done) -> None:
    """Write what is new. Where an id is there already from another position, the store has counted it twice."""

    def as_decided(stored: Sequence[Row | None]) -> list[Entry | None]:
        return [
            Entry(one.status, one.occurred_at, one.received_at) if row is None else None
            for one, row in zip(entries, stored, strict=True)
        ]

    places = [one.position for one in entries]
    appended = writing.append([one.contribution for one in entries], as_decided, places)
    rows = [row for row in appended.rows if row is not None]
    stood = {row.position: writing.written(row) for row in rows}
    stood |= _places(connection, [position for position, place in stood.items() if place is None])
    for one, row in zip(entries, rows, strict=True):
        told = one.contribution
        if stood[row.position] != one.position:
            done.repairs.append(one)
        elif writing.written(row) is not None:
            done.kept += 1
            if told.display_name is not None:
                done.names[told.user_id] = told.display_name
    done.unlocks += appended.unlocks


def _places(connection: Connection, positions: Sequence[int]) -> Mapping[int, Position | None]:
    """Where rows of earlier transactions stood in an outbox."""
    columns = contribution.c
    found: dict[int, Position | None] = dict.fromkeys(positions)
    for some in chunks(positions):
        query = select(columns.position, columns.epoch, columns.place).where(columns.position.in_(some))
        for position, epoch, place in connection.execute(query):
            found[position] = None if epoch is None else Position(epoch, place)
    return found


def _repairs(mark: Watermark, done: _Done) -> Iterator[OutboxEntry]:
    """What the store has counted and the ledger has not kept, in the epoch that goes on."""
    dead = [one for one, _ in done.dead if isinstance(one, OutboxEntry)]
    for one in [*done.repairs, *dead]:
        if one.position.epoch == mark.epoch and one.status not in _WITHOUT_SUMS:
            yield one


def _remember(connection: Connection, mark: Watermark, done: _Done, at: datetime) -> None:
    key = {"goal_id": mark.partition.goal_id, "number": mark.partition.number}
    repairs = [
        {
            **key,
            "epoch": one.position.epoch,
            "place": one.position.seq,
            "user_id": _storable(one.contribution.user_id),
            "amount": one.contribution.amount,
            "status": STATUSES.index(one.status),
            "found_at": microseconds(at),
        }
        for one in _repairs(mark, done)
    ]
    dead = [
        {
            **key,
            "epoch": one.position.epoch,
            "place": one.position.seq,
            "payload": _payload(one),
            "reason": reason,
            "at": microseconds(at),
        }
        for one, reason in done.dead
    ]
    for table, rows in ((repair, repairs), (dead_letter, dead)):
        if rows:
            connection.execute(upsert(connection.dialect, table).on_conflict_do_nothing(), rows)


def _payload(entry: OutboxEntry | Unreadable) -> str:
    """An entry as text that every database takes."""
    told = entry.raw if isinstance(entry, Unreadable) else entry.contribution._asdict() | {"status": entry.status}
    return json.dumps(told, default=str)


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


# Watermarks and epochs.


def watermark(connection: Connection, partition: Partition, *, lock: bool = False) -> Watermark | None:
    columns = watermarks.c
    query = select(watermarks).where(columns.goal_id == partition.goal_id, columns.number == partition.number)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else Watermark(partition, row.epoch, row.run_id, row.seq, row.reached)


def _write(connection: Connection, mark: Watermark) -> None:
    new = upsert(connection.dialect, watermarks).values(
        goal_id=mark.partition.goal_id,
        number=mark.partition.number,
        epoch=mark.epoch,
        run_id=mark.run_id,
        seq=mark.seq,
        reached=mark.reached,
    )
    values = {name: new.excluded[name] for name in ("epoch", "run_id", "seq", "reached")}
    connection.execute(new.on_conflict_do_update(index_elements=["goal_id", "number"], set_=values))


def rewind(connection: Connection, mark: Watermark, run_id: str, seq: int) -> Watermark | None:
    if watermark(connection, mark.partition, lock=True) != mark:
        return None
    moved = mark._replace(run_id=run_id, seq=seq)
    _write(connection, moved)
    return moved


def begin_epoch(
    connection: Connection, goal_id: str, partitions: Sequence[Partition], *, at: datetime, reason: str
) -> str:
    raised = update(identity).values(generation=identity.c.generation + 1).returning(identity.c.generation)
    generation = connection.execute(raised).scalar_one()
    epoch = f"{generation}-{secrets.token_hex(4)}"
    connection.execute(
        insert(goal_epoch),
        {
            "generation": generation,
            "goal_id": goal_id,
            "epoch": epoch,
            "began_at": microseconds(at),
            "reason": reason,
        },
    )
    for partition in partitions:
        _write(connection, Watermark(partition, epoch, "", 0))
    void = update(repair).where(repair.c.goal_id == goal_id, repair.c.done_at.is_(None))
    connection.execute(void.values(done_at=microseconds(at)))
    return epoch


def standing(connection: Connection, goal_id: str) -> Standing:
    row = connection.execute(select(goal.c.total, goal.c.pending, goal.c.seq).where(goal.c.id == goal_id)).one_or_none()
    if row is None:
        raise UnknownGoal(f"no goal {goal_id} in the ledger", field="goalId")
    marks = connection.execute(select(watermarks).where(watermarks.c.goal_id == goal_id).order_by(watermarks.c.number))
    users = select(func.count()).select_from(contributor).where(contributor.c.goal_id == goal_id)
    undone = select(func.count()).select_from(repair).where(repair.c.goal_id == goal_id, repair.c.done_at.is_(None))
    return Standing(
        totals=GoalTotals(*row),
        participants=connection.execute(users.where(contributor.c.amount > 0)).scalar_one(),
        watermarks=[
            Watermark(Partition(one.goal_id, one.number), one.epoch, one.run_id, one.seq, one.reached) for one in marks
        ],
        repairs=connection.execute(undone).scalar_one(),
    )


def repairs(connection: Connection, partition: Partition) -> list[Repair]:
    columns = repair.c
    query = select(repair).where(
        columns.goal_id == partition.goal_id, columns.number == partition.number, columns.done_at.is_(None)
    )
    return [
        Repair(partition, Position(row.epoch, row.place), row.user_id, row.amount, STATUSES[row.status])
        for row in connection.execute(query.order_by(columns.place))
    ]


def repaired(connection: Connection, done: Sequence[Repair], *, at: datetime) -> None:
    columns = repair.c
    key = tuple_(columns.goal_id, columns.number, columns.epoch, columns.place)
    for some in chunks([(*one.partition, *one.position) for one in done]):
        connection.execute(update(repair).where(key.in_(some)).values(done_at=microseconds(at)))


# What is held.


def user_days(connection: Connection, goal_id: str, users: Sequence[str]) -> dict[tuple[str, date], int]:
    columns = contribution.c
    sums: Counter[tuple[str, date]] = Counter()
    for some in chunks(users):
        query = select(columns.user_id, columns.occurred_at, columns.amount).where(
            columns.goal_id == goal_id, columns.status == COUNTED, columns.user_id.in_(some)
        )
        for user_id, occurred_at, amount in connection.execute(query):
            sums[user_id, instant(occurred_at).date()] += amount
    return dict(sums)


def shapes(connection: Connection, goal_id: str, users: Sequence[str] | None) -> dict[str, dict[int, int]]:
    columns = contribution.c
    query = select(columns.user_id, columns.amount).where(columns.goal_id == goal_id, columns.status == COUNTED)
    found: dict[str, Counter[int]] = {}
    for some in [None] if users is None else chunks(users):
        asked = query if some is None else query.where(columns.user_id.in_(some))
        for user_id, amount in connection.execute(asked):
            found.setdefault(user_id, Counter())[outliers.step(amount)] += 1
    return {user_id: dict(shape) for user_id, shape in found.items()}


def dead_letters(connection: Connection, *, limit: int) -> list[base.DeadLetter]:
    columns = dead_letter.c
    rows = connection.execute(select(dead_letter).order_by(columns.at.desc(), columns.place.desc()).limit(limit))
    return [
        base.DeadLetter(
            partition=Partition(row.goal_id, row.number),
            position=Position(row.epoch, row.place),
            payload=row.payload,
            reason=row.reason,
            at=instant(row.at),
        )
        for row in rows
    ]
