"""The store in Redis holds the laws of a store in front of a ledger."""

import pytest

from tests.servers import RedisServer
from tests.store.settling import buffered_opener_of
from worldevents.testing import BufferLaws, BufferOpener


class TestRedisStore(BufferLaws):
    @pytest.fixture
    def open_buffered(self, redis_server: RedisServer, sqlite_url: str) -> BufferOpener:
        return buffered_opener_of(redis_server.url, sqlite_url)
