"""Whatever happens to Redis: what was answered is counted once, and the store is there again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.proxy import Proxy
from tests.servers import RedisServer
from tests.store.settling import agreed, counted
from worldevents.errors import ConfigurationInvalid, LedgerBehind
from worldevents.model import Ack
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing.builders import DURING, a_goal, an_event
from worldevents.testing.clock import ManualClock

SECONDS = 20.0

pytestmark = pytest.mark.usefixtures("redis_server")


def settings_of(server: RedisServer, ledger_url: str, **more: object) -> Settings:
    return Settings.load(redis_url=server.url, database_url=ledger_url, sync_interval_ms=20, ack_timeout_s=1, **more)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[RedisServer]:
    """A Redis of the test's own, that may be killed; it keeps everything it answered for."""
    with RedisServer() as own:
        yield own


@pytest_asyncio.fixture
async def runtimes(server: RedisServer, postgres_url: str) -> AsyncIterator[list[Runtime]]:
    """Two processes' worth of the system on one Redis and one ledger, with one goal."""
    async with AsyncExitStack() as stack:
        clock = ManualClock(DURING)
        both = [
            await stack.enter_async_context(open_runtime(settings_of(server, postgres_url), clock=clock))
            for _ in range(2)
        ]
        await both[0].engine.publish(an_event(a_goal(target=10_000)), author="test")
        await counted(both[0], "first", 1, ack=Ack.LEDGER)
        yield both


async def test_two_processes_count_into_one_goal(runtimes: list[Runtime]) -> None:
    """Contributions through both, some through both twice, are counted once, and each knows the other's."""
    await asyncio.gather(*(counted(runtimes[n % 2], f"c{n // 2}") for n in range(100)))
    assert {"volume": 251} == await agreed(runtimes[0])
    assert 251 == (await runtimes[1].engine.progress("volume")).state.total


async def test_an_update_reaches_the_other_process(runtimes: list[Runtime]) -> None:
    """What one process counts is told to those who listen at the other."""
    with runtimes[1].store.updates() as updates:
        receipt = await counted(runtimes[0], "c1", 7)
        async with asyncio.timeout(SECONDS):
            async for update in updates:
                if update.state.total == receipt.current_value:
                    break


async def test_a_flushed_redis_is_built_again(runtimes: list[Runtime], server: RedisServer) -> None:
    """What the ledger acknowledged is there after Redis was emptied, five times, under load; nothing counts twice."""
    for turn in range(5):
        first = [counted(runtimes[n % 2], f"{turn}-{n}", ack=Ack.LEDGER) for n in range(20)]
        waiting = asyncio.gather(*first)
        await asyncio.to_thread(server.client().flushall)
        await waiting
    assert {"volume": 501} == await agreed(runtimes[0])


async def test_a_killed_redis_goes_on_where_it_was(runtimes: list[Runtime], server: RedisServer) -> None:
    """Ten kills of a Redis that writes before it answers: nothing that was answered is lost, and no epoch begins."""
    epoch = (await runtimes[0].engine.progress("volume")).state.epoch
    for turn in range(10):
        waiting = asyncio.gather(*(counted(runtimes[n % 2], f"{turn}-{n}") for n in range(20)))
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        await waiting
    assert {"volume": 1_001} == await agreed(runtimes[1])
    assert epoch == (await runtimes[0].engine.progress("volume")).state.epoch


async def test_a_redis_without_its_file_is_built_again(runtimes: list[Runtime], server: RedisServer) -> None:
    """A Redis that starts empty, functions and all, is filled from the ledger."""
    await asyncio.gather(*(counted(runtimes[0], f"c{n}", ack=Ack.LEDGER) for n in range(20)))
    await asyncio.to_thread(server.kill)
    server.wipe()
    await asyncio.to_thread(server.start)
    assert 5 == (await counted(runtimes[1], "after")).contribution.amount
    assert {"volume": 106} == await agreed(runtimes[0])


