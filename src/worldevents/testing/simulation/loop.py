"""An event loop in which time passes only when nothing else is left to do, without files, threads or a real clock."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

Ts = TypeVarTuple("Ts")


class Stuck(Exception):
    """A schedule that does not come to an end."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one schedule: it is Stuck after `turns_left` turns, and where everybody waits for nothing."""

    # The library's own: what `call_soon` fills, and what `stop` sets.
    _ready: deque[asyncio.Handle]
    _stopping: bool

    def __init__(self, *, turns_max: int) -> None:
        super().__init__()
        self.turns_left = turns_max
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self._now

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def _run_once(self) -> None:
        """Run what is ready, in order; where nothing is, let the time pass until the next timer."""
        ready = self._ready
        if not ready and not self._stopping:
            if not self._timers:
                raise Stuck("everybody waits, and nothing will happen")
            self._now, _, timer = heapq.heappop(self._timers)
            ready.append(timer)
        self.turns_left -= 1
        if self.turns_left < 0:
            raise Stuck("it does not come to rest")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001 - what the library's own loop does with it

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Only the garbage collector asks for this, whenever it likes: it must not change a schedule."""
        return asyncio.Handle(callback, args, self, context)
