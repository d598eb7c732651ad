"""Results as JSON, beside `codec`: what every door and every host is told of a goal that is settled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from worldevents import codec, rules
from worldevents.codec import Json
from worldevents.model import Metric, SeasonalEvent
from worldevents.results import FinalBoard, FinalRow, GoalResult


def result(value: GoalResult) -> Json:
    """What a settled goal came to."""
    declared, metric = value.goal, value.goal.metric
    return {
        "goalId": declared.id,
        "eventId": declared.event_id,
        "name": declared.name,
        "metric": metric.key,
        "unit": metric.unit,
        "outcome": value.outcome.value,
        "targetValue": codec.number(declared.target, metric),
        "currentValue": codec.number(value.total, metric),
        "pendingValue": codec.number(value.pending, metric),
        "lateValue": codec.number(value.late, metric),
        "percent": codec.plain(rules.percent(value.total, declared.target)),
        "participantCount": value.participants,
        "completedAt": None if value.completed_at is None else codec.instant(value.completed_at),
        "tiersUnlocked": [
            {"threshold": codec.plain(one.threshold), "unlockedAt": codec.instant(one.unlocked_at)}
            for one in value.tiers
        ],
        "consoled": value.consoled,
        "settledAt": codec.instant(value.settled_at),
    }


def board(value: FinalBoard) -> Json:
    """What a settled goal came to, a page of its contributors, and after which place the next one begins."""
    metric = value.result.goal.metric
    rows = [_row(one, metric) for one in value.rows]
    return {
        **result(value.result),
        "contributors": rows,
        "next": value.rows[-1].place if value.rows else None,
        "user": None if value.user is None else _row(value.user, metric),
    }


def _row(row: FinalRow, metric: Metric) -> Json:
    return {
        "place": row.place,
        "rank": row.rank,
        "userId": row.user_id,
        "displayName": row.display_name,
        "amount": codec.number(row.amount, metric),
    }


def settled_event(declared: SeasonalEvent, results: Sequence[GoalResult], at: datetime) -> Json:
    """The fact that an event is settled, as hosts are told: with its goals as declared, hidden ones too.

    Only their figures: a webhook's body has a bound, and a hundred goals have to fit.
    """
    found = {one.goal.id: one for one in results}
    return {
        "eventId": declared.id,
        "name": declared.name,
        "startsAt": codec.instant(declared.starts_at),
        "endsAt": codec.instant(declared.ends_at),
        "settledAt": codec.instant(at),
        "goals": [_figures(found[goal.id]) for goal in declared.goals],
    }


def _figures(value: GoalResult) -> Json:
    metric = value.goal.metric
    return {
        "goalId": value.goal.id,
        "outcome": value.outcome.value,
        "currentValue": codec.number(value.total, metric),
        "targetValue": codec.number(value.goal.target, metric),
    }
