"""What the tests of the store in Redis share."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.servers import RedisServer
from tests.store.inside import BOUNDS, Opened
from worldevents.ledger import open_ledger
from worldevents.model import Limits
from worldevents.store.redis import RedisStore
from worldevents.syncer import Syncer
from worldevents.telemetry import Telemetry
from worldevents.testing.builders import DURING
from worldevents.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(DURING)


@pytest_asyncio.fixture
async def opened(redis_server: RedisServer, sqlite_url: str, clock: ManualClock) -> AsyncIterator[Opened]:
    """A store with a goal without limits."""
    prefix = uuid.uuid4().hex[:8]
    async with (
        open_ledger(sqlite_url) as ledger,
        RedisStore.open(redis_server.url, ledger, prefix=prefix, outbox=BOUNDS, clock=clock) as store,
    ):
        syncer = Syncer(store, ledger, clock, Telemetry(), interval_s=0.01, batch_max=1_000, window_s=7_200)
        with redis_server.client() as client:
            opened = Opened(store, ledger, syncer, client, prefix)
            await opened.publish(Limits())
            yield opened
