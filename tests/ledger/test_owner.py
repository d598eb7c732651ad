"""One process owns a database; when it dies, however it dies, the next one may."""

import asyncio
import fcntl
import json
import os
import stat
from pathlib import Path

import psycopg
import pytest

from tests.ledger.processes import OWN, line, running
from tests.ledger.test_failures import drop_connections
from tests.servers import PostgresServer
from worldevents.errors import ConfigurationInvalid, DatabaseOwned, LedgerUnavailable
from worldevents.ledger import Address, announced, find_server, open_ledger
from worldevents.ledger.owner import GLANCES_S
from worldevents.testing.builders import DURING, a_contribution, an_event
from worldevents.testing.ledger_counting import keep
from worldevents.testing.opened import ledger_state

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def test_a_second_process_is_refused(ledger_url: str) -> None:
    """While one process has the database another one cannot have it, and can as soon as it is let go."""
    async with open_ledger(ledger_url, own=True):
        with running(OWN, ledger_url) as second:
            assert line(second).startswith("database_owned")
            assert second.wait(30) == 0
    with running(OWN, ledger_url) as third:
        assert line(third) == "owner"


async def test_a_second_runtime_in_one_process_is_refused(ledger_url: str) -> None:
    """The same holds inside one process, and the first one keeps the database."""
    async with open_ledger(ledger_url, own=True) as first:
        with pytest.raises(DatabaseOwned):
            async with open_ledger(ledger_url, own=True):
                pass
        await first.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")


async def test_many_own_it_together(ledger_url: str) -> None:
    """Processes that count through one store of theirs have the database together, and keep one alone away."""
    async with open_ledger(ledger_url, own=True, shared=True) as first:
        async with open_ledger(ledger_url, own=True, shared=True) as second:
            await second.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
            await first.append([a_contribution("a")], keep())
        with pytest.raises(DatabaseOwned):
            async with open_ledger(ledger_url, own=True):
                pass
        await first.append([a_contribution("b")], keep())
    async with open_ledger(ledger_url, own=True):
        with pytest.raises(DatabaseOwned):
            async with open_ledger(ledger_url, own=True, shared=True):
                pass


async def test_who_lost_the_lock_together_is_refused(postgres: PostgresServer, postgres_url: str) -> None:
    """A server that started again has dropped their locks: once somebody has the database alone, they write nothing."""
    async with open_ledger(postgres_url, own=True, shared=True) as together:
        await together.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
        drop_connections(postgres, postgres_url)
        async with open_ledger(postgres_url, own=True) as alone:
            with pytest.raises((DatabaseOwned, LedgerUnavailable)):
                await together.append([a_contribution("a")], keep())
            with pytest.raises(DatabaseOwned):
                await together.append([a_contribution("a")], keep())
            assert (await alone.totals())["volume"].total == 0


async def test_who_does_not_ask_to_own_may_read(ledger_url: str) -> None:
    """A ledger that is owned can be opened by who only looks."""
    async with open_ledger(ledger_url, own=True), open_ledger(ledger_url, migrate=False) as other:
        assert await other.events() == []


async def test_a_killed_owner_leaves_the_database_free(ledger_url: str) -> None:
    """After SIGKILL there is nothing to clean up: the next process owns the database at once."""
    with running(OWN, ledger_url) as owner:
        assert line(owner) == "owner"
        owner.kill()
        owner.wait(30)
    with running(OWN, ledger_url) as following:
        assert line(following) == "owner"


async def test_a_link_to_a_database_is_that_database(file: Path) -> None:
    """Whoever comes by another name finds it owned all the same."""
    async with open_ledger(f"sqlite:///{file}", own=True):
        (link := file.with_name("link.db")).symlink_to(file)
        with pytest.raises(DatabaseOwned):
            async with open_ledger(f"sqlite:///{link}", own=True):
                pass


async def test_the_lock_file_is_its_owners_alone(file: Path) -> None:
    """It is beside the database, for nobody else to read, and names the process; empty when nobody owns."""
    lock = file.with_name("ledger.db.lock")
    async with open_ledger(f"sqlite:///{file}", own=True):
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        assert json.loads(lock.read_text()) == {"pid": os.getpid()}
        with pytest.raises(DatabaseOwned, match=str(os.getpid())):
            async with open_ledger(f"sqlite:///{file}", own=True):
                pass
    assert lock.read_text() == ""


