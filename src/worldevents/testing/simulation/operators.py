"""Operators of a simulated system: what they set out to do, each until it is answered, by whichever process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random

from worldevents import movements
from worldevents.errors import WorldEventsError
from worldevents.moderation import Moderation, Moved
from worldevents.movements import By
from worldevents.testing.simulation.database import Key
from worldevents.testing.simulation.scenario import Operation, Verb

BY = By(author="ops", reason="simulated")
PAUSE_S = 0.25
"""The most time between two of what one operator does."""
AGAIN_S = 0.05


class Operators:
    """What they did, and what they were told."""

    def __init__(self, rng: Random, serving: Callable[[], Moderation]) -> None:
        """`serving` names the verbs of a process that lives."""
        self._rng = rng
        self._serving = serving
        self.moved: list[tuple[Key, Moved]] = []
        """Each movement that was answered, by its row."""
        self.did: Counter[str] = Counter()

    async def do_all(self, operations: Iterable[Operation]) -> None:
        """Do these, one after the other."""
        for one in operations:
            await asyncio.sleep(self._rng.random() * PAUSE_S)
            place = self._rng.random()
            while not await self._is_answered(one, place):  # noqa: ASYNC110 - as an operator tries again
                await asyncio.sleep(AGAIN_S)

    async def _is_answered(self, one: Operation, place: float) -> bool:
        # In a task of its own, for it ends with the process that it is in.
        task = asyncio.ensure_future(self._do(self._serving(), one, place))
        await asyncio.wait([task])
        if task.cancelled():
            return False
        error = task.exception()
        if error is None:
            self.did[one.what] += 1
            return True
        if not isinstance(error, WorldEventsError):
            raise error
        self.did[error.code] += 1
        return not error.retryable

    async def _do(self, moderation: Moderation, one: Operation, place: float) -> None:
        about = one.goal_id, one.user_id
        match one.what:
            case Verb.CORRECT:
                moved = await moderation.correct(*about, one.amount, correction_id=one.id, by=BY)
                self.moved.append(((*about, movements.correction(one.id)), moved))
            case Verb.WITHHOLD:
                moved = await moderation.withhold(*about, one.id, by=BY)
                self.moved.append(((*about, movements.withholding(one.id)), moved))
            case Verb.DECIDE:
                await self._decide(moderation, place)
            case Verb.BAN:
                await moderation.ban(one.user_id, by=BY)
            case Verb.UNBAN:
                await moderation.unban(one.user_id, by=BY)

    async def _decide(self, moderation: Moderation, place: float) -> None:
        holds = await moderation.holds()
        if holds:
            hold = holds[int(place * len(holds))]
            verb = moderation.release if place < 0.6 else moderation.reject
            moved = await verb(hold.id, by=BY)
            self.moved.append(((hold.goal_id, hold.user_id, movements.decision(hold.contribution_id)), moved))
