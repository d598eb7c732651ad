"""Simulated time: pure arithmetic, a clock on it, and rows that come when they are due."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldevents.demo.pace import QUIET_TIMES, LeapingClock, SimulatedClock, Timeline, TimelineClock, lively, steady

START, END = datetime(2023, 12, 1, tzinfo=UTC), datetime(2023, 12, 31, tzinfo=UTC)
DAY = timedelta(days=1)
days = st.sets(st.dates(date(2023, 12, 1), date(2023, 12, 30)))


class Ticks:
    """A stopwatch that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(params=["timeline", "leaping"])
def clock(request: pytest.FixtureRequest) -> Iterator[tuple[SimulatedClock, Ticks]]:
    ticks = Ticks()
    if request.param == "timeline":
        yield TimelineClock(steady(START, END, 86_400), ticks), ticks
    else:
        yield LeapingClock(START, END, ticks), ticks


def test_a_steady_month_has_days_of_one_length() -> None:
    """At a day per second the tenth day begins after nine, and after the end time is real."""
    timeline = steady(START, END, 86_400)
    assert START + 9 * DAY == timeline.at(9)
    assert 9 == timeline.elapsed_s(START + 9 * DAY)
    assert END + timedelta(seconds=5) == timeline.at(35)
    assert 35 == timeline.elapsed_s(END + timedelta(seconds=5))


@given(days, st.floats(1, 10_000))
def test_a_lively_month_lasts_as_long_as_it_is_told(lifted: set[date], seconds: float) -> None:
    """Whatever the days, the whole takes so many seconds, and afternoons are slower than all other hours."""
    timeline = lively(lifted, START, END, seconds=seconds)
    assert seconds == pytest.approx(timeline.elapsed_s(END))
    speeds = {round(one.speed, 6) for one in timeline.stretches if one.speed}
    assert len(speeds) == (2 if lifted else 1)
    for day in lifted:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        afternoon = timeline.elapsed_s(noon + DAY / 2) - timeline.elapsed_s(noon)
        morning = timeline.elapsed_s(noon) - timeline.elapsed_s(noon - DAY / 2)
        assert QUIET_TIMES == pytest.approx(afternoon / morning)


@given(days, st.floats(0, 200))
def test_both_directions_agree(lifted: set[date], elapsed_s: float) -> None:
    """The instant after some seconds has come after those seconds, and time never runs back."""
    timeline = lively(lifted, START, END, seconds=90)
    assert elapsed_s == pytest.approx(timeline.elapsed_s(timeline.at(elapsed_s)), abs=1e-6)
    assert timeline.at(elapsed_s) <= timeline.at(elapsed_s + 0.001)


def test_no_pause_is_long_in_december() -> None:
    """With the days of the shipped month and 90 seconds, nothing happens for four seconds at most."""
    lifted = {date(2023, 12, day) for day in (1, 2, 3, 4, 8, 9, 10, 11, 15, 16, 17, 23, 24)}
    timeline: Timeline = lively(lifted, START, END, seconds=90)
    told, again = datetime(2023, 12, 18, tzinfo=UTC), datetime(2023, 12, 23, 12, tzinfo=UTC)
    assert timeline.elapsed_s(again) - timeline.elapsed_s(told) < 4


async def test_a_clock_begins_at_the_start(clock: tuple[SimulatedClock, Ticks]) -> None:
    """Before anything begins it is the start; what is due then has come."""
    simulated, _ = clock
    assert START == simulated.now()
    simulated.begin()
    assert 1 == await simulated.reach([START])


async def test_what_is_due_has_come(clock: tuple[SimulatedClock, Ticks]) -> None:
    """After waiting for an instant the clock is there, and never steps back."""
    simulated, ticks = clock
    simulated.begin()
    ticks.seconds += 2
    due = [START + timedelta(hours=hours) for hours in (36, 40, 47)]
    assert 3 == await simulated.reach(due)
    reached = simulated.now()
    assert due[-1] <= reached
    assert 1 == await simulated.reach([START])
    assert reached <= simulated.now()


async def test_what_is_not_due_waits() -> None:
    """Of some instants only those that have come are told, in their order, and at least the first."""
    ticks = Ticks()
    simulated = TimelineClock(steady(START, END, 86_400), ticks)
    simulated.begin()
    ticks.seconds += 1.5
    hours = (12, 36, 37, 20, 60)
    assert 2 == await simulated.reach([START + timedelta(hours=one) for one in hours])
    assert 1 == await simulated.reach([START + timedelta(hours=one) for one in (36, 48)])


def test_when_all_is_told_the_clock_runs_on_in_real_time(clock: tuple[SimulatedClock, Ticks]) -> None:
    """From the end of the month a second is a second."""
    simulated, ticks = clock
    simulated.begin()
    ticks.seconds += 30
    simulated.rest()
    assert END == simulated.now()
    ticks.seconds += 7
    assert END + timedelta(seconds=7) == simulated.now()
