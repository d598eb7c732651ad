"""Many viewers in one process, for `benchmarks.viewers`: python -m benchmarks.watchers URL KIND COUNT EPOCH.

KIND is `sse`, `ws`, or either with `-deaf`: those join and never read. A goal's value is the moment at which it was
sent, in seconds since EPOCH of the system's monotonic clock: so each arrival tells how long it took. `ready` is printed
when all have the state; a line on stdin ends the run, and what was seen is printed as one JSON document.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
import time
from typing import Any, Final, cast
from urllib.parse import urlsplit

import uvloop

AT_ONCE: Final = 100
"""Connections that are being made at the same time."""
_VALUE: Final = b'"newValue":'
_JOIN: Final = b'["1","1","realtime:community_goals","phx_join",{"config":{}}]'
_TAIL: Final = 64
_PING: Final = b"\x89\x04"
"""How a ping of four bytes begins; nothing else does, in texts that are ASCII."""


def _upgrade(host: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /realtime/v1/websocket?vsn=2.0.0&apikey=x HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


def _frame(text: bytes) -> bytes:
    # A mask of zeros leaves the text as it is.
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


class Watcher(asyncio.Protocol):
    """One viewer."""

    def __init__(self, host: str, *, is_socket: bool, epoch: float, latencies: list[float]) -> None:
        self._host = host
        self._is_socket = is_socket
        self._epoch = epoch
        self._latencies = latencies
        self._rest = b""
        self._joined = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seen = 0
        self.value = -1.0
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._is_socket:
            self._transport.write(_upgrade(self._host))
        else:
            self._transport.write(f"GET /v1/stream HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        if self._is_socket and not self._joined:
            self._joined = True
            self._transport.write(_frame(_JOIN))
            return
        ping = data.find(_PING) if self._is_socket else -1
        if ping >= 0:
            # Who does not answer is taken for gone.
            self._transport.write(b"\x8a\x84" + bytes(4) + data[ping + 2 : ping + 6])
        text = self._rest + data
        place = text.rfind(_VALUE)
        end = -1 if place < 0 else text.find(b",", place)
        self._rest = text[max(0, len(text) - _TAIL) :] if end < 0 else b""
        if end < 0:
            return
        value = float(text[place + len(_VALUE) : end])
        if value != self.value:
            self.value = value
            if self.ready.done():
                self.seen += 1
                self._latencies.append(time.monotonic() - self._epoch - value)
        if not self.ready.done():
            self.ready.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("the server hung up"))

    def leave(self) -> None:
        """Go away at once."""
        self._transport.abort()


async def watch(url: str, kind: str, count: int, epoch: float) -> dict[str, Any]:
    """Watch until a line comes on stdin."""
    told = urlsplit(url)
    address = str(told.hostname), int(told.port or 80)
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)
    latencies: list[float] = []

    async def one() -> Watcher:
        async with gate:
            _, watcher = await loop.create_connection(
                lambda: Watcher(f"{address[0]}:{address[1]}", is_socket=kind == "ws", epoch=epoch, latencies=latencies),
                *address,
            )
            await watcher.ready
            return watcher

    watchers = await asyncio.gather(*(one() for _ in range(count)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.readline)
    found = {
        "last": sorted({one.value for one in watchers}),
        "seen": sum(one.seen for one in watchers),
        "ended": sum(one.ended for one in watchers),
        "latencies": sorted(latencies),
    }
    for one_of_them in watchers:
        one_of_them.leave()
    return found


def be_deaf(url: str, kind: str, count: int) -> None:
    """Join so often, and never read."""
    told = urlsplit(url)
    sockets = []
    for _ in range(count):
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect((str(told.hostname), int(told.port or 80)))
        if kind == "ws":
            deaf.sendall(_upgrade(told.netloc))
            deaf.recv(4_096)
            deaf.sendall(_frame(_JOIN))
        else:
            deaf.sendall(f"GET /v1/stream HTTP/1.1\r\nHost: {told.netloc}\r\n\r\n".encode())
        sockets.append(deaf)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for deaf in sockets:
        deaf.close()
    sys.stdout.write("{}\n")


def main() -> None:
    """Be so many viewers."""
    url, kind, count, epoch = sys.argv[1:]
    if kind.endswith("-deaf"):
        be_deaf(url, kind.removesuffix("-deaf"), int(count))
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(watch(url, kind, int(count), float(epoch)))) + "\n")


if __name__ == "__main__":
    main()
