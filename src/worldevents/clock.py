"""Where the time comes from: an argument, never a call hidden in the code.

Every instant in this package is an aware `datetime` in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant."""

    def now(self) -> datetime:
        """The present, aware and in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class MonotonicClock:
    """Another clock that never steps back: a window that has closed stays closed when a machine's time is set back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest = clock.now()

    def now(self) -> datetime:
        self._latest = max(self._latest, self._clock.now())
        return self._latest
