"""Bringing a database to the schema this version needs. Alembic is loaded only when there is something to do.

Any number of processes may start together: the first one migrates under a lock, the others find it done.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, inspect, select, text, update

from worldevents.errors import LedgerOutdated
from worldevents.ledger.schema import identity

HEAD: Final = "0009"
"""The newest revision in migrations/versions; a test holds the two equal."""
VERSION_TABLE: Final = "worldevents_schema"

_LOCK_NUMBER: Final = 0x776F726C64


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a ledger is: the key of its digests, the name of its order, and as whom we write (None: as anybody)."""

    digest_key: bytes
    epoch: str
    owner: str | None = None


def revision(connection: Connection) -> str | None:
    """The schema revision that a database is at; None for an empty one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - a constant
    return found


def require_head(connection: Connection) -> Identity:
    """The ledger's identity; LedgerOutdated where the schema is another than this version needs."""
    found = revision(connection)
    if found != HEAD:
        raise LedgerOutdated(
            f"the database is at schema {found or 'none'}, this version needs {HEAD}: run `worldevents migrate`"
        )
    key, epoch = connection.execute(select(identity.c.digest_key, identity.c.epoch)).one()
    return Identity(bytes(key), epoch)


def upgrade(connection: Connection) -> Identity:
    """Bring the schema to HEAD and give a new ledger its identity; does nothing where that has been done."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
    if revision(connection) != HEAD:
        run_alembic(connection)
    if connection.execute(select(identity.c.id)).one_or_none() is None:
        connection.execute(
            insert(identity),
            {"id": 1, "digest_key": secrets.token_bytes(32), "generation": 1, "epoch": f"1-{secrets.token_hex(4)}"},
        )
    return require_head(connection)


def claim(connection: Connection, owner: str) -> None:
    """Write under this name from now on; whoever wrote under another is refused."""
    connection.execute(update(identity).values(owner=owner))


def run_alembic(connection: Connection) -> None:
    """Make the schema that HEAD is, and nothing else."""
    from alembic import command  # noqa: PLC0415 - half a second to import, needed once in a database's life
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "worldevents:ledger/migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
