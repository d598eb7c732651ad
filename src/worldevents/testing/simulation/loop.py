"""An event loop in which time passes only when nothing else is left to do, without files, threads or a real clock.

A schedule is a few thousand callbacks: there is as little as can be between one and the next.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Stuck(Exception):
    """A schedule that does not come to an end."""


class _Timer(asyncio.TimerHandle):
    """A callback at an instant, and nothing else of the library's."""

    __slots__ = ()

    def __init__(  # the base class looks where it was made, which takes longer than all the rest
        self, when: float, callback: Callable[..., object], args: tuple[object, ...], context: Context | None
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._context = context
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True


class _Due(asyncio.Handle):
    """What is handed out for each callback that is ready: nobody here thinks better of one."""

    __slots__ = ()

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        raise NotImplementedError


class _Task(asyncio.Task[T]):
    """Has its number for a hash: a group of tasks is a set, and cancels them in that order, in any process the same."""

    def __init__(
        self, work: Coroutine[Any, Any, T], *, number: int, loop: asyncio.AbstractEventLoop, context: Context | None
    ) -> None:
        self._number = number
        super().__init__(work, loop=loop, context=context)

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
        self._timers: list[tuple[float, int, _Timer]] = []
        self._order = itertools.count()
        self._handed_out = _Due()

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self._due.append((callback, args, context))
        return self._handed_out

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        del name
        return _Task(coro, number=next(self._order), loop=self, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, context)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        when = self._now + delay
        timer = _Timer(when, callback, args, context)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def _run_once(self) -> None:
        """Run what is ready, in order; where nothing is, let the time pass until the next timer. Until it is stopped."""
        due = self._due
        while not self._stopping:
            if not due:
                self._let_pass()
                continue
            self.turns_left -= 1
            if self.turns_left < 0:
                raise Stuck("it does not come to rest")
            callback, args, context = due.popleft()
            try:
                if context is None:
                    callback(*args)
                else:
                    context.run(callback, *args)
            except Exception as error:  # noqa: BLE001 - told as the library's own loop tells it
                self.call_exception_handler({"message": f"Exception in {callback}", "exception": error})

    def _let_pass(self) -> None:
        """Have what comes next become ready."""
        if not self._timers:
            raise Stuck("everybody waits, and nothing will happen")
        self._now, _, timer = heapq.heappop(self._timers)
        if not timer._cancelled:
            self._due.append((timer._callback, timer._args, timer._context))

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Only the garbage collector asks for this, whenever it likes: it must not change a schedule."""
        return asyncio.Handle(callback, args, self, context)
