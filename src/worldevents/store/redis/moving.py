"""What operators change in a store in Redis: one call of one function for all of a user's movements in one goal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from worldevents.clock import MonotonicClock
from worldevents.errors import LedgerBehind, StoreLost, WorldEventsError
from worldevents.ledger.base import OutboxLedger
from worldevents.model import ContributionStatus, Partition, Position, Receipt
from worldevents.movements import Ban, Movement, moved_out
from worldevents.store.keys import number_of
from worldevents.store.redis import words
from worldevents.store.redis.reading import Reading

_BOUND: Final = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxBounds:
    """How much may wait for the ledger in one partition, and how much of what is there already is kept."""

    waiting_max: int = 5_000_000
    bytes_max: int = 1_073_741_824
    kept_max: int = 1_000_000
    kept_s: int = 3_600


class Moving(Reading):
    """The moving half of the store in Redis, and what it has in common with contributing."""

    _ledger: OutboxLedger
    _clock: MonotonicClock | None
    _window: timedelta
    _outbox: OutboxBounds

    def _now(self) -> str:
        return "" if self._clock is None else words.microseconds(self._clock.now())

    def _bounds(self) -> list[str]:
        """What every call is told that writes: the time, and how much there may be."""
        return [
            self._now(),
            str(self._window // timedelta(microseconds=1)),
            str(self._outbox.waiting_max),
            str(self._outbox.bytes_max),
            str(_BOUND // self._partitions),
        ]

    async def move(self, movements: Sequence[Movement]) -> list[Receipt]:
        goal_id, user_id = movements[0].contribution[:2]
        return await self._move(goal_id, user_id, movements)

    async def ban(self, goal_id: str, ban: Ban) -> list[Receipt]:
        # The amounts are no matter: what the user has is looked at where it is moved.
        all_of_it = moved_out(goal_id, ban.user_id, ban.number, counted=1, held=1)
        return await self._move(goal_id, ban.user_id, all_of_it, ban=str(ban.number), amount="*")

    async def refuse(self, goal_id: str, ban: Ban) -> None:
        await self._move(goal_id, ban.user_id, (), ban=str(ban.number), amount="*")

    async def unban(self, ban: Ban, movements: Sequence[Movement], *, goal_id: str) -> list[Receipt]:
        return await self._move(goal_id, ban.user_id, movements, ban="lift")

    async def closed(self, goal_id: str, *, version: int) -> bool:
        self.goal(goal_id)
        parts = self.partitions(goal_id)
        told = await asyncio.gather(*(self._call("closed", one, self._now(), str(version)) for one in parts))
        return all(one == b"1" for one in told)

    async def _move(
        self, goal_id: str, user_id: str, movements: Sequence[Movement], *, ban: str = "", amount: str | None = None
    ) -> list[Receipt]:
        partition, metric = Partition(goal_id, number_of(user_id, self._partitions)), self.goal(goal_id).metric
        items = [one.contribution for one in movements]
        held = await self._ledger.look_up(items) if amount is None else [None] * len(items)
        arguments: list[str | bytes] = [*self._bounds(), user_id, ban]
        for one, found in zip(movements, held, strict=True):
            known = "" if found is None else words.known(found.amount, found.status, found.position)
            arguments += words.movement(one, known, amount=amount)
        verdict, *rest = await self._call("move", partition, *arguments)
        if verdict != b"OK":
            raise _why(verdict)
        total, own, told = rest
        current = int(total) if self._partitions == 1 else (await self.state(goal_id)).total
        return [
            Receipt(
                item._replace(amount=int(answer[4])),
                metric,
                ContributionStatus(answer[0].decode()),
                answer[1] == b"1",
                current,
                int(own),
                Position(answer[2].decode(), int(answer[3])),
            )
            for item, answer in zip(items, told, strict=True)
            if answer[0] != b"none"
        ]


def _why(verdict: bytes) -> WorldEventsError:
    if verdict.startswith(b"!"):
        return words.refusal(verdict.decode())
    return StoreLost() if verdict == b"LOST" else LedgerBehind()
