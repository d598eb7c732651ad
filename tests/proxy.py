"""A TCP proxy that does to a connection what networks do: pass, delay, lose answers, cut, half-close, refuse."""

from __future__ import annotations

import asyncio
import random
from types import TracebackType
from typing import Final, Self

from tests import turns
from tests.servers.ports import Port

CHUNK: Final = 65_536

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """`async with Proxy(port) as proxy`: whoever calls `proxy.port` talks to the server at `port` of this machine."""

    def __init__(self, target: int, *, chance: random.Random | None = None) -> None:
        self.target = target
        self._chance = chance or random.Random(0)  # noqa: S311 - nothing is secret here
        self._port = Port()
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._calls: set[asyncio.Task[None]] = set()
        """Everybody who was let in, linked already or not yet."""
        self.delay_s = 0.0
        """How long every piece takes on its way, in each direction."""
        self.losing = 0.0
        """The chance that a piece of an answer is lost, and its connection with it: what was asked for was done."""
        self.lost = 0

    @property
    def port(self) -> int:
        return self._port.number

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()
        self._port.give_back()

    async def accept(self) -> None:
        """Take calls (again)."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def refuse(self) -> None:
        """Cut every connection and take no call."""
        server, self._server = self._server, None
        if server is not None:
            await turns.closed(server)
        self.cut()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def cut(self) -> None:
        """End every connection at once, in the middle of whatever is under way."""
        for link in self._links:
            link.cut()

    def half_close(self) -> None:
        """Tell the server of every connection that no more will be asked; its answers still pass."""
        for link in self._links:
            link.there[1].write_eof()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), there)
        self._links.add(link)
        if self._server is None:
            link.cut()
        try:
            await link.carry()
        finally:
            self._links.discard(link)

    def loses(self) -> bool:
        """Whether this piece of an answer is lost."""
        is_lost = self._chance.random() < self.losing
        self.lost += is_lost
        return is_lost


class _Link:
    """One connection, in two halves."""

    def __init__(self, proxy: Proxy, here: _Streams, there: _Streams) -> None:
        self._proxy = proxy
        self.here = here
        self.there = there

    def cut(self) -> None:
        for _, writer in (self.here, self.there):
            writer.transport.abort()

    async def carry(self) -> None:
        """Until both sides have said their last word, or it is cut."""
        asked = asyncio.create_task(self._pass(self.here[0], self.there[1], can_be_lost=False))
        try:
            await self._pass(self.there[0], self.here[1], can_be_lost=True)
        finally:
            self.cut()
            await asked

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, can_be_lost: bool) -> None:
        try:
            while piece := await reader.read(CHUNK):
                if self._proxy.delay_s:
                    await asyncio.sleep(self._proxy.delay_s)
                if can_be_lost and self._proxy.loses():
                    self.cut()
                    return
                writer.write(piece)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            # A reset on one side is one on the other: a server must not wait for a client that was killed.
            self.cut()
