"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import datetime, timedelta


class ManualClock:
    """A `Clock` that shows what it was last set to; setting it back is allowed, as with a machine's clock."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        return self._instant

    def set(self, instant: datetime) -> None:
        """Show this instant from now on."""
        self._instant = instant

    def move(self, by: timedelta) -> None:
        """Show an instant that is later by so much, or earlier where it is negative."""
        self._instant += by
