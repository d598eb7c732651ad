"""Machines over the real parts, each with an empty database for every life; and how many lives there are."""

import asyncio
import os
import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing, contextmanager
from itertools import count
from typing import Final

import psycopg
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from psycopg import sql

from tests.backends import POSTGRES
from tests.servers import PostgresServer, RedisServer
from tests.servers.databases import emptying
from worldevents.clock import Clock
from worldevents.ledger import open_ledger
from worldevents.ledger.outward import FullLedger
from worldevents.store.embedded import EmbeddedStore
from worldevents.store.redis import RedisStore
from worldevents.testing.system import System, SystemOpener, buffered_system_over, system_over
from worldevents.testing.system_machine import SystemMachine

SHARES: Final = -(-int(os.environ.get("WORLDEVENTS_STEPS", "20000")) // 20_000)
"""How many times 20,000 steps are made: `make soak` makes more of them."""
EMBEDDED: Final = range(3 * SHARES)
BUFFERED: Final = range(SHARES)
IN_EMBEDDED: Final = 6_000
IN_BUFFERED: Final = 2_000
"""Steps in each of these parts: a part is one run of hypothesis, which remembers all of it."""
IN_LIFE: Final = 100
WINDOW_S: Final = 30 * 86_400
"""How long Redis remembers ids: longer than any life."""

HAPPENS: Final = (
    *(
        "counted",
        "held",
        "counted again",
        "contribution_conflict",
        "limit_exceeded",
        "user_banned",
        "occurred_at_future",
    ),
    *("corrected", "withheld", "released", "rejected", "moved", "again", "below_zero", "hold_decided"),
    *("ban", "unban", "hide", "edit", "wait", "work", "restart"),
    *("erase", "erased", "ranked", "settle", "finish", "met", "near_missed", "missed", "consoled"),
    *("claimed", "pending", "delivered", "revoked", "unknown_grant", "hand_on"),
)
"""What a part has to have seen: what never happens shows nothing."""

SAME: Final = 100
"""So many openings of a system have the same ledger."""
KEPT: Final = ("identity", "worldevents_schema")
"""Tables that say which ledger it is."""


def check(machine: type[SystemMachine], part: int, steps: int) -> str:
    """Let a machine live so many steps, and say what it did. A part is the same lives at every run."""
    did = live(machine, part, steps)
    assert did["steps"] >= steps
    never = {what for what in HAPPENS if not did[what]}
    # A short part may by chance miss what is rare: of those the first is known to see all.
    assert set() == never or (steps < IN_EMBEDDED and part > 0)
    figures = ", ".join(f"{what} {times:,}" for what, times in sorted(did.items()) if what != "steps")
    return f"{did['steps']:,} steps: {figures}"


def live(machine: type[SystemMachine], part: int, steps: int, *, shrinks: bool = True) -> Counter[str]:
    """Let a machine live until it has made so many steps; what it did. A life that fails is told as short as it can be.

    Unless it `shrinks`, it is told as it was.
    """
    did = Counter[str]()
    for more in count():
        counted = seed(part * 1_000 + more)(type(machine.__name__, (machine,), {"did": did}))
        lives = settings(
            max_examples=-(-(steps - did["steps"]) // IN_LIFE),
            # The first is no step of ours: the event is published.
            stateful_step_count=IN_LIFE + 1,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        )
        run_state_machine_as_test(counted, settings=lives)
        if did["steps"] >= steps:
            break
    return did


class Ledgers:
    """One open ledger for many openings, and now and then a new one: to open one takes as long as twenty steps."""

    def __init__(self, open_one: Callable[[], AbstractAsyncContextManager[FullLedger]]) -> None:
        self._open_one = open_one
        self._stack = AsyncExitStack()
        self._ledger: FullLedger | None = None
        self._openings = 0

    async def get(self) -> FullLedger:
        """A ledger that was opened before, unless it is time for another one."""
        self._openings += 1
        if self._ledger is None or self._openings % SAME == 0:
            await self.close()
            self._ledger = await self._stack.enter_async_context(self._open_one())
        return self._ledger

    async def close(self) -> None:
        """Close it."""
        self._ledger = None
        await self._stack.aclose()


@contextmanager
def kept(open_one: Callable[[], AbstractAsyncContextManager[FullLedger]]) -> Iterator[tuple[Ledgers, asyncio.Runner]]:
    """Ledgers until the context ends, and the loop that they are in."""
    with asyncio.Runner() as runner:
        ledgers = Ledgers(open_one)
        runner.run(ledgers.get())
        try:
            yield ledgers, runner
        finally:
            runner.run(ledgers.close())


def _texts(own: sqlite3.Connection, tables: Sequence[str]) -> str:
    """A query for every text in these tables, each with the column that it stands in."""
    columns = [
        (table, column)
        for table in tables
        for _, column, kind, *_ in own.execute(f"PRAGMA table_info({table})")
        if kind.startswith(("TEXT", "VARCHAR"))
    ]
    return " UNION ALL ".join(f"SELECT '{table}.{column}', {column} FROM {table}" for table, column in columns)  # noqa: S608 - the schema's own names


@contextmanager
def on_sqlite() -> Iterator[type[SystemMachine]]:
    """Systems of one process."""
    with (
        tempfile.TemporaryDirectory(prefix="worldevents-lives-") as folder,
        kept(lambda: open_ledger(f"sqlite:///{folder}/ledger.db", own=True)) as (ledgers, loop),
        closing(sqlite3.connect(f"{folder}/ledger.db", isolation_level=None)) as own,
    ):
        listed = own.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        deletes = [f"DELETE FROM {name};" for (name,) in listed if name not in KEPT]  # noqa: S608 - the schema's own names
        empty = "BEGIN;" + "".join(deletes) + "COMMIT;"

        texts = _texts(own, [name for (name,) in listed if name not in KEPT])

        def commits() -> int:
            return int(own.execute("PRAGMA data_version").fetchone()[0])

        def naming(word: str) -> list[str]:
            named = re.compile(rf"\b{re.escape(word)}\b")
            return [table for table, text in own.execute(texts) if text is not None and named.search(text)]

        class EmbeddedSystem(SystemMachine):
            runner = loop

            @contextmanager
            def database(self) -> Iterator[SystemOpener]:
                own.executescript(empty)

                @asynccontextmanager
                async def opener(clock: Clock) -> AsyncIterator[System]:
                    ledger = await ledgers.get()
                    store = await EmbeddedStore.open(ledger, clock)
                    async with system_over(store, ledger, clock, commits=commits, naming=naming) as system:
                        yield system

                yield opener

        yield EmbeddedSystem


@contextmanager
def on_redis(redis_server: RedisServer, postgres: PostgresServer) -> Iterator[type[SystemMachine]]:
    """Systems of Redis in front of PostgreSQL."""
    with (
        POSTGRES.fresh(postgres) as url,
        kept(lambda: open_ledger(url)) as (ledgers, loop),
        redis_server.client() as client,
        psycopg.connect(url, autocommit=True) as own,
    ):
        empty = emptying(own, kept=KEPT)
        columns = own.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying')"
        ).fetchall()
        texts = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, count(*) FROM {} WHERE {} ~ %(word)s").format(
                f"{table}.{column}", sql.Identifier(table), sql.Identifier(column)
            )
            for table, column in columns
            if table not in KEPT
        )

        def naming(word: str) -> list[str]:
            found = own.execute(texts, {"word": rf"\m{re.escape(word)}\M"}).fetchall()
            return [place for place, times in found if times]

        def commits() -> str:
            return str((own.execute("SELECT pg_current_wal_insert_lsn()").fetchone() or ("",))[0])

        async def lose() -> None:
            client.flushall()

        class BufferedSystem(SystemMachine):
            runner = loop
            is_buffered = True

            @contextmanager
            def database(self) -> Iterator[SystemOpener]:
                client.flushall()
                own.execute(empty)

                @asynccontextmanager
                async def opener(clock: Clock) -> AsyncIterator[System]:
                    ledger = await ledgers.get()
                    async with (
                        RedisStore.open(redis_server.url, ledger, dedupe_window_s=WINDOW_S, clock=clock) as store,
                        buffered_system_over(
                            store, ledger, clock, window_s=WINDOW_S, commits=commits, naming=naming, lose=lose
                        ) as system,
                    ):
                        yield system

                yield opener

        yield BufferedSystem
