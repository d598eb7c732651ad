"""One life of a process that settles an event, and says nothing. It may be killed at any moment."""

import asyncio
from datetime import datetime
from multiprocessing.synchronize import Event

from worldevents.ledger import open_ledger
from worldevents.rewards import Rewards
from worldevents.settling import Settling
from worldevents.store import open_store
from worldevents.testing import ManualClock


def live(url: str, at: datetime, page: int, begun: Event) -> None:
    """Settle what is over at an instant, with pages of so many grants and ranks; say when it begins."""
    asyncio.run(_live(url, ManualClock(at), page, begun))


async def _live(url: str, clock: ManualClock, page: int, begun: Event) -> None:
    begun.set()
    async with open_ledger(url, migrate=False, own=True) as ledger:
        rewards = Rewards(ledger, clock, page=page)
        store = await open_store(ledger, clock)
        await Settling(store, ledger, rewards, clock, read=3 * page, page=page).settle("winter")
