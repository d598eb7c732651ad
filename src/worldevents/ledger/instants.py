"""Instants as the tables hold them: whole microseconds since 1970, exact on both databases, and sortable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """An instant as the tables hold it."""
    return (instant - EPOCH) // _MICROSECOND


def span(value: timedelta | None) -> int | None:
    """A length of time as the tables hold it."""
    return None if value is None else value // _MICROSECOND


def instant(value: int) -> datetime:
    """What `microseconds` wrote down."""
    return EPOCH + timedelta(microseconds=value)
