"""What every server of ours is: a process with a folder and a port that stay while it comes and goes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.servers.ports import Port

START_S: Final = 30.0
STOP_S: Final = 10.0
POLL_S: Final = 0.005


class Server(ABC):
    """A server of our own: `with Server() as server` makes and starts it; at the end it and its folder are gone."""

    name: str
    user: int | None = None
    """Who it runs as; None for ourselves."""

    def __init__(self) -> None:
        self._port = Port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"worldevents-{self.name}-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return self._port.number

    def __enter__(self) -> Self:
        try:
            if self.user is not None:
                os.chown(self.folder, self.user, -1)
            self._prepare()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._port.give_back()

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the server finds at its first start."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """How it is started, on its port and folder."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it is ready."""

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, on the same port and folder as before, and wait until it answers."""
        assert not self.runs
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                user=self.user,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C ends the tests first, then the server
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not start: {self.log()}")
            time.sleep(POLL_S)

    def _environment(self) -> Mapping[str, str]:
        return os.environ

    def kill(self) -> None:
        """Kill it, as a crash would: nothing is told or written any more."""
        if self._process is not None:
            self._kill_all(self._process)
            self._process.wait()
            self._process = None

    def _kill_all(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to leave; by force if it does not."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def wipe(self) -> None:
        """Lose the disk of a server that does not run."""
        assert not self.runs
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def log(self) -> str:
        """The end of what it logged."""
        path = self.folder / "log"
        return path.read_text(errors="replace")[-2_000:] if path.exists() else ""
