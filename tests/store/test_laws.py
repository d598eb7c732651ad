"""The embedded store holds every law of the store, over each ledger."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from worldevents.clock import Clock
from worldevents.ledger import open_ledger
from worldevents.store.embedded import EmbeddedStore
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
