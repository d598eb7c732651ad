"""Fixtures that many tests share."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest
import pytest_asyncio

from tests import memory
from tests.backends import EACH, POSTGRES, SQLITE, Backend, running
from tests.clients import programs
from tests.servers import PostgresServer, RedisCluster, RedisServer, find_valkey, why_no_redis, why_no_valkey

memory.use()

# Who runs tests in a shell's background has Ctrl-C ignored, and so would every program that a test begins.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test is timed; on CI hypothesis loads a profile of its own that says the same, and repeats itself exactly.
if "CI" not in os.environ:
    hypothesis.settings.register_profile("here", deadline=None)
    hypothesis.settings.load_profile("here")

# The shipped suites assert like tests: a failure shows both sides.
pytest.register_assert_rewrite("worldevents.testing")

LONG = ("simulation", "system", "chaos", "acceptance", "store")
"""Folders with long modules: they begin first, so that none of them is left to one processor in the end."""
REAL = {
    *("postgres", "redis_server", "redis_cluster", "valkey_server", "kept_postgres", "kept_redis"),
    *("node_modules", "python"),
}
"""The fixtures that need what tools/real_servers gets; what they rest on asks for them by name."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a real server or runs for long, so that `make check` can leave it out; order the modules."""
    for item in items:
        if REAL & set(getattr(item, "fixturenames", ())):
            item.add_marker("real")
        if item.path.parent.name in ("acceptance", "chaos"):
            item.add_marker("slow")
    items.sort(key=lambda item: LONG.index(item.path.parent.name) if item.path.parent.name in LONG else len(LONG))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the figures that tests have said."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.getreports(kind)]
    said = [(one.nodeid, word) for one in reports for name, word in one.user_properties if name == "said"]
    if said:
        terminalreporter.section("figures")
    for name, word in said:
        terminalreporter.write_line(f"{name.rpartition('::')[2]}: {word}")


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


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Start one Redis for the whole run; what is on disk there is what was answered."""
    _need_redis()
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Give the address of a Redis that is empty."""
    with redis_server.client() as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisCluster]:
    """Start one Redis Cluster of three masters for the whole run."""
    _need_redis()
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[RedisServer]:
    """Start one Valkey, where it can be had: Debian 12 has none, which is no failure anywhere."""
    reason = why_no_valkey()
    if reason is not None:
        pytest.skip(reason)
    with RedisServer(program=find_valkey()) as server:
        yield server


@pytest.fixture
def kept_redis() -> Iterator[RedisServer]:
    """Start a Redis for one test alone, to be killed; what it answers is on disk."""
    _need_redis()
    with RedisServer() as server:
        yield server


@pytest.fixture
def kept_postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL for one test alone, to be killed; what it commits is on disk."""
    reason = POSTGRES.why_missing()
    if reason is not None:
        missing(reason)
    with PostgresServer(fsync=True) as server:
        yield server


def _need_redis() -> None:
    reason = why_no_redis()
    if reason is not None:
        missing(reason)


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder of other people's JavaScript libraries."""
    reason = programs.why_no_clients()
    if reason is not None:
        missing(reason)
    return programs.NODE_MODULES


@pytest.fixture(scope="session")
def node(node_modules: Path) -> Callable[..., programs.Program]:
    """Start JavaScript modules that import these libraries."""
    assert node_modules.is_dir()
    return programs.node


@pytest.fixture(scope="session")
def bundle(node_modules: Path) -> Callable[[str], str]:
    """Make modules for a browser of these libraries."""
    assert node_modules.is_dir()
    return programs.bundle


@pytest.fixture(scope="session")
def python() -> Callable[..., programs.Program]:
    """Start Python programs that import Supabase's client."""
    reason = programs.why_no_realtime()
    if reason is not None:
        missing(reason)
    return programs.python


@pytest.fixture
def sqlite_url() -> Iterator[str]:
    """Give the address of a ledger with nothing in it, in a file."""
    with SQLITE.fresh(None) as url:
        yield url


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Give the address of a ledger with nothing in it, in PostgreSQL."""
    with POSTGRES.fresh(postgres) as url:
        yield url


@pytest.fixture(params=EACH)
def ledger_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address of a ledger with nothing in it, on each back end in turn."""
    backend: Backend = request.param
    with backend.fresh(running(backend, request)) as url:
        yield url


@pytest.fixture(params=EACH)
def empty_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address of an empty database, on each back end in turn."""
    backend: Backend = request.param
    with backend.empty(running(backend, request)) as url:
        yield url


def _threads() -> set[str]:
    # Those of the event loop's own pool live as long as the loop; one that awaited a process ends soon after it.
    of_the_loop = ("asyncio", "waitpid")
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith(of_the_loop)}


def _files() -> set[str]:
    """Name the open sockets and database files of this process, where the system can list them."""
    found = set()
    for entry in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):
            found.add(str(entry.readlink()))
    return {name for name in found if name.startswith("socket:") or ".db" in name}


@pytest_asyncio.fixture
async def no_leaks() -> AsyncIterator[None]:
    """Fail a test that leaves a task, a thread, a socket or an open database behind."""
    before = asyncio.all_tasks(), _threads(), _files()
    yield
    tasks = asyncio.all_tasks() - before[0] - {asyncio.current_task()}
    left = tasks, _threads() - before[1], _files() - before[2]
    assert left == (set(), set(), set())


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say a figure; it stands in the run's summary, whether the test passes or fails."""
    return partial(record_property, "said")
