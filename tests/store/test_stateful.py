"""Random lives of the embedded store agree with a few lines of Python."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.backends import POSTGRES, SQLITE, Backend
from tests.servers import PostgresServer
from worldevents.clock import Clock
from worldevents.ledger import open_ledger
from worldevents.store.embedded import EmbeddedStore
from worldevents.testing.opened import OpenStore, StoreOpener
from worldevents.testing.stateful import StoreMachine

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
MUCH = settings(max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=SLOW)
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
