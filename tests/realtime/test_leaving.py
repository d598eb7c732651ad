"""The end of connections: a server that leaves, one that is killed, and clients that do not read."""

import asyncio
import contextlib
import signal
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from benchmarks.viewers import told
from benchmarks.viewers import watching as watching_many
from tests.api.served import Server, begun, line, process, served, watching
from tests.realtime.connected import Phone, phone
from worldevents.settings import Settings

pytestmark = [pytest.mark.usefixtures("no_leaks"), pytest.mark.slow]
CROWD = 60


@asynccontextmanager
async def crowded(url: str, size: int) -> AsyncIterator[tuple[list[Phone], httpx2.AsyncClient]]:
    """Connect many to a server in a process of its own; each has joined and has the state."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=30))
        server = Server(asyncio.create_task(asyncio.sleep(0)), client)
        crowd = [await stack.enter_async_context(phone(server)) for _ in range(size)]
        for one in crowd:
            await one.join()
            await one.hear()
        yield crowd, client


async def left_at(one: Phone) -> float:
    """When a connection has ended."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            await one.wire.recv()
    return asyncio.get_running_loop().time()


async def test_a_server_that_leaves_spreads_its_clients(settings: Settings, say: Callable[[str], None]) -> None:
    """Sockets are closed over three seconds by the code for a restart, streams at once; then the process has left."""
    await begun(settings)
    with process(settings) as running:
        url = await asyncio.to_thread(line, running)
        async with crowded(url, CROWD) as (crowd, client), watching(client) as events:
            await anext(events)
            loop = asyncio.get_running_loop()
            began = loop.time()
            running.send_signal(signal.SIGTERM)
            stream = asyncio.create_task(_last(events))
            moments = [moment - began for moment in await asyncio.gather(*(left_at(one) for one in crowd))]
            bye = await stream
            assert {1012} == {one.wire.close_code for one in crowd}
            assert "bye" == bye
        assert 0 == await asyncio.to_thread(running.wait, 10)
        say(f"{CROWD} sockets left within {max(moments):.1f} s, the process within {loop.time() - began:.1f} s")
        # Evenly, give or take: half of them within each half.
        assert 0.8 < statistics.median(moments) < 2.2
        assert max(moments) - min(moments) > 1.5
        assert "left" == await asyncio.to_thread(line, running)


async def _last(events: AsyncIterator[object]) -> str:
    last = [event async for event in events][-1]
    return str(getattr(last, "event", ""))


async def test_two_thousand_viewers_hold_nobody_up(settings: Settings, say: Callable[[str], None]) -> None:
    """A server that is asked to leave has left in a few seconds, said how many, and so have all its viewers."""
    await begun(settings)
    with process(settings) as running:
        url = await asyncio.to_thread(line, running)
        with watching_many(url, "ws", 1_000, 0) as sockets, watching_many(url, "sse", 1_000, 0) as streams:
            began = time.monotonic()
            running.send_signal(signal.SIGTERM)
            assert 0 == await asyncio.to_thread(running.wait, 20)
            say(f"a thousand sockets and a thousand streams, left within {time.monotonic() - began:.1f} s (wanted: 5)")
            assert [1_000, 1_000] == [(await asyncio.to_thread(told, one))["ended"] for one in (sockets, streams)]


async def test_a_connection_without_a_topic_does_not_hold_the_server_up(settings: Settings) -> None:
    """It is closed like the others."""
    await begun(settings)
    async with served(settings) as server, phone(server) as one:
        server.task.cancel()
        await left_at(one)
        assert 1012 == one.wire.close_code


async def test_a_server_that_was_killed_is_noticed(settings: Settings) -> None:
    """The connection breaks; on a new server the client has the state again, under an epoch that is not older."""
    await begun(settings)
    with process(settings) as running:
        url = await asyncio.to_thread(line, running)
        async with crowded(url, 1) as ((one,), _):
            running.kill()
            await left_at(one)
            assert 1006 == one.wire.close_code
    async with served(settings) as server, phone(server) as one:
        await one.join()
        assert "goal_update volume 0" == (await one.hear()).word


async def test_who_does_not_read_is_let_go_and_delays_nobody(settings: Settings) -> None:
    """A client that never reads is closed after some seconds; others have every change meanwhile."""
    await begun(settings)
    async with served(settings) as server, phone(server) as one:
        await one.join()
        await one.hear()
        address = urlsplit(str(server.client.base_url))
        assert address.hostname is not None
        assert address.port is not None
        with closing(socket.socket()) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.connect((address.hostname, address.port))
            deaf.sendall(_handshake())
            assert await asyncio.to_thread(deaf.recv, 4_096)
            deaf.sendall(_text('["1","1","realtime:community_goals","phx_join",{}]'))
            number = 0
            while not await _stalled(server):
                number += 1
                await server.contribute(f"c{number}", 1)
                while (await one.hear()).payload.get("newValue") != number:
                    pass
            # Now it reads after all, and finds at the end why it was let go.
            deaf.settimeout(5)
            assert (await asyncio.to_thread(_all, deaf)).endswith(b"\x88\x0a" + (1013).to_bytes(2) + b"too slow")


async def _stalled(server: Server) -> bool:
    text = (await server.client.get("/metrics")).text
    return "worldevents_stalled_total 1.0" in text.splitlines()


def _all(deaf: socket.socket) -> bytes:
    return b"".join(iter(lambda: deaf.recv(65_536), b""))


def _handshake() -> bytes:
    return (
        b"GET /realtime/v1/websocket?vsn=2.0.0&apikey=x HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )


def _text(text: str) -> bytes:
    """A frame as a client masks it; a mask of zeros leaves the text as it is."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text.encode()
