"""Lines and bodies on a real socket: acted on as they arrive, cut when they are too much, kept whole or not at all."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.api.door import OPEN_GOAL, Door, Json
from tests.api.served import line, process
from worldevents import serving
from worldevents.serving import bound, listening
from worldevents.settings import Settings

pytestmark = pytest.mark.slow

ONE = f"/v1/goals/{OPEN_GOAL}/contributions"
MANY = "/v1/contributions"
MEGABYTES = 60_000_000
GROWTH = 20_000_000
"""What a server may need beyond what it had; a body of 60 MB would show."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def item(number: int) -> bytes:
    return json.dumps({"goalId": OPEN_GOAL, "contributionId": f"c{number}", "userId": "ann", "amount": 1}).encode()


@asynccontextmanager
async def connected(port: int, buffer: int | None = None) -> AsyncIterator[Streams]:
    """A connection; with a buffer, one that holds little on its way."""
    client = socket.create_connection(("127.0.0.1", port))
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    reader, writer = await asyncio.open_connection(sock=client)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def at_a_port(door: Door) -> AsyncIterator[int]:
    """The door on a real socket; when the context ends, all that was begun is finished or given up."""
    with closing(bound("127.0.0.1", 0)) as listener:
        async with listening(door.app, listener, hub=door.runtime.hub):
            yield listener.getsockname()[1]


@pytest.fixture
def quick_leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave requests one second to end in."""
    monkeypatch.setattr(serving, "LEAVE_S", 1)


def head(target: str, *headers: str, method: str = "POST", media_type: str = "application/x-ndjson") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {media_type}", *headers]
    return "".join(f"{one}\r\n" for one in [*lines, ""]).encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def status(reader: asyncio.StreamReader) -> int:
    """The status of an answer, whose head is read."""
    told = await reader.readuntil(b"\r\n\r\n")
    return int(told.split(b" ", 2)[1])


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The parts of an answer until its end."""
    while size := int(await reader.readline(), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)


async def total(door: Door) -> float:
    answered = await door.get(f"/v1/goals/{OPEN_GOAL}/progress")
    value: float = answered.json["goal"]["currentValue"]
    return value


CHUNKED = "Transfer-Encoding: chunked"


async def test_a_line_is_answered_before_the_next_is_sent(door: Door) -> None:
    """One request goes on for as long as there are lines, and each answer comes when its line came."""
    async with at_a_port(door) as port, connected(port) as (reader, writer):
        writer.write(head(MANY, CHUNKED))
        answers: AsyncIterator[bytes] | None = None
        for number in range(5):
            writer.write(chunk(item(number) + b"\n"))
            if answers is None:
                assert 200 == await status(reader)
                answers = chunks(reader)
            told = json.loads(await anext(answers))
            assert (201, number + 1) == (told["status"], told["receipt"]["currentValue"])
        writer.write(chunk(item(1)) + b"0\r\n\r\n")
        assert answers is not None
        assert [200] == [json.loads(told)["status"] async for told in answers]


@pytest.mark.slow
async def test_who_reads_nothing_before_the_end_is_answered(door: Door) -> None:
    """100,000 lines are sent, and 20 MB of answers wait until somebody reads them: in order, one for each."""
    good, bad = 100, json.dumps({"x": "y" * 90}).encode()
    lines = [item(number) if number % good == 0 else bad for number in range(100_000)]
    body = b"\n".join(lines)
    async with at_a_port(door) as port, connected(port, buffer=16_384) as (reader, writer):
        writer.write(head(MANY, f"Content-Length: {len(body)}"))
        for start in range(0, len(body), 65_536):
            writer.write(body[start : start + 65_536])
            await writer.drain()
        assert 200 == await status(reader)
        told = b"".join([part async for part in chunks(reader)]).splitlines()
    statuses = [int(re.match(rb'\{"status":(\d+)', one)[1]) for one in told]  # type: ignore[index] # each has one
    assert [201 if number % good == 0 else 422 for number in range(100_000)] == statuses
    assert 100_000 / good == await total(door)


