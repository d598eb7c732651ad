"""Publishing an event: its versions, and the goals and tiers that follow the newest one."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from worldevents import rules
from worldevents.errors import Complaint, EventConflict, EventInvalid
from worldevents.ledger import promises
from worldevents.ledger.append import Writing
from worldevents.ledger.document import event_document, event_from_document
from worldevents.ledger.instants import instant, microseconds
from worldevents.ledger.schema import event_version, goal, tier, tier_unlock
from worldevents.ledger.schema_results import goal_result
from worldevents.ledger.statements import upsert
from worldevents.model import CommunityGoal, EventVersion, SeasonalEvent, TierUnlock


def publish(
    connection: Connection,
    writing: Writing,
    event: SeasonalEvent,
    *,
    based_on: int,
    author: str,
    published_at: datetime,
    reason: str,
) -> EventVersion:
    """See `Ledger.publish`."""
    versions = event_version.c
    latest = connection.scalar(select(func.max(versions.version)).where(versions.event_id == event.id)) or 0
    if latest != based_on:
        raise EventConflict(f"{event.id} is at version {latest}, this change was made from {based_on}")
    _refuse_foreign_goals(connection, event)
    _refuse_settled_edits(connection, event)
    written = EventVersion(event=event, version=latest + 1, author=author, published_at=published_at, reason=reason)
    connection.execute(insert(event_version), _version_row(written))
    for one in event.goals:
        _follow(connection, writing, one, published_at)
    promises.follow_challenges(connection, writing, event, published_at)
    return written


def keep_promises(connection: Connection, writing: Writing, at: datetime) -> None:
    """See `RewardLedger.keep_promises`."""
    for version in newest(connection):
        for one in version.event.goals:
            promises.follow_goal(connection, writing, one, at)
        promises.follow_challenges(connection, writing, version.event, at)


def _refuse_foreign_goals(connection: Connection, event: SeasonalEvent) -> None:
    query = select(goal.c.id, goal.c.event_id).where(
        goal.c.id.in_([one.id for one in event.goals]), goal.c.event_id != event.id
    )
    owners = {row.id: row.event_id for row in connection.execute(query)}
    complaints = [
        Complaint(f"{one.id} belongs to event {owners[one.id]}", ("goals", place, "id"))
        for place, one in enumerate(event.goals)
        if one.id in owners
    ]
    if complaints:
        raise EventInvalid(*complaints)


def _refuse_settled_edits(connection: Connection, event: SeasonalEvent) -> None:
    """Of an event one of whose goals settles or is settled nothing changes that a result rests on (law 19)."""
    begun = select(goal_result.c.goal_id).where(goal_result.c.event_id == event.id).limit(1)
    old = newest_of(connection, event.id)
    if old is not None and connection.scalar(begun) is not None:
        complaints = rules.settled_edit_complaints(old.event, event)
        if complaints:
            raise EventInvalid(*complaints)


def _follow(connection: Connection, writing: Writing, declared: CommunityGoal, published_at: datetime) -> None:
    new = {"id": declared.id, "event_id": declared.event_id, "total": 0, "pending": 0, "seq": 0}
    connection.execute(upsert(connection.dialect, goal).on_conflict_do_nothing(), new)
    thresholds = {f"{one.threshold:f}" for one in declared.tiers}
    unlocked = connection.scalars(select(tier_unlock.c.threshold).where(tier_unlock.c.goal_id == declared.id))
    gone = sorted(set(unlocked) - thresholds)
    if gone:
        raise EventConflict(f"{declared.id}: the tier at {gone[0]} % was unlocked in the meantime and stays")
    connection.execute(delete(tier).where(tier.c.goal_id == declared.id))
    for one in declared.tiers:
        row = {"goal_id": declared.id, "threshold": f"{one.threshold:f}", "threshold_value": one.threshold_value}
        connection.execute(insert(tier), row)
    total = writing.move_goal(declared.id, changes=1).total
    promises.follow_goal(connection, writing, declared, published_at)
    writing.unlock(
        [
            TierUnlock(goal_id=declared.id, threshold=threshold, unlocked_at=published_at, position=None)
            for threshold, _ in writing.reached_tiers(declared.id, total)
        ]
    )


def newest(connection: Connection) -> list[EventVersion]:
    """See `Ledger.events`."""
    later = event_version.alias()
    is_newest = ~(
        select(later.c.version)
        .where(later.c.event_id == event_version.c.event_id, later.c.version > event_version.c.version)
        .exists()
    )
    rows = connection.execute(select(event_version).where(is_newest))
    return sorted(map(_version_from, rows), key=lambda one: (one.event.starts_at, one.event.id))


def newest_of(connection: Connection, event_id: str) -> EventVersion | None:
    """The newest version of one event; None where there is none."""
    columns = event_version.c
    query = select(event_version).where(columns.event_id == event_id).order_by(columns.version.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _version_from(row)


def history(connection: Connection, event_id: str) -> list[EventVersion]:
    """See `Ledger.history`."""
    columns = event_version.c
    rows = connection.execute(select(event_version).where(columns.event_id == event_id).order_by(columns.version))
    return list(map(_version_from, rows))


def _version_row(version: EventVersion) -> dict[str, object]:
    return {
        "event_id": version.event.id,
        "version": version.version,
        "author": version.author,
        "reason": version.reason,
        "published_at": microseconds(version.published_at),
        "document": json.dumps(event_document(version.event), ensure_ascii=False),
    }


def _version_from(row: Row[Any]) -> EventVersion:
    return EventVersion(
        event=event_from_document(json.loads(row.document)),
        version=row.version,
        author=row.author,
        published_at=instant(row.published_at),
        reason=row.reason,
    )
