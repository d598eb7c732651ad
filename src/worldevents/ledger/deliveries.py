"""Endpoints and deliveries in the ledger: each public function is the verb of the same name in `WebhookLedger`.

They take no part in the order of appends, and lock nothing that an append needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Update, bindparam, delete, func, insert, select, update

from worldevents.errors import BodyInvalid, UnknownDelivery, UnknownWebhook
from worldevents.grants import Announcement
from worldevents.ledger.database import Database
from worldevents.ledger.instants import instant, microseconds
from worldevents.ledger.outward import Change, Claim, Delivery, DeliveryStatus, Endpoint, Outcome, Turn
from worldevents.ledger.schema_outward import webhook_change, webhook_delivery, webhook_endpoint
from worldevents.ledger.statements import upsert

PENDING: Final = DeliveryStatus.PENDING.value
DELIVERED: Final = DeliveryStatus.DELIVERED.value
DEAD: Final = DeliveryStatus.DEAD.value
REMOVED: Final = "the endpoint was removed"

_rows = webhook_delivery.c
_KEY: Final = (_rows.endpoint_id == bindparam("its_endpoint"), _rows.number == bindparam("its_number"))
_OUTCOME: Final[Update] = (
    update(webhook_delivery)
    .where(*_KEY)
    .values(
        status=bindparam("new_status"),
        attempts=_rows.attempts + 1,
        due_at=bindparam("new_due_at"),
        last_at=bindparam("new_at"),
        last_answer=bindparam("new_answer"),
        last_told=bindparam("new_told"),
    )
)
_IS_DELIVERED: Final = _OUTCOME.where(_rows.status != DELIVERED)
_IS_NOT: Final = _OUTCOME.where(_rows.status == PENDING, _rows.due_at == bindparam("its_until"))
# A replay may have come in between. Not as an equality: PostgreSQL would look through all that is delivered for it.
_IS_OLD: Final = delete(webhook_delivery).where(*_KEY, _rows.status != PENDING, _rows.status != DEAD)


class SqlWebhooks:
    """A `WebhookLedger` in an open database whose schema is the newest one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def endpoints(self) -> list[Endpoint]:
        return await self._database.read(endpoints)

    async def endpoint(self, endpoint_id: str) -> Endpoint:
        return await self._database.read(endpoint, endpoint_id)

    async def add(self, endpoint: Endpoint, change: Change, *, most: int) -> None:
        await self._database.write(add, endpoint, change, most)

    async def edit(self, endpoint_id: str, edit: Callable[[Endpoint], Endpoint], change: Change) -> Endpoint:
        return await self._database.write(edited, endpoint_id, edit, change)

    async def changes(self, endpoint_id: str) -> list[Change]:
        return await self._database.read(changes, endpoint_id)

    async def hand_over(self, endpoint: Endpoint, page: Sequence[Announcement], *, at: datetime) -> bool:
        return await self._database.write(hand_over, endpoint, page, at)

    async def turn(
        self, endpoint_id: str, outcomes: Sequence[Outcome], *, most: int, now: datetime, until: datetime
    ) -> Turn:
        return await self._database.write(turn, endpoint_id, outcomes, most=most, now=now, until=until)

    async def deliveries(
        self, endpoint_id: str, *, status: DeliveryStatus | None = None, before: int | None = None, limit: int = 100
    ) -> list[Delivery]:
        return await self._database.read(deliveries, endpoint_id, status=status, before=before, limit=limit)

    async def replay(
        self, endpoint_id: str, change: Change, *, message_id: str | None, since: datetime | None, dead_only: bool
    ) -> int:
        return await self._database.write(
            replay, endpoint_id, change, message_id=message_id, since=since, dead_only=dead_only
        )

    async def counts(self, endpoint_id: str) -> Mapping[DeliveryStatus, int]:
        return await self._database.read(counts, endpoint_id)

    async def prune(self, before: datetime, *, limit: int) -> int:
        return await self._database.write(prune, before, limit=limit)


# Endpoints.


def endpoints(connection: Connection) -> list[Endpoint]:
    """See `WebhookLedger`."""
    columns = webhook_endpoint.c
    query = select(webhook_endpoint).where(columns.removed_at.is_(None)).order_by(columns.created_at, columns.id)
    return [_endpoint_from(row) for row in connection.execute(query)]


def endpoint(connection: Connection, endpoint_id: str, *, lock: bool = False) -> Endpoint:
    """See `WebhookLedger`; with `lock` it is ours until the transaction ends."""
    columns = webhook_endpoint.c
    query = select(webhook_endpoint).where(columns.id == endpoint_id, columns.removed_at.is_(None))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise UnknownWebhook(field="endpointId")
    return _endpoint_from(row)


