"""A store in Redis whose every change has reached the ledger when it is answered, so that the laws may look at both."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from worldevents.clock import Clock
from worldevents.errors import LedgerBehind, StoreLost, StoreUnavailable
from worldevents.ledger import open_ledger
from worldevents.ledger.base import OutboxLedger
from worldevents.model import Ack, GoalContribution, Receipt
from worldevents.movements import Ban, Erasure, Movement
from worldevents.runtime import Runtime
from worldevents.store.base import Answer, BufferedStore, Store
from worldevents.store.redis import OutboxBounds, RedisStore
from worldevents.syncer import Syncer
from worldevents.telemetry import Telemetry
from worldevents.testing.opened import OpenStore, StoreOpener
from worldevents.testing.store_buffering import BufferOpener
from worldevents.testing.store_speaking import ProcessesOpener

WINDOW_S = 30 * 86_400
SECONDS = 20.0


class SettlingStore(RedisStore):
    syncer: Syncer

    async def contribute(self, batch: Sequence[GoalContribution]) -> list[Answer]:
        answers = await super().contribute(batch)
        await self.settle()
        return answers

    async def move(self, movements: Sequence[Movement]) -> list[Receipt]:
        try:
            return await super().move(movements)
        finally:
            await self.settle()

    async def ban(self, goal_id: str, ban: Ban) -> list[Receipt]:
        receipts = await super().ban(goal_id, ban)
        await self.settle()
        return receipts

    async def unban(self, ban: Ban, movements: Sequence[Movement], *, goal_id: str) -> list[Receipt]:
        receipts = await super().unban(ban, movements, goal_id=goal_id)
        await self.settle()
        return receipts

    async def erase(self, goal_id: str, erasure: Erasure) -> Receipt:
        receipt = await super().erase(goal_id, erasure)
        await self.settle()
        return receipt

    async def announce(self, event_id: str) -> None:
        await super().announce(event_id)
        await self.settle()

    async def settle(self) -> None:
        """All that was applied is in the ledger, both agree, and everything was told."""
        assert await self.syncer.once()
        await self._look()


def opener_of(redis_url: str, ledger_url: str, *, partitions: int = 1) -> StoreOpener:
    """Open the same goals in Redis and the same ledger at every call."""
    prefix = uuid.uuid4().hex[:8]

    @asynccontextmanager
    async def opener(clock: Clock) -> AsyncIterator[OpenStore]:
        async with (
            open_ledger(ledger_url) as ledger,
            SettlingStore.open(
                redis_url, ledger, prefix=prefix, dedupe_window_s=WINDOW_S, clock=clock, partitions=partitions
            ) as store,
        ):
            assert isinstance(store, SettlingStore)
            store.syncer = Syncer(
                store, ledger, clock, Telemetry(), interval_s=0.01, batch_max=1_000, window_s=WINDOW_S
            )
            await store.settle()
            yield OpenStore(store, ledger)

    return opener


def buffered_opener_of(redis_url: str, ledger_url: str) -> BufferOpener:
    """Open a store of its own in Redis, in front of a ledger."""

    @asynccontextmanager
    async def opener(clock: Clock, waiting_max: int) -> AsyncIterator[tuple[BufferedStore, OutboxLedger]]:
        bounds, prefix = OutboxBounds(waiting_max=waiting_max), uuid.uuid4().hex[:8]
        async with (
            open_ledger(ledger_url) as ledger,
            RedisStore.open(redis_url, ledger, prefix=prefix, outbox=bounds, clock=clock) as store,
        ):
            yield store, ledger

    return opener


def processes_opener_of(redis_url: str, ledger_url: str) -> ProcessesOpener:
    """Open a store of its own in Redis as two processes do."""

    @asynccontextmanager
    async def opener() -> AsyncIterator[Sequence[Store]]:
        prefix = uuid.uuid4().hex[:8]
        async with (
            open_ledger(ledger_url) as ledger,
            RedisStore.open(redis_url, ledger, prefix=prefix) as one,
            RedisStore.open(redis_url, ledger, prefix=prefix) as other,
        ):
            running = [asyncio.create_task(store.run()) for store in (one, other)]
            try:
                yield one, other
            finally:
                for task in running:
                    task.cancel()
                await asyncio.wait(running)

    return opener


async def counted(
    runtime: Runtime, contribution_id: str, amount: int = 5, *, goal: str = "volume", ack: Ack = Ack.APPLIED
) -> Receipt:
    """Contribute as a patient caller does: with the same id, until there is an answer."""
    async with asyncio.timeout(SECONDS):
        while True:
            with suppress(StoreLost, StoreUnavailable, LedgerBehind):
                return await runtime.engine.contribute(goal, "ann", amount, contribution_id=contribution_id, ack=ack)
            await asyncio.sleep(0.02)


async def agreed(runtime: Runtime) -> dict[str, int]:
    """The totals, when nothing waits any more and store, contributors and ledger say the same."""
    async with asyncio.timeout(SECONDS):
        while True:
            with suppress(StoreLost, StoreUnavailable):
                assert runtime.syncer is not None
                found = await runtime.syncer.reconcile(fix=False)
                audits = await runtime.ledger.audit()
                if all(one.agrees and not one.waiting for one in found) and all(one.agrees for one in audits):
                    return {one.goal_id: one.ledger.total for one in found}
            await asyncio.sleep(0.02)
