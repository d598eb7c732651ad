"""What an event's newest version promises: one row for each tier and challenge, kept when the event changes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from worldevents.ledger.append import Writing
from worldevents.ledger.document import reward_document
from worldevents.ledger.instants import span
from worldevents.ledger.schema import goal, promise, promised_reward, tier_unlock
from worldevents.ledger.schema_results import goal_result
from worldevents.model import Audience, CommunityGoal, GoalTier, PersonalChallenge, Reward, SeasonalEvent
from worldevents.prizes import Giver, Source

_NO_LESS = 1
"""The least that qualifies: one smallest unit."""


def follow_goal(connection: Connection, writing: Writing, declared: CommunityGoal, at: datetime) -> None:
    """Promise what the goal's tiers give now. A tier that is unlocked is open, with what follows from that."""
    unlocked = set(connection.scalars(select(tier_unlock.c.threshold).where(tier_unlock.c.goal_id == declared.id)))
    for one in declared.tiers:
        source = Source(Giver.TIER, declared.id, f"{one.threshold:f}")
        row = _tier_row(one, declared, is_open=source.name in unlocked)
        _follow(connection, writing, row | _named(source), one.reward, at)
    if declared.consolation is not None:
        # It is opened when the goal settles, and stays as it is here.
        consoled = connection.scalar(select(goal_result.c.consoled).where(goal_result.c.goal_id == declared.id))
        row = _tier_row(declared.consolation, declared, is_open=bool(consoled))
        source = Source(Giver.CONSOLATION, declared.id, "")
        _follow(connection, writing, row | _named(source), declared.consolation.reward, at)
    total = connection.execute(
        update(goal).where(goal.c.id == declared.id).values(target=declared.target).returning(goal.c.total)
    ).scalar_one()
    writing.granting.touch(declared.id)
    if total >= declared.target:
        writing.granting.completed(declared.id, at)


def follow_challenges(connection: Connection, writing: Writing, event: SeasonalEvent, at: datetime) -> None:
    """Promise what the event's challenges give now: those that are gone grant nobody new."""
    known = {one.id for one in event.challenges}
    columns = promise.c
    gone = connection.execute(
        select(columns.id, columns.name, columns.goal_id).where(
            columns.giver == Giver.CHALLENGE.value, columns.owner_id == event.id, columns.is_open == 1
        )
    )
    for row in gone.all():
        if row.name not in known:
            connection.execute(update(promise).where(columns.id == row.id).values(is_open=0))
            writing.granting.touch(row.goal_id)
    for one in event.challenges:
        source = Source(Giver.CHALLENGE, event.id, one.id)
        _follow(connection, writing, _challenge_row(one, event) | _named(source), one.reward, at)
        writing.granting.touch(one.goal_id)


def _tier_row(tier: GoalTier, declared: CommunityGoal, *, is_open: bool) -> dict[str, Any]:
    return {
        "event_id": declared.event_id,
        "goal_id": declared.id,
        "audience": tier.audience.value,
        "least": max(tier.minimum, _NO_LESS),
        "claim_within": span(tier.claim_within),
        "stock": _stock(tier.reward),
        "is_open": int(is_open),
    }


def _challenge_row(challenge: PersonalChallenge, event: SeasonalEvent) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "goal_id": challenge.goal_id,
        "audience": Audience.CONTRIBUTORS.value,
        "least": challenge.target,
        "claim_within": span(challenge.claim_within),
        "stock": _stock(challenge.reward),
        "is_open": 1,
    }


def _stock(reward: Reward) -> int | None:
    stock = reward.fields.get("stock")
    return stock if isinstance(stock, int) else None


def _follow(connection: Connection, writing: Writing, row: dict[str, Any], reward: Reward, at: datetime) -> None:
    columns, document = promise.c, json.dumps(reward_document(reward), ensure_ascii=False)
    source = Source(Giver(row["giver"]), row["owner_id"], row["name"])
    own = (columns.giver == source.giver.value, columns.owner_id == source.owner_id, columns.name == source.name)
    known = connection.execute(select(promise).where(*own)).one_or_none()
    if known is None:
        number = (connection.scalar(select(func.max(columns.id))) or 0) + 1
        connection.execute(
            insert(promise),
            {"id": number, "version": 1, "taken": 0, **row},
        )
        connection.execute(insert(promised_reward), {"promise_id": number, "version": 1, "document": document})
        version, is_easier = 1, True
    else:
        number, version = known.id, known.version
        versions = promised_reward.c
        told = select(versions.document).where(versions.promise_id == number, versions.version == version)
        if connection.scalar(told) != document:
            version += 1
            connection.execute(
                insert(promised_reward), {"promise_id": number, "version": version, "document": document}
            )
        connection.execute(update(promise).where(columns.id == number).values(version=version, **row))
        is_easier = row["least"] < known.least or row["audience"] != known.audience or not known.is_open
    if row["is_open"] and is_easier:
        writing.granting.look_back(number, version, Audience(row["audience"]), source, at)


def _named(source: Source) -> dict[str, str]:
    return {"giver": source.giver.value, "owner_id": source.owner_id, "name": source.name}
