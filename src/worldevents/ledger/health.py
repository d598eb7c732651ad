"""What an operator asks about a database before taking it into use: nothing here creates or migrates one."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from worldevents.errors import DatabaseOwned
from worldevents.ledger.database import Database, parse_url, sqlite_path
from worldevents.ledger.owner import owning

SQLITE_LEAST: Final = (3, 35, 0)
"""The first SQLite with RETURNING."""


def sqlite_version() -> tuple[int, ...]:
    """The version of the SQLite that Python was built with."""
    return sqlite3.sqlite_version_info


def database_file(url: str) -> Path | None:
    """The file that an SQLite database is or will be, None for a server. Raises ConfigurationInvalid."""
    return sqlite_path(parse_url(url))


def owner(url: str) -> str | None:
    """Who owns a database, in words; None where nobody does. It is owned for the moment of the question."""
    try:
        with owning(parse_url(url)):
            return None
    except DatabaseOwned as error:
        return error.detail


async def server_version(url: str) -> str:
    """The version of the database that answers."""
    database = Database(parse_url(url))
    try:
        return await database.read(_server_version)
    finally:
        await database.close()


def _server_version(connection: Connection) -> str:
    return ".".join(map(str, connection.dialect.server_version_info or ()))
