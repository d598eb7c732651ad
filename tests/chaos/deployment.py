"""A whole deployment on this machine: Redis, PostgreSQL, servers and syncers, and proxies that lose answers between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.chaos import books
from tests.chaos.books import Books
from tests.chaos.programs import Program, Values, serve, sync
from tests.chaos.writers import Heard, Writer
from tests.proxy import Proxy
from tests.servers import PostgresServer, RedisServer
from tests.servers.ports import Port
from worldevents.clock import SystemClock
from worldevents.comparing import Comparer
from worldevents.errors import WorldEventsError
from worldevents.ledger import open_ledger
from worldevents.runtime import open_runtime
from worldevents.settings import Settings
from worldevents.store import open_buffered
from worldevents.testing.builders import a_goal, an_event, in_window

GOALS: Final = ("volume", "kills")
TARGET: Final = 1_000
TIERS: Final = ("25", "50", "100")
WRITERS: Final = 3
POLL_S: Final = 0.05
SETTLE_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a deployment is made of."""

    servers: int = 2
    syncers: int = 1
    """Besides the first server, which carries too."""
    settings: Values = field(default_factory=dict)
    within_s: float = 100.0
    """How long the whole may take. One that hangs says where it stands, and leaves nothing behind for other tests."""
    losing: float = 0.01
    """The chance that an answer of Redis is lost; PostgreSQL's are lost a tenth as often."""


class Deployment:
    """Everything that may be killed, and those who contribute to it meanwhile."""

    def __init__(
        self,
        redis: RedisServer,
        postgres: PostgresServer,
        database: str,
        proxies: tuple[Proxy, Proxy],
        settings: Values,
    ) -> None:
        self.redis = redis
        self.postgres = postgres
        self.database = database
        self.redis_proxy, self.postgres_proxy = proxies
        self._settings = settings
        self.servers: list[Program] = []
        self.syncers: list[Program] = []
        self.urls: list[str] = []
        self.writers: list[Writer] = []
        self.heard = Heard()

    @property
    def direct(self) -> Settings:
        """Past the proxies."""
        return Settings.load(**{**self._settings, "redis_url": self.redis.url, "database_url": self.database})

    @property
    def programs(self) -> list[Program]:
        return [*self.servers, *self.syncers]

    @asynccontextmanager
    async def writing(self, chance: random.Random, *, pause_s: float = 0.0) -> AsyncIterator[Heard]:
        """Three contribute while the context is open; at its end every one of their calls has been answered."""
        writers = [
            Writer(f"writer-{number}", self.urls, GOALS, self.heard, chance=random.Random(chance.random()))  # noqa: S311 - nothing is secret here
            for number in range(len(self.writers), len(self.writers) + WRITERS)
        ]
        self.writers += writers
        async with asyncio.TaskGroup() as tasks:
            for one in writers:
                one.pause_s = pause_s
                tasks.create_task(one.run())
            try:
                yield self.heard
            finally:
                for one in writers:
                    one.stopping = True

    async def heard_more(self, number: int) -> None:
        """Return when so many more contributions have been answered."""
        goal = len(self.heard.acknowledged) + number
        while len(self.heard.acknowledged) < goal:  # noqa: ASYNC110 - those who write know nothing of who waits
            await asyncio.sleep(POLL_S)

    async def settled(self) -> Books:
        """What is there once nothing waits and store and ledger say the same; those who carry are at work."""
        clock = SystemClock()
        async with asyncio.timeout(SETTLE_S):
            while True:
                try:
                    async with (
                        open_ledger(self.database, migrate=False) as ledger,
                        open_buffered(self.direct, ledger, clock) as store,
                    ):
                        comparer = Comparer(store, ledger, batch_max=self.direct.sync_batch_max)
                        while True:
                            found = [await comparer.find(goal, recount=True) for goal in GOALS]
                            if all(one is not None and one.agrees and not one.waiting for one in found):
                                return await asyncio.to_thread(self.books)
                            await asyncio.sleep(POLL_S)
                except WorldEventsError:
                    # It is being started, or built again.
                    await asyncio.sleep(POLL_S)

    def books(self) -> Books:
        with self.redis.client() as client:
            return books.read(client, self.database)

    def state(self) -> str:
        """How far those who write have come."""
        return f"{len(self.heard.acknowledged)} answered, asked again {dict(self.heard.retries)}"

    def logs(self) -> str:
        return "\n".join(f"--- {one.name}, {one.lives} lives\n{one.log()}" for one in self.programs)


@asynccontextmanager
async def deployed(
    redis: RedisServer, postgres: PostgresServer, folder: Path, chance: random.Random, plan: Plan
) -> AsyncIterator[Deployment]:
    """All programs running on an event with two goals; at the end all are gone."""
    async with AsyncExitStack() as stack:
        proxies = []
        for target, losing in ((redis.port, plan.losing), (postgres.port, plan.losing / 10)):
            proxy = await stack.enter_async_context(Proxy(target, chance=random.Random(chance.random())))  # noqa: S311 - as above
            proxy.losing = losing
            proxies.append(proxy)
        database = await asyncio.to_thread(postgres.create_database, "chaos")
        made = Deployment(redis, postgres, database, (proxies[0], proxies[1]), plan.settings)
        await _publish(made.direct)
        values = {
            "sync_interval_ms": 20,
            **plan.settings,
            "redis_url": f"redis://127.0.0.1:{proxies[0].port}",
            "database_url": database.replace(f":{postgres.port}/", f":{proxies[1].port}/"),
        }
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for number in range(plan.servers):
            port = Port()
            stack.callback(port.give_back)
            own = {**values, "sync": number == 0 or not plan.syncers}
            made.servers.append(Program(f"server-{number}", serve, own, folder=folder, port=port.number))
            made.urls.append(f"http://127.0.0.1:{port.number}")
        made.syncers += [Program(f"syncer-{number}", sync, values, folder=folder) for number in range(plan.syncers)]
        for program in made.programs:
            stack.callback(tasks.create_task(program.keep()).cancel)
        try:
            async with asyncio.timeout(plan.within_s):
                yield made
        except TimeoutError as error:
            raise AssertionError(f"not done in time: {made.state()}\n{made.logs()}") from error


async def _publish(settings: Settings) -> None:
    now = datetime.now(UTC)
    event = in_window(
        an_event(*(a_goal(goal, target=TARGET, percents=TIERS) for goal in GOALS)),
        now - timedelta(days=1),
        now + timedelta(days=1),
    )
    async with open_runtime(settings) as runtime:
        await runtime.engine.publish(event, author="chaos")