async def test_a_full_outbox_takes_nothing_more(server: RedisServer, tmp_path: Path) -> None:
    """Law 14: beyond the bound callers are told to come again; nothing that waits is lost, and then there is room."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    clock = ManualClock(DURING)
    async with open_runtime(settings_of(server, url), clock=clock) as runtime:
        await runtime.engine.publish(an_event(a_goal(target=10_000)), author="test")
        await counted(runtime, "first", 1)
        assert {"volume": 1} == await agreed(runtime)
    async with open_runtime(settings_of(server, url, sync=False, outbox_max=3), clock=clock) as runtime:
        for n in range(3):
            await runtime.engine.contribute("volume", "ann", 5, contribution_id=f"c{n}")
        with pytest.raises(LedgerBehind):
            await runtime.engine.contribute("volume", "ann", 5, contribution_id="c3")
    async with open_runtime(settings_of(server, url, outbox_max=3), clock=clock) as runtime:
        await counted(runtime, "c3")
        assert {"volume": 21} == await agreed(runtime)


async def test_a_redis_that_evicts_is_refused(tmp_path: Path) -> None:
    """Memory that may be thrown away is no memory."""
    with RedisServer({"maxmemory-policy": "allkeys-lru"}) as evicting:
        with pytest.raises(ConfigurationInvalid, match="noeviction") as refused:
            async with open_runtime(settings_of(evicting, f"sqlite:///{tmp_path}/ledger.db")):
                pass
        assert "redis_url" == refused.value.field


@pytest.mark.parametrize("ahead", [0, 40])
async def test_a_stale_replica_that_is_promoted_is_found_out(
    server: RedisServer, postgres_url: str, ahead: int
) -> None:
    """A replica that has missed the last writes takes over, and counts on: what the ledger has is there, once.

    With `ahead` it has counted more by then than it had missed: its positions say nothing any more.
    """
    with RedisServer() as replica:
        follows = replica.client()
        server.client().config_set("repl-diskless-sync-delay", "0")
        follows.replicaof("127.0.0.1", server.port)
        async with Proxy(server.port) as proxy:
            url = f"redis://127.0.0.1:{proxy.port}"
            settings = Settings.load(redis_url=url, database_url=postgres_url, sync_interval_ms=20, ack_timeout_s=1)
            async with open_runtime(settings, clock=ManualClock(DURING)) as runtime:
                await runtime.engine.publish(an_event(a_goal(target=10_000)), author="test")
                await counted(runtime, "both", ack=Ack.LEDGER)
                await asyncio.to_thread(followed, server)
                follows.replicaof("NO", "ONE")
                for number in range(20):
                    await counted(runtime, f"missed-{number}", ack=Ack.LEDGER)
                await proxy.refuse()
                proxy.cut()
                proxy.target = replica.port
                async with direct(replica, postgres_url) as other:
                    for number in range(ahead):
                        await other.engine.contribute("volume", "bob", 1, contribution_id=f"ahead-{number}")
                await proxy.accept()
                for number in range(20):
                    await counted(runtime, f"missed-{number}", ack=Ack.LEDGER)
                await counted(runtime, "after", ack=Ack.LEDGER)
                assert {"volume": 22 * 5 + ahead} == await agreed(runtime)


def followed(server: RedisServer) -> None:
    """Return when a replica has all that was written."""
    with server.client() as client:
        client.set("last", "one")
        deadline = time.monotonic() + SECONDS
        while not client.wait(1, 500):
            assert time.monotonic() < deadline


@asynccontextmanager
async def direct(server: RedisServer, ledger_url: str) -> AsyncIterator[Runtime]:
    """A process that carries nothing: what it counts waits."""
    settings = settings_of(server, ledger_url, sync=False)
    async with open_runtime(settings, clock=ManualClock(DURING)) as runtime:
        yield runtime
