"""What the ledger holds under an id, and what it has received of late.

Each public function is the verb of the same name in `Ledger` or `OutboxLedger`, which says what it means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Select, select

from worldevents import rules
from worldevents.ledger.append import STATUSES, digests
from worldevents.ledger.base import Held
from worldevents.ledger.instants import microseconds
from worldevents.ledger.migrate import Identity
from worldevents.ledger.schema import contribution
from worldevents.model import GoalContribution, Position

T = TypeVar("T")

IDS_MAX: Final = 500
"""Ids asked for in one statement."""


def look_up(connection: Connection, who: Identity, items: Sequence[GoalContribution]) -> list[Held | None]:
    """See `Ledger.look_up`."""
    if any(rules.is_tombstone(one.user_id) for one in items):
        return [_look_up_erased(connection, who, one) or _look_up(connection, who, [one])[0] for one in items]
    return _look_up(connection, who, items)


def _look_up_erased(connection: Connection, who: Identity, item: GoalContribution) -> Held | None:
    """A row that had another user: its digest is that one's, so it is found by what it is called."""
    columns = contribution.c
    named = columns.goal_id == item.goal_id, columns.user_id == item.user_id
    row = connection.execute(_held().where(*named, columns.contribution_id == item.contribution_id)).one_or_none()
    return None if row is None else _as_held(row, who)


def _look_up(connection: Connection, who: Identity, items: Sequence[GoalContribution]) -> list[Held | None]:
    ids = digests(who.digest_key, items)
    found: dict[bytes, Held] = {}
    for some in chunks(ids):
        for row in connection.execute(_held().where(contribution.c.digest.in_(some))):
            found[bytes(row.digest)] = _as_held(row, who)
    return [found.get(one) for one in ids]


def recent(
    connection: Connection, who: Identity, goal_id: str, since: datetime, *, before: int | None, limit: int
) -> tuple[list[Held], int | None]:
    """See `OutboxLedger.recent`."""
    # From the end, for what is recent stands there, and what came before it may be any number of rows.
    columns, least = contribution.c, microseconds(since)
    wanted = _held().add_columns(columns.received_at).where(columns.goal_id == goal_id)
    if before is not None:
        wanted = wanted.where(columns.position < before)
    rows = connection.execute(wanted.order_by(columns.position.desc()).limit(limit)).all()
    has_more = len(rows) == limit and rows[-1].received_at >= least
    return [_as_held(row, who) for row in rows if row.received_at >= least], rows[-1].position if has_more else None


def _held() -> Select[*tuple[Any, ...]]:
    columns = contribution.c
    return select(
        columns.digest,
        columns.position,
        columns.user_id,
        columns.contribution_id,
        columns.amount,
        columns.status,
        columns.epoch,
        columns.place,
    )


def _as_held(row: Any, who: Identity) -> Held:
    place = Position(who.epoch, row.position) if row.epoch is None else Position(row.epoch, row.place)
    return Held(row.user_id, row.contribution_id, place, row.amount, STATUSES[row.status])


def chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Values, as many together as one statement asks for."""
    return (values[start : start + IDS_MAX] for start in range(0, len(values), IDS_MAX))
