"""How a past month goes by: simulated time as a function of real time, and waiting for an instant of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol

Pace = Callable[[Sequence[datetime]], Awaitable[int]]
"""Waits until the first of some instants has come; says how many of them have, at least one."""

Monotonic = Callable[[], float]

QUIET_TIMES: Final = 20.0
"""How much faster hours go by in which nobody lifts."""
NOON: Final = time(12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Until an instant, so many simulated seconds for each real one."""

    until: datetime
    speed: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Simulated time over real time: piecewise linear, and after the last stretch as fast as the real one."""

    starts_at: datetime
    stretches: tuple[Stretch, ...]

    def at(self, elapsed_s: float) -> datetime:
        """The simulated instant after so many real seconds."""
        begins = self.starts_at
        for one in self.stretches:
            lasts_s = (one.until - begins).total_seconds() / one.speed
            if elapsed_s < lasts_s:
                return begins + timedelta(seconds=elapsed_s * one.speed)
            elapsed_s -= lasts_s
            begins = one.until
        return begins + timedelta(seconds=elapsed_s)

    def elapsed_s(self, instant: datetime) -> float:
        """The real seconds after which an instant has come."""
        begins, total = self.starts_at, 0.0
        for one in self.stretches:
            if instant <= one.until:
                return total + (instant - begins).total_seconds() / one.speed
            total += (one.until - begins).total_seconds() / one.speed
            begins = one.until
        return total + (instant - begins).total_seconds()


def steady(starts_at: datetime, ends_at: datetime, speed: float) -> Timeline:
    """Every hour as long as any other."""
    return Timeline(starts_at, (Stretch(ends_at, speed),))


def lively(days: Collection[date], starts_at: datetime, ends_at: datetime, *, seconds: float) -> Timeline:
    """So many real seconds in all, most of them for the afternoons of these days, on which something happens.

    All afternoons go by at one speed, and all other hours at another, `QUIET_TIMES` faster: what happens keeps its
    rhythm, and nobody looks long at a week in which nothing does.
    """
    edges = []
    for day in sorted(days):
        noon = datetime.combine(day, NOON)
        edges += [(noon, QUIET_TIMES), (noon + timedelta(hours=12), 1.0)]
    edges.append((ends_at, QUIET_TIMES))
    bounded = [(min(until, ends_at), weight) for until, weight in edges]
    begins = [starts_at, *(until for until, _ in bounded)]
    unscaled = sum(
        (until - begun).total_seconds() / weight for begun, (until, weight) in zip(begins, bounded, strict=False)
    )
    return Timeline(starts_at, tuple(Stretch(until, weight * unscaled / seconds) for until, weight in bounded))


class SimulatedClock(Protocol):
    """A clock for a past month, and the pace at which its rows are told."""

    def now(self) -> datetime:
        """The present, of the simulation."""
        ...

    def begin(self) -> None:
        """From here on time goes by; until then it is the start."""
        ...

    async def reach(self, due: Sequence[datetime]) -> int:
        """The pace: see `Pace`."""
        ...

    def rest(self) -> None:
        """Nothing more is told: be at the end."""
        ...


class TimelineClock:
    """Follows a timeline, and runs on in real time after it."""

    def __init__(self, timeline: Timeline, monotonic: Monotonic) -> None:
        self._timeline = timeline
        self._monotonic = monotonic
        self._begun: float | None = None

    def now(self) -> datetime:
        return self._timeline.at(self._elapsed_s())

    def begin(self) -> None:
        self._begun = self._monotonic()

    async def reach(self, due: Sequence[datetime]) -> int:
        await asyncio.sleep(max(0.0, self._timeline.elapsed_s(due[0]) - self._elapsed_s()))
        now = self.now()
        return next((index for index, one in enumerate(due) if index and one > now), len(due))

    def rest(self) -> None:
        """The timeline goes to the end by itself."""

    def _elapsed_s(self) -> float:
        return 0.0 if self._begun is None else self._monotonic() - self._begun


class LeapingClock:
    """Never waits: it is always as late as what is told next asks for, and runs on in real time from there."""

    def __init__(self, starts_at: datetime, ends_at: datetime, monotonic: Monotonic) -> None:
        self._reached = starts_at
        self._ends_at = ends_at
        self._monotonic = monotonic
        self._since = monotonic()

    def now(self) -> datetime:
        return self._reached + timedelta(seconds=self._monotonic() - self._since)

    def begin(self) -> None:
        """Time goes by already."""

    async def reach(self, due: Sequence[datetime]) -> int:
        self._leap(max(due))
        return len(due)

    def rest(self) -> None:
        self._leap(self._ends_at)

    def _leap(self, instant: datetime) -> None:
        self._reached, self._since = max(self.now(), instant), self._monotonic()
