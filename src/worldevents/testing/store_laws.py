"""The laws of the store as tests: subclass `StoreLaws` and say, in a fixture `open_store`, how yours is opened.

The numbers are those of `worldevents.store.base`. The fixture gives a `StoreOpener`; no test has two stores open at
once, since a store may own its database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from worldevents.testing.builders import DURING, a_goal, an_event
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import OpenStore, StoreOpener
from worldevents.testing.store_closing import ClosingLaws
from worldevents.testing.store_counting import CountingLaws
from worldevents.testing.store_erasing import ErasingLaws
from worldevents.testing.store_judging import JudgingLaws
from worldevents.testing.store_lasting import LastingLaws
from worldevents.testing.store_moving import MovingLaws
from worldevents.testing.store_outliers import OutlierLaws
from worldevents.testing.store_ranking import RankingLaws
from worldevents.testing.store_standing import StandingLaws
from worldevents.testing.store_telling import TellingLaws


class StoreLaws(
    CountingLaws,
    JudgingLaws,
    OutlierLaws,
    RankingLaws,
    StandingLaws,
    TellingLaws,
    LastingLaws,
    MovingLaws,
    ClosingLaws,
    ErasingLaws,
):
    """All laws of the store.

    Counting (1, 2, 3, 10), judging (3, 5, 9), ranking (4), telling (8), lasting (6, 7), moving (17, 18), hiding (19),
    closing (20), erasing (21).
    """

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The time by which the store judges; it stands well inside the window until a test moves it."""
        return ManualClock(DURING)

    @pytest_asyncio.fixture
    async def empty(self, open_store: StoreOpener, clock: ManualClock) -> AsyncIterator[OpenStore]:
        """An open store for which nothing was published."""
        async with open_store(clock) as opened:
            yield opened

    @pytest_asyncio.fixture
    async def opened(self, empty: OpenStore) -> OpenStore:
        """An open store with two goals: `volume`, target 1000 with tiers at 25, 50 and 100 %, and `workouts`."""
        await empty.publish(an_event(a_goal(), a_goal("workouts", percents=())))
        return empty
