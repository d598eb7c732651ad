"""When the database cannot be used the ledger says so in its own words, and nothing is lost or counted twice."""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text

from tests.servers import PostgresServer
from worldevents.errors import ConfigurationInvalid, LedgerUnavailable
from worldevents.ledger import open_ledger
from worldevents.ledger.base import Ledger
from worldevents.ledger.database import Database, parse_url
from worldevents.testing.builders import DURING, a_contribution, an_event
from worldevents.testing.ledger_counting import keep

SECONDS = 30.0

pytestmark = pytest.mark.usefixtures("no_leaks")

FULL = """
import asyncio, resource, sys
from pathlib import Path
from worldevents.errors import LedgerUnavailable
from worldevents.ledger import open_ledger
from worldevents.testing.builders import DURING, a_contribution, an_event
from worldevents.testing.ledger_counting import keep
from worldevents.testing.opened import ledger_state

def room(size):
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

async def main(path):
    async with open_ledger(f"sqlite:///{path}") as ledger:
        await ledger.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
        await ledger.append([a_contribution("c0", 300)], keep())
        before = await ledger_state(ledger)
        room(Path(f"{path}-wal").stat().st_size)
        try:
            await ledger.append([a_contribution(f"c{number}") for number in range(2_000)], keep())
        except LedgerUnavailable as error:
            assert "LedgerUnavailable" not in error.detail
        else:
            raise AssertionError("there was room")
        assert await ledger_state(ledger) == before
        room(resource.RLIM_INFINITY)
        await ledger.append([a_contribution(f"c{number}", 300) for number in range(2)], keep())
        assert (await ledger.totals())["volume"].total == 600
        assert all(one.agrees for one in await ledger.audit())

asyncio.run(main(sys.argv[1]))
"""

READ_ONLY = """
import asyncio, os, sys, tempfile
from worldevents.errors import WorldEventsError
from worldevents.ledger import open_ledger

async def main():
    with tempfile.TemporaryDirectory() as folder:
        async with open_ledger(f"sqlite:///{folder}/ledger.db"):
            pass  # all that is imported late has been imported now
    if os.geteuid() == 0:
        os.seteuid(65534)  # root may write everywhere
    for own in (False, True):
        try:
            async with open_ledger(sys.argv[1], own=own):
                pass
        except WorldEventsError as error:
            print(error.code)

asyncio.run(main())
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


async def begun(ledger: Ledger) -> None:
    await ledger.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
    await ledger.append([a_contribution("c0", 300)], keep())


def drop_connections(postgres: PostgresServer, url: str) -> int:
    """End every session that is open to a database, as a restart of the server does."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            [url.rpartition("/")[2]],
        )
        return len(ended.fetchall())


@pytest.mark.parametrize("own", [False, True])
async def test_a_server_that_is_not_there(postgres_url: str, *, own: bool) -> None:
    """An address at which nobody listens is LedgerUnavailable, and no driver's words."""
    away = postgres_url.replace(postgres_url.rpartition(":")[2].partition("/")[0], "1")
    with pytest.raises(LedgerUnavailable) as refused:
        async with open_ledger(away, own=own):
            pass
    assert refused.value.retryable
    assert "psycopg" not in refused.value.detail


async def test_a_server_that_comes_back(postgres: PostgresServer, postgres_url: str) -> None:
    """After all connections were dropped the first call fails or works, the next works; each row is there once."""
    async with open_ledger(postgres_url) as ledger:
        await begun(ledger)
        for number in range(1, 4):
            assert drop_connections(postgres, postgres_url) > 0
            item = a_contribution(f"c{number}", number)
            with contextlib.suppress(LedgerUnavailable):
                await ledger.append([item], keep())
            (row,) = (await ledger.append([item], keep())).rows
            assert row is not None
            assert row.amount == number
        assert (await ledger.totals())["volume"].total == 306
        assert all(one.agrees for one in await ledger.audit())


async def test_readers_come_back_too(postgres: PostgresServer, postgres_url: str) -> None:
    """A read after the connections were dropped fails or works, and the next one works."""
    async with open_ledger(postgres_url) as ledger:
        await begun(ledger)
        before = await ledger.totals()
        drop_connections(postgres, postgres_url)
        try:
            assert await ledger.totals() == before
        except LedgerUnavailable:
            assert await ledger.totals() == before


async def test_a_transaction_that_nobody_goes_on_with_is_ended(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody vanished with a lock in hand: PostgreSQL takes it away, and the others go on."""
    monkeypatch.setattr("worldevents.ledger.database.IDLE_S", 1)
    gone, here = Database(parse_url(postgres_url)), Database(parse_url(postgres_url))

    def hold(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE IF NOT EXISTS lock (id int)"))
        connection.execute(text("LOCK TABLE lock"))
        has_it.set()
        assert others.wait(SECONDS)

    has_it, others = threading.Event(), threading.Event()
    await here.write(lambda connection: connection.execute(text("CREATE TABLE IF NOT EXISTS lock (id int)")))
    holding = asyncio.create_task(gone.write(hold))
    assert await asyncio.to_thread(has_it.wait, SECONDS)
    await here.write(lambda connection: connection.execute(text("LOCK TABLE lock")))
    others.set()
    with pytest.raises(LedgerUnavailable):
        await holding
    for one in (gone, here):
        await one.close()


def test_a_full_disk(tmp_path: Path) -> None:
    """An append that finds no room changes nothing, and works when there is room again."""
    run(FULL, str(tmp_path / "ledger.db"))


def test_a_read_only_folder() -> None:
    """Where nothing may be written opening is refused; to an owner the setting is at fault."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "locked"
        folder.mkdir()
        Path(parent).chmod(0o755)
        folder.chmod(0o555)
        told = run(READ_ONLY, f"sqlite:///{folder}/ledger.db").split()
        assert told == ["ledger_unavailable", "configuration_invalid"]
        assert list(folder.iterdir()) == []


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A path into nowhere is refused in words, and nothing is made on the way."""
    url = f"sqlite:///{tmp_path}/nowhere/ledger.db"
    with pytest.raises(LedgerUnavailable):
        async with open_ledger(url):
            pass
    with pytest.raises(ConfigurationInvalid):
        async with open_ledger(url, own=True):
            pass
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a test may block


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Another file is left alone."""
    file = tmp_path / "ledger.db"
    file.write_text("dear diary, " * 1_000)
    with pytest.raises(LedgerUnavailable):
        async with open_ledger(f"sqlite:///{file}"):
            pass
    assert file.read_text() == "dear diary, " * 1_000


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///:memory:", "mysql://host/name", "not a url"])
async def test_an_address_that_cannot_be_one(url: str) -> None:
    """What is no address of a ledger is a mistake of the setting that is named."""
    with pytest.raises(ConfigurationInvalid) as refused:
        async with open_ledger(url):
            pass
    assert refused.value.field == "database_url"
