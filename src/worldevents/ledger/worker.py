"""One thread that runs what it is given, in order, and answers on the event loop that asked.

Where the job is quick it is run on the spot instead: on this machine two hand-overs between threads cost as much as a
commit. A job that turns out slow sends those that follow to the thread for a while, so that a slow disk stops the
event loop once and not all the time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Final, TypeVar

T = TypeVar("T")

SLOW_S: Final = 0.03
"""A job that takes longer than this is slow."""
REST_S: Final = 5.0
"""How long all jobs go to the thread after a slow one."""


class Worker:
    """A job that was taken on is run, whether or not its caller still waits."""

    def __init__(self, name: str, *, on_the_spot: bool = False) -> None:
        """With `on_the_spot`, quick jobs are run by who gives them: for what never waits for another machine."""
        self._on_the_spot = on_the_spot
        self._given = 0
        """Jobs that were given to the thread and are not answered yet."""
        self._slow_until = 0.0
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon, so that a program that never closes its ledger can end all the same: that is as if it was killed.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function, after all that were given before."""
        if self.at_once:
            return self._timed(function)
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                answer = partial(_answer, answered, self._timed(function))
            except BaseException as error:  # noqa: BLE001 - raised where it was asked for
                answer = partial(_fail, answered, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._done, answer)

        self._given += 1
        self._jobs.put(job)
        return await answered

    @property
    def at_once(self) -> bool:
        """Whether a function that is given now is run on the spot, before anything else happens."""
        return self._on_the_spot and not self._given and time.monotonic() >= self._slow_until

    def _timed(self, function: Callable[[], T]) -> T:
        begun = time.monotonic()
        try:
            return function()
        finally:
            if time.monotonic() - begun > SLOW_S:
                self._slow_until = time.monotonic() + REST_S

    def _done(self, answer: Callable[[], None]) -> None:
        self._given -= 1
        answer()

    def close(self) -> None:
        """Wait for the jobs that were given, and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job


def _answer(answered: asyncio.Future[T], result: T) -> None:
    if not answered.done():
        answered.set_result(result)


def _fail(answered: asyncio.Future[T], error: BaseException) -> None:
    if not answered.done():
        answered.set_exception(error)
