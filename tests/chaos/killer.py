"""SIGKILL for whoever takes part, each kind in its turn, at any moment; and started again."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Final

from tests.chaos.deployment import Deployment
from tests.servers import RedisServer

BETWEEN_S: Final = 0.2
"""At most, between the return of one and the end of the next."""
AWAY_S: Final = 0.05
"""For how long at most a killed one is away before it is started."""
EVERYONE: Final = ("server", "syncer", "Redis", "PostgreSQL")


class Killer:
    """Kills; with `torn_bytes` a killed Redis loses up to so much of the end of its file, as when the power fails."""

    def __init__(self, deployment: Deployment, chance: random.Random, *, torn_bytes: int = 0) -> None:
        self._deployment = deployment
        self._chance = chance
        self._torn_bytes = torn_bytes
        self.killed: Counter[str] = Counter()
        self.torn = 0

    async def kill(self, number: int, *, who: tuple[str, ...] = EVERYONE) -> None:
        by_name = {
            "server": self._server,
            "syncer": self._syncer,
            "Redis": self._redis,
            "PostgreSQL": self._postgres,
        }
        for kill in range(number):
            # The one sleep of these tests: a kill is to come at any moment.
            await asyncio.sleep(self._chance.uniform(0, BETWEEN_S))
            name = who[kill % len(who)]
            self.killed[name] += 1
            await by_name[name]()

    async def _server(self) -> None:
        await asyncio.to_thread(self._chance.choice(self._deployment.servers).kill)

    async def _syncer(self) -> None:
        await asyncio.to_thread(self._chance.choice(self._deployment.syncers).kill)

    async def _redis(self) -> None:
        server = self._deployment.redis
        await asyncio.to_thread(server.kill)
        if self._torn_bytes:
            self.torn += tear(server, self._chance.randrange(self._torn_bytes))
        await asyncio.sleep(self._chance.uniform(0, AWAY_S))
        await asyncio.to_thread(server.start)

    async def _postgres(self) -> None:
        server = self._deployment.postgres
        await asyncio.to_thread(self._chance.choice((server.kill, server.stop_at_once)))
        await asyncio.sleep(self._chance.uniform(0, AWAY_S))
        await asyncio.to_thread(server.start)

    def __str__(self) -> str:
        each = ", ".join(f"{number} {who}" for who, number in self.killed.items())
        torn = f", {self.torn:,} bytes torn off" if self.torn else ""
        return f"{self.killed.total():,} kill -9 ({each}{torn})"


def tear(server: RedisServer, size: int) -> int:
    """Lose the end of a Redis's file, but for what it began with; say how much that was."""
    newest = max((server.folder / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
    before = newest.stat().st_size
    after = max(before - size, before // 2)
    with newest.open("rb+") as file:
        file.truncate(after)
    return before - after
