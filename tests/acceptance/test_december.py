"""A real December of powerlifting, replayed: the figures are the ones that another program computed from the file."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.december import (
    END,
    EXPECTED,
    GOALS,
    START,
    Snapshot,
    Unlocked,
    expected_stand,
    snapshot,
    stand,
    sums,
    unlocks,
)
from tests.backends import Backend
from worldevents.demo.pace import TimelineClock, steady
from worldevents.demo.replay import Door, Progress, ReplayReport, midnight, prepare, replay
from worldevents.documents import Local
from worldevents.errors import EventInvalid
from worldevents.importers.openpowerlifting import Row
from worldevents.ledger.base import GoalAudit
from worldevents.runtime import open_runtime
from worldevents.settings import Settings


@dataclass(frozen=True)
class Replayed:
    """One database in which December was replayed twice, and all that the tests look at."""

    first: ReplayReport
    second: ReplayReport
    after_first: dict[str, Snapshot]
    after_second: dict[str, Snapshot]
    reopened: dict[str, Snapshot]
    audit: list[GoalAudit]
    sums: dict[str, tuple[int, int, int]]
    unlocks: dict[tuple[str, str], Unlocked]


DOORS: dict[str, Door] = {"sqlite": "contributions", "postgres": "actions"}
"""On which back end which way to tell it is tried."""


@pytest.fixture(scope="module")
async def replayed(backend: Backend, server: object, rows: list[Row]) -> AsyncIterator[Replayed]:
    """Replay through one door on one back end, twice; all tests of both share it."""
    through = DOORS[backend.name]
    with backend.fresh(server) as url:
        settings = Settings(database_url=url)
        async with open_runtime(settings) as runtime:
            await prepare(Local(runtime.engine), START, END)
            first = await replay(Local(runtime.engine), rows, through=through)
            after_first = await snapshot(runtime.engine)
            await prepare(Local(runtime.engine), START, END)
            second = await replay(Local(runtime.engine), rows, through=through)
            after_second = await snapshot(runtime.engine)
        async with open_runtime(settings) as runtime:
            reopened, audit = await snapshot(runtime.engine), await runtime.ledger.audit()
        yield Replayed(first, second, after_first, after_second, reopened, audit, sums(url), unlocks(url))


def test_the_figures_are_the_expected_ones(replayed: Replayed) -> None:
    """Totals, counts, contributors, top ten, days and the day of the target are exact, to the text."""
    assert EXPECTED == replayed.first.document()
    assert replayed.first.refusals == ()


def test_a_second_run_moves_nothing(replayed: Replayed) -> None:
    """Every row is a repeat: nothing is counted, and no total, rank, unlock or version of a state is another."""
    again: dict[str, Any] = {**EXPECTED}
    for metric in GOALS:
        one = EXPECTED[metric]
        sent_before = {"counted": 0, "duplicates": one["counted"] + one["duplicates"]}
        again[metric] = {**one, **sent_before, "target_met_on": None, "cumulative_by_day": {}}
    assert again == replayed.second.document()
    assert replayed.after_first == replayed.after_second


def test_a_rebuilt_memory_tells_the_same(replayed: Replayed) -> None:
    """A process that opens the database later has the same states and boards as the one that counted."""
    assert replayed.after_second == replayed.reopened


def test_the_ledger_agrees_with_itself(replayed: Replayed) -> None:
    """Kept totals, the ledger's rows and the contributors add up to the same, by our audit and by plain SQL."""
    assert sorted(GOALS.values()) == [one.goal_id for one in replayed.audit]
    assert [] == [one for one in replayed.audit if not one.agrees]
    for goal_id, snapshot_of_goal in replayed.reopened.items():
        assert (snapshot_of_goal.state.total,) * 3 == replayed.sums[goal_id]


def test_tiers_were_unlocked_by_contributions_of_the_right_days(replayed: Replayed) -> None:
    """Lift the Frost falls on 11 December, not on the 9th as with repeats counted; the Winter King on the 9th."""
    expected = {
        ("lift-the-frost", "25"): (date(2023, 12, 2), 2_500_000_000),
        ("lift-the-frost", "50"): (date(2023, 12, 8), 5_000_000_000),
        ("lift-the-frost", "100"): (date(2023, 12, 11), 10_000_000_000),
        ("slay-the-winter-king", "50"): (date(2023, 12, 2), 500),
        ("slay-the-winter-king", "100"): (date(2023, 12, 9), 1_000),
    }
    assert {key: day for key, (day, _) in expected.items()} == {key: one.day for key, one in replayed.unlocks.items()}
    for key, (_, threshold_value) in expected.items():
        assert replayed.unlocks[key].before < threshold_value <= replayed.unlocks[key].after


def test_iron_march_stays_locked_54_short(replayed: Replayed) -> None:
    """16,446 workouts are 54 short of the first tier, and the goal's state says that it is locked."""
    state = replayed.reopened["iron-march"].state
    assert (16_446, 16_500, ()) == (state.total, state.goal.tiers[0].threshold_value, state.unlocks)
    assert all(state.unlock_of(tier) is None for tier in state.goal.tiers)


def test_the_expected_figures_are_what_the_states_say(replayed: Replayed) -> None:
    """The report's numbers are those of the goals' own states and boards."""
    totals = {metric: replayed.reopened[goal_id].state for metric, goal_id in GOALS.items()}
    assert {metric: total for metric, (total, _, _) in expected_stand().items()} == {
        metric: state.goal.metric.decimal(state.total) for metric, state in totals.items()
    }


async def test_another_window_is_refused(url: str) -> None:
    """A database that holds the event of a past window keeps it: the replay of another month is refused."""
    async with open_runtime(Settings(database_url=url)) as runtime:
        await prepare(Local(runtime.engine), START, END)
        with pytest.raises(EventInvalid, match="starts_at: cannot move after the start"):
            await prepare(Local(runtime.engine), date(2023, 11, 1), END)
        assert 1 == len(await runtime.engine.history("winter-2026"))
        assert {0} == {total for total, _, _ in (await stand(runtime.engine)).values()}


async def test_a_speed_makes_days_last(tmp_path: Path, rows: list[Row]) -> None:
    """At a hundred days per second the second noon is 15 ms on: nothing of that day is told before, all in order."""
    two_days = [row for row in rows[:400] if row.date <= date(2023, 12, 2)]
    seen: list[Progress] = []
    async with open_runtime(Settings(database_url=f"sqlite:///{tmp_path}/ledger.db")) as runtime:
        await prepare(Local(runtime.engine), START, END)
        clock = TimelineClock(steady(midnight(START), midnight(END), 86_400 * 100), time.monotonic)
        clock.begin()
        begun = time.monotonic()
        report = await replay(Local(runtime.engine), two_days, on_progress=seen.append, pace=clock.reach)
        elapsed = time.monotonic() - begun
    assert elapsed >= 0.015
    assert Progress(len(two_days), len(two_days), date(2023, 12, 2)) == seen[-1]
    assert sorted(one.done for one in seen) == [one.done for one in seen]
    assert report.refusals == ()