async def test_a_lock_file_of_a_dead_process_does_not_count(file: Path) -> None:
    """What is written in the file is for people; only the lock itself owns."""
    file.with_name("ledger.db.lock").write_text('{"pid": 1}')
    async with open_ledger(f"sqlite:///{file}", own=True) as ledger:
        assert await ledger.events() == []


async def test_an_owner_that_serves_says_where(file: Path) -> None:
    """The command line finds the server of a database, by any name of it, as long as it serves."""
    url, address = f"sqlite:///{file}", Address("http://127.0.0.1:8000", "secret")
    async with open_ledger(url, own=True):
        (link := file.with_name("link.db")).symlink_to(file)
        assert find_server(url) is None
        with announced(url, address):
            assert find_server(url) == address
            assert find_server(f"sqlite:///{link}") == address
            assert stat.S_IMODE(file.with_name("ledger.db.lock").stat().st_mode) == 0o600
            with pytest.raises(DatabaseOwned, match=f"process {os.getpid()} owns"):
                async with open_ledger(url, own=True):
                    pass
        assert find_server(url) is None
    assert find_server(url) is None
    assert "secret" not in repr(address)


async def test_what_a_dead_server_wrote_does_not_count(file: Path) -> None:
    """A killed server leaves its address behind; nobody is sent there, and the next owner forgets it."""
    lock = file.with_name("ledger.db.lock")
    lock.write_text('{"pid": 1, "url": "http://127.0.0.1:8000", "token": "secret"}')
    assert find_server(f"sqlite:///{file}") is None
    async with open_ledger(f"sqlite:///{file}", own=True):
        assert find_server(f"sqlite:///{file}") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pid": 1}', '{"url": "http://x"}'])
async def test_a_lock_file_without_an_address_is_no_server(file: Path, content: str) -> None:
    """Whatever stands in the file, looking for a server raises nothing."""
    file.with_name("ledger.db.lock").write_text(content)
    assert find_server(f"sqlite:///{file}") is None


async def test_a_database_that_is_not_there_has_no_server(file: Path) -> None:
    """Looking for a server makes no files."""
    assert find_server(f"sqlite:///{file}") is None
    assert list(file.parent.iterdir()) == []


async def test_who_looks_for_a_server_keeps_no_owner_out(file: Path) -> None:
    """A glance at the lock lasts an instant, and an owner that comes just then waits for it."""
    lock = file.with_name("ledger.db.lock")
    lock.touch()
    with lock.open() as glance:
        fcntl.flock(glance, fcntl.LOCK_SH)
        asyncio.get_running_loop().call_later(GLANCES_S[0] / 2, glance.close)
        async with open_ledger(f"sqlite:///{file}", own=True) as ledger:
            assert await ledger.events() == []


async def test_a_server_on_postgresql_is_not_announced(postgres_url: str) -> None:
    """There is no file to say it in."""
    async with open_ledger(postgres_url, own=True):
        with announced(postgres_url, Address("http://127.0.0.1:8000", "secret")):
            assert find_server(postgres_url) is None


async def test_an_unreadable_lock_file_says_so(file: Path) -> None:
    """Where the lock cannot be written, the setting is at fault."""
    file.with_name("ledger.db.lock").mkdir()
    with pytest.raises(ConfigurationInvalid) as refused:
        async with open_ledger(f"sqlite:///{file}", own=True):
            pass
    assert refused.value.field == "database_url"


async def test_an_owner_that_lost_its_lock_cannot_write(postgres: PostgresServer, postgres_url: str) -> None:
    """A PostgreSQL lock ends with its session: who was dropped is refused as soon as another one owns."""
    async with open_ledger(postgres_url, own=True) as dropped:
        await dropped.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND database = "
                "(SELECT oid FROM pg_database WHERE datname = %s)",
                [postgres_url.rpartition("/")[2]],
            )
        async with open_ledger(postgres_url, own=True) as owner:
            before = await ledger_state(owner)
            with pytest.raises(DatabaseOwned):
                await dropped.append([a_contribution()], keep())
            assert await ledger_state(owner) == before
            await owner.append([a_contribution()], keep())
