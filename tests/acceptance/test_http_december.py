"""December over HTTP as contributions: one by one, as lines, and by two who send the same in batches and as lines."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.acceptance.december import (
    END,
    EXPECTED,
    GOALS,
    START,
    assert_told_twice,
    expected_documents,
    sums,
)
from tests.cli.served import serving
from worldevents.client import Client
from worldevents.demo.replay import prepare, replay
from worldevents.documents import Json
from worldevents.importers.openpowerlifting import Row

CONNECTIONS = 64

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class OneByOne(Client):
    """Sends every contribution in a request of its own, over many connections at once.

    A user's contributions stay in their order, on one connection: of two with one id, the first is to count.
    """

    def __init__(self, url: str, connections: Sequence[Connection]) -> None:
        super().__init__(url)
        self._connections = connections

    async def contribute_many(self, items: Sequence[Json]) -> list[Json]:
        shares: defaultdict[int, list[int]] = defaultdict(list)
        for place, item in enumerate(items):
            shares[int(item["userId"]) % len(self._connections)].append(place)
        answers: list[Json] = [{}] * len(items)
        async with asyncio.TaskGroup() as tasks:
            for number, places in shares.items():
                tasks.create_task(_send(self._connections[number], items, places, answers))
        return answers


async def _send(connection: Connection, items: Sequence[Json], places: Sequence[int], answers: list[Json]) -> None:
    reader, writer = connection
    for place in places:
        item = {name: value for name, value in items[place].items() if name != "goalId"}
        body = json.dumps(item, default=str).encode()
        writer.write(
            b"POST /v1/goals/%b/contributions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
            % (items[place]["goalId"].encode(), len(body), body)
        )
        answers[place] = await _answer(reader)


async def _answer(reader: asyncio.StreamReader) -> Json:
    """As one result of a batch."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head.split(b" ", 2)[1])
    length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
    told = json.loads(await reader.readexactly(length))
    return {"status": status, ("receipt" if status < 300 else "problem"): told}


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[list[Connection]]:
    """So many connections, which stay."""
    port = urlsplit(url).port
    made = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    try:
        yield made
    finally:
        for _, writer in made:
            writer.close()
            await writer.wait_closed()


class Lines(Client):
    """Sends contributions as a stream of lines."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._url_of_lines = f"{url}/v1/contributions"
        self._lines = httpx2.AsyncClient(timeout=30, trust_env=False)

    async def __aenter__(self) -> Self:
        await self._lines.__aenter__()
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        await self._lines.__aexit__(kind, error, trace)

    async def contribute_many(self, items: Sequence[Json]) -> list[Json]:
        if not items:
            return []
        body = "\n".join(json.dumps(item, default=str) for item in items)
        headers = {"content-type": "application/x-ndjson"}
        answered = await self._lines.post(self._url_of_lines, content=body.encode(), headers=headers)
        assert 200 == answered.status_code
        return [json.loads(line) for line in answered.text.splitlines()]


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def server(database: str) -> Iterator[str]:
    """Give the URL of a server in a process of its own."""
    with serving(WORLDEVENTS_DATABASE_URL=database) as url:
        yield url


async def stand_through(verbs: Client) -> dict[str, Any]:
    found = {}
    for metric, goal_id in GOALS.items():
        told = (await verbs.progress(goal_id))["goal"]
        top = (await verbs.leaderboard(goal_id))["contributors"]
        found[metric] = (
            told["currentValue"],
            told["participantCount"],
            [(row["userId"], row["amount"]) for row in top],
        )
    return found


async def test_one_by_one(server: str, database: str, rows: list[Row]) -> None:
    """64 connections, one contribution in each request: the figures are exact to the text, and the sums are sums."""
    async with connected(server) as connections, OneByOne(server, connections) as verbs:
        await prepare(verbs, START, END)
        report = await replay(verbs, rows)
    assert EXPECTED == report.document()
    assert () == report.refusals
    assert [] == [goal for goal, (total, kept, users) in sums(database).items() if not total == kept == users]


async def test_as_lines(server: str, rows: list[Row]) -> None:
    """The same, as a stream of lines."""
    async with Lines(server) as verbs:
        await prepare(verbs, START, END)
        report = await replay(verbs, rows)
    assert EXPECTED == report.document()
    assert () == report.refusals


async def test_two_send_every_row(server: str, database: str, rows: list[Row]) -> None:
    """One in batches, the other as lines, at the same time: each contribution is counted for one of them, once."""
    async with Client(server) as one, Lines(server) as other:
        await prepare(one, START, END)
        reports = await asyncio.gather(*(replay(verbs, rows) for verbs in (one, other)))
        stand = await stand_through(one)
    assert expected_documents() == stand
    assert_told_twice(reports)
    assert [] == [goal for goal, (total, kept, users) in sums(database).items() if not total == kept == users]
