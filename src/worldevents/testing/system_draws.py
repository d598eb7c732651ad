"""What the lives of a system are drawn from: its event, and what callers, players and operators may bring.

Few ids, users and instants, so that repeats, conflicts and boundaries are common.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType

from hypothesis import strategies as st

from worldevents.engine import Offer
from worldevents.model import (
    Audience,
    CommunityGoal,
    Limits,
    Nature,
    OutlierRule,
    OverLimit,
    PersonalChallenge,
    Reward,
    SeasonalEvent,
)
from worldevents.testing.builders import STARTS_AT, a_goal, a_tier, an_event, in_window, with_target

USERS = ("ann", "bob", "cid")
GOALS = ("volume", "workouts")
ENDS_AT = STARTS_AT + timedelta(hours=48)
DAY = timedelta(hours=24)
users = st.sampled_from(USERS)
people = st.integers(0, 11)
"""Which of the users and of those whom the erased have left behind, counted round."""
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

percents = st.sampled_from([Decimal(percent) for percent in ("0.5", 20, 50, 90)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the goals end: how near is near, and from where on what is given to whom."""

    near: Decimal
    consoled_at: Decimal
    minimum: int
    audience: Audience


endings = st.none() | st.builds(
    Ending,
    near=percents,
    consoled_at=percents,
    minimum=st.sampled_from([0, 30]),
    audience=st.sampled_from([Audience.CONTRIBUTORS, Audience.CONTRIBUTORS, Audience.EVERYONE]),
)

rewards = st.sampled_from(
    [
        *(f"tier~volume~{percent}" for percent in (25, 25, 25, 25, 50, 75, 100, 33)),
        *("tier~workouts~10", "tier~workouts~10", "challenge~winter~ton", "consolation~volume", "consolation~workouts"),
    ]
)
"""Everything that gives grants, and a tier that there is not: grants' ids without their users."""


def a_reward(kind: str, nature: Nature = Nature.QUANTITY, **fields: int | tuple[str, ...]) -> Reward:
    """A reward of a kind."""
    return Reward(kind=kind, name=kind, nature=nature, fields=MappingProxyType(fields))


def the_event(rules: Limits, rule: OutlierRule | None, ending: Ending | None) -> SeasonalEvent:
    """Two goals, one of them with limits: tiers with a minimum, a time, a stock, and for all; and a challenge.

    With an ending, both of them may console.
    """
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
    (every,) = a_goal(target=200, percents=("10",)).tiers
    stocked = replace(every, reward=a_reward("mount", Nature.OWNERSHIP, stock=1))
    event = an_event(
        _ending(replace(volume, tiers=tiers, outliers=rule), ending),
        _ending(replace(with_target(workouts, 200), tiers=(stocked,)), ending),
        challenges=(ton,),
    )
    return in_window(event, STARTS_AT, ENDS_AT)


def _ending(goal: CommunityGoal, ending: Ending | None) -> CommunityGoal:
    if ending is None:
        return goal
    tier = a_tier(f"{ending.consoled_at}", goal.target)
    consolation = replace(
        tier,
        reward=a_reward("sticker", stock=1),
        minimum=ending.minimum,
        audience=ending.audience,
    )
    return replace(goal, near_miss=ending.near, consolation=consolation)
