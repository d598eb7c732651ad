"""The ledger: durable memory, where a contribution becomes a fact. Words only; the back end is beside this file.

Laws, which `worldevents.testing.LedgerLaws` holds every back end to:

1. An id is kept at most once for a goal and a user, for ever.
2. A goal's total is the sum of its counted rows, its pending the sum of its held rows; a user's are the same over that
   user's rows. Late rows are in neither.
3. An append is all or nothing, and what it answers is on disk. Where it raises LedgerUnavailable it may have been
   either; the ids tell.
4. Positions rise in the order of application, across goals and restarts.
5. A tier is unlocked once: in the append whose row reached it, or in the publish that lowered its threshold.
   No later row or edit locks it again.
6. An event's versions are kept, each with author, time and reason; a publish based on another version than the latest
   is refused and changes nothing.
7. `seq` of a goal rises with every append and publish that can be seen in it.
8. A key is kept for ever, by its digest and not its text. It is revoked once: the first instant stays. Keys are
   written and seen beside the process that owns the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Protocol

from worldevents.model import AccessKey, ContributionStatus, EventVersion, GoalContribution, SeasonalEvent, TierUnlock


class Row(NamedTuple):
    """What the ledger holds under a contribution id."""

    position: int
    amount: int
    status: ContributionStatus


class Entry(NamedTuple):
    """A decision to keep a contribution: what becomes of it, when it happened and when it arrived."""

    status: ContributionStatus
    occurred_at: datetime
    received_at: datetime


Decide = Callable[[Sequence[Row | None]], Sequence[Entry | None]]
"""Told what the ledger holds for each id, says what to keep for those it does not hold; None keeps nothing.

It is called inside the transaction, in another thread: pure, quick, no input and no output.
"""


@dataclass(frozen=True, slots=True)
class GoalTotals:
    """What a goal stands at in the ledger."""

    total: int
    pending: int
    seq: int


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: the row each id now has (None where nothing was kept), and the totals it left."""

    rows: Sequence[Row | None]
    totals: Mapping[str, GoalTotals]
    unlocks: Sequence[TierUnlock]


@dataclass(frozen=True, slots=True)
class UserTotals:
    """What one user stands at in one goal."""

    user_id: str
    amount: int
    pending: int


@dataclass(frozen=True, slots=True)
class GoalAudit:
    """A goal's sums, counted again from its rows, beside the ones that are kept; `agrees` is law 2."""

    goal_id: str
    kept: tuple[int, int]
    rows: tuple[int, int]
    users: tuple[int, int]

    @property
    def agrees(self) -> bool:
        return self.kept == self.rows == self.users


class Ledger(Protocol):
    """The durable memory of goals. Every verb raises LedgerUnavailable where the database cannot be used."""

    async def epoch(self) -> str:
        """`<generation>-<random>`: the name of this ledger's order of positions and of its `seq`s."""
        ...

    async def publish(
        self, event: SeasonalEvent, *, based_on: int, author: str, published_at: datetime, reason: str
    ) -> EventVersion:
        """Make this the event's newest version, if the latest is still `based_on` (0: there is none yet).

        Goals and tiers follow, tiers that the totals already reach are unlocked; all in one transaction (laws 5, 6, 7).
        Raises EventConflict, and EventInvalid where a goal's id belongs to another event.
        """
        ...

    async def events(self) -> list[EventVersion]:
        """The newest version of every event, by start and id."""
        ...

    async def history(self, event_id: str) -> list[EventVersion]:
        """All versions of one event, oldest first; empty where there is none."""
        ...

    async def append(self, batch: Sequence[GoalContribution], decide: Decide) -> Appended:
        """Look the batch's ids up, ask `decide`, and keep what it says, in one transaction (laws 1 to 5, 7).

        Of contributions that repeat an id in one batch, the first that `decide` keeps is the one that is kept. Appends
        are ordered: a second one sees what the first one kept.
        """
        ...

    async def totals(self) -> dict[str, GoalTotals]:
        """Every goal's totals."""
        ...

    async def unlocks(self) -> list[TierUnlock]:
        """Every tier that was reached, in the order in which that happened."""
        ...

    async def users(self, goal_id: str, *, after: str = "", limit: int = 10_000) -> list[UserTotals]:
        """A page of a goal's users by id, those after `after`; an empty page is the end."""
        ...

    async def user_day_totals(self, goal_id: str) -> dict[tuple[str, date], int]:
        """Counted amounts by user and UTC day of occurrence; for goals with a limit by day."""
        ...

    async def display_names(self) -> dict[str, str]:
        """The latest display name of every user that has one."""
        ...

    async def mark_active(self, users: Sequence[tuple[str, date]]) -> None:
        """Remember that these users were active on these UTC days, with or without a contribution."""
        ...

    async def audit(self) -> list[GoalAudit]:
        """Count every goal again from its rows (law 2)."""
        ...

    async def keys(self) -> list[AccessKey]:
        """Every key that was ever made, revoked ones too, oldest first."""
        ...

    async def add_key(self, key: AccessKey) -> None:
        """Keep a new key (law 8). Adding it again changes nothing; BodyInvalid where its id is another key's."""
        ...

    async def revoke_key(self, key_id: str, at: datetime) -> AccessKey:
        """Revoke a key, now or long ago (law 8), and say what it is. Raises UnknownKey."""
        ...
