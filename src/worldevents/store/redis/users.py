"""Users in a store in Redis, beside what they have: who is hidden or barred, and who is erased.

Erasing is one step in each goal; afterwards its outbox forgets what it still had of that one.
"""

from __future__ import annotations

import secrets
from typing import Final

from worldevents import movements
from worldevents.errors import LedgerBehind, StoreLost
from worldevents.ledger.personal import Barred
from worldevents.model import Partition, Position, Receipt
from worldevents.movements import Erasure
from worldevents.store.keys import number_of
from worldevents.store.redis import words
from worldevents.store.redis.connection import failing
from worldevents.store.redis.moving import Moving

PAGE: Final = 1_000
"""Entries of an outbox that are looked at in one call: more would hold up contributions."""


class Users(Moving):
    """What the store in Redis does about users."""

    _barred: Barred

    async def hiding_changed(self) -> None:
        await self._look_at_users()
        with failing():
            await self._connection.client.spublish(self._keys.events, "")

    async def _look_at_users(self) -> None:
        self._hidden, self._barred = await self._ledger.hidden(), await self._ledger.barred()

    def tombstone(self, user_id: str) -> str:
        """What is to stand for this user: at random, but in the same share of every goal."""
        while True:
            found = movements.tombstone(secrets.token_hex(8))
            if number_of(found, self._partitions) == number_of(user_id, self._partitions):
                return found

    async def erase(self, goal_id: str, erasure: Erasure) -> Receipt:
        partition, metric = self._share(goal_id, erasure), self.goal(goal_id).metric
        wanted = movements.erasing(goal_id, erasure)
        (held,) = await self._ledger.look_up([wanted.contribution])
        known = "" if held is None else words.known(held.amount, held.status, held.position)
        row_id, digest, *_ = words.movement(wanted, known, amount=None)
        told = erasure.user_id, erasure.tombstone, row_id, digest, known
        verdict, *rest = await self._call("erase", partition, *self._bounds(), *told)
        if verdict != b"OK":
            raise StoreLost if verdict == b"LOST" else LedgerBehind
        total, own, again, epoch, seq = rest
        current = int(total) if self._partitions == 1 else (await self.state(goal_id)).total
        position = Position(epoch.decode(), int(seq))
        return Receipt(wanted.contribution, metric, wanted.status, again == b"1", current, int(own), position)

    async def forget(self, erasure: Erasure) -> None:
        # First of all, so that who was banned is barred before the ban is dropped.
        await self.hiding_changed()
        # What came before the erasing goes out of the outboxes: all of it is in the ledger by now.
        is_banned = any(one.user_id == erasure.user_id for one in await self._ledger.bans())
        for goal_id in list(self._goals):
            (held,) = await self._ledger.look_up([movements.erasing(goal_id, erasure).contribution])
            if held is None:
                continue
            partition, after = self._share(goal_id, erasure), "0"
            epoch, seq = held.position
            told = epoch, str(seq), erasure.user_id, str(int(not is_banned))
            while after:
                after = (await self._call("forget", partition, *told, after, str(PAGE))).decode()
        with failing():
            await self._connection.client.hdel(self._keys.names, erasure.user_id)

    def _share(self, goal_id: str, erasure: Erasure) -> Partition:
        return Partition(goal_id, number_of(erasure.user_id, self._partitions))
