"""The one table of back ends: a name, the server it needs, and how to make a fresh, empty one.

Tests and benchmarks both read it: a back end that joins here is tested and measured by all that is already written.
"""

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from tests.servers import PostgresServer, why_no_postgres


@dataclass(frozen=True, slots=True)
class Backend:
    """A place to keep a ledger in: `with backend.serving() as server, backend.fresh(server) as url`."""

    name: str
    serving: Callable[[], AbstractContextManager[Any]]
    fresh: Callable[[Any], AbstractContextManager[str]]
    why_missing: Callable[[], str | None] = lambda: None
    fixture: str | None = None
    """The session's fixture that has the server running; None where there is no server."""


@contextmanager
def _fresh_file(_server: object) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="worldevents-ledger-") as folder:
        yield f"sqlite:///{folder}/ledger.db"


@contextmanager
def _fresh_database(server: PostgresServer) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    yield server.create_database(name)
    server.drop_database(name)


SQLITE = Backend("sqlite", serving=nullcontext, fresh=_fresh_file)
POSTGRES = Backend(
    "postgres", serving=PostgresServer, fresh=_fresh_database, why_missing=why_no_postgres, fixture="postgres"
)

BACKENDS = {backend.name: backend for backend in (SQLITE, POSTGRES)}
