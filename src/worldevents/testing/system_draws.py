"""What the lives of a system are drawn from: its event, and what callers, players and operators may bring.

Few ids, users and instants, so that repeats, conflicts and boundaries are common.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

from hypothesis import strategies as st

from worldevents.engine import Offer
from worldevents.model import (
    Audience,
    Limits,
    Nature,
    OutlierRule,
    OverLimit,
    PersonalChallenge,
    Reward,
    SeasonalEvent,
)
from worldevents.testing.builders import STARTS_AT, a_goal, an_event, in_window, with_target

USERS = ("ann", "bob", "cid")
GOALS = ("volume", "workouts")
ENDS_AT = STARTS_AT + timedelta(hours=48)
DAY = timedelta(hours=24)
users = st.sampled_from(USERS)
goals = st.sampled_from(GOALS)
places = st.integers(0, 7)
"""Which of those that there are, counted round."""
offers = st.builds(
    Offer,
    goal_id=st.sampled_from([*GOALS, *GOALS, "nowhere"]),
    user_id=users,
    amount=st.sampled_from([1, 2, 24, 25, 49, 50, 51]),
    contribution_id=st.sampled_from(["a", "b", "c", "d", "e"]),
    occurred_at=st.none() | st.sampled_from([STARTS_AT + timedelta(hours=at) for at in (-1, 0, 1, 20, 24, 47, 48, 49)]),
    display_name=st.none() | st.sampled_from(["A", "B"]),
)
limits = st.builds(
    Limits,
    per_contribution=st.sampled_from([None, 24]),
    per_user_day=st.sampled_from([None, 60]),
    per_user=st.sampled_from([None, 75]),
    over=st.sampled_from(OverLimit),
)
outliers = st.none() | st.builds(
    OutlierRule, deviations=st.integers(1, 3), own_least=st.integers(1, 3), everyones_least=st.integers(1, 5)
)
GRANTS = [
    *(f"tier~volume~{percent}~{user}" for percent in (25, 50, 75) for user in USERS),
    *(f"{name}~{user}" for name in ("tier~workouts~10", "challenge~winter~ton") for user in USERS),
    *("tier~volume~100", "tier~volume~100~ann", "tier~volume~33~ann"),
]
"""Every grant that there may be, and some that only support gives, or nobody."""
grants = st.sampled_from(GRANTS)


def a_reward(kind: str, nature: Nature = Nature.QUANTITY, **fields: int | tuple[str, ...]) -> Reward:
    """A reward of a kind."""
    return Reward(kind=kind, name=kind, nature=nature, fields=MappingProxyType(fields))


def the_event(rules: Limits, rule: OutlierRule | None) -> SeasonalEvent:
    """Two goals, one of them with limits: tiers with a minimum, a time, a stock, and for all; and a challenge."""
    volume, workouts = a_goal(target=200, percents=("25", "50", "75", "100"), limits=rules), a_goal("workouts")
    first, second, third, last = volume.tiers
    tiers = (
        replace(first, reward=a_reward("mount", Nature.OWNERSHIP, stock=1)),
        replace(second, reward=a_reward("crate", odds=("3 gold", "1 sword")), minimum=30, claim_within=DAY),
        replace(third, minimum=25),
        replace(last, reward=a_reward("boost", minutes=30), audience=Audience.EVERYONE),
    )
    ton = PersonalChallenge(
        id="ton", name="Ton", goal_id="volume", target=70, reward=a_reward("currency", amount=5), claim_within=2 * DAY
    )
    event = an_event(
        replace(volume, tiers=tiers, outliers=rule),
        replace(with_target(workouts, 200), tiers=a_goal(target=200, percents=("10",)).tiers),
        challenges=(ton,),
    )
    return in_window(event, STARTS_AT, ENDS_AT)
