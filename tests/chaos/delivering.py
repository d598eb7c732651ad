"""A process that grants, calls a host and delivers webhooks, with a clock that makes the schedule's days seconds."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tests.chaos.programs import Values
from worldevents.callback import Callback
from worldevents.grants import RewardGrant
from worldevents.ledger import open_ledger
from worldevents.rewards import Rewards
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
PAGE: Final = 10
"""Contributors in one page of a job: it is killed between many of them."""
CALL_S: Final = 0.004
"""At most, for one call of the host."""
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
    """Grant, call the host and deliver, until killed."""
    asyncio.run(_deliver(values["url"], Path(values["told"]), QuickClock(values["begun"])))


async def _deliver(url: str, told: Path, clock: QuickClock) -> None:
    chance = random.Random()  # noqa: S311 - spreads calls, keeps no secret
    lease_s = LEASE_S * SPEED
    descriptor = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def on_grant(one: RewardGrant) -> bool:
        # A host that does what it is told before it says so, and takes a while.
        await asyncio.sleep(chance.uniform(0, CALL_S))
        os.write(descriptor, f"{one.id}\n".encode())
        return True

    async with open_ledger(url, migrate=False) as ledger, asyncio.TaskGroup() as tasks:
        tasks.create_task(Rewards(ledger, clock, page=PAGE).run())
        callback = Callback(ledger, clock, on_grant, chance=chance, lease_s=lease_s, look_s=LOOK_S)
        tasks.create_task(callback.run())
        dispatcher = Dispatcher(
            ledger.webhooks,
            ledger,
            clock,
            Telemetry(),
            connect=posting,
            chance=chance,
            lease_s=lease_s,
            look_s=LOOK_S,
        )
        tasks.create_task(dispatcher.run())
