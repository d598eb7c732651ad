"""Grants after they were made: read, claimed, delivered, given and revoked by hand, announced."""

from __future__ import annotations

import heapq
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, insert, select, update

from worldevents import codec, prizes
from worldevents.errors import GrantRevoked, UnknownGrant, UserBanned
from worldevents.grants import Announcement, GrantStatus, RewardGrant
from worldevents.ledger.append import Writing
from worldevents.ledger.document import reward_from_document
from worldevents.ledger.granting import CLAIMABLE, CLAIMED, STATUSES, WORLD
from worldevents.ledger.instants import instant, microseconds
from worldevents.ledger.moderating import is_banned
from worldevents.ledger.schema import announcement, promise, promised_reward, reward_grant
from worldevents.prizes import Giver, Source

GRANTED: Final = "reward.granted"

_NUMBERS = {status: number for number, status in enumerate(STATUSES)}


# Reading.


def _grants() -> Select[*tuple[Any, ...]]:
    of_promise = (promise.c.giver, promise.c.owner_id, promise.c.name, promise.c.event_id, promise.c.goal_id)
    is_version = and_(
        promised_reward.c.promise_id == reward_grant.c.promise_id, promised_reward.c.version == reward_grant.c.version
    )
    return (
        select(reward_grant, *of_promise, promise.c.stock, promised_reward.c.document)
        .join(promise, promise.c.id == reward_grant.c.promise_id)
        .join(promised_reward, is_version)
    )


def grants(connection: Connection, *, after: int, limit: int) -> list[RewardGrant]:
    """See `RewardLedger.grants`."""
    number = reward_grant.c.number
    return [
        _grant_from(row) for row in connection.execute(_grants().where(number > after).order_by(number).limit(limit))
    ]


def grants_of(connection: Connection, user_id: str, *, limit: int) -> list[RewardGrant]:
    """See `RewardLedger.grants_of`."""
    own = _grants().where(reward_grant.c.user_id == user_id)
    return [_grant_from(row) for row in connection.execute(own.order_by(reward_grant.c.number.desc()).limit(limit))]


def grant(connection: Connection, grant_id: str) -> RewardGrant:
    """See `RewardLedger.grant`."""
    return _grant_from(_found(connection, grant_id))


def _found(connection: Connection, grant_id: str, *, lock: bool = False) -> Row[Any]:
    row = _look_up(connection, grant_id, lock=lock)
    if row is None:
        raise UnknownGrant(field="grantId")
    return row


def _look_up(connection: Connection, grant_id: str, *, lock: bool = False) -> Row[Any] | None:
    source, user_id = prizes.read_grant_id(grant_id)
    query = _grants().where(
        reward_grant.c.user_id == user_id,
        promise.c.giver == source.giver.value,
        promise.c.owner_id == source.owner_id,
        promise.c.name == source.name,
    )
    return connection.execute(query.with_for_update(of=reward_grant) if lock else query).one_or_none()


def _id(row: Row[Any]) -> str:
    return prizes.grant_id(Source(Giver(row.giver), row.owner_id, row.name), row.user_id)


def _grant_from(row: Row[Any]) -> RewardGrant:
    return RewardGrant(
        id=_id(row),
        number=row.number,
        event_id=row.event_id,
        goal_id=row.goal_id,
        threshold=Decimal(row.name) if row.giver == Giver.TIER else None,
        challenge_id=row.name if row.giver == Giver.CHALLENGE else None,
        user_id=row.user_id or None,
        reward=reward_from_document(json.loads(row.document)),
        version=row.version,
        status=STATUSES[row.status],
        granted_at=instant(row.granted_at),
        claim_until=_instant(row.claim_until),
        claimed_at=_instant(row.claimed_at),
        delivered_at=_instant(row.delivered_at),
        revoked_at=_instant(row.revoked_at),
        reason=row.reason,
        author=row.author,
        outcome={} if row.outcome is None else json.loads(row.outcome),
    )


def _instant(value: int | None) -> datetime | None:
    return None if value is None else instant(value)


# Claiming.


def claim(connection: Connection, secret: bytes, grant_id: str, at: datetime) -> RewardGrant:
    """See `RewardLedger.claim`."""
    row = _found(connection, grant_id, lock=True)
    if STATUSES[row.status] is GrantStatus.REVOKED:
        raise GrantRevoked(field="grantId")
    if STATUSES[row.status] in (GrantStatus.CLAIMABLE, GrantStatus.PENDING):
        if connection.scalar(select(is_banned(row.user_id))):
            raise UserBanned(field="grantId")
        _claim(connection, secret, row, at)
    return grant(connection, grant_id)


def claim_due(connection: Connection, secret: bytes, at: datetime, *, limit: int) -> int:
    """See `RewardLedger.claim_due`."""
    columns = reward_grant.c
    is_due = (columns.status == CLAIMABLE, columns.claim_until <= microseconds(at))
    due = _grants().where(*is_due, ~is_banned(columns.user_id))
    rows = connection.execute(
        due.order_by(columns.claim_until).limit(limit).with_for_update(of=reward_grant, skip_locked=True)
    ).all()
    for row in rows:
        _claim(connection, secret, row, at)
    return len(rows)


