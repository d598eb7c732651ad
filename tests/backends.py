"""The one table of back ends: a name, the server it needs, and how to make a fresh one.

Tests and benchmarks both read it: a back end that joins here is tested and measured by all that is already written.
"""

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from sqlalchemy import create_engine

from tests.servers import PostgresServer, why_no_postgres
from tests.servers.databases import Databases
from worldevents.ledger.database import parse_url
from worldevents.ledger.migrate import run_alembic


@dataclass(frozen=True, slots=True)
class Backend:
    """A place to keep a ledger in: `with backend.serving() as server, backend.fresh(server) as url`."""

    name: str
    serving: Callable[[], AbstractContextManager[Any]]
    fresh: Callable[[Any], AbstractContextManager[str]]
    """With the schema and nothing in it: to make that anew would take longer than most tests."""
    empty: Callable[[Any], AbstractContextManager[str]]
    why_missing: Callable[[], str | None] = lambda: None
    fixture: str | None = None
    """The session's fixture that has the server running; None where there is no server."""


_DATABASES: WeakKeyDictionary[PostgresServer, Databases] = WeakKeyDictionary()


@contextmanager
def _empty_file(_server: object) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="worldevents-ledger-") as folder:
        yield f"sqlite:///{folder}/ledger.db"


@contextmanager
def _fresh_file(server: object) -> Iterator[str]:
    with _empty_file(server) as url:
        Path(url.removeprefix("sqlite:///")).write_bytes(_file_with_schema())
        yield url


@cache
def _file_with_schema() -> bytes:
    with _empty_file(None) as url:
        _migrate(url)
        return Path(url.removeprefix("sqlite:///")).read_bytes()


def _migrate(url: str) -> None:
    """Without an identity: each copy is given its own when it is opened."""
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        run_alembic(connection)
    engine.dispose()


@contextmanager
def _empty_database(server: PostgresServer) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    yield server.create_database(name)
    server.drop_database(name)


@contextmanager
def _fresh_database(server: PostgresServer) -> Iterator[str]:
    if server not in _DATABASES:
        _DATABASES[server] = Databases(server, _migrate)
    with _DATABASES[server].one() as url:
        yield url


SQLITE = Backend("sqlite", serving=nullcontext, fresh=_fresh_file, empty=_empty_file)
POSTGRES = Backend(
    "postgres",
    serving=PostgresServer,
    fresh=_fresh_database,
    empty=_empty_database,
    why_missing=why_no_postgres,
    fixture="postgres",
)

BACKENDS = {backend.name: backend for backend in (SQLITE, POSTGRES)}

EACH = [
    pytest.param(backend, id=name, marks=[pytest.mark.real] if backend.fixture else [])
    for name, backend in BACKENDS.items()
]
"""What a fixture that gives each in turn has as its `params`."""


def running(backend: Backend, request: pytest.FixtureRequest) -> object:
    """The session's server of a back end; None where it has none."""
    return request.getfixturevalue(backend.fixture) if backend.fixture else None
