"""The documents of rewards, as OpenAPI describes them. `codec` and `documents.rewards` write them; a test compares."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from worldevents.api.schemas import Document, Reward

Count = Annotated[int, Field(ge=0)]


class Grant(Document):
    """The fact that a user, or the world, is to have a reward: once for ever from what gives it."""

    id: str = Field(examples=["tier~lift-the-frost~25~ada"])
    number: int = Field(description="Its place in the order of granting.", examples=[1_204])
    event_id: str = Field(examples=["winter-2026"])
    goal_id: str = Field(description="The goal that measures it.", examples=["lift-the-frost"])
    threshold: float | None = Field(
        description="The tier that gives it; null for a challenge's, and for a goal's consolation.", examples=[25]
    )
    challenge_id: str | None
    user_id: str | None = Field(description="Null is the whole world.", examples=["ada"])
    reward: Reward
    nature: Literal["ownership", "quantity"] = Field(
        description="Whether giving it twice would be harmless (ownership) or fraud (quantity)."
    )
    version: int = Field(description="Which declaration of the reward this is, from 1.", examples=[1])
    status: Literal["pending", "claimable", "claimed", "delivered", "revoked"]
    granted_at: datetime
    claim_until: datetime | None = Field(description="When it is claimed by itself.")
    claimed_at: datetime | None
    delivered_at: datetime | None
    revoked_at: datetime | None
    reason: str | None = Field(description="Why an operator granted or revoked it.")
    author: str | None
    outcome: dict[str, Any] = Field(description="What claiming it gave.", examples=[{"prizes": ["Ice Shard"]}])


class Rewards(Document):
    """One user's grants and those of everyone, the newest first."""

    rewards: list[Grant]
    world: list[Grant]


class Grants(Document):
    """A page of all grants by number."""

    grants: list[Grant]
    next: int = Field(description="What the next page is asked for `after`.", examples=[1_204])


class GrantChannel(Document):
    """Owed against delivered, on one way."""

    way: Literal["callback", "webhook", "deliver"] = Field(
        description="`callback`: a host's `on_grant`; `webhook`: an endpoint; `deliver`: what hosts said is delivered."
    )
    endpoint_id: str | None
    url: str | None
    grants: Count = Field(description="How many are for it.", examples=[1_204])
    delivered: Count = Field(examples=[1_200])
    owed: Count = Field(examples=[4])
    dead: Count = Field(description="Of the owed ones: no longer tried.", examples=[0])
    oldest_at: datetime | None = Field(description="When the oldest owed one was granted.")


class GrantSource(Document):
    """How many grants one tier or challenge has given, and what became of them."""

    event_id: str = Field(examples=["winter-2026"])
    goal_id: str = Field(examples=["lift-the-frost"])
    threshold: float | None = Field(description="Of a tier.", examples=[25])
    challenge_id: str | None = Field(description="Of a challenge.")
    grants: Count
    claimable: Count
    claimed: Count
    pending: Count
    delivered: Count
    revoked: Count


class GrantsReport(Document):
    """Owed against delivered."""

    owed: Count = Field(description="On all ways together.")
    channels: list[GrantChannel] = Field(description="The ways that are in use; `deliver` where none is.")
    sources: list[GrantSource]
