"""An event loop in which time passes only when nothing else is left to do, without files, threads or a real clock.

A schedule is some thousand callbacks: there is as little as can be between one and the next.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Stuck(Exception):
    """A schedule that does not come to an end."""


class _Timer(asyncio.TimerHandle):
    """What is handed out for a callback at an instant."""

    def __init__(self, when: float, number: int, gone: set[int]) -> None:
        # Not the base class's: it asks where it was made, which takes longer than all the rest.
        self._when = when
        self._number = number
        self._gone = gone

    def cancel(self) -> None:
        self._gone.add(self._number)

    def cancelled(self) -> bool:
        return self._number in self._gone


class _Due(asyncio.Handle):
    """What is handed out for every callback that is ready: nobody here thinks better of one."""

    def __init__(self) -> None:
        """Nothing is known of it."""

    def cancel(self) -> None:
        raise NotImplementedError


class _Task(asyncio.Task[T]):
    """Has its number for a hash: a group of tasks is a set, and cancels them in that order, in any process the same."""

    def __init__(
        self,
        work: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        number: int,
        loop: asyncio.AbstractEventLoop,
        name: object,
        context: Context | None,
    ) -> None:
        self._number = number
        super().__init__(work, loop=loop, name=None if name is None else str(name), context=context)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one schedule: it is Stuck after `turns_left` callbacks, and where everybody waits for nothing."""

    # The library's own: what `stop` sets.
    _stopping: bool

    def __init__(self, *, turns_max: int) -> None:
        super().__init__()
        self.turns_left = turns_max
        self._now = 0.0
        self._due: deque[tuple[Callable[..., object], tuple[object, ...], Context | None]] = deque()
        self._timers: list[tuple[float, int, Callable[..., object], tuple[object, ...], Context | None]] = []
        self._gone: set[int] = set()
        """Timers that were cancelled."""
        self._order = itertools.count()
        self._handed_out = _Due()

    def time(self) -> float:
        return self._now

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        return _Task(coro, number=next(self._order), loop=self, name=name, context=context)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self._due.append((callback, args, context))
        return self._handed_out

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        number = next(self._order)
        heappush(self._timers, (when, number, callback, args, context))
        return _Timer(when, number, self._gone)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def after(self, delay: float, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """As `call_later`, for good."""
        heappush(self._timers, (self._now + delay, next(self._order), callback, args, None))

    def _run_once(self) -> None:
        """Until it is stopped: run what is ready, in order; where nothing is, let the time pass to the next timer."""
        due, timers, gone = self._due, self._timers, self._gone
        while not self._stopping:
            # Before anything is taken: what is left goes on when all is abandoned.
            self.turns_left -= 1
            if self.turns_left < 0:
                raise Stuck("it does not come to rest")
            if due:
                callback, args, context = due.popleft()
            elif timers:
                self._now, number, callback, args, context = heappop(timers)
                if number in gone:
                    continue
            else:
                raise Stuck("everybody waits, and nothing will happen")
            try:
                if context is None:
                    callback(*args)
                else:
                    context.run(callback, *args)
            except Exception as error:  # noqa: BLE001 - told as the library's own loop tells it
                self.call_exception_handler({"message": f"Exception in {callback}", "exception": error})

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Only the garbage collector asks for this, whenever it likes: it must not change a schedule."""
        return asyncio.Handle(callback, args, self, context)
