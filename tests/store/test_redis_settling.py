"""Settling behind Redis: the result waits for what is on its way to the ledger, and for nothing else."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.servers import RedisServer
from worldevents import settling
from worldevents.ledger.base import OutboxLedger
from worldevents.model import Ack, Partition
from worldevents.results import GoalResult
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.settling import Arrivals
from worldevents.store.base import BufferedStore
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, a_goal, a_tier, an_event

pytestmark = pytest.mark.usefixtures("no_leaks")

OVER = ENDS_AT + GRACE
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(DURING)


@pytest.fixture
def settings(redis_server: RedisServer, postgres_url: str) -> Settings:
    prefix = uuid.uuid4().hex[:8]
    return Settings.load(
        database_url=postgres_url, redis_url=redis_server.url, redis_prefix=prefix, ack=Ack.APPLIED, sync_interval_ms=20
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "LOOK_S", 0.01)
    monkeypatch.setattr(settling, "WAIT_S", 0.2)


def without_syncer(settings: Settings) -> Settings:
    return settings.model_copy(update={"sync": False})


async def published(settings: Settings, clock: ManualClock) -> None:
    """An event with one goal and a consolation, in Redis and PostgreSQL."""
    async with open_runtime(settings, clock=clock) as runtime:
        goal = replace(a_goal(), consolation=a_tier("90", 1_000))
        await runtime.engine.publish(an_event(goal), author="test")


async def count(runtime: Runtime, *users: str, amount: int = 10, contribution_id: str = "c") -> None:
    for user in users:
        told = await runtime.engine.contribute(
            "volume", user, amount, contribution_id=contribution_id, occurred_at=DURING
        )
        assert "counted" == told.status


async def settled(runtime: Runtime) -> Sequence[GoalResult]:
    async with asyncio.timeout(20):
        while not (found := await runtime.settling.settle("winter")):  # noqa: ASYNC110 - it is the system that acts
            await asyncio.sleep(0.01)
        return found


async def test_what_waits_for_the_ledger_is_in_the_result(settings: Settings, clock: ManualClock) -> None:
    """Accepted just before the close, and in nobody's ledger when it came: the result waits, and has all of it."""
    await published(settings, clock)
    async with open_runtime(without_syncer(settings), clock=clock) as runtime:
        clock.set(OVER - MOMENT)
        await count(runtime, "ann", "bob", "cid", amount=310)
        clock.set(OVER)
        assert [] == await runtime.settling.settle("winter")
        late = await runtime.engine.contribute("volume", "dee", 9, contribution_id="late", occurred_at=DURING)
        assert "late" == late.status
        assert [] == await runtime.settling.settle("winter")
        async with open_runtime(settings, clock=clock) as other:
            (result,) = await settled(other)
            assert (930, 3, True) == (result.total, result.participants, result.consoled)
            await other.rewards.work_off()
            grants = [one.user_id for one in await other.rewards.grants() if one.threshold is None]
            assert ["ann", "bob", "cid"] == grants
        # Whoever else has it open tells the same.
        assert [result] == await runtime.settling.settle("winter")


async def test_what_comes_late_is_not_waited_for(settings: Settings, clock: ManualClock) -> None:
    """Late rows that keep coming, and never stop waiting for the ledger, do not hold a result up."""
    await published(settings, clock)
    async with open_runtime(settings, clock=clock) as runtime:
        await count(runtime, "ann")
        clock.set(OVER)

        async def late() -> None:
            number = 0
            while True:
                number += 1
                await runtime.engine.contribute("volume", "bob", 1, contribution_id=f"l{number}", occurred_at=DURING)

        stream = asyncio.create_task(late())
        try:
            (result,) = await settled(runtime)
        finally:
            stream.cancel()
            await asyncio.wait([stream])
        assert (10, 1) == (result.total, result.participants)


