"""The document of an explained standing, as OpenAPI describes it. `codec` writes it; a test compares."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from worldevents.api.schemas import Amount, Document, Promised, Tier


class Ahead(Document):
    """How many contributors have strictly less, of all contributors; the user is one of these."""

    count: int = Field(description="Contributors with strictly less.", examples=[14_688])
    of: int = Field(description="All contributors, this user too.", examples=[15_760])
    percent: float = Field(description="`count` in percent of `of`, floored to 2 decimals.", examples=[93.19])


class Share(Document):
    """The user's counted amount as a part of the goal, in percent, floored to 6 decimals."""

    percent_of_total: float = Field(examples=[0.024285])
    percent_of_target: float = Field(examples=[0.001025])


class NextRank(Document):
    """The better rank that the least amount more would give."""

    rank: int = Field(examples=[1_071])
    missing: Amount = Field(description="That amount.", examples=[2.5])
    shared_by: int = Field(description="How many would have that rank then, this user too.", examples=[3])


class NextTier(Document):
    """The nearest tier of the goal that is still locked."""

    threshold: float = Field(examples=[50])
    threshold_value: Amount = Field(examples=[5_000_000])
    missing: Amount = Field(description="What all have to contribute until then.", examples=[788_699.5])


class NextMinimum(Document):
    """Of the tiers that ask for more than the user has, the one that asks for the least."""

    threshold: float = Field(examples=[50])
    minimum: Amount = Field(examples=[500])
    missing: Amount = Field(description="What this user has to contribute until then.", examples=[397.5])


Lack = Literal[
    "not_unlocked",
    "missed",
    "cancelled",
    "not_settled",
    "met",
    "nothing_counted",
    "below_minimum",
    "held",
    "late",
    "banned",
]


class Judged(Promised):
    """What is given, and what is to be said of the user."""

    qualifies: bool = Field(description="Whether its reward is this user's now.")
    why_not: list[Lack] = Field(description="All reasons, if it is not.")
    missing: Amount = Field(description="What this user still has to contribute for it.", examples=[0])
    others: int = Field(
        description="How many other contributors have what it asks for; of a tier for everyone, all others.",
        examples=[4_812],
    )


class TierStanding(Tier, Judged):
    """A tier, and what it says of the user."""


class ExplainedStanding(Document):
    """Where a user stands in a goal, and why."""

    goal_id: str = Field(examples=["lift-the-frost"])
    event_id: str = Field(examples=["winter-2026"])
    user_id: str = Field(examples=["ada"])
    metric: str = Field(examples=["totalVolume"])
    unit: str = Field(examples=["kg"])
    status: Literal["upcoming", "active", "grace", "settled", "cancelled"]
    current_value: Amount
    pending_value: Amount
    target_value: Amount
    participant_count: int = Field(examples=[15_760])
    user_contribution: Amount = Field(examples=[102.5])
    user_pending: Amount = Field(description="Held: it counts once an operator releases it.", examples=[0])
    user_late: Amount = Field(description="Came after the grace: kept, never counted.", examples=[0])
    user_rank: int | None = Field(description="1 + the number of contributors with strictly more.", examples=[1_072])
    rank_shared_by: int | None = Field(description="How many have this rank, the user too.", examples=[1])
    ahead: Ahead | None = Field(description="null without a counted contribution.")
    share: Share
    next_rank: NextRank | None = Field(description="null at the top.")
    next_tier: NextTier | None = Field(description="null where all are unlocked.")
    next_minimum: NextMinimum | None = Field(description="null where the user has what every tier asks for.")
    tiers: list[TierStanding]
    consolation: Judged | None = Field(description="The same of what is given if the goal settles without its target.")
    epoch: str
    seq: int
    server_time: datetime
