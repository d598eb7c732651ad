"""A whole system to be tested: the public verbs over a store and its ledger, with nothing that runs by itself.

What `runtime` does in the background happens here when it is asked for, so that a test knows what has been done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from worldevents.acks import Acks
from worldevents.batcher import Batcher
from worldevents.clock import Clock
from worldevents.engine import Engine
from worldevents.ledger.granted import DurableLedger
from worldevents.model import Ack
from worldevents.moderation import Moderation
from worldevents.rewards import Rewards
from worldevents.settling import Arrivals, Settling
from worldevents.store.base import BufferedStore, Store
from worldevents.syncer import Syncer
from worldevents.telemetry import Telemetry

_BATCH_MAX = 1_000
PAGE = 2
"""Contributors in one page of a job: few, so that jobs have pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The verbs, and what is behind them."""

    engine: Engine
    moderation: Moderation
    rewards: Rewards
    settling: Settling
    store: Store
    ledger: DurableLedger
    clock: Clock
    commits: Callable[[], object]
    """What is another value after every commit to the ledger; None where nobody can tell."""
    naming: Callable[[str], Sequence[str]]
    """Where in the ledger's tables a word stands."""
    syncer: Syncer | None = None
    """What carries to the ledger; None where the store is the ledger's own."""
    lose: Callable[[], Coroutine[Any, Any, None]] | None = None
    """Has the store's server forget everything; None where there is none."""

    carrying: frozenset[asyncio.Task[bool]] | set[asyncio.Task[bool]] = frozenset()
    """What somebody who waits has asked the syncer for."""

    async def carry(self) -> None:
        """All that was applied is in the ledger, both agree, and the store has heard what the ledger decided."""
        await asyncio.gather(*self.carrying)
        if self.syncer is not None:
            assert await self.syncer.once()

    async def work(self) -> None:
        """Work off every job, and claim what is due, without the rests in between."""
        while await self.ledger.grant_page(self.clock.now(), size=PAGE) is not None:
            continue
        while await self.ledger.claim_due(self.clock.now()):
            continue


SystemOpener = Callable[[Clock], AbstractAsyncContextManager[System]]
"""Opens a system over one database, the same one at every call and empty at the first."""


def _unknown() -> None:
    return None


def _nowhere(_word: str) -> Sequence[str]:
    return ()


@asynccontextmanager
async def system_over(
    store: Store,
    ledger: DurableLedger,
    clock: Clock,
    *,
    commits: Callable[[], object] = _unknown,
    naming: Callable[[str], Sequence[str]] = _nowhere,
) -> AsyncIterator[System]:
    """The verbs over a store that is the ledger's own."""
    rewards = Rewards(ledger, clock)
    async with _batching(store) as batcher:
        yield System(
            engine=Engine(store, ledger, batcher, clock),
            moderation=Moderation(store, ledger, clock),
            rewards=rewards,
            settling=Settling(store, ledger, rewards, clock, page=PAGE),
            store=store,
            ledger=ledger,
            clock=clock,
            commits=commits,
            naming=naming,
        )


@asynccontextmanager
async def buffered_system_over(
    store: BufferedStore,
    ledger: DurableLedger,
    clock: Clock,
    *,
    window_s: float,
    commits: Callable[[], object] = _unknown,
    naming: Callable[[str], Sequence[str]] = _nowhere,
    lose: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> AsyncIterator[System]:
    """The verbs over a store in front of a ledger; it carries at the start, and whenever somebody waits for that."""
    syncer = Syncer(store, ledger, clock, Telemetry(), interval_s=1, batch_max=_BATCH_MAX, window_s=window_s)
    carrying: set[asyncio.Task[bool]] = set()

    def nudge() -> None:
        task = asyncio.create_task(syncer.once())
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    async def opened(_goals: Sequence[str]) -> None:
        assert await syncer.once()

    rewards, arrivals = Rewards(ledger, clock), Arrivals(store, ledger, batch_max=_BATCH_MAX)
    acks = Acks(store, ledger, default=Ack.APPLIED, timeout_s=20, nudge=nudge)
    assert await syncer.once()
    async with _batching(store) as batcher, _running(acks.run):
        yield System(
            engine=Engine(store, ledger, batcher, clock, acks=acks, opened=opened),
            moderation=Moderation(store, ledger, clock, acks=acks),
            rewards=rewards,
            settling=Settling(store, ledger, rewards, clock, arrivals=arrivals, page=PAGE),
            store=store,
            ledger=ledger,
            clock=clock,
            commits=commits,
            naming=naming,
            syncer=syncer,
            carrying=carrying,
            lose=lose,
        )
        await asyncio.gather(*carrying)


@asynccontextmanager
async def _batching(store: Store) -> AsyncIterator[Batcher]:
    batcher = Batcher(store, Telemetry(), batch_max=100, waiting_max=1_000)
    async with _running(batcher.run):
        yield batcher


@asynccontextmanager
async def _running(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    # No task group: a machine opens and closes this in two runs of its loop, which are two tasks.
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
