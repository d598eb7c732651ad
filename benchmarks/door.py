"""Contributions per second over HTTP, beside what the same server does when it does nothing.

Single: 64 connections in a closed loop, each POSTs one contribution and waits for its receipt; the other side is an
application that reads the body and answers as many bytes. Lines: one stream of contributions, beside plain sqlite3 that
commits groups as large as the library's. The client is a program of its own, as the servers are.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.event import GOAL
from benchmarks.library import AMOUNT, check, prepare, theirs, user_of
from benchmarks.measuring import Figure, Report, arguments, compared, databases, in_turns, tell
from worldevents import Settings

CONNECTIONS = 64
SINGLE = 30_000
LINES = 50_000
WANTED_SINGLE = 0.3
WANTED_LINES = 0.25

Message = MutableMapping[str, Any]

_RECEIPT = b'{"contributionId":"c-12345","goalId":"volume","userId":"user-1234","amount":5,"status":"counted",'
_NOTHING = _RECEIPT + b'"duplicate":false,"currentValue":61725,"userContribution":60,"position":"1-3f9a2c11:12345"}'


async def nothing(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[..., Awaitable[None]]
) -> None:
    """Reads the body and answers with a receipt's bytes."""
    assert scope["type"] == "http"  # noqa: S101 - no other is sent
    while (await receive()).get("more_body"):
        pass
    length = str(len(_NOTHING)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": _NOTHING})


def serve_nothing(database: str) -> None:
    """The same server, with that application in it."""
    from worldevents import serving  # noqa: PLC0415 - only in the server's process

    serving.run(
        Settings(database_url=database, log_level="warning"),
        host="127.0.0.1",
        port=0,
        on_ready=lambda url: print(json.dumps({"url": url}), flush=True),  # noqa: T201 - as `serve --json` does
        make_app=lambda _: nothing,
    )


@contextmanager
def served(command: Sequence[str]) -> Iterator[tuple[str, int]]:
    """A server process; its address."""
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            url = urlsplit(json.loads(process.stdout.readline())["url"])
            yield str(url.hostname), int(url.port or 80)
        finally:
            process.terminate()


# The client.


class Caller(asyncio.Protocol):
    """One connection: sends a request, waits for the whole answer, sends the next one."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._answer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            self._finish(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        # Receipts end with the only `"}` in them; heads have none.
        if not self._answer.endswith(b'"}'):
            return
        if not self._answer.startswith(b"HTTP/1.1 201"):
            self._finish(RuntimeError(f"answered {self._answer!r}"))
            return
        self._answer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionError("the server hung up"))

    def _finish(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None) if error is None else self._done.set_exception(error)


def request(number: int) -> bytes:
    """One contribution as a game's server would send it."""
    body = json.dumps({"contributionId": f"c-{number}", "userId": user_of(number), "amount": AMOUNT}).encode()
    head = (
        f"POST /v1/goals/{GOAL}/contributions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send_single(address: tuple[str, int], requests: Sequence[bytes]) -> float:
    """Requests per second over all connections."""
    loop = asyncio.get_running_loop()
    left = iter(requests)
    begun = time.perf_counter()
    finished = []
    for _ in range(CONNECTIONS):
        done: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(lambda done=done: Caller(left, done), *address)  # type: ignore[misc] # each its own
        finished.append(done)
    await asyncio.gather(*finished)
    return len(requests) / (time.perf_counter() - begun)


async def send_lines(address: tuple[str, int], total: int) -> float:
    """Lines per second of one stream; raises unless each is answered with a receipt."""
    rows = (
        {"goalId": GOAL, "contributionId": f"c-{one}", "userId": user_of(one), "amount": AMOUNT} for one in range(total)
    )
    body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    head = (
        "POST /v1/contributions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection(*address)
    answer = asyncio.create_task(reader.read())
    writer.write(head.encode() + body)
    await writer.drain()
    receipts = (await answer).count(b'{"status":201,')
    took = time.perf_counter() - begun
    writer.close()
    if receipts != total:
        raise RuntimeError(f"{total} lines were sent, {receipts} were counted")
    return total / took


def quickly(work: Coroutine[Any, Any, float]) -> float:
    """Run the client on the quickest loop there is: what it takes, the server has not."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


# Both sides.


def ours_single(database: Path, requests: Sequence[bytes]) -> float:
    """Contributions per second through the door."""
    asyncio.run(prepare(database))
    command = ["worldevents", "serve", "--port", "0", "--json", "--database", f"sqlite:///{database}"]
    with served(command) as address:
        rate = quickly(send_single(address, requests))
    check(database, len(requests))
    return rate


def nothing_single(database: Path, requests: Sequence[bytes]) -> float:
    """Requests per second of a server that does nothing with them."""
    with served(["benchmarks.door", "--serve-nothing", f"sqlite:///{database}"]) as address:
        return quickly(send_single(address, requests))


def ours_lines(database: Path, total: int) -> float:
    """Contributions per second through one stream."""
    asyncio.run(prepare(database))
    command = ["worldevents", "serve", "--port", "0", "--json", "--database", f"sqlite:///{database}"]
    with served(command) as address:
        rate = quickly(send_lines(address, total))
    check(database, total)
    return rate


def theirs_in_groups(database: Path, total: int) -> float:
    """Contributions per second of plain sqlite3, in groups as large as the library's."""
    asyncio.run(prepare(database))
    return theirs(database, Settings().batch_max, total)


def figures(*, rounds: int, scale: float, new: Callable[[], Path]) -> list[Figure]:
    """Single contributions and lines, each beside its yardstick."""
    requests = [request(number) for number in range(max(CONNECTIONS, int(SINGLE * scale)))]
    total = max(1, int(LINES * scale))
    single = in_turns(
        rounds,
        {
            "doing nothing": lambda: nothing_single(new(), requests),
            "worldevents": lambda: ours_single(new(), requests),
        },
    )
    lines = in_turns(
        rounds,
        {"plain sqlite3": lambda: theirs_in_groups(new(), total), "worldevents": lambda: ours_lines(new(), total)},
    )
    return [
        compared(f"single, {CONNECTIONS} connections", "requests/s", single, at_least=WANTED_SINGLE),
        compared("lines, one stream", "contributions/s", lines, at_least=WANTED_LINES),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and tell."""
    parser = arguments(__doc__ or "", rounds=5)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of the full size (default: %(default)s)")
    parser.add_argument("--serve-nothing", metavar="URL", help="be the server that does nothing, on this database")
    chosen = parser.parse_args(argv)
    if chosen.serve_nothing:
        serve_nothing(chosen.serve_nothing)
        return
    with databases(chosen.folder) as new:
        found = figures(rounds=chosen.rounds, scale=chosen.scale, new=new)
    tell(Report("Contributions over HTTP", found), as_json=chosen.json)


if __name__ == "__main__":
    main()
