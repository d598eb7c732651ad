"""The event that the benchmarks count for: one goal, open now, with the limits and tiers that a real one has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from worldevents import rules
from worldevents.model import CommunityGoal, GoalTier, Limits, Metric, Nature, Reward, SeasonalEvent

GOAL = "volume"
_TARGET = 10**15


def open_event() -> SeasonalEvent:
    """An event that began yesterday and ends tomorrow."""
    now, day = datetime.now(UTC), timedelta(days=1)
    goal = CommunityGoal(
        id=GOAL,
        event_id="benchmark",
        name="Volume",
        metric=Metric(key="totalVolume", unit="kg", decimals=3, limits=Limits(per_contribution=100_000_000)),
        target=_TARGET,
        starts_at=now - day,
        ends_at=now + day,
        grace=day,
        tiers=tuple(_tier(percent) for percent in ("25", "50", "75", "100")),
    )
    return SeasonalEvent(
        id="benchmark", name="Benchmark", starts_at=goal.starts_at, ends_at=goal.ends_at, grace=day, goals=(goal,)
    )


def _tier(percent: str) -> GoalTier:
    threshold = Decimal(percent)
    return GoalTier(
        threshold=threshold,
        threshold_value=rules.threshold_value(_TARGET, threshold),
        reward=Reward(kind="title", name=f"Reached {percent} %", nature=Nature.OWNERSHIP),
    )
