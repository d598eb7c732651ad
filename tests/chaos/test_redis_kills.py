"""SIGKILL for servers, syncers, Redis and PostgreSQL, at random moments, under load: everything counts once."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg
import pytest

from tests.chaos.accounts import accounted, assert_nothing_is_amiss
from tests.chaos.deployment import Plan, deployed
from tests.chaos.killer import Killer
from tests.servers import PostgresServer, RedisServer

KILLS: Final = int(os.environ.get("WORLDEVENTS_CHAOS_KILLS", "100"))
TIMEOUT_S: Final = 120 + KILLS
REST_S: Final = 20
"""What is left of it for the servers to come and go."""
BEFORE: Final = 100
"""Contributions that are answered before the first kill."""
TORN_BYTES: Final = 30_000

Say = Callable[[str], None]

pytestmark = pytest.mark.timeout(TIMEOUT_S)


async def test_kills_lose_nothing_and_double_nothing(
    kept_redis: RedisServer, kept_postgres: PostgresServer, tmp_path: Path, chance: random.Random, say: Say
) -> None:
    """Counter, sorted set, ledger rows, totals and users are one sum, made of exactly what was acknowledged."""
    async with deployed(kept_redis, kept_postgres, tmp_path, chance, Plan(within_s=TIMEOUT_S - REST_S)) as deployment:
        killer = Killer(deployment, chance)
        async with deployment.writing(chance):
            await deployment.heard_more(BEFORE)
            await killer.kill(KILLS)
        account = await accounted(deployment)
        say(f"{killer}: {account}")
        assert_nothing_is_amiss(deployment, account)
        assert KILLS == killer.killed.total()
        assert [] == [end for one in deployment.programs for end in one.ends if end != "not ready"]


async def test_a_torn_file_loses_nothing_of_what_the_ledger_has(
    kept_redis: RedisServer, kept_postgres: PostgresServer, tmp_path: Path, chance: random.Random, say: Say
) -> None:
    """With `ledger` nothing is lost though Redis loses the end of its file at each kill, and begins in the past."""
    kept_redis.set("appendfsync", "everysec")
    plan = Plan(settings={"ack": "ledger", "ack_timeout_s": 2})
    async with deployed(kept_redis, kept_postgres, tmp_path, chance, plan) as deployment:
        killer = Killer(deployment, chance, torn_bytes=TORN_BYTES)
        async with deployment.writing(chance):
            await deployment.heard_more(BEFORE)
            await killer.kill(KILLS // 5, who=("Redis", "server", "Redis", "syncer", "Redis", "PostgreSQL"))
        account = await accounted(deployment)
        say(f"{killer}: {account}")
        assert_nothing_is_amiss(deployment, account, may_forget=True)
        assert killer.torn > 0


async def test_a_ledger_that_loses_its_last_commits_gets_them_again(
    kept_redis: RedisServer, kept_postgres: PostgresServer, tmp_path: Path, chance: random.Random, say: Say
) -> None:
    """PostgreSQL answers before its disk has it, and is killed: the outbox still holds what is not there any more."""
    async with deployed(kept_redis, kept_postgres, tmp_path, chance, Plan()) as deployment:
        with psycopg.connect(deployment.database, autocommit=True) as ledger:
            ledger.execute("ALTER DATABASE chaos SET synchronous_commit = off")
        killer = Killer(deployment, chance)
        async with deployment.writing(chance):
            await deployment.heard_more(BEFORE)
            await killer.kill(KILLS // 10, who=("PostgreSQL",))
        account = await accounted(deployment)
        say(f"{killer}: {account}")
        assert_nothing_is_amiss(deployment, account)