async def test_what_redis_counted_twice_is_not_in_the_result(
    settings: Settings, clock: ManualClock, redis_server: RedisServer
) -> None:
    """A repair is waited for: the result is what the ledger has, and the store agrees."""
    await published(settings, clock)
    async with open_runtime(settings, clock=clock) as runtime:
        await count(runtime, "ann")
        assert runtime.syncer is not None
        await runtime.syncer.once()
    async with open_runtime(without_syncer(settings), clock=clock) as runtime:
        with redis_server.client() as client:
            for key in client.scan_iter(f"{settings.redis_prefix}:*:seen:*"):
                client.delete(key)
        await count(runtime, "ann")
        assert 20 == (await runtime.engine.progress("volume")).state.total
        clock.set(OVER)
        async with open_runtime(settings, clock=clock) as other:
            (result,) = await settled(other)
            assert 10 == result.total == (await other.engine.progress("volume")).state.total


async def test_a_lost_memory_settles_from_the_ledger(
    settings: Settings, clock: ManualClock, redis_server: RedisServer
) -> None:
    """Redis is flushed over the close: it is built again from the ledger, and that is what the goal came to."""
    await published(settings, clock)
    async with open_runtime(settings, clock=clock) as runtime:
        await count(runtime, "ann", "bob")
        assert runtime.syncer is not None
        await runtime.syncer.once()
    clock.set(OVER)
    with redis_server.client() as client:
        for key in client.scan_iter(f"{settings.redis_prefix}:*"):
            client.delete(key)
    async with open_runtime(settings, clock=clock) as runtime:
        (result,) = await settled(runtime)
        assert (20, 2) == (result.total, result.participants)


async def test_two_processes_have_one_result(settings: Settings, clock: ManualClock) -> None:
    """Both settle at once: one result, one announcement."""
    await published(settings, clock)
    async with (
        open_runtime(settings, clock=clock) as one,
        open_runtime(settings, clock=clock) as other,
    ):
        await count(one, *(f"user-{number}" for number in range(30)))
        clock.set(OVER)
        results = await asyncio.gather(settled(one), settled(other))
        assert results[0] == results[1]
        told = await one.ledger.announcements()  # type: ignore[attr-defined]
        assert 1 == sum(announcement.kind == "event.settled" for announcement in told)
        board = await other.settling.board("volume", limit=1_000)
        assert [(1, 10)] * 30 == [(row.rank, row.amount) for row in board.rows]


VOLUME = Partition("volume")


async def carried(store: BufferedStore, ledger: OutboxLedger) -> int:
    """Take what waits to the ledger, as a syncer that dies right then; says how much is to be taken back."""
    mark = await ledger.watermark(VOLUME)
    assert mark is not None
    found = await store.backlog(VOLUME, after=mark.seq, limit=100)
    drained = await ledger.drain(mark, found.run_id, found.entries, at=OVER)
    assert drained is not None
    return drained.repairs


async def test_the_fence_stays_and_repairs_are_waited_for(
    settings: Settings, clock: ManualClock, redis_server: RedisServer
) -> None:
    """In the ledger is what was there at the first look after the close; late rows behind it are not waited for."""
    await published(settings, clock)
    async with open_runtime(without_syncer(settings), clock=clock) as runtime:
        store: BufferedStore = runtime.store  # type: ignore[assignment]
        ledger: OutboxLedger = runtime.ledger  # type: ignore[assignment]
        arrivals = Arrivals(store, ledger, batch_max=100)
        await count(runtime, "ann")
        assert 0 == await carried(store, ledger)
        with redis_server.client() as client:
            for key in client.scan_iter(f"{settings.redis_prefix}:*:seen:*"):
                client.delete(key)
        # Redis has forgotten the id, and counts it twice.
        await count(runtime, "ann", "bob")
        clock.set(OVER)
        assert not await arrivals.are_in("volume", version=1)
        assert 1 == await carried(store, ledger)
        assert not await arrivals.are_in("volume", version=1)
        repairs = await ledger.repairs(VOLUME)
        await store.take_back(repairs)
        await ledger.repaired(repairs, at=OVER)
        await runtime.engine.contribute("volume", "cid", 9, contribution_id="late", occurred_at=DURING)
        assert await arrivals.are_in("volume", version=1)