def add(connection: Connection, new: Endpoint, change: Change, most: int) -> None:
    """See `WebhookLedger`."""
    if len(endpoints(connection)) >= most:
        raise BodyInvalid(f"there are {most} endpoints, which is all that there may be", field="url")
    connection.execute(insert(webhook_endpoint), _endpoint_row(new) | {"cursor": new.after})
    _note(connection, new.id, change)


def edited(connection: Connection, endpoint_id: str, edit: Callable[[Endpoint], Endpoint], change: Change) -> Endpoint:
    """See `WebhookLedger.edit`."""
    new = edit(endpoint(connection, endpoint_id, lock=True))
    connection.execute(update(webhook_endpoint).where(webhook_endpoint.c.id == endpoint_id), _endpoint_row(new))
    if new.removed_at is not None:
        gone = (_rows.endpoint_id == endpoint_id, _rows.status == PENDING)
        connection.execute(update(webhook_delivery).where(*gone).values(status=DEAD, last_told=REMOVED))
    _note(connection, endpoint_id, change)
    return new


def changes(connection: Connection, endpoint_id: str) -> list[Change]:
    """See `WebhookLedger`."""
    columns = webhook_change.c
    query = select(webhook_change).where(columns.endpoint_id == endpoint_id).order_by(columns.number)
    return [Change(row.what, row.author, instant(row.at), row.reason) for row in connection.execute(query)]


def _note(connection: Connection, endpoint_id: str, change: Change) -> None:
    columns = webhook_change.c
    last = connection.scalar(select(func.max(columns.number)).where(columns.endpoint_id == endpoint_id)) or 0
    row = {"endpoint_id": endpoint_id, "number": last + 1, "at": microseconds(change.at)}
    told = {"what": change.what, "author": change.author, "reason": change.reason}
    connection.execute(insert(webhook_change), row | told)


def _endpoint_row(one: Endpoint) -> dict[str, object]:
    """All columns but the cursor and what was pruned, which nobody sets."""
    return {
        "id": one.id,
        "url": one.url,
        "kinds": json.dumps(sorted(one.kinds)),
        "secret": one.secret,
        "previous_secret": one.previous_secret,
        "previous_until": _maybe_microseconds(one.previous_until),
        "since": microseconds(one.since),
        "created_at": microseconds(one.created_at),
        "disabled_at": _maybe_microseconds(one.disabled_at),
        "disabled_why": one.disabled_why,
        "removed_at": _maybe_microseconds(one.removed_at),
    }


def _endpoint_from(row: Row[Any]) -> Endpoint:
    return Endpoint(
        id=row.id,
        url=row.url,
        kinds=frozenset(json.loads(row.kinds)),
        secret=bytes(row.secret),
        previous_secret=None if row.previous_secret is None else bytes(row.previous_secret),
        previous_until=_maybe_instant(row.previous_until),
        since=instant(row.since),
        after=row.cursor,
        created_at=instant(row.created_at),
        disabled_at=_maybe_instant(row.disabled_at),
        disabled_why=row.disabled_why,
        removed_at=_maybe_instant(row.removed_at),
        pruned=row.pruned,
    )


# Deliveries.


def hand_over(connection: Connection, told: Endpoint, page: Sequence[Announcement], at: datetime) -> bool:
    """See `WebhookLedger`."""
    columns = webhook_endpoint.c
    moved = connection.execute(
        update(webhook_endpoint)
        .where(columns.id == told.id, columns.cursor == told.after, columns.removed_at.is_(None))
        .values(cursor=page[-1].number)
    )
    if moved.rowcount != 1:
        return False
    new = [_delivery_row(told.id, one, microseconds(at)) for one in page if told.wants(one)]
    if new:
        connection.execute(upsert(connection.dialect, webhook_delivery).on_conflict_do_nothing(), new)
    return True


def turn(
    connection: Connection,
    endpoint_id: str,
    outcomes: Sequence[Outcome],
    *,
    most: int,
    now: datetime,
    until: datetime,
) -> Turn:
    """See `WebhookLedger`."""
    _settle(connection, endpoint_id, outcomes)
    try:
        one = endpoint(connection, endpoint_id)
    except UnknownWebhook:
        return Turn(None)
    if not one.is_active:
        return Turn(one)
    claims = _claim(connection, endpoint_id, most, now, until) if most else []
    due = select(func.min(_rows.due_at)).where(_rows.endpoint_id == endpoint_id, _rows.status == PENDING)
    return Turn(one, claims, _maybe_instant(connection.scalar(due)))


def _settle(connection: Connection, endpoint_id: str, outcomes: Sequence[Outcome]) -> None:
    # By number, so that two servers never wait for each other's rows in a circle.
    for one in sorted(outcomes, key=lambda outcome: outcome.claim.number):
        row = {
            "its_endpoint": endpoint_id,
            "its_number": one.claim.number,
            "new_status": one.status.value,
            "new_due_at": microseconds(one.due_at),
            "new_at": microseconds(one.at),
            "new_answer": one.answer,
            "new_told": one.told,
        }
        if one.status is DeliveryStatus.DELIVERED:
            connection.execute(_IS_DELIVERED, row)
        else:
            connection.execute(_IS_NOT, row | {"its_until": microseconds(one.claim.until)})


