"""The programs of a deployment, each in a process of its own: a server, a syncer. Killed at any moment, started again.

Every life is forked from a process that has imported everything and done nothing yet, so that it begins at once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from worldevents import runtime, serving
from worldevents.clock import SystemClock
from worldevents.errors import LedgerUnavailable, StoreLost, StoreUnavailable
from worldevents.ledger import open_ledger
from worldevents.settings import Settings
from worldevents.store import open_buffered
from worldevents.telemetry import Telemetry

NOT_READY: Final = 3
REST_S: Final = 0.05
"""How long after its end a program is started again."""

Values = Mapping[str, Any]
"""Settings by name."""


def serve(values: Values, port: int) -> None:
    """As `worldevents serve` does."""
    serving.run(Settings.load(**values), host="127.0.0.1", port=port)


def sync(values: Values, _port: int) -> None:
    """As `worldevents sync` does."""
    settings = Settings.load(**values)
    serving.log_to_stderr(settings.log_level)
    asyncio.run(_sync(settings))


async def _sync(settings: Settings) -> None:
    clock = SystemClock()
    async with (
        open_ledger(settings.database_url, migrate=False) as ledger,
        open_buffered(settings, ledger, clock) as store,
    ):
        await runtime.new_syncer(settings, store, ledger, clock, Telemetry()).run()


def context() -> ForkServerContext:
    """Where programs are forked from."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([__name__])
    return found


class Program:
    """A program that is started again whenever it has ended."""

    def __init__(
        self, name: str, main: Callable[[Values, int], None], values: Values, *, folder: Path, port: int = 0
    ) -> None:
        self.name = name
        self._main = main
        self._values = values
        self._log = folder / f"{name}.log"
        self._port = port
        self._context = context()
        self._process: BaseProcess | None = None
        self._held: Connection | None = None
        self._killed: BaseProcess | None = None
        self.lives = 0
        self.ends: list[str] = []
        """How it ended by itself, each time: `not ready` where it found no Redis or no PostgreSQL at its start."""

    def kill(self) -> None:
        """Kill -9, wherever it is."""
        # Once: as soon as it is dead another takes its place.
        process = self._process
        if process is not None:
            self._killed = process
            process.kill()
            process.join()

    async def keep(self) -> None:
        """Start it, and again whenever it has ended, until cancelled; then it is killed."""
        try:
            while True:
                process = self._process = self._start()
                await _ended(process)
                process.join()
                if self._killed is not process:
                    self.ends.append("not ready" if process.exitcode == NOT_READY else f"exit {process.exitcode}")
                await asyncio.sleep(REST_S)
        finally:
            self.kill()

    def _start(self) -> BaseProcess:
        theirs, self._held = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_live, args=(self._main, self._values, self._port, self._log, theirs), daemon=True
        )
        process.start()
        theirs.close()
        self.lives += 1
        return process

    def log(self) -> str:
        """The end of what it logged."""
        return self._log.read_text()[-3_000:] if self._log.exists() else ""


async def _ended(process: BaseProcess) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(process.sentinel)


def _live(main: Callable[[Values, int], None], values: Values, port: int, log: Path, parent: Connection) -> None:
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    try:
        main(values, port)
    except (LedgerUnavailable, StoreUnavailable, StoreLost) as error:
        print(f"not ready: {error.detail}", flush=True)  # noqa: T201 - into its log
        sys.exit(NOT_READY)


def _leave_with(parent: Connection) -> None:
    """Nobody stays behind when the tests are killed."""
    parent.poll(None)
    os.kill(os.getpid(), signal.SIGKILL)
