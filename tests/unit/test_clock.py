"""Where the time comes from."""

from datetime import UTC, datetime, timedelta

from worldevents.clock import MonotonicClock, SystemClock
from worldevents.testing.builders import DURING
from worldevents.testing.clock import ManualClock

SECOND = timedelta(seconds=1)


def test_the_machines_clock_tells_utc() -> None:
    """The present is aware, in UTC, and the present."""
    before = datetime.now(UTC)
    told = SystemClock().now()
    assert before <= told <= datetime.now(UTC)
    assert told.tzinfo is UTC


def test_a_monotonic_clock_goes_along_with_its_clock() -> None:
    """Forwards it shows what the clock shows."""
    clock = ManualClock(DURING)
    monotonic = MonotonicClock(clock)
    clock.move(SECOND)
    assert DURING + SECOND == monotonic.now()


def test_a_monotonic_clock_never_steps_back() -> None:
    """A clock that is set back leaves it standing, until that clock has caught up."""
    clock = ManualClock(DURING)
    monotonic = MonotonicClock(clock)
    clock.move(-SECOND)
    assert DURING == monotonic.now()
    clock.move(3 * SECOND)
    assert DURING + 2 * SECOND == monotonic.now()


def test_the_first_instant_counts_too() -> None:
    """What the clock showed before it was first asked is not forgotten."""
    clock = ManualClock(DURING)
    monotonic = MonotonicClock(clock)
    clock.set(DURING - timedelta(days=365))
    assert DURING == monotonic.now()
