"""Owed against delivered: what was granted, and how much of that every way has on which hosts hear of it.

Some passes over the grants and every endpoint's deliveries: two seconds where there is a million of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, exists, func, select

from worldevents.grants import Channel, GrantedSource, GrantReport, GrantStatus, Way
from worldevents.ledger import callbacks
from worldevents.ledger.deliveries import DEAD, PENDING
from worldevents.ledger.granting import STATUSES
from worldevents.ledger.grants import GRANTED
from worldevents.ledger.instants import instant
from worldevents.ledger.schema import announcement, promise, reward_grant
from worldevents.ledger.schema_outward import webhook_delivery, webhook_endpoint
from worldevents.prizes import Giver

_grants = reward_grant.c
_rows = webhook_delivery.c

_SETTLED: Final = (GrantStatus.DELIVERED, GrantStatus.REVOKED)


def report(connection: Connection) -> GrantReport:
    """See `RewardLedger.report`."""
    counted = _counted(connection)
    total = sum(number for _, _, number, _ in counted)
    channels = [*_callback(connection, total), *_webhooks(connection)]
    own = _by_host(counted)
    if own.delivered or not channels:
        channels.append(own)
    return GrantReport(channels=channels, sources=_sources(connection, counted))


Counted = Sequence[tuple[int, GrantStatus, int, int]]
"""Of a promise, in one status: how many there are, and when the oldest was granted."""


def _counted(connection: Connection) -> Counted:
    by = (_grants.promise_id, _grants.status)
    query = select(*by, func.count(), func.min(_grants.granted_at)).group_by(*by)
    return [(number, STATUSES[status], count, oldest) for number, status, count, oldest in connection.execute(query)]


def _by_host(counted: Counted) -> Channel:
    delivered = sum(count for _, status, count, _ in counted if status is GrantStatus.DELIVERED)
    owed = [(count, oldest) for _, status, count, oldest in counted if status not in _SETTLED]
    return Channel(
        way=Way.DELIVER,
        grants=delivered + sum(count for count, _ in owed),
        delivered=delivered,
        oldest_at=_oldest(oldest for _, oldest in owed),
    )


def _callback(connection: Connection, total: int) -> list[Channel]:
    cursor = callbacks.cursor(connection)
    if cursor is None:
        return []
    owed, *ages = connection.execute(_after(cursor)).one()
    return [Channel(way=Way.CALLBACK, grants=total, delivered=total - owed, oldest_at=_oldest(ages))]


def _after(cursor: int) -> Select[*tuple[Any, ...]]:
    return select(func.count(), func.min(_grants.granted_at)).where(_grants.number > cursor)


def _webhooks(connection: Connection) -> list[Channel]:
    columns = webhook_endpoint.c
    found = connection.execute(
        select(columns.id, columns.url, columns.kinds, columns.since, columns.cursor)
        .where(columns.removed_at.is_(None))
        .order_by(columns.created_at, columns.id)
    )
    return [_webhook(connection, row) for row in found.all() if GRANTED in json.loads(row.kinds)]


def _webhook(connection: Connection, row: Any) -> Channel:
    """What is no delivery any more was delivered: so what was pruned needs not be counted."""
    is_for_it = _grants.granted_at >= row.since
    grants = connection.scalar(select(func.count()).where(is_for_it)) or 0
    coming, *ages = connection.execute(_after(row.cursor).where(is_for_it)).one()
    # Few announcements are no grants, and only the grants are counted.
    others = exists().where(announcement.c.number == _rows.number)
    left = (
        select(_rows.status, func.count(), func.min(_rows.at))
        .where(_rows.endpoint_id == row.id, _rows.status.in_([PENDING, DEAD]), ~others)
        .group_by(_rows.status)
    )
    owed = dict.fromkeys((PENDING, DEAD), 0)
    for status, count, oldest in connection.execute(left):
        owed[status] = count
        ages.append(oldest)
    return Channel(
        way=Way.WEBHOOK,
        endpoint_id=row.id,
        url=row.url,
        grants=grants,
        delivered=grants - coming - sum(owed.values()),
        dead=owed[DEAD],
        oldest_at=_oldest(ages),
    )


def _oldest(ages: Iterable[int | None]) -> datetime | None:
    told = [age for age in ages if age is not None]
    return instant(min(told)) if told else None


def _sources(connection: Connection, counted: Counted) -> list[GrantedSource]:
    statuses: dict[int, dict[GrantStatus, int]] = {}
    for number, status, count, _ in counted:
        statuses.setdefault(number, {})[status] = count
    query = select(promise).where(promise.c.id.in_(list(statuses))).order_by(promise.c.id)
    return [_source(row, statuses[row.id]) for row in connection.execute(query)]


def _source(row: Row[Any], statuses: Mapping[GrantStatus, int]) -> GrantedSource:
    is_tier = row.giver == Giver.TIER
    return GrantedSource(
        event_id=row.event_id,
        goal_id=row.goal_id,
        threshold=Decimal(row.name) if is_tier else None,
        challenge_id=None if is_tier else row.name,
        statuses=statuses,
    )
