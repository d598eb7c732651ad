"""One SQL database and the threads that talk to it: how a transaction begins, ends and fails, per dialect.

Queries are plain functions of a connection; here they are run off the event loop. Writers are ordered: on SQLite by one
thread and BEGIN IMMEDIATE, on PostgreSQL by the lock on the identity row (`lock_writer`).
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from worldevents.errors import ConfigurationInvalid, LedgerUnavailable
from worldevents.ledger.worker import Worker

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
"""How long SQLite waits for another process's write before it gives up."""
AGAIN_MS = 50
"""How often it is tried again where SQLite itself does not wait."""
READERS = 2
"""Threads that read, beside the one that writes."""
_BEGIN_WRITE = "BEGIN IMMEDIATE"
IDLE_S = 30
"""How long PostgreSQL lets a transaction of ours wait for its next statement: none of them waits for anybody."""
_PATIENCE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""In seconds: a server whose machine vanished is noticed after 25, though it never says so."""


def parse_url(url: str) -> URL:
    """A database URL as the user types it, with the driver we use; ConfigurationInvalid names the field."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationInvalid("not a database URL", field="database_url") from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite+pysqlite")
        case "sqlite":
            raise ConfigurationInvalid("SQLite needs a file: sqlite:///path/to/file.db", field="database_url")
        case "postgresql" | "postgres":
            _need_psycopg()
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise ConfigurationInvalid(f"no ledger on {other}: sqlite or postgresql", field="database_url")


def _need_psycopg() -> None:
    try:
        import psycopg  # noqa: F401, PLC0415 - imported where it is asked for: SQLite users do not have it
    except ImportError as error:
        message = "PostgreSQL needs its driver: pip install 'worldevents[postgres]'"
        raise ConfigurationInvalid(message, field="database_url") from error


class Database:
    """A database in use: `read` and `write` run a function of a connection in a transaction, in a thread."""

    def __init__(self, url: URL) -> None:
        self._engine = _engine(url)
        self._reading = _reading(self._engine)
        self._readers = ThreadPoolExecutor(READERS, "ledger-reader")
        # A file answers at once, a server may not.
        self._writer = Worker("ledger-writer", on_the_spot=url.get_backend_name() == "sqlite")
        # PostgreSQL's driver begins by itself.
        self._begin = _BEGIN_WRITE if url.get_backend_name() == "sqlite" else None
        # Kept open by the writer's thread: taking one from the pool costs as much as a small append.
        self._writing: Connection | None = None

    @property
    def dialect(self) -> Dialect:
        return self._engine.dialect

    def is_poison(self, error: Exception) -> bool:
        """Whether a statement failed for what it was given, and not for the state that the database is in."""
        driver = self._engine.dialect.loaded_dbapi
        own = getattr(error, "orig", None) or error
        return isinstance(own, driver.DataError | driver.IntegrityError | UnicodeError | OverflowError)

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query that changes nothing; LedgerUnavailable where the database cannot be used."""

        def transact() -> T:
            with self._failing(), self._reading.begin() as connection:
                return query(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, transact)

    async def write(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query that may change something: committed when this returns, without effect when the query raises.

        After LedgerUnavailable, or a cancellation, it may have been either.
        """

        def transact() -> T:
            with self._connected() as connection, connection.begin():
                return query(connection, *args, **kwargs)

        return await self._writer.run(transact)

    async def write_by_cursor(self, query: Callable[[Any], T]) -> T:
        """As `write`, with the driver's own cursor: a transaction of SQLAlchemy's costs as much as a small append."""

        def transact() -> T:
            with self._connected() as connection:
                raw: Any = connection.connection.driver_connection
                cursor = raw.cursor()
                try:
                    if self._begin is not None:
                        cursor.execute(self._begin)
                    result = query(cursor)
                    raw.commit()
                except BaseException:
                    raw.rollback()
                    raise
                return result

        return await self._writer.run(transact)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """The writer's connection."""
        try:
            with self._failing():
                if self._writing is None:
                    self._writing = self._engine.connect().execution_options(writes=True)
                yield self._writing
        except LedgerUnavailable:
            # Whatever state the connection was left in, the next call starts with a new one.
            self._let_go(invalid=True)
            raise

    @property
    def at_once(self) -> bool:
        """Whether a write that begins now is done without a wait, so that it cannot be cancelled halfway."""
        return self._writer.at_once

    async def close(self) -> None:
        await self._writer.run(self._let_go)
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writer.close()
        self._engine.dispose()

    def _let_go(self, *, invalid: bool = False) -> None:
        if self._writing is not None:
            if invalid:
                self._writing.invalidate()
            self._writing.close()
            self._writing = None

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as error:
            raise LedgerUnavailable(f"the ledger failed ({type(error).__name__})") from error


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        engine = create_engine(url, pool_size=1 + READERS, max_overflow=0, connect_args=_PATIENCE)
        event.listen(engine, "connect", _prepare_postgres)
        return engine
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _reading(engine: Engine) -> Engine:
    """The same engine for queries of several statements that have to see one moment; on SQLite all of them do."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ")
    return engine


def _prepare_postgres(connection: Any, _record: object) -> None:
    # Somebody whose machine vanished in a transaction must not hold the others up until its connection is missed.
    with connection.cursor() as cursor:
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_S}s'")
    connection.commit()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions of its own: a deferred one that turns into a write fails at once when busy.
    connection.isolation_level = None
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: Any) -> None:
    # Of several processes that make a file's first connection at once, SQLite makes none wait for this.
    for left in reversed(range(BUSY_TIMEOUT_MS // AGAIN_MS)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or not left:
                raise
            time.sleep(AGAIN_MS / 1_000)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    begin = _BEGIN_WRITE if connection.get_execution_options().get("writes") else "BEGIN"
    connection.connection.cursor().execute(begin)


def sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite database, or None for a server."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
