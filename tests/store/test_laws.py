"""The embedded store holds every law of the store, over each ledger."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from worldevents.clock import Clock
from worldevents.ledger import open_ledger
from worldevents.store.base import Store
from worldevents.store.embedded import EmbeddedStore
from worldevents.testing import ManualClock, ProcessesOpener, SpeakingLaws
from worldevents.testing.builders import DURING
from worldevents.testing.opened import OpenStore, StoreOpener
from worldevents.testing.store_laws import StoreLaws


class TestEmbeddedStore(StoreLaws):
    @pytest.fixture
    def open_store(self, ledger_url: str) -> StoreOpener:
        """Open one database as its owner, with a store in front of it."""

        @asynccontextmanager
        async def opener(clock: Clock) -> AsyncIterator[OpenStore]:
            async with open_ledger(ledger_url, own=True) as ledger:
                yield OpenStore(await EmbeddedStore.open(ledger, clock), ledger)

        return opener


class TestEmbeddedStoreSpeaking(SpeakingLaws):
    @pytest.fixture
    def open_processes(self, sqlite_url: str) -> ProcessesOpener:
        """Open it as the one process that may."""

        @asynccontextmanager
        async def opener() -> AsyncIterator[Sequence[Store]]:
            async with open_ledger(sqlite_url, own=True) as ledger:
                yield [await EmbeddedStore.open(ledger, ManualClock(DURING))]

        return opener
