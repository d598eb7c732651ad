"""One thread that runs what it is given, in order, and answers on the event loop that asked.

It takes half the time of an executor's round trip, and every lone contribution waits for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class Worker:
    """A job that was taken on is run, whether or not its caller still waits."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon, so that a program that never closes its ledger can end all the same: that is as if it was killed.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in the thread, after all that were given before."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                answer = partial(_answer, answered, function())
            except BaseException as error:  # noqa: BLE001 - raised where it was asked for
                answer = partial(_fail, answered, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(answer)

        self._jobs.put(job)
        return await answered

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
