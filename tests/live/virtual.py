"""An event loop whose time passes only when nothing else is left to do: a minute of waiting takes no time at all."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

P = ParamSpec("P")


class _Selector(selectors.DefaultSelector):
    """Where a loop would wait for its next timer, the time is moved there instead."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select(None)
        self.passed += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test in a loop of its own, in virtual time; what it leaves running is a failure."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def alone() -> None:
            await test(*args, **kwargs)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert set() == left

        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(alone())

    return run


async def turns(number: int = 5) -> None:
    """Let the loop turn a few times: all that can happen at once happens."""
    for _ in range(number):
        await asyncio.sleep(0)


async def passing(seconds: float) -> None:
    """Let this much virtual time pass."""
    await asyncio.sleep(seconds)
    await turns()
