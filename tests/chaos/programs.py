"""The programs of a deployment, a server and a syncer, each in a process of its own: killed, and started again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from tests import processes
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
        process, self._held = processes.begun(_live, self._main, self._values, self._port, log=self._log)
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


def _live(main: Callable[[Values, int], None], values: Values, port: int) -> None:
    try:
        main(values, port)
    except (LedgerUnavailable, StoreUnavailable, StoreLost) as error:
        print(f"not ready: {error.detail}", flush=True)  # noqa: T201 - into its log
        sys.exit(NOT_READY)
