"""A receiver of webhooks: a real HTTP server that answers as it is told and remembers what it was sent."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests import turns

HEARD_S = 60.0
"""How long a test waits for a message."""

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True)
class Sent:
    """One request."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """What it answers from now on: the bytes of an answer, b"" to hang up, None to be silent."""

    url: str = ""
    answer: Callable[[Sent], bytes | None] = lambda _: OK
    takes_s: Callable[[], float] = lambda: 0.0
    """How long it takes to answer."""
    sent: list[Sent] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ids(self) -> Counter[str]:
        """How often it was sent each message."""
        return Counter(one.id for one in self.sent)

    async def hears(self, count: int) -> list[Sent]:
        """Wait until it was sent something so often."""
        async with asyncio.timeout(HEARD_S):
            while len(self.sent) < count:
                self.news.clear()
                await self.news.wait()
        return self.sent

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._answer(reader, writer):
                    pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        one = Sent(first.split(" ")[1], headers, body)
        self.sent.append(one)
        self.news.set()
        told = self.answer(one)
        await asyncio.sleep(self.takes_s())
        if told is None:
            await reader.read()
            return False
        writer.write(told)
        await writer.drain()
        return told != b""


def answered(status: str, *headers: str, body: bytes = b"") -> bytes:
    """The bytes of an answer."""
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def receiving(*, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """A receiver on a port of this machine."""
    receiver, writers = Receiver(), set[asyncio.StreamWriter]()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.add(writer)
        try:
            await receiver.serve(reader, writer)
        finally:
            tasks.discard(task)
            writers.discard(writer)

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    receiver.url = f"{'https' if tls else 'http'}://localhost:{port}/webhooks"
    if host == "127.0.0.1" and not tls:
        receiver.url = f"http://127.0.0.1:{port}/webhooks"
    try:
        yield receiver
    finally:
        await turns.closed(server)
        while tasks:
            for writer in writers:
                writer.transport.abort()
            await asyncio.gather(*tasks)
        await server.wait_closed()
