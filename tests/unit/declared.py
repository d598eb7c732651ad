"""Any event that an event file can declare, for the property tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from hypothesis import strategies as st

from worldevents import rules
from worldevents.catalog import REWARD_KINDS
from worldevents.model import (
    Audience,
    CommunityGoal,
    GoalTier,
    Limits,
    Metric,
    OutlierRule,
    OverLimit,
    PersonalChallenge,
    Reward,
    SeasonalEvent,
)

slugs = st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True)
names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
amounts = st.integers(1, 2**53 - 1)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
numbers = st.integers(1, 1_000) | st.decimals(1, 1_000, places=3)


RULES = st.builds(
    OutlierRule,
    deviations=st.integers(1, 100),
    own_least=st.integers(1, 10_000),
    everyones_least=st.integers(1, 1_000_000),
)


@st.composite
def rewards(draw: st.DrawFn) -> Reward:
    """A reward of a kind, with some of the fields that rewards have."""
    kind = draw(st.sampled_from(sorted(REWARD_KINDS)))
    fields = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "multiplier": numbers,
                "minutes": amounts,
                "table": names,
                "stock": amounts,
                "pieces": st.lists(names, max_size=3).map(tuple),
            },
        )
    )
    return Reward(kind=kind, name=draw(names), nature=REWARD_KINDS[kind].nature, fields=MappingProxyType(fields))


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    """A metric with some limits."""
    bounds = [draw(st.none() | amounts) for _ in range(3)]
    limits = Limits(
        per_contribution=bounds[0],
        per_user_day=bounds[1],
        per_user=bounds[2],
        over=draw(st.sampled_from(OverLimit)),
    )
    return Metric(key=draw(slugs), unit=draw(names), decimals=draw(st.integers(0, 6)), limits=limits)


PERCENTS = st.integers(1, 999_999).map(lambda part: Decimal(f"{Decimal(part).scaleb(-4).normalize():f}"))
"""More than nothing and less than all."""


@st.composite
def tier_at(draw: st.DrawFn, threshold: Decimal, target: int) -> GoalTier:
    """What is given for so many percent of a target."""
    return GoalTier(
        threshold=threshold,
        threshold_value=rules.threshold_value(target, threshold),
        reward=draw(rewards()),
        audience=draw(st.sampled_from(Audience)),
        minimum=draw(st.just(0) | amounts),
    )


@st.composite
def goals(draw: st.DrawFn, event: SeasonalEvent, goal_id: str) -> CommunityGoal:
    """A goal of this event, with its tiers in their order."""
    target = draw(amounts)
    parts = draw(st.lists(st.integers(1, 100_000_000), unique=True, max_size=3).map(sorted))
    thresholds = [Decimal(f"{Decimal(part).scaleb(-4).normalize():f}") for part in parts]
    below = draw(st.none() | PERCENTS)
    return CommunityGoal(
        id=goal_id,
        event_id=event.id,
        name=draw(names),
        description=draw(names),
        metric=draw(metrics()),
        target=target,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        grace=event.grace,
        tiers=tuple(draw(tier_at(threshold, target)) for threshold in thresholds),
        near_miss=draw(PERCENTS),
        consolation=None if below is None else draw(tier_at(below, target)),
        hidden=draw(st.booleans()),
        target_may_rise=draw(st.booleans()),
        players_contribute=draw(st.booleans()),
        outliers=draw(st.none() | RULES),
        cancelled_at=event.cancelled_at,
    )


@st.composite
def events(draw: st.DrawFn) -> SeasonalEvent:
    """An event with a few goals, each perhaps with a personal challenge."""
    starts_at = draw(instants)
    bare = SeasonalEvent(
        id=draw(slugs),
        name=draw(names),
        description=draw(names),
        starts_at=starts_at,
        ends_at=starts_at + draw(st.timedeltas(timedelta(microseconds=1), timedelta(days=400))),
        grace=timedelta(minutes=draw(st.integers(0, 999_999))),
        cancelled_at=draw(st.none() | instants),
    )
    goal_ids = draw(st.lists(slugs, unique=True, min_size=1, max_size=3))
    challenge_ids = draw(st.lists(slugs, unique=True, max_size=2))
    challenges = [
        PersonalChallenge(
            id=challenge_id,
            name=draw(names),
            description=draw(names),
            goal_id=draw(st.sampled_from(goal_ids)),
            target=draw(amounts),
            reward=draw(rewards()),
        )
        for challenge_id in challenge_ids
    ]
    return SeasonalEvent(
        id=bare.id,
        name=bare.name,
        description=bare.description,
        starts_at=bare.starts_at,
        ends_at=bare.ends_at,
        grace=bare.grace,
        cancelled_at=bare.cancelled_at,
        goals=tuple(draw(goals(bare, goal_id)) for goal_id in goal_ids),
        challenges=tuple(challenges),
    )
