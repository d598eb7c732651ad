"""Databases that one test after another has: to copy one takes the kernel up to half a second, to empty it 10 ms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import sql

from tests.servers.postgres import PostgresServer

_TEMPLATE: Final = "with_the_schema"
_SIZE_MAX: Final = 2_000_000
"""Bytes of all tables: what is larger would make the queries of the next test slower than they are."""
_OTHERS: Final = """
    SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE: Final = """
    SELECT version_num, count(*), sum(pg_relation_size(oid)) FILTER (WHERE relkind = 'r')
    FROM worldevents_schema, pg_class WHERE relnamespace = 'public'::regnamespace GROUP BY version_num
"""
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'worldevents_schema'"
_SEQUENCES: Final = "SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences"


class Databases:
    """What a server has of them."""

    def __init__(self, server: PostgresServer, migrate: Callable[[str], None]) -> None:
        """`migrate` makes the schema in the database at an address."""
        self._server = server
        self._migrate = migrate
        self._spare: list[str] = []
        self._made = 0
        self._shape: tuple[object, ...] | None = None

    @contextmanager
    def one(self) -> Iterator[str]:
        """The address of one with the schema and nothing in it."""
        if self._shape is None:
            self._migrate(self._server.create_database(_TEMPLATE))
            self._shape = self._seen(_TEMPLATE)
        name = self._spare.pop() if self._spare else self._new()
        yield self._server.url(name)
        if self._emptied(name):
            self._spare.append(name)
        else:
            self._server.drop_database(name)

    def _new(self) -> str:
        self._made += 1
        name = f"fresh_{self._made}"
        self._server.create_database(name, template=_TEMPLATE)
        return name

    def _seen(self, name: str) -> tuple[object, ...]:
        with psycopg.connect(self._server.url(name)) as connection:
            return _shape(connection)[0]

    def _emptied(self, name: str) -> bool:
        """Whether it is again as it was; not where a test changed more than rows."""
        with psycopg.connect(self._server.url(name), autocommit=True) as connection:
            connection.execute(_OTHERS)
            shape, size = _shape(connection)
            if shape != self._shape or size > _SIZE_MAX:
                return False
            connection.execute(emptying(connection))
        return True


def _shape(connection: psycopg.Connection) -> tuple[tuple[object, ...], int]:
    version, relations, size = connection.execute(_SHAPE).fetchone() or ("", 0, 0)
    return (version, relations), int(size)


def emptying(connection: psycopg.Connection, *, kept: tuple[str, ...] = ()) -> sql.Composed:
    """What takes all rows from a ledger, but for those of the tables that are `kept`, and has numbers begin again."""
    tables = [name for (name,) in connection.execute(_TABLES) if name not in kept]
    deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in tables]
    # In any order: what refers to what is no matter where all goes.
    begin, end = (sql.SQL("SET session_replication_role = {}").format(role) for role in ("replica", "origin"))
    return sql.SQL("; ").join([begin, *deletes, sql.SQL(_SEQUENCES), end])
