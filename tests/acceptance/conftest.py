"""Fixtures of the December tests: a fresh database of each back end, and the month as rows."""

from collections.abc import Iterator

import pytest

from tests.acceptance.december import december
from tests.backends import BACKENDS, Backend
from worldevents.importers.openpowerlifting import Row


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return december()


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(backend, id=name, marks=[pytest.mark.real] if backend.fixture else [])
        for name, backend in BACKENDS.items()
    ],
)
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


@pytest.fixture(scope="module")
def server(backend: Backend, request: pytest.FixtureRequest) -> object:
    return request.getfixturevalue(backend.fixture) if backend.fixture else None


@pytest.fixture
def url(backend: Backend, server: object) -> Iterator[str]:
    with backend.fresh(server) as address:
        yield address
