"""One owner per database: the embedded store keeps totals in memory, so two processes with it would tell two truths.

The owner of an SQLite database holds a lock file beside it, which says who that is; of a PostgreSQL one, an advisory
lock. Both are let go by the system itself when the process dies.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from sqlalchemy import URL, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from worldevents.errors import ConfigurationInvalid, DatabaseOwned, LedgerUnavailable

SERVER_WAIT_MS: Final = 2_000
"""How long a PostgreSQL server may take to notice that an owner has died."""
CONNECT_TIMEOUT_S: Final = 10

_LOCK_NUMBER: Final = 0x776F776E


@contextmanager
def owning(url: URL) -> Iterator[None]:
    """Own a database while the context is open; DatabaseOwned says who has it."""
    if url.get_backend_name() == "postgresql":
        with _owning_server(url):
            yield
    else:
        # Beside the file itself, by whatever link it was found.
        with _owning_file(Path(f"{os.path.realpath(url.database or '')}.lock")):
            yield


@contextmanager
def _owning_file(path: Path) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"cannot write beside the database: {error.strerror}"
        raise ConfigurationInvalid(message, field="database_url") from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseOwned(f"process {_pid_in(file.read())} owns this database") from None
        # The file stays when it is let go: removing it would let two processes lock two files of one name.
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid()}))
        file.flush()
        yield
        file.seek(0)
        file.truncate(0)


def _pid_in(content: str) -> str:
    try:
        return str(json.loads(content)["pid"])
    except (ValueError, KeyError, TypeError):
        return "unknown"


@contextmanager
def _owning_server(url: URL) -> Iterator[None]:
    connect_args = {"connect_timeout": CONNECT_TIMEOUT_S}
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=connect_args)
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise LedgerUnavailable(f"the ledger cannot be reached ({type(error).__name__})") from error
    with connection:
        try:
            connection.execute(text(f"SET lock_timeout = {SERVER_WAIT_MS}"))
            connection.execute(select(func.pg_advisory_lock(_LOCK_NUMBER)))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise LedgerUnavailable from error
            raise DatabaseOwned from error
        try:
            yield
        finally:
            # Closing alone would let go a moment later, when the server notices.
            with suppress(SQLAlchemyError):
                connection.execute(select(func.pg_advisory_unlock(_LOCK_NUMBER)))
