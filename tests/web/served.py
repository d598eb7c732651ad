"""A real server in a process of its own: started, killed, and started again where it was."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

import httpx2

from tests import processes
from worldevents import serving
from worldevents.settings import Settings


def _serve(values: Mapping[str, str], port: int, at: Connection) -> None:
    serving.run(Settings.load(**values), host="127.0.0.1", port=port, on_ready=at.send)


@dataclass
class Served:
    """`with Served(folder) as server`: an event is published by `publish`, its goal moved by `contribute`."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """What is set beside the database."""
    key: str = ""
    """The secret key by which an event is published and moved, where there are keys."""
    url: str = ""
    """Where it answers; it stays the same after a kill."""
    _process: BaseProcess | None = None
    _held: Connection | None = None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.folder}/served.db"

    @property
    def log(self) -> str:
        """All that it has logged."""
        return (self.folder / "log").read_text()

    def start(self) -> None:
        """Serve on a free port; after a kill, on the same one."""
        port = int(self.url.rpartition(":")[2] or 0)
        values = {"database_url": self.database_url, **self.settings}
        at, theirs = multiprocessing.Pipe(duplex=False)
        with at:
            self._process, self._held = processes.begun(_serve, values, port, theirs, log=self.folder / "log")
            theirs.close()
            try:
                self.url = at.recv()
            except EOFError:
                raise AssertionError(self.log) from None

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._end()

    def stop(self) -> None:
        """Ask it to leave, and wait until it has."""
        if self._process is not None:
            self._process.terminate()
            self._end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self) -> None:
        assert self._process is not None
        assert self._held is not None
        self._process.join()
        self._process.close()
        self._held.close()
        self._process = self._held = None

    def publish(self, event_id: str, *, starts_in_days: int = -10, unit: str = "kg", description: str = "") -> str:
        """Publish a thirty-day event with one goal of 1,000, named as the event, with tiers at 25, 50 and 100 %."""
        starts = datetime.now(UTC) + timedelta(days=starts_in_days)
        event = {
            "event": {
                "id": event_id,
                "name": f"Season {event_id}",
                "description": description,
                "starts_at": starts.isoformat(),
                "ends_at": (starts + timedelta(days=30)).isoformat(),
                "grace": "24h",
            },
            "goals": [
                {
                    "id": event_id,
                    "name": f"Goal {event_id}",
                    "description": "Together.",
                    "metric": "totalVolume" if unit == "kg" else "bossesDefeated",
                    "target": 1000,
                    "tiers": [
                        {"threshold": 25, "reward": {"kind": "crate", "name": "Snow Crate"}},
                        {"threshold": 50, "reward": {"kind": "title", "name": "Frost Title"}},
                        {"threshold": 100, "reward": {"kind": "currency", "name": "Gold", "amount": 500}},
                    ],
                }
            ],
        }
        self._send("PUT", "/v1/admin/events", event)
        return event_id

    def contribute(self, goal_id: str, user_id: str, amount: float, *, name: str | None = None) -> None:
        """Count once."""
        body = {"contributionId": f"c{next(self._numbers)}", "userId": user_id, "amount": amount}
        self._send("POST", f"/v1/goals/{goal_id}/contributions", body | ({"displayName": name} if name else {}))

    def _send(self, method: str, path: str, body: dict[str, Any]) -> None:
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        answer = httpx2.request(method, self.url + path, json=body, headers=headers)
        assert answer.is_success, answer.text
