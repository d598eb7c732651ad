"""Random lives of every store agree with a few lines of Python."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.backends import POSTGRES, SQLITE, Backend
from tests.servers import PostgresServer, RedisServer
from tests.store.settling import opener_of
from worldevents.clock import Clock
from worldevents.ledger import open_ledger
from worldevents.model import GoalContribution
from worldevents.store.embedded import EmbeddedStore
from worldevents.store.keys import number_of
from worldevents.testing.opened import OpenStore, StoreOpener
from worldevents.testing.stateful import StoreMachine

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
MUCH = settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=SLOW)
MIDDLING = settings(MUCH, max_examples=10, phases=[Phase.explicit, Phase.reuse, Phase.generate])
"""Without shrinking, which takes a server's time for every try."""
LITTLE = settings(MUCH, max_examples=5, stateful_step_count=20)


def machine(backend: Backend, server: object = None) -> type[StoreMachine]:
    class EmbeddedMachine(StoreMachine):
        @contextmanager
        def database(self) -> Iterator[StoreOpener]:
            with backend.fresh(server) as url:

                @asynccontextmanager
                async def opener(clock: Clock) -> AsyncIterator[OpenStore]:
                    async with open_ledger(url, own=True) as ledger:
                        yield OpenStore(await EmbeddedStore.open(ledger, clock), ledger)

                yield opener

    return EmbeddedMachine


@pytest.mark.slow
def test_a_store_on_sqlite_lives_as_the_model() -> None:
    """Whatever happens in whatever order, store and model answer alike, also after restarts."""
    run_state_machine_as_test(machine(SQLITE), settings=MUCH)


def test_a_store_on_postgres_lives_as_the_model(postgres: PostgresServer) -> None:
    """The same on PostgreSQL, for a shorter time."""
    run_state_machine_as_test(machine(POSTGRES, postgres), settings=LITTLE)


@pytest.mark.slow
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_store_in_redis_lives_as_the_model(redis_server: RedisServer, partitions: int) -> None:
    """The same in Redis, in front of the ledger, with all in one partition and spread over three."""

    class RedisMachine(StoreMachine):
        def __init__(self) -> None:
            super().__init__()
            self.model.place = lambda user_id: number_of(user_id, partitions)

        @contextmanager
        def database(self) -> Iterator[StoreOpener]:
            with SQLITE.fresh(None) as url:
                yield opener_of(redis_server.url, url, partitions=partitions)

        def told(self, batch: list[GoalContribution]) -> list[GoalContribution]:
            # Each goal has an outbox of its own: of two names in two of them nobody says which is the latest.
            return [item if item.goal_id == "volume" else item._replace(display_name=None) for item in batch]

    run_state_machine_as_test(RedisMachine, settings=MIDDLING)
