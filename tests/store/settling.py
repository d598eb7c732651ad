"""A store in Redis whose every change has reached the ledger when it is answered, so that the laws may look at both."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from worldevents.clock import Clock
from worldevents.ledger import open_ledger
from worldevents.model import GoalContribution
from worldevents.store.base import Answer
from worldevents.store.redis import RedisStore
from worldevents.syncer import Syncer
from worldevents.telemetry import Telemetry
from worldevents.testing.opened import OpenStore, StoreOpener

WINDOW_S = 30 * 86_400


class SettlingStore(RedisStore):
    syncer: Syncer

    async def contribute(self, batch: Sequence[GoalContribution]) -> list[Answer]:
        answers = await super().contribute(batch)
        await self.settle()
        return answers

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
