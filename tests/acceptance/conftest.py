"""Fixtures of the December tests: a fresh database of each back end, and the month as rows."""

from collections.abc import Iterator

import pytest

from tests.acceptance.december import december
from tests.backends import EACH, Backend, running
from worldevents.importers.openpowerlifting import Row


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return december()


@pytest.fixture(scope="module", params=EACH)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


@pytest.fixture(scope="module")
def server(backend: Backend, request: pytest.FixtureRequest) -> object:
    return running(backend, request)


@pytest.fixture
def url(backend: Backend, server: object) -> Iterator[str]:
    with backend.fresh(server) as address:
        yield address
