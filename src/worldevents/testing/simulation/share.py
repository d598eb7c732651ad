"""One partition of a goal in the memory of a store's server."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

from worldevents.model import (
    ContributionStatus,
    GoalContribution,
    OutboxEntry,
    Position,
    TierUnlock,
    Unreadable,
)
from worldevents.movements import effect


class Bounds(NamedTuple):
    """What a server is set to."""

    partitions: int
    outbox_max: int
    """Entries that may wait for the ledger in one partition."""
    kept: int
    """Entries that stay in the outbox though they are acknowledged."""
    window: timedelta
    """For how long an id is known again."""
    lease: timedelta
    """For how long nobody else may restore what somebody has shut and not touched since."""


class Known(NamedTuple):
    """An id that was counted."""

    amount: int
    status: ContributionStatus
    position: Position
    until: datetime


@dataclass(slots=True)
class Share:
    """One partition of a goal."""

    epoch: str | None = None
    is_open: bool = False
    token: str | None = None
    """Who restores it."""
    filling: str | None = None
    """The epoch that it will have."""
    leased_until: datetime | None = None
    last: int = 0
    acknowledged: int = 0
    seq: int = 0
    total: int = 0
    pending: int = 0
    users: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Counted and held, by user."""
    days: Counter[tuple[str, date]] = field(default_factory=Counter)
    ids: dict[tuple[str, str], Known] = field(default_factory=dict)
    outbox: list[OutboxEntry | Unreadable] = field(default_factory=list)
    undone: set[Position] = field(default_factory=set)
    banned: dict[str, int] = field(default_factory=dict)
    """By which ban."""
    unlocks: tuple[TierUnlock, ...] = ()

    def copy(self) -> Share:
        """The same, apart."""
        return replace(
            self,
            users=dict(self.users),
            days=Counter(self.days),
            ids=dict(self.ids),
            outbox=list(self.outbox),
            undone=set(self.undone),
            banned=dict(self.banned),
        )

    def add(self, user_id: str, amount: int, status: ContributionStatus) -> None:
        """Add to the sums; the amount may be negative."""
        counted, held = self.users.get(user_id, (0, 0))
        moved, kept = effect(status, amount)
        self.total += moved
        self.pending += kept
        if moved or kept:
            self.users[user_id] = counted + moved, held + kept

    def counted(self, user_id: str) -> int:
        """What counts for a user."""
        return self.users.get(user_id, (0, 0))[0]

    def keep(self, item: GoalContribution, status: ContributionStatus, *, at: datetime, now: datetime) -> Position:
        """Write an entry that occurred at an instant, and add it to the sums."""
        self.last += 1
        self.seq += 1
        position = Position(self.epoch or "", self.last)
        self.outbox.append(OutboxEntry(position, item, status, at, now))
        self.add(item.user_id, item.amount, status)
        return position

    @property
    def participants(self) -> int:
        """Users for whom anything counts."""
        return sum(counted > 0 for counted, _ in self.users.values())
