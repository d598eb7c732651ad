"""A small HTTP server in a project's place, which answers as it is told and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests import turns

ASKED_S = 30.0
"""How long a test waits for a request."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request."""

    target: str
    headers: dict[str, str]
    body: Any
    caller: int
    """The port at the other end: a connection that is kept has one."""
    at: float
    status: int | None
    """What it was answered."""

    @property
    def words(self) -> list[str]:
        """What a batch tells, in short."""
        told = self.body.get("messages", [{"event": "", "payload": self.body}])
        return [
            f"{one['event'] or self.event} {one['payload']['goalId']}"
            f" {one['payload'].get('newValue', one['payload'].get('threshold'))}"
            for one in told
        ]

    @property
    def event(self) -> str:
        """Of a single message, as its address has it."""
        return self.target.partition("/events/")[2].partition("?")[0]


@dataclass
class Stub:
    """What it answers from now on: a status, or None to hang; and what it was asked so far."""

    url: str = ""
    status: int | None = 202
    asked: list[Asked] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def hears(self, count: int) -> list[Asked]:
        """Wait until it was asked so often."""
        async with asyncio.timeout(ASKED_S):
            while len(self.asked) < count:
                self.news.clear()
                await self.news.wait()
        return self.asked

    async def hears_word(self, word: str) -> Asked:
        """Wait for a message."""
        for count in range(1, 1_000):
            one = (await self.hears(count))[count - 1]
            if word in one.words:
                return one
        raise AssertionError(self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        caller = writer.get_extra_info("peername")[1]
        at = asyncio.get_running_loop().time()
        self.asked.append(
            Asked(
                target=first.split()[1],
                headers=headers,
                body=json.loads(body),
                caller=caller,
                at=at,
                status=self.status,
            )
        )
        self.news.set()
        if self.status is None:
            await reader.readexactly(1)
        writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 2\r\n\r\n{{}}".encode())
        await writer.drain()


@asynccontextmanager
async def project() -> AsyncIterator[Stub]:
    """A project that takes everything."""
    stub = Stub()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    tasks = asyncio.all_tasks()
    try:
        yield stub
    finally:
        await turns.closed(server)
        left = [one for one in asyncio.all_tasks() - tasks if "Stub.serve" in repr(one)]
        for one in left:
            one.cancel()
        if left:
            await asyncio.wait(left)
