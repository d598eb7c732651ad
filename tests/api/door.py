"""The door of a real runtime, asked in process: requests as bare ASGI calls, bytes in and bytes out."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from worldevents import catalog
from worldevents.api.app import create_app
from worldevents.api.front import App
from worldevents.ledger.base import GoalTotals
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING, in_window
from worldevents.testing.opened import LedgerState, StoreState, ledger_state, store_state

Json = dict[str, Any]
Stand = tuple[Mapping[str, GoalTotals], StoreState]
Headers = Mapping[str, str]
Body = bytes | Iterable[bytes]
"""The whole of it, with its length told; or parts of it as they arrive, without."""

DATABASE = "door.db"
HERE = "127.0.0.1:8000"
OPEN_GOAL = "lift-the-frost"
PLAYERS_GOAL = "march-yourself"


@dataclass(frozen=True)
class Answered:
    """What was answered, whole."""

    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """Of a stream of lines: each."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def code(self) -> str:
        """Of a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.json["status"] == self.status
        return str(self.json["code"])

    @property
    def refusal(self) -> tuple[int, str, str | None]:
        """Of a problem: status, code and field."""
        return self.status, self.code, self.json.get("field")


@dataclass(frozen=True)
class Door:
    """A runtime, its application, and what a test does with both."""

    runtime: Runtime
    app: App
    clock: ManualClock
    root_path: str = ""

    async def ask(
        self, method: str, target: str, body: Body | Json | None = None, headers: Headers | None = None
    ) -> Answered:
        """One request; a document goes as JSON."""
        told = {"host": HERE}
        if isinstance(body, dict):
            body, told = json.dumps(body).encode(), told | {"content-type": "application/json"}
        if isinstance(body, bytes):
            told |= {"content-length": str(len(body))}
        parts = [] if body is None else [body] if isinstance(body, bytes) else body
        return await call(self.app, self.scope(method, target, {**told, **(headers or {})}), parts)

    def scope(self, method: str, target: str, headers: Headers) -> MutableMapping[str, Any]:
        """A request as a server tells it to an application."""
        path, _, query = target.partition("?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(self.root_path + path),
            "raw_path": (self.root_path + path).encode(),
            "root_path": self.root_path,
            "query_string": query.encode(),
            "headers": [
                (name.replace("_", "-").lower().encode(), value.encode("latin-1")) for name, value in headers.items()
            ],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 50_000),
        }

    async def get(self, target: str, **headers: str) -> Answered:
        return await self.ask("GET", target, headers=headers)

    async def post(self, target: str, body: Body | Json, **headers: str) -> Answered:
        return await self.ask("POST", target, body, headers)

    async def stand(self) -> Stand:
        """What any contribution or event would move: the ledger's sums and versions, and all that memory has."""
        return await self.runtime.ledger.totals(), await store_state(self.runtime.store)

    async def state(self) -> LedgerState:
        """All that the ledger has; slower."""
        return await ledger_state(self.runtime.ledger)


async def call(app: App, scope: MutableMapping[str, Any], parts: Iterable[bytes]) -> Answered:
    """What an ASGI application answers to one request whose client then waits."""
    coming = iter(parts)
    waiting: list[bytes | None] = [next(coming, None)]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        if not waiting:
            await asyncio.get_running_loop().create_future()
        part, following = waiting.pop(), next(coming, None)
        if following is not None:
            waiting.append(following)
        return {"type": "http.request", "body": part or b"", "more_body": following is not None}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answered(start["status"], answered, b"".join(message.get("body", b"") for message in rest))


def an_event_file(event_id: str, goal_id: str, *, extra: str = "") -> str:
    """An event of the builders' window with one goal that counts kilograms."""
    return f"""\
[event]
id = "{event_id}"
name = "{event_id.title()}"
starts_at = 2026-12-01T00:00:00Z
ends_at = 2026-12-22T00:00:00Z

[[goals]]
id = "{goal_id}"
name = "{goal_id.title()}"
metric = "totalVolume"
target = 1_000
{extra}
"""


async def declare(folder: Path) -> None:
    """Make the database that tests start from, on the 10th of December.

    Winter is open, and so is a goal to which players contribute themselves; spring is to come, autumn is over, and one
    event was called off.
    """
    async with open_runtime(Settings(database_url=_url(folder)), clock=ManualClock(DURING)) as runtime:
        engine = runtime.engine
        spring, autumn, lost = (
            catalog.read_event(an_event_file(name, f"{name}-volume")) for name in ("spring", "autumn", "lost")
        )
        months = timedelta(days=90)
        players = an_event_file("players", PLAYERS_GOAL, extra="players_contribute = true")
        for event in (
            catalog.load_event("winter"),
            catalog.read_event(players),
            in_window(spring, spring.starts_at + months, spring.ends_at + months),
            in_window(autumn, autumn.starts_at - months, autumn.ends_at - months),
            lost,
        ):
            await engine.publish(event, author="test")
        await engine.cancel("lost", author="test", reason="lost")


@asynccontextmanager
async def opened(declared: Path, folder: Path, **settings: Any) -> AsyncIterator[Door]:
    """The door of a copy of the database that `declare` made."""
    shutil.copy(declared / DATABASE, folder)
    clock = ManualClock(DURING)
    async with open_runtime(Settings(database_url=_url(folder), **settings), clock=clock) as runtime:
        yield Door(runtime, create_app(runtime), clock)


def _url(folder: Path) -> str:
    return f"sqlite:///{folder / DATABASE}"
