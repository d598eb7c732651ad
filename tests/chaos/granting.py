"""One life of a process that grants: it works jobs off, and says nothing. It may be killed at any moment."""

import asyncio

from worldevents.clock import SystemClock
from worldevents.ledger import open_ledger
from worldevents.rewards import Rewards


def live(url: str, size: int) -> None:
    """Work off every job, in pages of so many contributors."""
    asyncio.run(_live(url, size))


async def _live(url: str, size: int) -> None:
    async with open_ledger(url, migrate=False) as ledger:
        await Rewards(ledger, SystemClock(), page=size).work_off()
