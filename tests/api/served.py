"""A real server on a real socket, in this process or in one of its own, and clients that watch it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2

from worldevents.access_keys import AccessKey
from worldevents.clock import Clock
from worldevents.errors import WorldEventsError
from worldevents.model import SeasonalEvent
from worldevents.runtime import open_runtime
from worldevents.serving import serve
from worldevents.settings import Settings
from worldevents.testing.builders import DURING, an_event
from worldevents.testing.clock import ManualClock

PROGRAM = """
import sys
from worldevents.serving import run
from worldevents.settings import Settings

run(Settings.load(), host="127.0.0.1", port=0, on_ready=lambda url: print(url, flush=True))
print("left", flush=True)
"""


async def begun(
    settings: Settings,
    event: SeasonalEvent | None = None,
    *,
    clock: Clock | None = None,
    keys: Iterable[AccessKey] = (),
) -> None:
    """Put an event into a database, and keys; without keys it is open."""
    async with open_runtime(settings, clock=clock or ManualClock(DURING)) as runtime:
        await runtime.engine.publish(event or an_event(), author="test")
        for key in keys:
            await runtime.ledger.add_key(key)


@asynccontextmanager
async def served(settings: Settings, clock: Clock | None = None, **options: Any) -> AsyncIterator[Server]:
    """A server in this process; at the end it is asked to leave and has left."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(
        serve(
            settings,
            host="127.0.0.1",
            port=0,
            clock=clock or ManualClock(DURING),
            on_ready=ready.set_result,
            **options,
        )
    )
    either: list[asyncio.Future[Any]] = [server, ready]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        await server
    try:
        async with httpx2.AsyncClient(base_url=await ready, timeout=30) as client:
            yield Server(server, client)
    finally:
        if not server.done():
            server.cancel()
            with suppress(asyncio.CancelledError, WorldEventsError):
                await server


@dataclass
class Server:
    """A server's task, and a client of it."""

    task: asyncio.Task[None]
    client: httpx2.AsyncClient

    async def contribute(self, contribution_id: str, amount: int, user: str = "ann") -> int:
        """Count something, and say with which status that was answered."""
        body = {"contributionId": contribution_id, "userId": user, "amount": amount}
        return (await self.client.post("/v1/goals/volume/contributions", json=body)).status_code


@dataclass(frozen=True)
class Event:
    """An event of a stream, as a browser has it."""

    event: str
    id: str
    data: str
    retry: int | None = None
    """The time to come again that was told before it."""


@asynccontextmanager
async def watching(
    client: httpx2.AsyncClient, query: str = "", headers: dict[str, str] | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a stream."""
    async with client.stream("GET", f"/v1/stream{query}", headers=headers) as response:
        assert (200, "text/event-stream; charset=utf-8") == (response.status_code, response.headers["content-type"])
        yield _events(response.aiter_lines())


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    retry: int | None = None
    async for line in lines:
        name, _, value = line.partition(": ")
        if name == "retry":
            retry = int(value)
        elif line and not line.startswith(":"):
            fields[name] = value
        elif fields:
            yield Event(**fields, retry=retry)
            fields, retry = {}, None


@contextmanager
def process(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """A server as a process of its own, which says its URL in the first line; what is left of it is killed."""
    environment = os.environ | {"WORLDEVENTS_DATABASE_URL": settings.database_url}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def standing_in(answer: Callable[..., Any]) -> Callable[[object], Callable[..., Any]]:
    """An application in the place of ours."""
    return lambda _runtime: answer
