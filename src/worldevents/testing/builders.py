"""Events, goals and contributions for tests: valid as they come, and only what a test is about needs naming."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from worldevents import catalog, rules
from worldevents.access_keys import AccessKey, KeyKind, Right
from worldevents.model import (
    CommunityGoal,
    GoalContribution,
    GoalTier,
    Limits,
    Metric,
    Nature,
    PersonalChallenge,
    Reward,
    SeasonalEvent,
)

STARTS_AT: Final = datetime(2026, 12, 1, tzinfo=UTC)
ENDS_AT: Final = datetime(2026, 12, 22, tzinfo=UTC)
GRACE: Final = timedelta(hours=24)
DURING: Final = datetime(2026, 12, 10, 18, 30, tzinfo=UTC)
"""An instant well inside the window."""
NO_LIMITS: Final = Limits()


def a_tier(percent: str, target: int) -> GoalTier:
    """A tier at so many percent of a target."""
    threshold = Decimal(percent)
    reward = Reward(kind="title", name=f"Reached {percent} %", nature=Nature.OWNERSHIP)
    return GoalTier(threshold=threshold, threshold_value=rules.threshold_value(target, threshold), reward=reward)


def a_goal(
    goal_id: str = "volume",
    *,
    target: int = 1_000,
    percents: Iterable[str] = ("25", "50", "100"),
    limits: Limits = NO_LIMITS,
    metric: str = "totalVolume",
) -> CommunityGoal:
    """A goal that counts in whole kilograms; its event is the one that `an_event` puts it into."""
    return CommunityGoal(
        id=goal_id,
        event_id="winter",
        name=goal_id.title(),
        metric=Metric(key=metric, unit="kg", limits=limits),
        target=target,
        starts_at=STARTS_AT,
        ends_at=ENDS_AT,
        grace=GRACE,
        tiers=tuple(a_tier(percent, target) for percent in percents),
    )


def an_event(
    *goals: CommunityGoal, event_id: str = "winter", challenges: Iterable[PersonalChallenge] = ()
) -> SeasonalEvent:
    """An event with these goals, or with one goal."""
    return SeasonalEvent(
        id=event_id,
        name=event_id.title(),
        starts_at=STARTS_AT,
        ends_at=ENDS_AT,
        grace=GRACE,
        goals=tuple(replace(goal, event_id=event_id) for goal in goals or (a_goal(),)),
        challenges=tuple(challenges),
    )


def in_window(event: SeasonalEvent, starts_at: datetime, ends_at: datetime) -> SeasonalEvent:
    """The same event at another time."""
    return catalog.with_window(event, starts_at, ends_at)


def cancelled(event: SeasonalEvent, at: datetime) -> SeasonalEvent:
    """The same event, called off at an instant."""
    return replace(event, cancelled_at=at, goals=tuple(replace(goal, cancelled_at=at) for goal in event.goals))


def with_target(goal: CommunityGoal, target: int) -> CommunityGoal:
    """The same goal with another target; its tiers and its consolation move along."""

    def moved(tier: GoalTier) -> GoalTier:
        return replace(tier, threshold_value=rules.threshold_value(target, tier.threshold))

    consolation = None if goal.consolation is None else moved(goal.consolation)
    return replace(goal, target=target, tiers=tuple(map(moved, goal.tiers)), consolation=consolation)


def a_contribution(
    contribution_id: str = "c1",
    amount: int = 10,
    *,
    user: str = "ann",
    goal: str = "volume",
    occurred_at: datetime | None = None,
    display_name: str | None = None,
) -> GoalContribution:
    """One contribution, of Ann to the goal of `a_goal`."""
    return GoalContribution(
        goal_id=goal,
        user_id=user,
        contribution_id=contribution_id,
        amount=amount,
        occurred_at=occurred_at,
        display_name=display_name,
    )


def a_key(
    key_id: str = "k1",
    *,
    kind: KeyKind = KeyKind.SECRET,
    rights: Iterable[Right] = (Right.READ, Right.CONTRIBUTE),
    goals: Iterable[str] = (),
) -> AccessKey:
    """A key as a ledger keeps it; its text is `we_test_` and its id."""
    return AccessKey(
        id=key_id,
        name=f"key {key_id}",
        kind=kind,
        rights=frozenset(rights),
        goals=frozenset(goals),
        digest=hashlib.sha256(f"we_test_{key_id}".encode()).digest(),
        hint=f"we_test_…{key_id}",
        created_at=DURING,
    )
