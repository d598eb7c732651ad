"""A process that delivers webhooks and nothing else, with a clock that makes the schedule's days pass in seconds."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final

from tests.chaos.programs import Values
from tests.webhooks.feed import Feed
from worldevents.ledger import open_ledger
from worldevents.telemetry import Telemetry
from worldevents.testing.builders import DURING
from worldevents.webhooks.addresses import Policy
from worldevents.webhooks.dispatcher import Dispatcher, Post
from worldevents.webhooks.sending import sending

SPEED: Final = 100_000
"""How much faster than real time the clock runs: a day in 0.9 seconds."""
LEASE_S: Final = 2.0
"""In real time; an attempt takes less."""
TRY_S: Final = 1.0
LOOK_S: Final = 0.05
NEAR: Final = Policy(loopback=True)


class QuickClock:
    """The same instant in every process."""

    def __init__(self, begun: float) -> None:
        self._begun = begun

    def now(self) -> datetime:
        return DURING + timedelta(seconds=(time.time() - self._begun) * SPEED)


@asynccontextmanager
async def posting() -> AsyncIterator[Post]:
    """Connections to this machine."""
    async with sending(NEAR, try_s=TRY_S) as sender:
        yield sender.post


def deliver(values: Values, _port: int) -> None:
    """Deliver what a feed of so many announcements says, until killed."""
    asyncio.run(_deliver(values["url"], Feed(values["size"], at=DURING), QuickClock(values["begun"])))


async def _deliver(url: str, feed: Feed, clock: QuickClock) -> None:
    async with open_ledger(url, migrate=False) as ledger:
        await Dispatcher(
            ledger.webhooks,
            feed,
            clock,
            Telemetry(),
            connect=posting,
            chance=random.Random(),  # noqa: S311 - spreads calls, keeps no secret
            lease_s=LEASE_S * SPEED,
            look_s=LOOK_S,
        ).run()
