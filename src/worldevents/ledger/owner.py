"""One owner per database: the embedded store keeps totals in memory, so two processes with it would tell two truths.

Processes that count together through another store own it together, and keep one that counts alone away as well.

The owner of an SQLite database holds a lock file beside it, which says who that is and where it serves; of a PostgreSQL
one, an advisory lock. Both are let go by the system itself when the process dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import URL, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from worldevents.errors import ConfigurationInvalid, DatabaseOwned, LedgerUnavailable

SERVER_WAIT_MS: Final = 2_000
"""How long a PostgreSQL server may take to notice that an owner has died."""
CONNECT_TIMEOUT_S: Final = 10

GLANCES_S: Final = (0.02, 0.05)
"""Waits before a lock file counts as held: who only looks for a server holds it for an instant."""

_LOCK_NUMBER: Final = 0x776F776E


@dataclass(frozen=True, slots=True)
class Address:
    """Where the owner of a database serves, and the token by which it knows its own machine's command line."""

    url: str
    token: str = field(repr=False)


@contextmanager
def owning(url: URL, *, shared: bool = False) -> Iterator[None]:
    """Own a database while the context is open, alone or together with others; DatabaseOwned says who has it."""
    if url.get_backend_name() == "postgresql":
        with _owning_server(url, shared=shared):
            yield
    else:
        with _owning_file(_lock_file(url), shared=shared):
            yield


def _lock_file(url: URL) -> Path:
    """Beside the database file itself, by whatever link it was found."""
    return Path(f"{os.path.realpath(url.database or '')}.lock")


@contextmanager
def announcing(url: URL, address: Address) -> Iterator[None]:
    """Say where the owner of a database serves while the context is open; only the owner does. PostgreSQL says nothing.

    The lock file is for its owner alone to read, and so is the token.
    """
    if url.get_backend_name() == "postgresql":
        yield
        return
    path, owner = _lock_file(url), {"pid": os.getpid()}
    _overwrite(path, {**owner, "url": address.url, "token": address.token})
    try:
        yield
    finally:
        _overwrite(path, owner)


def _overwrite(path: Path, told: dict[str, Any]) -> None:
    # Not emptied first: somebody may be reading.
    with path.open("r+") as file:
        file.write(json.dumps(told))
        file.truncate()


def find_server(url: URL) -> Address | None:
    """Where the owner of a database serves; None where nobody owns or serves it, or it is PostgreSQL."""
    if url.get_backend_name() == "postgresql":
        return None
    try:
        with _lock_file(url).open() as file:
            address = _address_in(file.read())
            return address if address is not None and _is_held(file) else None
    except OSError:
        return None


def _address_in(content: str) -> Address | None:
    try:
        told = json.loads(content)
        return Address(told["url"], told["token"])
    except (ValueError, KeyError, TypeError):
        return None


def _is_held(file: IO[str]) -> bool:
    """Whether the owner lives; what a dead one wrote stands there until the next one comes."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


@contextmanager
def _owning_file(path: Path, *, shared: bool) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"cannot write beside the database: {error.strerror}"
        raise ConfigurationInvalid(message, field="database_url") from error
    with os.fdopen(descriptor, "r+") as file:
        _lock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        if shared:
            yield
            return
        # The file stays when it is let go: removing it would let two processes lock two files of one name.
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid()}))
        file.flush()
        yield
        file.seek(0)
        file.truncate(0)


def _lock(file: IO[str], kind: int) -> None:
    for wait in (*GLANCES_S, None):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if wait is None:
                raise DatabaseOwned(_whose(file.read())) from None
            time.sleep(wait)
        else:
            return


def _whose(content: str) -> str:
    try:
        return f"process {json.loads(content)['pid']} owns this database"
    except (ValueError, KeyError, TypeError):
        return "processes that count together own this database"


@contextmanager
def _owning_server(url: URL, *, shared: bool) -> Iterator[None]:
    lock, unlock = (
        (func.pg_advisory_lock_shared, func.pg_advisory_unlock_shared)
        if shared
        else (func.pg_advisory_lock, func.pg_advisory_unlock)
    )
    connect_args = {"connect_timeout": CONNECT_TIMEOUT_S}
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=connect_args)
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise LedgerUnavailable(f"the ledger cannot be reached ({type(error).__name__})") from error
    with connection:
        try:
            connection.execute(text(f"SET lock_timeout = {SERVER_WAIT_MS}"))
            connection.execute(select(lock(_LOCK_NUMBER)))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise LedgerUnavailable from error
            raise DatabaseOwned from error
        try:
            yield
        finally:
            # Closing alone would let go a moment later, when the server notices.
            with suppress(SQLAlchemyError):
                connection.execute(select(unlock(_LOCK_NUMBER)))
