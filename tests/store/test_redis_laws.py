"""The store in Redis, in front of PostgreSQL, holds every law of the store."""

import pytest

from tests.servers import RedisServer
from tests.store.settling import opener_of, processes_opener_of
from worldevents.testing import ProcessesOpener, SpeakingLaws
from worldevents.testing.opened import StoreOpener
from worldevents.testing.store_laws import StoreLaws


class TestRedisStore(StoreLaws):
    @pytest.fixture
    def open_store(self, redis_server: RedisServer, postgres_url: str) -> StoreOpener:
        return opener_of(redis_server.url, postgres_url)


class TestRedisStoreSpeaking(SpeakingLaws):
    @pytest.fixture
    def open_processes(self, redis_server: RedisServer, sqlite_url: str) -> ProcessesOpener:
        return processes_opener_of(redis_server.url, sqlite_url)
