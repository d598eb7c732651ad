"""One owner per database: the embedded store keeps totals in memory, so two processes with it would tell two truths.

The owner of an SQLite database holds a lock file beside it, which says who that is; of a PostgreSQL one, an advisory
lock. Both are let go by the system itself when the process dies.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from worldevents.errors import ConfigurationInvalid, DatabaseOwned, LedgerUnavailable

_LOCK_NUMBER: Final = 0x776F776E


@contextmanager
def owning(url: URL) -> Iterator[None]:
    """Own a database while the context is open; DatabaseOwned says who has it."""
    if url.get_backend_name() == "postgresql":
        with _owning_server(url):
            yield
    else:
        with _owning_file(Path(f"{url.database}.lock")):
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
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise LedgerUnavailable(f"the ledger cannot be reached ({type(error).__name__})") from error
    with connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": _LOCK_NUMBER}):
            raise DatabaseOwned
        yield
