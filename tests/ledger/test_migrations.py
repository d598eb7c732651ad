"""A database of an older version keeps everything it holds on its way to the newest schema."""

import secrets

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert

from worldevents.errors import LedgerOutdated
from worldevents.ledger import HEAD, migrate_ledger, open_ledger, schema_revision
from worldevents.ledger.database import Database, parse_url
from worldevents.ledger.ledger import SqlLedger
from worldevents.ledger.migrate import Identity
from worldevents.ledger.schema import identity
from worldevents.testing.builders import DURING, a_contribution, a_key, an_event
from worldevents.testing.ledger_counting import keep
from worldevents.testing.opened import LedgerState, ledger_state

pytestmark = pytest.mark.usefixtures("no_leaks")


def _at(revision: str, connection: Connection) -> Identity:
    """Bring an empty database to a revision, with an identity, as its version did."""
    config = Config()
    config.set_main_option("script_location", "worldevents:ledger/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    who = Identity(secrets.token_bytes(32), "1-00c0ffee")
    connection.execute(insert(identity), {"id": 1, "digest_key": who.digest_key, "generation": 1, "epoch": who.epoch})
    return who


async def _filled(url: str, revision: str) -> LedgerState:
    """Fill a database of an older revision with an event, rows and unlocks; say what it then answers."""
    database = Database(parse_url(url))
    try:
        who = await database.write(lambda connection: _at(revision, connection))
        ledger = SqlLedger(database, who)
        await ledger.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
        await ledger.append([a_contribution("c1", 300, display_name="Ann"), a_contribution("c2", user="bob")], keep())
        return await ledger_state(ledger)
    finally:
        await database.close()


@pytest.mark.parametrize("revision", ["0001"])
async def test_what_an_older_version_wrote_is_all_there(ledger_url: str, revision: str) -> None:
    """Events, rows, sums, unlocks and names are what they were; a repeat is still known; keys can be made."""
    before = await _filled(ledger_url, revision)
    assert revision == await schema_revision(ledger_url)
    async with open_ledger(ledger_url) as ledger:
        assert before == await ledger_state(ledger)
        assert [] == await ledger.keys()
        assert {} == (await ledger.append([a_contribution("c1", 300)], keep())).totals
        await ledger.add_key(a_key())
    assert HEAD == await schema_revision(ledger_url)
    async with open_ledger(ledger_url, migrate=False) as ledger:
        assert [a_key()] == await ledger.keys()


async def test_an_older_schema_waits_for_leave_to_migrate(ledger_url: str) -> None:
    """Without it the database stays at its revision, and nothing is lost when it is migrated later."""
    before = await _filled(ledger_url, "0001")
    with pytest.raises(LedgerOutdated, match="0001"):
        async with open_ledger(ledger_url, migrate=False):
            pass
    assert "0001" == await schema_revision(ledger_url)
    await migrate_ledger(ledger_url)
    async with open_ledger(ledger_url, migrate=False) as ledger:
        assert before == await ledger_state(ledger)
