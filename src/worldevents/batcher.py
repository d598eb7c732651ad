"""Many concurrent callers, few store calls: whoever comes while a call is under way is in the next one.

There is no timer: an idle batcher hands a lone caller on at once. What was accepted is applied, whether or not its
caller still waits; a caller that was cancelled repeats its contribution and is told what became of it. Where several
calls may be under way at once, those of one caller still go one after the other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from worldevents.errors import Closed, LedgerBehind, StoreLost, StoreUnavailable, WorldEventsError
from worldevents.model import GoalContribution, Receipt
from worldevents.store.base import Answer, Store
from worldevents.telemetry import Telemetry

_STORE_ERRORS = (StoreUnavailable, StoreLost, LedgerBehind)
"""Where one call to a store failed, the caller's others may have done what they should: told item by item."""


class _Call(NamedTuple):
    items: Sequence[GoalContribution]
    answered: asyncio.Future[list[Answer]]


class Batcher:
    """Groups the contributions of concurrent callers; `run` is its one background task."""

    def __init__(
        self, store: Store, telemetry: Telemetry, *, batch_max: int, waiting_max: int, calls_max: int = 1
    ) -> None:
        self._store = store
        self._telemetry = telemetry
        self._batch_max = batch_max
        self._waiting_max = waiting_max
        self._calls_max = calls_max
        self._calls: deque[_Call] = deque()
        self._waiting = 0
        telemetry.waiting.set_function(lambda: self._waiting)
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False

    async def contribute(self, items: Sequence[GoalContribution]) -> list[Answer]:
        """Have these applied in their order, and say what became of each.

        Items beyond `batch_max` go in further store calls, in order. Raises Closed during a shutdown, and
        LedgerUnavailable where a whole call failed; what a store in front of the ledger raises stands in each place.
        """
        if len(items) > self._batch_max:
            parts = (items[start : start + self._batch_max] for start in range(0, len(items), self._batch_max))
            return [answer for part in parts for answer in await self.contribute(part)]
        while self._waiting >= self._waiting_max and not self._closed:
            self._room.clear()
            await self._room.wait()
        if self._closed:
            raise Closed
        return await self._enqueue(items) if items else []

    def _enqueue(self, items: Sequence[GoalContribution]) -> asyncio.Future[list[Answer]]:
        answered: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._calls.append(_Call(items, answered))
        self._waiting += len(items)
        self._arrived.set()
        return answered

    async def run(self) -> None:
        """Serve callers until `close`, and then those who are still waiting."""
        try:
            if self._calls_max == 1:
                await self._serve()
                return
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._calls_max):
                    tasks.create_task(self._serve())
        finally:
            self.close()
            for call in self._calls:
                _fail(call, Closed())
            self._calls.clear()

    async def _serve(self) -> None:
        """One call to the store after the other."""
        while self._calls or not self._closed:
            if self._calls:
                await self._apply(self._take())
            else:
                self._arrived.clear()
                await self._arrived.wait()

    def close(self) -> None:
        """Take no more callers; `run` ends when the accepted ones are answered."""
        self._closed = True
        self._arrived.set()
        self._room.set()

    def _take(self) -> list[_Call]:
        taken: list[_Call] = []
        size = 0
        while self._calls and (not taken or size + len(self._calls[0].items) <= self._batch_max):
            taken.append(self._calls.popleft())
            size += len(taken[-1].items)
        self._waiting -= size
        if self._waiting < self._waiting_max:
            self._room.set()
        return taken

    async def _apply(self, calls: Sequence[_Call]) -> None:
        batch = [item for call in calls for item in call.items]
        started = time.perf_counter()
        try:
            answers = await self._store.contribute(batch)
        except _STORE_ERRORS as error:
            answers = list[Answer]([error] * len(batch))
        except WorldEventsError as error:
            for call in calls:
                _fail(call, error)
            return
        except BaseException:
            # Unknown, or the task was cancelled: those callers must not wait for ever. It is raised, and loud.
            for call in calls:
                _fail(call, Closed())
            raise
        self._telemetry.batch_seconds.observe(time.perf_counter() - started)
        self._telemetry.batch_size.observe(len(batch))
        start = 0
        for call in calls:
            own = answers[start : start + len(call.items)]
            start += len(call.items)
            if not call.answered.done():
                call.answered.set_result(own)
        self._count(batch, answers)

    def _count(self, batch: Sequence[GoalContribution], answers: Sequence[Answer]) -> None:
        # A refused goal's id may be anything a caller made up: it must not become a label.
        words: dict[tuple[str, str], int] = {}
        for labels in map(_labels, batch, answers):
            words[labels] = words.get(labels, 0) + 1
        for labels, times in words.items():
            self._telemetry.answers.labels(*labels).inc(times)


def _labels(item: GoalContribution, answer: Answer) -> tuple[str, str]:
    if isinstance(answer, Receipt):
        return item.goal_id, "duplicate" if answer.duplicate else answer.status.value
    return "", answer.code


def _fail(call: _Call, error: WorldEventsError) -> None:
    if not call.answered.done():
        call.answered.set_exception(error)
