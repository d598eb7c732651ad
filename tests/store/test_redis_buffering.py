"""The store in Redis holds the laws of a store in front of a ledger."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.servers import RedisServer
from worldevents.clock import Clock
from worldevents.ledger import open_ledger
from worldevents.ledger.base import OutboxLedger
from worldevents.store.base import BufferedStore
from worldevents.store.redis import RedisStore
from worldevents.store.redis.store import OutboxBounds
from worldevents.testing import BufferLaws, BufferOpener


class TestRedisStore(BufferLaws):
    @pytest.fixture
    def open_buffered(self, redis_server: RedisServer, sqlite_url: str) -> BufferOpener:
        @asynccontextmanager
        async def opener(clock: Clock, waiting_max: int) -> AsyncIterator[tuple[BufferedStore, OutboxLedger]]:
            bounds = OutboxBounds(waiting_max=waiting_max)
            async with (
                open_ledger(sqlite_url) as ledger,
                RedisStore.open(
                    redis_server.url, ledger, prefix=uuid.uuid4().hex[:8], outbox=bounds, clock=clock
                ) as store,
            ):
                yield store, ledger

        return opener
