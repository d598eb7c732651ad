"""The store in Redis holds every law of the store: over PostgreSQL, and with a goal in three partitions over SQLite."""

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


class TestRedisStoreInThreePartitions(StoreLaws):
    """Users are spread: positions rise within each partition, and each holds a third of what a goal may hold.

    Everyone's history is that of everyone in the user's partition: those laws count on one for all.
    """

    test_law_6_positions_rise_in_the_order_of_application = None  # type: ignore[assignment]
    test_law_5_what_is_far_above_both_medians_is_held = None  # type: ignore[assignment]
    test_law_5_without_a_history_nothing_is_out_of_line = None  # type: ignore[assignment]
    test_law_5_a_batch_is_judged_in_its_order = None  # type: ignore[assignment]
    test_law_5_a_limit_goes_first = None  # type: ignore[assignment]
    test_law_5_a_rule_that_comes_later_knows_what_was = None  # type: ignore[assignment]
    test_law_5_movements_teach_nothing = None  # type: ignore[assignment]
    test_law_5_a_history_that_is_built_later_has_no_movements = None  # type: ignore[assignment]
    test_law_5_a_history_outlives_a_restart = None  # type: ignore[assignment]
    test_law_9_a_total_stays_below_two_to_the_53 = None  # type: ignore[assignment]
    test_law_9_held_amounts_have_to_fit_too = None  # type: ignore[assignment]
    test_law_17_a_total_stays_below_two_to_the_53 = None  # type: ignore[assignment]

    @pytest.fixture
    def open_store(self, redis_server: RedisServer, sqlite_url: str) -> StoreOpener:
        return opener_of(redis_server.url, sqlite_url, partitions=3)


class TestRedisStoreSpeaking(SpeakingLaws):
    @pytest.fixture
    def open_processes(self, redis_server: RedisServer, sqlite_url: str) -> ProcessesOpener:
        return processes_opener_of(redis_server.url, sqlite_url)