def _claim(connection: Connection, secret: bytes, row: Row[Any], at: datetime) -> None:
    if row.stock is not None and not _reserve(connection, row.promise_id):
        _set(connection, row, status=_NUMBERS[GrantStatus.PENDING], outcome=json.dumps({"soldOut": True}))
        return
    reward = reward_from_document(json.loads(row.document))
    given = dict(prizes.outcome(reward, _id(row), secret=secret, at=at))
    if row.stock is not None:
        given["reserved"] = True
    _set(connection, row, status=CLAIMED, claimed_at=microseconds(at), outcome=json.dumps(given) if given else None)


def _reserve(connection: Connection, promise_id: int) -> bool:
    """Take one of a stock; whether there was one left."""
    columns = promise.c
    taken = update(promise).where(columns.id == promise_id, columns.taken < columns.stock)
    return connection.execute(taken.values(taken=columns.taken + 1)).rowcount == 1


def _set(connection: Connection, row: Row[Any], **values: object) -> None:
    connection.execute(update(reward_grant).where(reward_grant.c.number == row.number).values(**values))


def deliver(connection: Connection, grant_id: str, at: datetime) -> RewardGrant:
    """See `RewardLedger.deliver`."""
    row = _found(connection, grant_id, lock=True)
    if STATUSES[row.status] is GrantStatus.REVOKED:
        raise GrantRevoked(field="grantId")
    if row.delivered_at is None:
        _set(connection, row, status=_NUMBERS[GrantStatus.DELIVERED], delivered_at=microseconds(at))
    return grant(connection, grant_id)


# By hand.


def give(
    connection: Connection, writing: Writing, grant_id: str, at: datetime, *, reason: str, author: str
) -> RewardGrant:
    """See `RewardLedger.give`."""
    source, user_id = prizes.read_grant_id(grant_id)
    row = _look_up(connection, grant_id, lock=True)
    told = {"reason": reason, "author": author}
    if row is None:
        promised = _promised(connection, source, user_id)
        _give(connection, writing, promised, {**told, "user_id": user_id, "granted_at": microseconds(at)})
    elif STATUSES[row.status] is GrantStatus.REVOKED:
        _set(
            connection,
            row,
            status=CLAIMED if user_id == WORLD else CLAIMABLE,
            **dict.fromkeys(("claim_until", "delivered_at", "revoked_at")),
            claimed_at=microseconds(at) if user_id == WORLD else None,
            outcome=row.outcome if user_id == WORLD else None,
            **told,
        )
    return grant(connection, grant_id)


def _promised(connection: Connection, source: Source, user_id: str) -> Row[Any]:
    columns = promise.c
    query = select(promise).where(
        columns.giver == source.giver.value, columns.owner_id == source.owner_id, columns.name == source.name
    )
    promised = connection.execute(query).one_or_none()
    # The world's own are in effect with the unlock: nobody gives them before.
    if promised is None or user_id == WORLD:
        raise UnknownGrant(field="grantId")
    return promised


def _give(connection: Connection, writing: Writing, promised: Row[Any], told: Mapping[str, Any]) -> None:
    within = promised.claim_within
    new = {
        "number": writing.granting.next_number(),
        "promise_id": promised.id,
        "version": promised.version,
        "status": CLAIMABLE,
        "claim_until": None if within is None else told["granted_at"] + within,
        **told,
    }
    connection.execute(insert(reward_grant), new)


def revoke(connection: Connection, grant_id: str, at: datetime, *, reason: str, author: str) -> RewardGrant:
    """See `RewardLedger.revoke`."""
    row = _found(connection, grant_id, lock=True)
    if STATUSES[row.status] is not GrantStatus.REVOKED:
        if row.outcome is not None and json.loads(row.outcome).get("reserved"):
            columns = promise.c
            connection.execute(update(promise).where(columns.id == row.promise_id).values(taken=columns.taken - 1))
        revoked = _NUMBERS[GrantStatus.REVOKED]
        _set(connection, row, status=revoked, revoked_at=microseconds(at), reason=reason, author=author)
    return grant(connection, grant_id)


# Announcing.


def announcements(connection: Connection, *, after: int, limit: int) -> Sequence[Announcement]:
    """See `RewardLedger.announcements`."""
    columns = announcement.c
    told = connection.execute(select(announcement).where(columns.number > after).order_by(columns.number).limit(limit))
    others = [Announcement(row.number, row.id, row.kind, instant(row.at), json.loads(row.document)) for row in told]
    own = [
        Announcement(one.number, prizes.message_id(GRANTED, one.id), GRANTED, one.granted_at, codec.grant(one))
        for one in grants(connection, after=after, limit=limit)
    ]
    return list(heapq.merge(others, own, key=lambda one: one.number))[:limit]
