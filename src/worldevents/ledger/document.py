"""How a declared event is written down in the ledger: nothing is left out, and what is read back is equal.

This is storage, not the wire: amounts are integers in smallest units, and old documents have to stay readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from worldevents.model import (
    Audience,
    CommunityGoal,
    GoalTier,
    Limits,
    Metric,
    Nature,
    OutlierRule,
    OverLimit,
    PersonalChallenge,
    Reward,
    SeasonalEvent,
)

Json = dict[str, Any]


def event_document(value: SeasonalEvent) -> Json:
    """Everything about a declared event."""
    return {
        "id": value.id,
        "name": value.name,
        "description": value.description,
        "startsAt": value.starts_at.isoformat(),
        "endsAt": value.ends_at.isoformat(),
        "graceSeconds": value.grace.total_seconds(),
        "cancelledAt": None if value.cancelled_at is None else value.cancelled_at.isoformat(),
        "goals": [_goal_document(goal) for goal in value.goals],
        "challenges": [
            {
                "id": challenge.id,
                "name": challenge.name,
                "description": challenge.description,
                "goalId": challenge.goal_id,
                "target": challenge.target,
                "reward": reward_document(challenge.reward),
                **_claim_within(challenge),
            }
            for challenge in value.challenges
        ],
    }


def _goal_document(value: CommunityGoal) -> Json:
    metric, limits = value.metric, value.metric.limits
    return {
        "id": value.id,
        "name": value.name,
        "description": value.description,
        "metric": {
            "key": metric.key,
            "unit": metric.unit,
            "decimals": metric.decimals,
            "perContribution": limits.per_contribution,
            "perUserDay": limits.per_user_day,
            "perUser": limits.per_user,
            "over": limits.over.value,
        },
        "target": value.target,
        "hidden": value.hidden,
        "targetMayRise": value.target_may_rise,
        "playersContribute": value.players_contribute,
        "outliers": None if value.outliers is None else asdict(value.outliers),
        "nearMiss": f"{value.near_miss:f}",
        "consolation": None if value.consolation is None else _tier_document(value.consolation),
        "tiers": [_tier_document(tier) for tier in value.tiers],
    }


def _tier_document(tier: GoalTier) -> Json:
    return {
        "threshold": f"{tier.threshold:f}",
        "thresholdValue": tier.threshold_value,
        "audience": tier.audience.value,
        "minimum": tier.minimum,
        "reward": reward_document(tier.reward),
        **_claim_within(tier),
    }


def _claim_within(giving: GoalTier | PersonalChallenge) -> Json:
    within = giving.claim_within
    return {} if within is None else {"claimWithinSeconds": within.total_seconds()}


def _duration(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def reward_document(value: Reward) -> Json:
    """Everything about a declared reward."""
    fields = {
        key: {"decimal": f"{field:f}"} if isinstance(field, Decimal) else field for key, field in value.fields.items()
    }
    return {"kind": value.kind, "name": value.name, "nature": value.nature.value, "fields": fields}


def event_from_document(document: Mapping[str, Any]) -> SeasonalEvent:
    """The event that `event_document` wrote down."""
    window: Json = {
        "starts_at": datetime.fromisoformat(document["startsAt"]),
        "ends_at": datetime.fromisoformat(document["endsAt"]),
        "grace": timedelta(seconds=document["graceSeconds"]),
        "cancelled_at": None if document["cancelledAt"] is None else datetime.fromisoformat(document["cancelledAt"]),
    }
    return SeasonalEvent(
        id=document["id"],
        name=document["name"],
        description=document["description"],
        goals=tuple(_goal_from(goal, document["id"], window) for goal in document["goals"]),
        challenges=tuple(
            PersonalChallenge(
                id=challenge["id"],
                name=challenge["name"],
                description=challenge["description"],
                goal_id=challenge["goalId"],
                target=challenge["target"],
                reward=reward_from_document(challenge["reward"]),
                claim_within=_duration(challenge.get("claimWithinSeconds")),
            )
            for challenge in document["challenges"]
        ),
        **window,
    )


def _goal_from(document: Json, event_id: str, window: Json) -> CommunityGoal:
    metric = document["metric"]
    return CommunityGoal(
        id=document["id"],
        event_id=event_id,
        name=document["name"],
        description=document["description"],
        metric=Metric(
            key=metric["key"],
            unit=metric["unit"],
            decimals=metric["decimals"],
            limits=Limits(
                per_contribution=metric["perContribution"],
                per_user_day=metric["perUserDay"],
                per_user=metric["perUser"],
                over=OverLimit(metric["over"]),
            ),
        ),
        target=document["target"],
        hidden=document["hidden"],
        target_may_rise=document["targetMayRise"],
        # Documents of the first version do not say it.
        players_contribute=document.get("playersContribute", False),
        outliers=OutlierRule(**document["outliers"]) if document.get("outliers") else None,
        near_miss=Decimal(document.get("nearMiss", "90")),
        consolation=_tier_from(document["consolation"]) if document.get("consolation") else None,
        tiers=tuple(map(_tier_from, document["tiers"])),
        **window,
    )


def _tier_from(tier: Json) -> GoalTier:
    return GoalTier(
        threshold=Decimal(tier["threshold"]),
        threshold_value=tier["thresholdValue"],
        audience=Audience(tier["audience"]),
        minimum=tier["minimum"],
        reward=reward_from_document(tier["reward"]),
        claim_within=_duration(tier.get("claimWithinSeconds")),
    )


def reward_from_document(document: Mapping[str, Any]) -> Reward:
    """The reward that `reward_document` wrote down."""
    fields = {key: _field_from(field) for key, field in document["fields"].items()}
    return Reward(
        kind=document["kind"],
        name=document["name"],
        nature=Nature(document["nature"]),
        fields=MappingProxyType(fields),
    )


def _field_from(value: Any) -> Any:
    if isinstance(value, dict):
        return Decimal(value["decimal"])
    return tuple(value) if isinstance(value, list) else value
