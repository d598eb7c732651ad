"""The verbs of rewards as JSON documents: every door answers what is made here, and a client has the same."""

from __future__ import annotations

from typing import Protocol

from worldevents import codec
from worldevents.codec import Json
from worldevents.grants import Channel, GrantedSource, GrantStatus
from worldevents.rewards import LIST_MAX, Rewards


class RewardVerbs(Protocol):
    """What can be asked about rewards, here or behind a URL; every verb raises WorldEventsError."""

    async def rewards(self, user_id: str) -> Json:
        """`{rewards, world}`: one user's grants and those of everyone, the newest first."""
        ...

    async def grants(self, *, after: int = 0, limit: int = LIST_MAX) -> Json:
        """`{grants, next}`: a page of all grants by number, and the number to ask for the next page with."""
        ...

    async def claim(self, grant_id: str) -> Json:
        """A grant that is claimed now, or was before."""
        ...

    async def deliver(self, grant_id: str) -> Json:
        """A grant of which the host says that the player has it."""
        ...

    async def give(self, grant_id: str, *, author: str, reason: str) -> Json:
        """A grant made by hand."""
        ...

    async def revoke(self, grant_id: str, *, author: str, reason: str) -> Json:
        """A grant taken back."""
        ...

    async def grants_report(self) -> Json:
        """`{owed, channels, sources}`: owed against delivered."""
        ...


class LocalRewards:
    """`RewardVerbs` of a system in this process."""

    def __init__(self, rewards: Rewards) -> None:
        self._rewards = rewards

    async def rewards(self, user_id: str) -> Json:
        own, world = await self._rewards.of_user(user_id), await self._rewards.of_world()
        return {"rewards": [codec.grant(one) for one in own], "world": [codec.grant(one) for one in world]}

    async def grants(self, *, after: int = 0, limit: int = LIST_MAX) -> Json:
        found = await self._rewards.grants(after=after, limit=limit)
        return {"grants": [codec.grant(one) for one in found], "next": found[-1].number if found else after}

    async def claim(self, grant_id: str) -> Json:
        return codec.grant(await self._rewards.claim(grant_id))

    async def deliver(self, grant_id: str) -> Json:
        return codec.grant(await self._rewards.deliver(grant_id))

    async def give(self, grant_id: str, *, author: str, reason: str) -> Json:
        return codec.grant(await self._rewards.give(grant_id, author=author, reason=reason))

    async def revoke(self, grant_id: str, *, author: str, reason: str) -> Json:
        return codec.grant(await self._rewards.revoke(grant_id, author=author, reason=reason))

    async def grants_report(self) -> Json:
        told = await self._rewards.report()
        return {
            "owed": told.owed,
            "channels": [_channel(one) for one in told.channels],
            "sources": [_source(one) for one in told.sources],
        }


def _channel(one: Channel) -> Json:
    return {
        "way": one.way.value,
        "endpointId": one.endpoint_id,
        "url": one.url,
        "grants": one.grants,
        "delivered": one.delivered,
        "owed": one.owed,
        "dead": one.dead,
        "oldestAt": None if one.oldest_at is None else codec.instant(one.oldest_at),
    }


def _source(one: GrantedSource) -> Json:
    return {
        "eventId": one.event_id,
        "goalId": one.goal_id,
        "threshold": None if one.threshold is None else float(one.threshold),
        "challengeId": one.challenge_id,
        "grants": one.grants,
        **{status.value: one.statuses.get(status, 0) for status in GrantStatus},
    }