async def test_half_a_line_is_none(door: Door) -> None:
    """A client that leaves in the middle of a line leaves what it had finished, and nothing half."""
    async with at_a_port(door) as port:
        async with connected(port) as (reader, writer):
            writer.write(head(MANY, CHUNKED) + chunk(item(1) + b"\n" + item(2)[:40]))
            assert 200 == await status(reader)
            assert 201 == json.loads(await anext(chunks(reader)))["status"]
        async with connected(port) as (_, writer):
            # A whole contribution but for its last byte.
            writer.write(head(ONE, "Content-Length: 60", media_type="application/json"))
            writer.write(b'{"contributionId": "c9", "userId": "ann", "amount": 100000}'.ljust(59))
            await writer.drain()
    assert 1 == await total(door)
    assert [] == [one for one in await door.runtime.ledger.audit() if not one.agrees]


@pytest.mark.parametrize(
    "route",
    [
        ("POST", ONE),
        ("POST", MANY),
        ("POST", "/v1/actions"),
        ("PUT", "/v1/admin/events"),
        ("POST", "/v1/admin/events/winter-2026/close"),
    ],
    ids=" ".join,
)
async def test_who_leaves_is_no_error(door: Door, route: tuple[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """A body that breaks off is nobody's fault: nothing is logged as one, and nothing is done."""
    before = await door.stand()
    coming: list[Json] = [
        {"type": "http.request", "body": b'{"reason": "wh', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> MutableMapping[str, Any]:
        return coming.pop(0)

    async def send(_: MutableMapping[str, Any]) -> None:
        """Reach nobody."""

    await door.app(door.scope(*route, {"host": "localhost"}), receive, send)
    assert [] == [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert before == await door.stand()


@pytest.mark.usefixtures("quick_leaving")
async def test_a_server_that_leaves_waits_for_no_half_body(door: Door) -> None:
    """A body that does not end is given up after a while; nothing of it is counted."""
    async with AsyncExitStack() as stack:
        async with at_a_port(door) as port:
            reader, writer = await stack.enter_async_context(connected(port))
            writer.write(head(ONE, "Content-Length: 1000", media_type="application/json") + b'{"contributionId": "c1"')
            await writer.drain()
            other, lines = await stack.enter_async_context(connected(port))
            lines.write(head(MANY, CHUNKED) + chunk(item(1) + b"\n"))
            assert 200 == await status(other)
        assert b" 20" not in (await reader.read())[:12]
    assert 1 == await total(door)


# A process of its own: what it needs can be seen.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Give the port and the process id of a server."""
    folder = tmp_path_factory.mktemp("server")
    with process(Settings(database_url=f"sqlite:///{folder}/served.db")) as running:
        port = urlsplit(line(running)).port
        assert port is not None
        yield port, running.pid


def peak(pid: int) -> int:
    """The most memory that a process ever had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1_024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize(
    ("method", "target", "media_type"),
    [
        ("POST", ONE, "application/json"),
        ("POST", MANY, "application/json"),
        ("POST", MANY, "application/x-ndjson"),
        ("POST", "/v1/actions", "application/json"),
        ("PUT", "/v1/admin/events", "application/toml"),
        ("POST", "/v1/admin/events/winter-2026/close", "application/json"),
    ],
)
async def test_a_body_of_60_megabytes_is_cut(
    server: tuple[int, int], method: str, target: str, media_type: str, told: Any
) -> None:
    """The answer is 413 and the connection ends, long before all of it was sent; memory does not grow with it."""
    port, pid = server
    before = peak(pid)
    sent = 0
    length = f"Content-Length: {MEGABYTES}" if told else CHUNKED
    part = b"a" * 65_536
    async with connected(port) as (reader, writer):
        answer = asyncio.create_task(status(reader))
        writer.write(head(target, length, method=method, media_type=media_type))
        with suppress(OSError):
            while sent < MEGABYTES and not writer.is_closing():
                writer.write(part if told else chunk(part))
                await writer.drain()
                await asyncio.sleep(0)  # It looks whether there is an answer.
                sent += len(part)
        assert 413 == await answer
    assert sent < MEGABYTES / 2
    assert peak(pid) - before < GROWTH


@pytest.mark.parametrize("size", [70_000, 2_000_000, 8_000_000])
async def test_who_sends_too_much_is_told_so(server: tuple[int, int], size: int) -> None:
    """An ordinary client, which reads when it has sent everything, gets its answer and not a broken connection."""
    port, _ = server
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for path in (ONE, "/v1/admin/events/winter-2026/close"):
            answered = await client.post(path, content=b" " * size, headers={"content-type": "application/json"})
            assert (413, "too_large") == (answered.status_code, answered.json()["code"])
