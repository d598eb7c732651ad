"""A SeasonalEvent -> the tables of an event file, for JSON: what `event_from_table` reads, written.

What is written is read back before it is given out: a table says exactly its event, or there is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from worldevents.catalog.edits import changes
from worldevents.catalog.form import REWARD_KINDS, GoalForm
from worldevents.catalog.reading import METRICS, Kinds, event_from_table
from worldevents.errors import Complaint, EventInvalid
from worldevents.model import (
    CommunityGoal,
    GoalTier,
    Limits,
    Metric,
    OverLimit,
    PersonalChallenge,
    Reward,
    SeasonalEvent,
)

Table = dict[str, Any]

_STEPS: Final = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))


def table(event: SeasonalEvent, *, kinds: Kinds = REWARD_KINDS) -> Table:
    """The tables that declare this event: instants as text, amounts as int or Decimal in the metric's unit.

    With its two instants read, `event_from_table` makes an equal event of it. Raises EventInvalid for an event that no
    file can declare: one that is called off, say, or with two metrics of one name.
    """
    metrics = {goal.id: goal.metric for goal in event.goals}
    written: Table = {
        "event": _window(event),
        "metrics": [_metric(one) for one in dict.fromkeys(metrics.values()) if one != METRICS.get(one.key)],
        "challenges": [_challenge(one, metrics[one.goal_id]) for one in event.challenges],
        "goals": [_goal(goal) for goal in event.goals],
    }
    window = {**written["event"], "starts_at": event.starts_at, "ends_at": event.ends_at}
    declared = event_from_table({**written, "event": window}, kinds=kinds)
    if declared != event:
        told = next(iter(changes(event, declared)), "its goals have windows of their own")
        raise EventInvalid(Complaint(f"no event file can declare this: {told}"))
    return written


def table_json(table: Mapping[str, Any]) -> str:
    """A table as JSON, with every Decimal written out as the number it is: no float comes between."""
    return _json(table)


def _json(value: object) -> str:
    match value:
        case Mapping():
            return "{" + ",".join(f"{json.dumps(name)}:{_json(one)}" for name, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(_json(one) for one in value) + "]"
        case Decimal():
            return f"{value:f}"
        case _:
            return json.dumps(value)


def _window(event: SeasonalEvent) -> Table:
    return {
        **_named(event),
        "starts_at": _instant(event.starts_at),
        "ends_at": _instant(event.ends_at),
        "grace": _duration(event.grace),
    }


def _named(thing: SeasonalEvent | CommunityGoal | PersonalChallenge) -> Table:
    described = {"description": thing.description} if thing.description else {}
    return {"id": thing.id, "name": thing.name, **described}


def _instant(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _duration(value: timedelta) -> str:
    """In the longest unit of which it is a whole number."""
    letter, step = next((one for one in _STEPS if not value % one[1]), _STEPS[-1])
    return f"{value // step}{letter}"


def _metric(metric: Metric) -> Table:
    known, limits = METRICS.get(metric.key), metric.limits
    own = {} if known is not None else {"unit": metric.unit, "decimals": metric.decimals}
    bounds = {
        "max_per_contribution": limits.per_contribution,
        "max_per_user_day": limits.per_user_day,
        "max_per_user": limits.per_user,
    }
    standard = Limits() if known is None else known.limits
    return {
        "key": metric.key,
        **own,
        **{
            name: _number(bound, metric)
            for name, bound in bounds.items()
            if bound is not None and (name, bound) != ("max_per_contribution", standard.per_contribution)
        },
        **({} if limits.over is OverLimit.HOLD else {"over_limit": limits.over.value}),
    }


def _goal(goal: CommunityGoal) -> Table:
    flags = ("hidden", "target_may_rise", "players_contribute")
    near, usual = goal.near_miss, GoalForm.model_fields["near_miss"].default
    return {
        **_named(goal),
        "metric": goal.metric.key,
        "target": _number(goal.target, goal.metric),
        **{flag: True for flag in flags if getattr(goal, flag)},
        **({} if goal.outliers is None else {"outliers": asdict(goal.outliers)}),
        **({} if near == usual else {"near_miss": _plain(near)}),
        **({} if goal.consolation is None else {"consolation": _tier(goal.consolation, goal.metric)}),
        "tiers": [_tier(tier, goal.metric) for tier in goal.tiers],
    }


def _tier(tier: GoalTier, metric: Metric) -> Table:
    return {
        "threshold": _plain(tier.threshold),
        "reward": _reward(tier.reward),
        "audience": tier.audience.value,
        **({"minimum": _number(tier.minimum, metric)} if tier.minimum else {}),
        **_claim_within(tier),
    }


def _challenge(challenge: PersonalChallenge, metric: Metric) -> Table:
    return {
        **_named(challenge),
        "metric": metric.key,
        "target": _number(challenge.target, metric),
        "reward": _reward(challenge.reward),
        **_claim_within(challenge),
    }


def _claim_within(giving: GoalTier | PersonalChallenge) -> Table:
    return {} if giving.claim_within is None else {"claim_within": _duration(giving.claim_within)}


def _reward(reward: Reward) -> Table:
    fields = {
        name: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in reward.fields.items()
    }
    return {"kind": reward.kind, "name": reward.name, **fields}


def _number(amount: int, metric: Metric) -> int | Decimal:
    return _plain(metric.decimal(amount))


def _plain(value: Decimal) -> int | Decimal:
    return int(value) if value == value.to_integral_value() else value
