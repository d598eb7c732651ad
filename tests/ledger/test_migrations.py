"""A database of an older version keeps everything it holds on its way to the newest schema."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, insert, select

from worldevents.errors import LedgerOutdated
from worldevents.ledger import HEAD, migrate_ledger, open_ledger, schema_revision
from worldevents.ledger.database import Database, parse_url
from worldevents.ledger.ledger import SqlLedger
from worldevents.ledger.migrate import Identity
from worldevents.ledger.schema import identity, metadata
from worldevents.testing.builders import DURING, a_contribution, a_key, an_event
from worldevents.testing.ledger_counting import keep
from worldevents.testing.opened import LedgerState, ledger_state

pytestmark = pytest.mark.usefixtures("no_leaks")


WHO = Identity(secrets.token_bytes(32), "1-00c0ffee")
Rows = dict[str, list[dict[str, Any]]]


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "worldevents:ledger/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def _in(url: str, query: Callable[[Connection], Any]) -> Any:
    database = Database(parse_url(url))
    try:
        return await database.write(query)
    finally:
        await database.close()


async def _told(url: str) -> tuple[LedgerState, Rows]:
    """What a ledger of today answers that holds an event, rows and unlocks; and all its rows."""
    database = Database(parse_url(url))
    try:
        await database.write(_upgrade, "head")
        await database.write(lambda connection: connection.execute(insert(identity), _identity()))
        ledger = SqlLedger(database, WHO)
        await ledger.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
        await ledger.append([a_contribution("c1", 300, display_name="Ann"), a_contribution("c2", user="bob")], keep())
        return await ledger_state(ledger), await database.write(_rows)
    finally:
        await database.close()


def _identity() -> dict[str, Any]:
    return {"id": 1, "digest_key": WHO.digest_key, "generation": 1, "epoch": WHO.epoch}


def _rows(connection: Connection) -> Rows:
    return {
        table.name: [dict(row._mapping) for row in connection.execute(select(table))]
        for table in metadata.sorted_tables
    }


def _fill(connection: Connection, revision: str, rows: Rows) -> None:
    """Make a database of an older revision, and write these rows as far as it knew their columns."""
    _upgrade(connection, revision)
    known = MetaData()
    known.reflect(connection)
    for table in known.sorted_tables:
        own = [{name: row[name] for name in row if name in table.columns} for row in rows.get(table.name, [])]
        if own:
            connection.execute(insert(table), own)


async def _filled(url: str, revision: str, folder: Path) -> LedgerState:
    """Fill a database of an older revision; say what a ledger of today answers that holds the same."""
    before, rows = await _told(f"sqlite:///{folder}/today.db")
    await _in(url, lambda connection: _fill(connection, revision, rows))
    return before


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
async def test_what_an_older_version_wrote_is_all_there(empty_url: str, revision: str, tmp_path: Path) -> None:
    """Events, rows, sums, unlocks and names are what they were; a repeat is still known; keys can be made."""
    before = await _filled(empty_url, revision, tmp_path)
    assert revision == await schema_revision(empty_url)
    async with open_ledger(empty_url) as ledger:
        assert before == await ledger_state(ledger)
        assert [] == await ledger.keys()
        assert {} == (await ledger.append([a_contribution("c1", 300)], keep())).totals
        await ledger.add_key(a_key())
    assert HEAD == await schema_revision(empty_url)
    async with open_ledger(empty_url, migrate=False) as ledger:
        assert [a_key()] == await ledger.keys()


async def test_an_older_schema_waits_for_leave_to_migrate(empty_url: str, tmp_path: Path) -> None:
    """Without it the database stays at its revision, and nothing is lost when it is migrated later."""
    before = await _filled(empty_url, "0001", tmp_path)
    with pytest.raises(LedgerOutdated, match="0001"):
        async with open_ledger(empty_url, migrate=False):
            pass
    assert "0001" == await schema_revision(empty_url)
    await migrate_ledger(empty_url)
    async with open_ledger(empty_url, migrate=False) as ledger:
        assert before == await ledger_state(ledger)


async def test_tiers_that_were_unlocked_before_there_were_grants_are_granted(empty_url: str, tmp_path: Path) -> None:
    """A server that starts on an older database promises what its events declare, and leaves a job for each unlock."""
    await _filled(empty_url, "0003", tmp_path)
    async with open_ledger(empty_url) as ledger:
        await ledger.keep_promises(DURING)
        while await ledger.grant_page(DURING, size=1):
            pass
        assert ["tier~volume~25~ann", "tier~volume~25~bob"] == [one.id for one in await ledger.grants()]
