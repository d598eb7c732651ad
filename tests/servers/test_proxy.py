"""The proxy does what it says, or a fault test proves nothing."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.proxy import Proxy

pytestmark = pytest.mark.usefixtures("no_leaks")


class Echo:
    """A server that repeats every line, and remembers what it was told."""

    def __init__(self) -> None:
        self.heard: Counter[bytes] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.heard[line] += 1
            writer.write(line)
        writer.write(b"goodbye\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Echo, Proxy]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield echo, proxy


async def said(proxy: Proxy, line: bytes) -> bytes:
    """The answer to a line; empty where the connection ends without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(line)
        return await reader.readline()
    except OSError:
        return b""
    finally:
        writer.transport.abort()


async def test_it_passes() -> None:
    """What is asked arrives and is answered, at the pace that is set."""
    async with echoing() as (echo, proxy):
        assert b"one\n" == await said(proxy, b"one\n")
        proxy.delay_s = 0.02
        begun = asyncio.get_running_loop().time()
        assert b"two\n" == await said(proxy, b"two\n")
        assert asyncio.get_running_loop().time() - begun >= 0.04
        assert Counter({b"one\n": 1, b"two\n": 1}) == echo.heard


async def test_it_loses_answers() -> None:
    """The server has heard the question, the asker gets no answer, and the connection is over."""
    async with echoing() as (echo, proxy):
        proxy.losing = 1.0
        assert b"" == await said(proxy, b"one\n")
        assert Counter({b"one\n": 1}) == echo.heard
        assert 1 == proxy.lost


async def test_it_cuts() -> None:
    """A connection that was cut ends on both sides; the next one passes."""
    async with echoing() as (_, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one\n")
        assert b"one\n" == await reader.readline()
        proxy.cut()
        with suppress(ConnectionResetError):
            assert b"" == await reader.readline()
        writer.close()
        assert b"two\n" == await said(proxy, b"two\n")


async def test_it_closes_one_half() -> None:
    """The server hears the end of the questions; its last words still arrive."""
    async with echoing() as (_, proxy):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"one\n")
        assert b"one\n" == await reader.readline()
        proxy.half_close()
        assert b"goodbye\n" == await reader.read()
        writer.close()


async def test_it_refuses() -> None:
    """While it refuses nobody listens there; then it does again, on the same port."""
    async with echoing() as (_, proxy):
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.accept()
        assert b"one\n" == await said(proxy, b"one\n")
