"""Filling a goal's partitions again, page by page, in the name of one who holds the others off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, TypeVar

from worldevents.model import Partition
from worldevents.movements import Ban
from worldevents.store.base import KnownId, Restoration, UserRecord
from worldevents.store.keys import Keys, digest, number_of
from worldevents.store.redis import words
from worldevents.store.redis.connection import Connection

T = TypeVar("T")

PAGE: Final = 500
"""Users or ids in one call: more would hold up contributions to other goals."""


class Refilling:
    """One restoration under way."""

    def __init__(self, connection: Connection, keys: Keys, *, token: str, epoch: str, now: Callable[[], str]) -> None:
        self._connection = connection
        self._keys = keys
        self._token = token
        self._epoch = epoch
        self._now = now

    async def refill(self, partitions: Sequence[Partition], restoration: Restoration) -> bool:
        """Wipe, fill, and open last; False as soon as somebody else has taken over."""
        for partition in partitions:
            if not await self._call("wipe", partition):
                return False
        sums = await self._users(partitions, restoration.users)
        if sums is None or not await self._ids(partitions, restoration.ids):
            return False
        if not await self._bans(partitions, restoration.bans):
            return False
        told = words.unlocks_told(restoration.unlocks)
        for place, partition in enumerate(partitions):
            total, pending = sums[place]
            # The version of the goal is the sum of its partitions' versions.
            seq = restoration.seq if place == 0 else 0
            if not await self._call("reopen", partition, str(seq), str(total), str(pending), told):
                return False
        return True

    async def _users(
        self, partitions: Sequence[Partition], pages: AsyncIterator[Sequence[UserRecord]]
    ) -> list[tuple[int, int]] | None:
        sums = [(0, 0) for _ in partitions]
        async for page in pages:
            for place, own in _shared(page, len(partitions), lambda one: one.user_id).items():
                for start in range(0, len(own), PAGE):
                    told = [word for one in own[start : start + PAGE] for word in _user(one)]
                    if not await self._call("fill_users", partitions[place], *told):
                        return None
                total, pending = sums[place]
                sums[place] = (
                    total + sum(one.amount for one in own),
                    pending + sum(one.pending for one in own),
                )
        return sums

    async def _ids(self, partitions: Sequence[Partition], pages: AsyncIterator[Sequence[KnownId]]) -> bool:
        async for page in pages:
            for place, own in _shared(page, len(partitions), lambda one: one.user_id).items():
                for start in range(0, len(own), PAGE):
                    told: list[str | bytes] = [self._now()]
                    for one in own[start : start + PAGE]:
                        told.append(digest(one.user_id, one.contribution_id))
                        told.append(words.known(one.amount, one.status, one.position))
                    if not await self._call("fill_ids", partitions[place], *told):
                        return False
        return True

    async def _bans(self, partitions: Sequence[Partition], bans: Sequence[Ban]) -> bool:
        for place, own in _shared(bans, len(partitions), lambda one: one.user_id).items():
            for start in range(0, len(own), PAGE):
                told = [word for one in own[start : start + PAGE] for word in (one.user_id, str(one.number))]
                if not await self._call("fill_banned", partitions[place], *told):
                    return False
        return True

    async def _call(self, function: str, partition: Partition, *arguments: str | bytes) -> bool:
        key = self._keys.partition(partition)
        return bool(await self._connection.call(function, key, self._token, self._epoch, *arguments))


def _user(record: UserRecord) -> list[str]:
    days = [word for when, amount in record.days for word in (words.day(when), str(amount))]
    shape = words.shape(record.shape)
    return [record.user_id, str(record.amount), str(record.pending), shape, str(len(record.days)), *days]


def _shared(page: Sequence[T], partitions: int, user_of: Callable[[T], str]) -> dict[int, list[T]]:
    """A page by partition."""
    found: defaultdict[int, list[T]] = defaultdict(list)
    for one in page:
        found[number_of(user_of(one), partitions)].append(one)
    return found
