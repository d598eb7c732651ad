"""The SQL ledger holds every law of the ledger, on each database."""

import pytest

from worldevents.ledger import open_ledger as open_at
from worldevents.testing.ledger_laws import LedgerLaws
from worldevents.testing.opened import LedgerOpener


class TestSqlLedger(LedgerLaws):
    @pytest.fixture
    def open_ledger(self, ledger_url: str) -> LedgerOpener:
        """Open one database, as often as a test likes."""
        return lambda: open_at(ledger_url)
