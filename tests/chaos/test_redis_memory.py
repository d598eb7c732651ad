"""Memory that is gone, and a ledger that is away: what was acknowledged by the ledger stays, and what waits is kept."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.chaos.accounts import accounted, assert_nothing_is_amiss
from tests.chaos.deployment import GOALS, Deployment, Plan, deployed
from tests.servers import PostgresServer, RedisServer

FLUSHES: Final = 5
BETWEEN: Final = 150
"""Contributions that are answered between two losses of memory."""
AWAY_S: Final = float(os.environ.get("WORLDEVENTS_CHAOS_AWAY_S", "6"))
PAUSE_S: Final = 0.02
"""Between two batches of a writer where PostgreSQL is away: what waits has to be carried afterwards."""

Say = Callable[[str], None]

pytestmark = pytest.mark.timeout(150 + 2 * AWAY_S)


def flush(redis: RedisServer) -> int:
    """Empty Redis; say how many contributions waited for the ledger in that very moment, at most."""
    with redis.client() as client:
        all_at_once = client.pipeline(transaction=True)
        for goal in GOALS:
            all_at_once.hmget(f"we:{{{goal}:0}}:state", "last", "acked")
        all_at_once.flushall()
        told: list[Any] = all_at_once.execute()
    return sum(int(last or 0) - int(acked or 0) for last, acked in told[: len(GOALS)])


async def flushed_again_and_again(deployment: Deployment, chance: random.Random) -> int:
    """Empty Redis five times under load; say how much waited for the ledger in those moments, all in all."""
    waiting = 0
    async with deployment.writing(chance):
        for _ in range(FLUSHES):
            await deployment.heard_more(BETWEEN)
            waiting += await asyncio.to_thread(flush, deployment.redis)
        await deployment.heard_more(BETWEEN)
    return waiting


async def test_what_the_ledger_acknowledged_outlives_redis(
    kept_redis: RedisServer, kept_postgres: PostgresServer, tmp_path: Path, chance: random.Random, say: Say
) -> None:
    """With `ledger` nothing is lost though Redis is emptied five times under load."""
    plan = Plan(settings={"ack": "ledger", "ack_timeout_s": 1})
    async with deployed(kept_redis, kept_postgres, tmp_path, chance, plan) as deployment:
        waiting = await flushed_again_and_again(deployment, chance)
        account = await accounted(deployment)
        say(f"{FLUSHES} times emptied, {waiting} waited then: {account}")
        assert_nothing_is_amiss(deployment, account)


async def test_what_was_only_applied_is_lost_at_most_by_the_lag(
    kept_redis: RedisServer, kept_postgres: PostgresServer, tmp_path: Path, chance: random.Random, say: Say
) -> None:
    """With `applied` at most that is lost which waited for the ledger in those moments; nothing counts twice."""
    async with deployed(kept_redis, kept_postgres, tmp_path, chance, Plan()) as deployment:
        waiting = await flushed_again_and_again(deployment, chance)
        account = await accounted(deployment)
        say(f"{FLUSHES} times emptied, {waiting} waited then: {account}")
        assert 0 == account.verdict.double
        assert account.verdict.lost <= waiting


async def test_without_postgres_contributions_go_on(
    kept_redis: RedisServer, kept_postgres: PostgresServer, tmp_path: Path, chance: random.Random, say: Say
) -> None:
    """PostgreSQL is away for a while: contributions are answered all the same, and are all there when it is back."""
    async with deployed(kept_redis, kept_postgres, tmp_path, chance, Plan(within_s=100 + 2 * AWAY_S)) as deployment:
        async with deployment.writing(chance, pause_s=PAUSE_S):
            await deployment.heard_more(BETWEEN)
            await asyncio.to_thread(kept_postgres.kill)
            before = len(deployment.heard.acknowledged)
            # The outage has its length.
            await asyncio.sleep(AWAY_S)
            meanwhile = len(deployment.heard.acknowledged) - before
            await asyncio.to_thread(kept_postgres.start)
        account = await accounted(deployment)
        say(f"away for {AWAY_S:g} s, {meanwhile:,} answered meanwhile: {account}")
        assert meanwhile > BETWEEN
        assert_nothing_is_amiss(deployment, account)


async def test_a_full_outbox_turns_callers_away_and_keeps_what_it_has(
    kept_redis: RedisServer, kept_postgres: PostgresServer, tmp_path: Path, chance: random.Random, say: Say
) -> None:
    """With a tiny bound they are told to come again while PostgreSQL is away; nothing is lost."""
    plan = Plan(settings={"outbox_max": 300})
    async with deployed(kept_redis, kept_postgres, tmp_path, chance, plan) as deployment:
        async with deployment.writing(chance, pause_s=PAUSE_S):
            await deployment.heard_more(BETWEEN)
            await asyncio.to_thread(kept_postgres.kill)
            while not deployment.heard.retries["ledger_behind"]:  # noqa: ASYNC110 - the writers know nothing of this
                await asyncio.sleep(0.05)
            await asyncio.to_thread(kept_postgres.start)
            await deployment.heard_more(BETWEEN)
        account = await accounted(deployment)
        say(f"turned away {deployment.heard.retries['ledger_behind']:,} times: {account}")
        assert_nothing_is_amiss(deployment, account)
