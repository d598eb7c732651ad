"""Fixtures that many tests share."""

import os
import uuid
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.servers import PostgresServer, why_no_postgres


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
    reason = why_no_postgres()
    if reason is not None:
        missing(reason)
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Give the address of a fresh, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    yield postgres.create_database(name)
    postgres.drop_database(name)
