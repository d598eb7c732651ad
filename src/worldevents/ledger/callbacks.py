"""How far grants are told to a host's callback: public functions are the verbs of that name in `CallbackLedger`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, or_, select, update

from worldevents.grants import GrantStatus
from worldevents.ledger.database import Database
from worldevents.ledger.granting import STATUSES
from worldevents.ledger.instants import microseconds
from worldevents.ledger.schema import reward_grant
from worldevents.ledger.schema_outward import callback
from worldevents.ledger.statements import upsert

ROW: Final = 1
_columns = callback.c
_DELIVERED: Final = STATUSES.index(GrantStatus.DELIVERED)
_REVOKED: Final = STATUSES.index(GrantStatus.REVOKED)


class SqlCallback:
    """A `CallbackLedger` in an open database whose schema is the newest one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hold(self, holder: str, *, now: datetime, until: datetime) -> int | None:
        return await self._database.write(hold, holder, now=now, until=until)

    async def told(self, number: int, delivered: Sequence[int], *, at: datetime) -> None:
        await self._database.write(told, number, delivered, at=at)


def hold(connection: Connection, holder: str, *, now: datetime, until: datetime) -> int | None:
    """See `CallbackLedger`."""
    new = {"id": ROW, "cursor": 0, "holder": holder, "held_until": microseconds(now)}
    connection.execute(upsert(connection.dialect, callback).values(new).on_conflict_do_nothing())
    is_free = or_(_columns.holder == holder, _columns.held_until <= microseconds(now))
    held = update(callback).where(is_free).values(holder=holder, held_until=microseconds(until))
    return connection.execute(held.returning(_columns.cursor)).scalar_one_or_none()


def told(connection: Connection, number: int, delivered: Sequence[int], *, at: datetime) -> None:
    """See `CallbackLedger`."""
    connection.execute(update(callback).where(_columns.cursor < number).values(cursor=number))
    if delivered:
        grants = reward_grant.c
        open_ones = (grants.number.in_(delivered), grants.delivered_at.is_(None), grants.status != _REVOKED)
        change = {"status": _DELIVERED, "delivered_at": microseconds(at)}
        connection.execute(update(reward_grant).where(*open_ones).values(change))


def cursor(connection: Connection) -> int | None:
    """How far it is; None before the first call."""
    return connection.scalar(select(_columns.cursor))
