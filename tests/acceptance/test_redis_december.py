"""December through Redis and PostgreSQL: through three servers with every row sent to two of them, and by the demo."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.acceptance.december import (
    END,
    EXPECTED,
    GOALS,
    START,
    assert_told_twice,
    expected_documents,
    in_ledger,
)
from tests.acceptance.test_http_december import stand_through
from tests.cli.conftest import PROGRAM
from tests.cli.served import serving
from tests.servers import RedisServer
from worldevents.client import Client
from worldevents.demo.replay import prepare, replay
from worldevents.importers.openpowerlifting import Row

SECONDS = 60.0
LOOKS = 20
"""Different totals that are seen of a month that goes by."""


@pytest.fixture
def settings(redis_server: RedisServer, postgres_url: str) -> dict[str, str]:
    return {
        "WORLDEVENTS_REDIS_URL": redis_server.url,
        "WORLDEVENTS_REDIS_PREFIX": uuid.uuid4().hex[:8],
        "WORLDEVENTS_DATABASE_URL": postgres_url,
    }


@pytest.fixture
def three(settings: dict[str, str]) -> Iterator[list[str]]:
    """Three servers of one deployment; their addresses."""
    with ExitStack() as stack:
        yield [stack.enter_context(serving(**settings)) for _ in range(3)]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder with a short name, which PostgreSQL's own user may enter."""
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


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
    assert [expected_documents()] * 3 == stands
    assert_told_twice(reports)
    await in_ledger(settings["WORLDEVENTS_DATABASE_URL"])


def _third(row: Row) -> int:
    return sum(row.lifter.encode()) % 3


ADDRESSES = ("--redis", "{redis}", "--database", "{database}")
BESIDE = (sys.executable, "tools/with_servers.py", *PROGRAM, "demo", *ADDRESSES, "--port", "0")


def asked(url: str) -> Any:
    """What our own server answers."""
    with urlopen(url) as answer:  # noqa: S310
        return json.load(answer)


def left(folder: Path) -> tuple[list[str], int]:
    """What a program has left of its temporary folder: the files there, and how many processes are at work in it."""
    places = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            places.append(str(path.readlink()))
    # The register of ports is one for all that run here, and stays.
    files = [str(path) for path in folder.iterdir() if not path.name.startswith("worldevents-ports")]
    return files, sum(place.startswith(str(folder)) for place in places)


@pytest.mark.usefixtures("redis_server", "postgres")
def test_the_demo_beside_servers_of_its_own(open_folder: Path) -> None:
    """`make demo REDIS=1` begins a Redis and a PostgreSQL, shows the same figures, and leaves neither behind."""
    # What the environment names is somebody's own: the demo lets it alone.
    own = {"WORLDEVENTS_REDIS_URL": "redis://127.0.0.1:1", "WORLDEVENTS_DATABASE_URL": "postgresql://no"}
    ran = subprocess.run(
        [*BESIDE, "--speed", "max", "--exit-when-done", "--json"],
        capture_output=True,
        env=os.environ | own | {"TMPDIR": str(open_folder)},
        check=False,
        timeout=120,
    )
    assert (0, EXPECTED) == (ran.returncode, json.loads(ran.stdout)), ran.stderr.decode()
    assert ([], 0) == left(open_folder)


@pytest.mark.usefixtures("redis_server", "postgres")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_who_stops_the_demo_stops_its_servers(open_folder: Path, how: signal.Signals) -> None:
    """Ctrl-C reaches all in the terminal, a signal the first one alone: either way nothing is left."""
    environment = os.environ | {"TMPDIR": str(open_folder)}
    with ExitStack() as stack:
        shown = stack.enter_context(
            subprocess.Popen(BESIDE, stderr=subprocess.PIPE, env=environment, start_new_session=True)
        )
        stack.callback(shown.terminate)
        assert shown.stderr is not None
        while not (url := shown.stderr.readline().decode().strip()).startswith("http://"):
            assert shown.poll() is None
        # Hours go by while a contribution is on its way to the ledger, and that is no lag: it is ready all the time.
        told = {asked(f"{url}/v1/goals/{GOALS['totalVolume']}/progress")["goal"]["currentValue"]}
        while len(told) < LOOKS:
            assert {"status": "ok"} == asked(f"{url}/readyz")
            told.add(asked(f"{url}/v1/goals/{GOALS['totalVolume']}/progress")["goal"]["currentValue"])
        assert left(open_folder)[1] >= 2, "a Redis and a PostgreSQL are at work there"
        if how is signal.SIGINT:
            os.killpg(shown.pid, how)
        else:
            shown.send_signal(how)
        shown.stderr.read()
        shown.wait(SECONDS)
    assert ([], 0) == left(open_folder)