def _claim(connection: Connection, endpoint_id: str, most: int, now: datetime, until: datetime) -> list[Claim]:
    due = (
        select(_rows.number)
        .where(_rows.endpoint_id == endpoint_id, _rows.status == PENDING, _rows.due_at <= microseconds(now))
        .order_by(_rows.due_at, _rows.number)
        .limit(most)
        # What another server is claiming right now is its own.
        .with_for_update(skip_locked=True)
    )
    numbers = list(connection.scalars(due))
    if not numbers:
        return []
    ours = (_rows.endpoint_id == endpoint_id, _rows.number.in_(numbers))
    connection.execute(update(webhook_delivery).where(*ours).values(due_at=microseconds(until)))
    found = connection.execute(select(_rows.number, _rows.attempts).where(*ours).order_by(_rows.number))
    return [Claim(number, attempts, until) for number, attempts in found]


def deliveries(
    connection: Connection, endpoint_id: str, *, status: DeliveryStatus | None, before: int | None, limit: int
) -> list[Delivery]:
    """See `WebhookLedger`."""
    endpoint(connection, endpoint_id)
    query = select(webhook_delivery).where(_rows.endpoint_id == endpoint_id).order_by(_rows.number.desc()).limit(limit)
    if status is not None:
        query = query.where(_rows.status == status.value)
    if before is not None:
        query = query.where(_rows.number < before)
    return [_delivery_from(row) for row in connection.execute(query)]


def replay(
    connection: Connection,
    endpoint_id: str,
    change: Change,
    *,
    message_id: str | None,
    since: datetime | None,
    dead_only: bool,
) -> int:
    """See `WebhookLedger`."""
    endpoint(connection, endpoint_id, lock=True)
    which = [_rows.endpoint_id == endpoint_id]
    if message_id is not None:
        which.append(_rows.message_id == message_id)
    if since is not None:
        which.append(_rows.at >= microseconds(since))
    if dead_only:
        which.append(_rows.status == DEAD)
    again = {"status": PENDING, "attempts": 0, "due_at": microseconds(change.at)}
    found = connection.execute(update(webhook_delivery).where(*which).values(again)).rowcount
    if message_id is not None and not found:
        raise UnknownDelivery(field="messageId")
    _note(connection, endpoint_id, change)
    return found


def counts(connection: Connection, endpoint_id: str) -> Mapping[DeliveryStatus, int]:
    """See `WebhookLedger`."""
    query = select(_rows.status, func.count()).where(_rows.endpoint_id == endpoint_id).group_by(_rows.status)
    found = {DeliveryStatus(status): number for status, number in connection.execute(query)}
    return {status: found.get(status, 0) for status in DeliveryStatus}


def prune(connection: Connection, before: datetime, *, limit: int) -> int:
    """See `WebhookLedger.prune`: one endpoint at a time."""
    for endpoint_id in connection.scalars(select(webhook_endpoint.c.id).order_by(webhook_endpoint.c.id)).all():
        # When something was delivered it was due for the last time: so the index finds it.
        is_old = (_rows.endpoint_id == endpoint_id, _rows.status == DELIVERED, _rows.due_at < microseconds(before))
        page = connection.scalars(select(_rows.number).where(*is_old).order_by(_rows.due_at).limit(limit)).all()
        if page:
            keys = [{"its_endpoint": endpoint_id, "its_number": number} for number in sorted(page)]
            gone = connection.execute(_IS_OLD, keys).rowcount
            own, pruned = webhook_endpoint.c.id == endpoint_id, webhook_endpoint.c.pruned
            connection.execute(update(webhook_endpoint).where(own).values(pruned=pruned + gone))
            return gone
    return 0


def _delivery_row(endpoint_id: str, one: Announcement, due_at: int) -> dict[str, object]:
    return {
        "endpoint_id": endpoint_id,
        "number": one.number,
        "message_id": one.id,
        "kind": one.kind,
        "at": microseconds(one.at),
        "status": PENDING,
        "attempts": 0,
        "due_at": due_at,
        "last_at": None,
        "last_answer": None,
        "last_told": "",
    }


def _delivery_from(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.number,
        message_id=row.message_id,
        kind=row.kind,
        at=instant(row.at),
        status=DeliveryStatus(row.status),
        attempts=row.attempts,
        due_at=instant(row.due_at),
        last_at=_maybe_instant(row.last_at),
        last_answer=row.last_answer,
        last_told=row.last_told,
    )


def _maybe_microseconds(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _maybe_instant(value: int | None) -> datetime | None:
    return None if value is None else instant(value)
