"""Random lives of the SQL ledger agree with a few lines of Python."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.backends import POSTGRES, SQLITE, Backend
from tests.servers import PostgresServer
from worldevents.ledger import open_ledger
from worldevents.testing.opened import LedgerOpener
from worldevents.testing.stateful import LedgerMachine

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
MUCH = settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=SLOW)
LITTLE = settings(MUCH, max_examples=5, stateful_step_count=20)


def machine(backend: Backend, server: object = None) -> type[LedgerMachine]:
    class SqlMachine(LedgerMachine):
        @contextmanager
        def database(self) -> Iterator[LedgerOpener]:
            with backend.fresh(server) as url:
                yield lambda: open_ledger(url)

    return SqlMachine


@pytest.mark.slow
def test_a_ledger_on_sqlite_lives_as_the_model() -> None:
    """Whatever is decided in whatever order, ledger and model hold the same, also after restarts."""
    run_state_machine_as_test(machine(SQLITE), settings=MUCH)


def test_a_ledger_on_postgres_lives_as_the_model(postgres: PostgresServer) -> None:
    """The same on PostgreSQL, for a shorter time."""
    run_state_machine_as_test(machine(POSTGRES, postgres), settings=LITTLE)
