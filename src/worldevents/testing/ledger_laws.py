"""The laws of the ledger as tests: subclass `LedgerLaws` and say, in a fixture `open_ledger`, how yours is opened.

The numbers are those of `worldevents.ledger.base`. The fixture gives a `LedgerOpener`; some tests
open the ledger a second time while the first is open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from worldevents.ledger.base import Ledger
from worldevents.testing.builders import DURING, a_goal, an_event
from worldevents.testing.ledger_claiming import ClaimingLaws
from worldevents.testing.ledger_counting import CountingLaws
from worldevents.testing.ledger_draining import DrainingLaws
from worldevents.testing.ledger_erasing import ErasingLaws
from worldevents.testing.ledger_granting import GrantingLaws
from worldevents.testing.ledger_keys import KeyLaws
from worldevents.testing.ledger_moving import MovingLaws
from worldevents.testing.ledger_publishing import PublishingLaws
from worldevents.testing.ledger_settling import SettlingLaws
from worldevents.testing.opened import LedgerOpener


class LedgerLaws(
    CountingLaws,
    PublishingLaws,
    KeyLaws,
    DrainingLaws,
    GrantingLaws,
    ClaimingLaws,
    MovingLaws,
    SettlingLaws,
    ErasingLaws,
):
    """All laws of the ledger.

    Counting (1 to 4), tiers, versions and `seq` (5 to 7), keys (8), draining (9 to 12), granting (13, 14), claiming and
    announcing (15, 16), moving (2, 17, 18), settling (19 to 21), erasing (22, 23).
    """

    @pytest_asyncio.fixture
    async def empty(self, open_ledger: LedgerOpener) -> AsyncIterator[Ledger]:
        """An open ledger in which nothing was published."""
        async with open_ledger() as ledger:
            yield ledger

    @pytest_asyncio.fixture
    async def ledger(self, empty: Ledger) -> Ledger:
        """An open ledger with two goals: `volume`, target 1000 with tiers at 25, 50 and 100 %, and `workouts`."""
        event = an_event(a_goal(), a_goal("workouts", percents=()))
        await empty.publish(event, based_on=0, author="test", published_at=DURING, reason="")
        return empty
