"""December through Redis and PostgreSQL: through one server, and through three with every row sent to two of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest

from tests.acceptance.december import END, EXPECTED, GOALS, START, expected_stand, sums
from tests.acceptance.test_http_december import stand_through
from tests.cli.conftest import PROGRAM
from tests.cli.served import serving
from tests.servers import RedisServer
from worldevents.client import Client
from worldevents.demo.replay import prepare, replay, replay_event
from worldevents.importers.openpowerlifting import Row

SECONDS = 60.0


@pytest.fixture
def settings(redis_server: RedisServer, postgres_url: str) -> dict[str, str]:
    return {
        "WORLDEVENTS_REDIS_URL": redis_server.url,
        "WORLDEVENTS_REDIS_PREFIX": uuid.uuid4().hex[:8],
        "WORLDEVENTS_DATABASE_URL": postgres_url,
    }


@pytest.fixture
def server(settings: dict[str, str]) -> Iterator[str]:
    """One server; its address."""
    with serving(**settings) as url:
        yield url


@pytest.fixture
def three(settings: dict[str, str]) -> Iterator[list[str]]:
    """Three servers of one deployment; their addresses."""
    with ExitStack() as stack:
        yield [stack.enter_context(serving(**settings)) for _ in range(3)]


async def in_ledger(url: str) -> None:
    """Return when goals, rows and contributors are one sum in PostgreSQL, and it is what was expected."""
    expected = {
        goal.id: int(expected_stand()[metric][0].scaleb(goal.metric.decimals))
        for metric, goal in ((goal.metric.key, goal) for goal in replay_event(START, END).goals)
    }
    async with asyncio.timeout(SECONDS):
        while True:
            found = await asyncio.to_thread(sums, url)
            if {goal: (total,) * 3 for goal, total in expected.items()} == found:
                return
            await asyncio.sleep(0.05)


async def test_through_one_server(server: str, settings: dict[str, str], rows: list[Row]) -> None:
    """The figures are exact to the text, in Redis as they are answered and in PostgreSQL a moment later."""
    async with Client(server) as verbs:
        await prepare(verbs, START, END)
        report = await replay(verbs, rows)
    assert EXPECTED == report.document()
    assert () == report.refusals
    await in_ledger(settings["WORLDEVENTS_DATABASE_URL"])


async def test_through_three_servers_every_row_by_two(
    three: list[str], settings: dict[str, str], rows: list[Row]
) -> None:
    """Each third of the lifters is told to two of the three servers at once; each contribution counts once."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(url)) for url in three]
        await prepare(clients[0], START, END)
        shares = [[row for row in rows if _third(row) == number] for number in range(3)]
        reports = await asyncio.gather(
            *(replay(clients[(number + other) % 3], shares[number]) for number in range(3) for other in (0, 1))
        )
        stands = [await stand_through(client) for client in clients]
    expected = {
        metric: (float(total), users, [(user, float(amount)) for user, amount in top])
        for metric, (total, users, top) in expected_stand().items()
    }
    assert [expected] * 3 == stands
    for metric in GOALS:
        figures, answered = EXPECTED[metric], Counter[str]()
        for report in reports:
            document = report.document()[metric]
            answered.update({word: document[word] for word in ("counted", "duplicates", "conflicts")})
        assert figures["counted"] == answered["counted"]
        assert figures["counted"] + 2 * figures["duplicates"] == answered["duplicates"]
        assert 2 * figures["conflicts"] == answered["conflicts"]
    await in_ledger(settings["WORLDEVENTS_DATABASE_URL"])


def _third(row: Row) -> int:
    return sum(row.lifter.encode()) % 3


@pytest.mark.usefixtures("redis_server", "postgres")
def test_the_demo_beside_servers_of_its_own() -> None:
    """`make demo REDIS=1` begins a Redis and a PostgreSQL, shows the same figures, and leaves neither behind."""
    addresses = "--redis", "{redis}", "--database", "{database}"
    options = "--speed", "max", "--port", "0", "--exit-when-done", "--json"
    beside = sys.executable, "tools/with_servers.py", *PROGRAM, "demo", *addresses
    # What the environment names is somebody's own: the demo lets it alone.
    own = os.environ | {"WORLDEVENTS_REDIS_URL": "redis://127.0.0.1:1", "WORLDEVENTS_DATABASE_URL": "postgresql://no"}
    ran = subprocess.run([*beside, *options], capture_output=True, env=own, check=False, timeout=120)
    assert (0, EXPECTED) == (ran.returncode, json.loads(ran.stdout)), ran.stderr.decode()
