"""The words of rewards that were granted. What is promised is in `model`, what claiming gives in `prizes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from worldevents.model import Reward


class GrantStatus(StrEnum):
    """What became of a reward that somebody was granted."""

    CLAIMABLE = "claimable"
    """It waits to be claimed."""
    CLAIMED = "claimed"
    """It was claimed, by its user or by itself at `claim_until`; a world's reward is, from the start."""
    PENDING = "pending"
    """It was claimed when nothing of its stock was left; claiming it again tries again."""
    DELIVERED = "delivered"
    """The host has said that the player has it."""
    REVOKED = "revoked"
    """An operator took it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardGrant:
    """The fact that a user, or the world, is to have a reward: once for ever from one tier or challenge."""

    id: str
    """Made of what gives it and who has it (`prizes.grant_id`): the same again from a backup."""
    number: int
    """Its place in the order of granting."""
    event_id: str
    goal_id: str
    """The goal that measures it."""
    threshold: Decimal | None
    """The tier that gives it; None for a challenge's, and for a consolation."""
    challenge_id: str | None
    """The challenge that gives it; with neither, it is the goal's consolation."""
    user_id: str | None
    """None is the whole world."""
    reward: Reward
    """As it was declared when this was granted."""
    version: int
    """Which declaration of this tier's or challenge's reward that was, from 1: of a crate the version of its odds."""
    status: GrantStatus
    granted_at: datetime
    claim_until: datetime | None = None
    claimed_at: datetime | None = None
    delivered_at: datetime | None = None
    revoked_at: datetime | None = None
    reason: str | None = None
    """Why an operator granted or revoked it, and who that was: the latest."""
    author: str | None = None
    outcome: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What claiming it gave, as JSON: what was in a crate, when a boost ends."""

    @property
    def waits(self) -> bool:
        """Whether it is still to be claimed."""
        return self.status in (GrantStatus.CLAIMABLE, GrantStatus.PENDING)


class Way(StrEnum):
    """How a host hears of grants."""

    CALLBACK = "callback"
    """It is called: all up to the cursor were told."""
    WEBHOOK = "webhook"
    """One endpoint, which is told `reward.granted`."""
    DELIVER = "deliver"
    """It says itself that a player has one; what was revoked is not owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Owed against delivered, on one way."""

    way: Way
    endpoint_id: str | None = None
    url: str | None = None
    grants: int
    """How many are for it."""
    delivered: int
    dead: int = 0
    """Of those that are owed: no longer tried."""
    oldest_at: datetime | None
    """When the oldest one that is owed was granted."""

    @property
    def owed(self) -> int:
        return self.grants - self.delivered


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantedSource:
    """How many grants one tier or challenge has given, by what became of them."""

    event_id: str
    goal_id: str
    threshold: Decimal | None
    challenge_id: str | None
    statuses: Mapping[GrantStatus, int]

    @property
    def grants(self) -> int:
        return sum(self.statuses.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantReport:
    """Owed against delivered: every way that is in use, or `deliver` where none is; and all that give rewards."""

    channels: Sequence[Channel]
    sources: Sequence[GrantedSource]

    @property
    def owed(self) -> int:
        """0 where every way has all that is for it."""
        return sum(one.owed for one in self.channels)


class Announcement(NamedTuple):
    """Something that a host may act on, told once under a constant id, in the order in which it became a fact."""

    number: int
    id: str
    kind: str
    """`reward.granted`, `goal.tier_unlocked`, `goal.completed` or `event.settled`."""
    at: datetime
    document: Mapping[str, Any]
    """JSON, as `codec` writes it."""
