"""Fixtures that many tests share."""

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.backends import BACKENDS, POSTGRES, Backend
from tests.servers import PostgresServer

# The shipped suites assert like tests: a failure shows both sides.
pytest.register_assert_rewrite("worldevents.testing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a real server, so that `make check` can leave it out."""
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker("real")


def missing(reason: str) -> NoReturn:
    """Skip a test whose server is missing; on CI and with REQUIRE_REAL=1 that is a failure."""
    if os.environ.get("REQUIRE_REAL") == "1" or os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start one PostgreSQL for the whole run."""
    reason = POSTGRES.why_missing()
    if reason is not None:
        missing(reason)
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Give the address of a fresh, empty database."""
    with POSTGRES.fresh(postgres) as url:
        yield url


@pytest.fixture(
    params=[
        pytest.param(backend, id=backend.name, marks=[pytest.mark.real] if backend.fixture else [])
        for backend in BACKENDS.values()
    ]
)
def ledger_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address of a fresh, empty ledger, on each back end in turn."""
    backend: Backend = request.param
    server = request.getfixturevalue(backend.fixture) if backend.fixture else None
    with backend.fresh(server) as url:
        yield url
