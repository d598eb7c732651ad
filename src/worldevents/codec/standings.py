"""Standings as JSON, beside `codec`: what every door tells of where one user stands."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from worldevents import codec, rules
from worldevents.codec import Json
from worldevents.model import Metric
from worldevents.standing import ExplainedStanding, NextRank, Standing, TierStanding, minimum

SHARE_DECIMALS: Final = 6
"""Of a share in percent: a millionth of a goal is a share too."""


def standing(value: ExplainedStanding, now: datetime) -> Json:
    """Where one user stands in a goal, and why."""
    told, state, metric = value.standing, value.standing.state, value.standing.state.goal.metric
    return {
        "goalId": state.goal.id,
        "eventId": state.goal.event_id,
        "userId": value.user_id,
        "metric": metric.key,
        "unit": metric.unit,
        "status": value.status.value,
        "currentValue": codec.number(state.total, metric),
        "pendingValue": codec.number(state.pending, metric),
        "targetValue": codec.number(state.goal.target, metric),
        "participantCount": state.participants,
        "userContribution": codec.number(told.amount, metric),
        "userPending": codec.number(told.pending, metric),
        "userLate": codec.number(value.late, metric),
        "userRank": told.rank,
        "rankSharedBy": told.tied or None,
        "ahead": None if told.rank is None else _ahead(told),
        "share": {
            "percentOfTotal": _share(told.amount, state.total),
            "percentOfTarget": _share(told.amount, state.goal.target),
        },
        "nextRank": None if value.next_rank is None else _next_rank(value.next_rank, metric),
        "nextTier": _next_tier(value),
        "nextMinimum": _next_minimum(value),
        "tiers": [{**codec.tier_of(one.tier, state), **_tier(one, metric)} for one in value.tiers],
        "consolation": _consolation(value.consolation, metric),
        "epoch": state.epoch,
        "seq": state.seq,
        "serverTime": codec.instant(now),
    }


def _ahead(told: Standing) -> Json:
    percent = codec.plain(rules.percent(told.behind, told.state.participants))
    return {"count": told.behind, "of": told.state.participants, "percent": percent}


def _share(amount: int, whole: int) -> int | float:
    return codec.plain(rules.percent(amount, whole, decimals=SHARE_DECIMALS)) if amount else 0


def _next_rank(value: NextRank, metric: Metric) -> Json:
    return {"rank": value.rank, "missing": codec.number(value.missing, metric), "sharedBy": value.tied}


def _next_tier(value: ExplainedStanding) -> Json | None:
    tier, state = value.next_tier, value.standing.state
    if tier is None:
        return None
    return {
        "threshold": codec.plain(tier.threshold),
        "thresholdValue": codec.number(tier.threshold_value, state.goal.metric),
        "missing": codec.number(max(0, tier.threshold_value - state.total), state.goal.metric),
    }


def _next_minimum(value: ExplainedStanding) -> Json | None:
    tier, metric = value.next_minimum, value.standing.state.goal.metric
    if tier is None:
        return None
    return {
        "threshold": codec.plain(tier.threshold),
        "minimum": codec.number(minimum(tier), metric),
        "missing": codec.number(minimum(tier) - value.standing.amount, metric),
    }


def _consolation(value: TierStanding | None, metric: Metric) -> Json | None:
    return None if value is None else {**codec.promised(value.tier, metric), **_tier(value, metric)}


def _tier(value: TierStanding, metric: Metric) -> Json:
    return {
        "qualifies": not value.lacks,
        "whyNot": [one.value for one in value.lacks],
        "missing": codec.number(value.missing, metric),
        "others": value.others,
    }
