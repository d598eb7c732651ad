"""A real Redis Cluster of three masters holds every law, and so does Valkey, where it can be had."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.servers import RedisCluster, RedisServer, find_valkey, why_no_valkey
from tests.store.settling import agreed, buffered_opener_of, counted, opener_of, processes_opener_of
from worldevents.errors import StoreUnavailable
from worldevents.model import Partition
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.store.keys import Keys
from worldevents.testing import BufferLaws, BufferOpener, ProcessesOpener, SpeakingLaws
from worldevents.testing.builders import DURING, a_goal, an_event
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import StoreOpener
from worldevents.testing.store_laws import StoreLaws

SECONDS = 20.0
GOALS = tuple(f"goal-{number}" for number in range(6))

IN_ONE = {
    "test_law_6_positions_rise_in_the_order_of_application",
    "test_law_5_what_is_far_above_both_medians_is_held",
    "test_law_5_without_a_history_nothing_is_out_of_line",
    "test_law_5_a_batch_is_judged_in_its_order",
    "test_law_5_a_limit_goes_first",
    "test_law_5_a_rule_that_comes_later_knows_what_was",
    "test_law_5_movements_teach_nothing",
    "test_law_5_a_history_that_is_built_later_has_no_movements",
    "test_law_5_a_history_outlives_a_restart",
    "test_law_9_a_total_stays_below_two_to_the_53",
    "test_law_9_held_amounts_have_to_fit_too",
    "test_law_17_a_total_stays_below_two_to_the_53",
}
"""Laws whose goals are in one partition."""


class TestRedisCluster(StoreLaws):
    """A goal is on all three masters, its users spread over its partitions; each call is one master's.

    Everyone's history is that of everyone in the user's partition, positions rise within each, and each holds a third
    of what a goal may hold: laws that count on one for all have their goals in one.
    """

    @pytest.fixture
    def open_store(self, redis_cluster: RedisCluster, sqlite_url: str, request: pytest.FixtureRequest) -> StoreOpener:
        partitions = 1 if request.function.__name__ in IN_ONE else 3
        return opener_of(redis_cluster.url, sqlite_url, partitions=partitions)

    def test_each_of_these_is_a_law(self) -> None:
        """The laws that are spared three partitions are there."""
        assert set() == IN_ONE - set(dir(StoreLaws))


class TestRedisClusterInFront(BufferLaws):
    @pytest.fixture
    def open_buffered(self, redis_cluster: RedisCluster, sqlite_url: str) -> BufferOpener:
        return buffered_opener_of(redis_cluster.url, sqlite_url)


class TestRedisClusterSpeaking(SpeakingLaws):
    @pytest.fixture
    def open_processes(self, redis_cluster: RedisCluster, sqlite_url: str) -> ProcessesOpener:
        return processes_opener_of(redis_cluster.url, sqlite_url)


if find_valkey() is None:

    def test_valkey() -> None:
        """Debian 12 has no Valkey: what is not there is not tested, and that is said."""
        pytest.skip(why_no_valkey() or "")

else:

    class TestValkey(StoreLaws):
        @pytest.fixture
        def open_store(self, valkey_server: RedisServer, sqlite_url: str) -> StoreOpener:
            return opener_of(valkey_server.url, sqlite_url)

    class TestValkeyInFront(BufferLaws):
        @pytest.fixture
        def open_buffered(self, valkey_server: RedisServer, sqlite_url: str) -> BufferOpener:
            return buffered_opener_of(valkey_server.url, sqlite_url)

    class TestValkeySpeaking(SpeakingLaws):
        @pytest.fixture
        def open_processes(self, valkey_server: RedisServer, sqlite_url: str) -> ProcessesOpener:
            return processes_opener_of(valkey_server.url, sqlite_url)


@pytest.fixture
def cluster(redis_cluster: RedisCluster) -> RedisCluster:
    """The cluster, empty."""
    for node in redis_cluster.nodes:
        with node.client() as client:
            client.flushall()
    return redis_cluster


@pytest_asyncio.fixture
async def both(cluster: RedisCluster, tmp_path: Path) -> AsyncIterator[list[Runtime]]:
    """Two processes' worth of the system on the cluster and one ledger, with six goals."""
    settings = Settings.load(
        redis_url=cluster.url, database_url=f"sqlite:///{tmp_path}/ledger.db", sync_interval_ms=20, ack_timeout_s=1
    )
    async with AsyncExitStack() as stack:
        clock = ManualClock(DURING)
        runtimes = [await stack.enter_async_context(open_runtime(settings, clock=clock)) for _ in range(2)]
        await runtimes[0].engine.publish(an_event(*(a_goal(goal) for goal in GOALS)), author="test")
        yield runtimes


def _keeps(node: RedisServer, goal_id: str) -> bool:
    """Whether this node has a goal."""
    with node.client() as client:
        return bool(client.keys(f"{Keys('we').partition(Partition(goal_id))}:state"))


async def test_goals_are_spread(both: list[Runtime], cluster: RedisCluster) -> None:
    """Each goal is on one master, whole, and not all of them on the same; every process counts into all."""
    for goal in GOALS:
        await counted(both[0], "first", 5, goal=goal)
    homes = [[place for place, node in enumerate(cluster.nodes) if _keeps(node, goal)] for goal in GOALS]
    assert {1} == {len(own) for own in homes}
    assert len({own[0] for own in homes}) > 1
    assert dict.fromkeys(GOALS, 5) == await agreed(both[1])


async def test_an_update_reaches_the_other_process(both: list[Runtime]) -> None:
    """What one process counts is told to those who listen at the other, whatever master has it."""
    with both[1].store.updates() as updates:
        for goal in GOALS:
            await counted(both[0], "c1", 7, goal=goal)
        told: set[str] = set()
        async with asyncio.timeout(SECONDS):
            async for update in updates:
                told |= {update.state.goal.id} if update.state.total == 7 else set()
                if len(told) == len(GOALS):
                    break


async def test_a_master_that_is_killed_comes_back(both: list[Runtime], cluster: RedisCluster) -> None:
    """While it is away its goals answer that they are; the others go on; afterwards all is as it was answered."""
    for goal in GOALS:
        await counted(both[0], "first", 5, goal=goal)
    assert dict.fromkeys(GOALS, 5) == await agreed(both[0])
    node = cluster.nodes[1]
    gone = [goal for goal in GOALS if _keeps(node, goal)]
    assert gone
    await asyncio.to_thread(node.kill)
    with pytest.raises(StoreUnavailable):
        await both[0].engine.contribute(gone[0], "ann", 5, contribution_id="second")
    await asyncio.to_thread(node.start)
    await asyncio.to_thread(cluster.wait)
    for goal in GOALS:
        await counted(both[1], "second", 5, goal=goal)
    assert dict.fromkeys(GOALS, 10) == await agreed(both[0])
