"""Callers who are cancelled at random moments and repeat: nothing is lost, and nothing counts twice."""

import asyncio
import random
from collections import Counter
from pathlib import Path

from tests.acceptance.december import END, START, december, first_amounts, kept, offers, sums
from worldevents.demo.replay import prepare
from worldevents.documents import Local
from worldevents.engine import Engine, Offer
from worldevents.errors import ContributionConflict
from worldevents.runtime import open_runtime
from worldevents.settings import Settings

CALLERS = 16
LIFTERS_SHARE = 10
"""Every so many lifters take part."""
CANCELS = 0.3
"""The chance that a call which begins has another one cancelled, wherever that one is."""


class _Callers:
    """Callers with some lifters each, who repeat every offer until they have its answer."""

    def __init__(self, engine: Engine, chance: random.Random) -> None:
        self._engine = engine
        self._chance = chance
        self._calls: dict[int, asyncio.Task[str]] = {}
        self.outcomes: Counter[str] = Counter()

    async def tell(self, caller: int, share: list[Offer]) -> None:
        for offer in share:
            while not await self._answered(caller, offer):
                self.outcomes["cancelled"] += 1

    async def _answered(self, caller: int, offer: Offer) -> bool:
        self._calls[caller] = asyncio.create_task(self._call(offer))
        if self._chance.random() < CANCELS:
            # It may not have begun, wait for its batch, wait for the commit, or have been answered just now.
            self._calls[self._chance.choice(list(self._calls))].cancel()
        try:
            self.outcomes[await self._calls[caller]] += 1
        except asyncio.CancelledError:
            return False
        return True

    async def _call(self, offer: Offer) -> str:
        try:
            receipt = await self._engine.contribute(
                offer.goal_id,
                offer.user_id,
                offer.amount,
                contribution_id=offer.contribution_id,
                occurred_at=offer.occurred_at,
            )
        except ContributionConflict:
            return "conflict"
        return "duplicate" if receipt.duplicate else "counted"


async def test_cancelled_callers_lose_nothing_and_double_nothing(tmp_path: Path, chance: random.Random) -> None:
    """Every id is in the ledger once with its first amount, though its caller was cancelled again and again."""
    told = [offer for offer in offers(december()) if int(offer.user_id) % LIFTERS_SHARE == 0]
    shares: list[list[Offer]] = [[] for _ in range(CALLERS)]
    for offer in told:
        shares[int(offer.user_id) // LIFTERS_SHARE % CALLERS].append(offer)
    settings = Settings(database_url=f"sqlite:///{tmp_path}/ledger.db")
    async with open_runtime(settings) as runtime:
        await prepare(Local(runtime.engine), START, END)
        callers = _Callers(runtime.engine, chance)
        await asyncio.gather(*(callers.tell(caller, share) for caller, share in enumerate(shares)))
        totals = {goal: (await runtime.engine.progress(goal)).state.total for goal in sums(settings.database_url)}
    rows = kept(settings.database_url)
    expected = first_amounts(told)
    assert len(expected) == len(rows)
    assert expected == dict(rows)
    assert {goal: (total, total, total) for goal, total in totals.items()} == sums(settings.database_url)
    # Enough was cancelled to mean something, and some of it when it was already counted: the caller found a repeat.
    assert callers.outcomes["cancelled"] > len(told) // 10
    assert callers.outcomes["counted"] < len(expected)
