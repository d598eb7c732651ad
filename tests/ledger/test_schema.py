"""The migrated schema is the declared one on both databases, and another schema is never worked on."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from tests.ledger.processes import OPEN, line, running
from worldevents.errors import LedgerOutdated
from worldevents.ledger import HEAD, migrate_ledger, open_ledger, schema_revision
from worldevents.ledger.database import Database, parse_url
from worldevents.ledger.migrate import VERSION_TABLE
from worldevents.ledger.schema import metadata
from worldevents.testing.builders import DURING, a_contribution, an_event
from worldevents.testing.ledger_counting import keep

pytestmark = pytest.mark.usefixtures("no_leaks")


async def in_database(url: str, query: Callable[[Connection], Any]) -> Any:
    """What a function of a connection answers, in a transaction that may write."""
    database = Database(parse_url(url))
    try:
        return await database.write(query)
    finally:
        await database.close()


async def test_migrations_make_the_declared_schema(empty_url: str) -> None:
    """Between a migrated database and `schema.metadata` there is no difference, types included."""

    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True, "version_table": VERSION_TABLE}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    await migrate_ledger(empty_url)
    assert await in_database(empty_url, differences) == []


def test_head_is_the_newest_revision() -> None:
    """The constant that is compared at every start is the head of the scripts, and there is one head."""
    config = Config()
    config.set_main_option("script_location", "worldevents:ledger/migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_an_empty_database_has_no_revision(empty_url: str) -> None:
    """Before the first migration there is no revision, after it there is HEAD."""
    assert await schema_revision(empty_url) is None
    await migrate_ledger(empty_url)
    assert await schema_revision(empty_url) == HEAD


async def test_migrating_again_changes_nothing(empty_url: str) -> None:
    """A second migration leaves the ledger, its epoch and its rows alone."""
    async with open_ledger(empty_url) as ledger:
        await ledger.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
        await ledger.append([a_contribution()], keep())
        epoch = await ledger.epoch()
    await migrate_ledger(empty_url)
    async with open_ledger(empty_url, migrate=False) as ledger:
        assert await ledger.epoch() == epoch
        assert (await ledger.totals())["volume"].total == 10


@pytest.mark.parametrize("own", [False, True])
async def test_an_older_schema_is_refused(empty_url: str, *, own: bool) -> None:
    """Without leave to migrate, an empty database is LedgerOutdated and stays empty."""
    with pytest.raises(LedgerOutdated, match="worldevents migrate"):
        async with open_ledger(empty_url, migrate=False, own=own):
            pass
    assert await schema_revision(empty_url) is None


async def test_another_schema_is_refused(empty_url: str) -> None:
    """A database at a revision that this version does not know is not worked on."""
    await migrate_ledger(empty_url)
    later = text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 - a constant
    await in_database(empty_url, lambda connection: connection.execute(later))
    with pytest.raises(LedgerOutdated, match="9999"):
        async with open_ledger(empty_url, migrate=False):
            pass


def test_four_processes_open_a_fresh_database_at_once(empty_url: str) -> None:
    """All of them succeed, and all of them see one ledger."""
    with ExitStack() as stack:
        four = [stack.enter_context(running(OPEN, empty_url)) for _ in range(4)]
        assert [line(process) for process in four] == ["ready"] * 4
        for process in four:
            assert process.stdin is not None
            process.stdin.close()
        epochs = {line(process) for process in four}
        assert [process.wait(30) for process in four] == [0] * 4
    assert len(epochs) == 1
    assert epochs.pop().startswith("1-")


async def test_the_audit_notices_a_changed_total(empty_url: str) -> None:
    """A total that does not follow from the rows is found."""
    async with open_ledger(empty_url) as ledger:
        await ledger.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
        await ledger.append([a_contribution()], keep())
        await in_database(empty_url, lambda connection: connection.execute(text("UPDATE goal SET total = 11")))
        (audit,) = await ledger.audit()
    assert (audit.agrees, audit.kept, audit.rows, audit.users) == (False, (11, 0), (10, 0), (10, 0))
