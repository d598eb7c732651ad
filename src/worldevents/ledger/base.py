"""The ledger: durable memory, where a contribution becomes a fact. Words only; the back end is beside this file.

Laws, which `worldevents.testing.LedgerLaws` holds every back end to:

1. An id is kept at most once for a goal and a user, for ever.
2. A goal's total is the sum of its counted rows, its pending the sum of its held rows; a user's are the same over that
   user's rows. Late rows are in neither; movements are in both as their status says (`movements.EFFECTS`).
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
17. A movement that leaves a user with less than nothing is not kept: an append raises BelowZero and is nothing, in a
    drain that entry is a dead letter and a repair.
18. What operators did is kept for ever, in its order. A user has one ban at a time, under a number that is used once.

A ledger behind a store with an outbox has four more:

9. What is drained and the watermark that says so are one transaction; a watermark moves from the one that was read, or
   not at all. Draining the same entries again keeps nothing and finds nothing to repair.
10. An entry whose id is there already, from another position, is not kept: that is a repair, and it is remembered
    until it is done.
11. An entry that the database does not take is a dead letter in the same transaction, with its reason; all others are
    kept. What the store counted for it is a repair.
12. Epochs are told apart by a generation that only rises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, Protocol

from worldevents.access_keys import AccessKey
from worldevents.ledger.personal import PersonalLedger
from worldevents.model import (
    ContributionStatus,
    EventVersion,
    GoalContribution,
    OutboxEntry,
    Partition,
    Position,
    Repair,
    SeasonalEvent,
    TierUnlock,
    Unreadable,
)
from worldevents.movements import Ban, Hold, Note


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


class Watermark(NamedTuple):
    """How far a partition's outbox is in the ledger: valid for one epoch, and one process of the store's server."""

    partition: Partition
    epoch: str
    run_id: str
    """Empty before the first drain of an epoch."""
    seq: int
    """All up to this position are in the ledger; 0 is none."""
    reached: int = 0
    """The newest position that it ever stood at in this epoch: it is behind that after a rewind."""

    @property
    def is_rewound(self) -> bool:
        """Whether some of what comes next has been carried before."""
        return self.seq < self.reached


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain did."""

    watermark: Watermark
    kept: int
    """Entries that are rows now and were not before."""
    repairs: int
    dead_letters: int
    unlocks: Sequence[TierUnlock]
    """Tiers that these entries reached."""
    names: Mapping[str, str]
    """Display names that are the latest now."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A goal in the ledger and how far its partitions are, all of one moment."""

    totals: GoalTotals
    participants: int
    watermarks: Sequence[Watermark]
    repairs: int
    """Those that are not done yet."""


@dataclass(frozen=True, slots=True)
class Held:
    """A contribution as the ledger holds it: where a repeat is told that it stands."""

    user_id: str
    contribution_id: str
    position: Position
    amount: int
    status: ContributionStatus


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry of an outbox that could not be kept."""

    partition: Partition
    position: Position
    payload: str
    reason: str
    at: datetime


class Ledger(PersonalLedger, Protocol):
    """The durable memory of goals. Every verb raises LedgerUnavailable where the database cannot be used."""

    @property
    def at_once(self) -> bool:
        """Whether an append that begins now is done without a wait: then no cancellation finds it halfway."""
        ...

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

    async def look_up(self, items: Sequence[GoalContribution]) -> list[Held | None]:
        """What the ledger holds under each id, without a lock: what is found stays.

        What an erased user's rows are called now, they are found by too.
        """
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

    async def late(self, goal_id: str, user_id: str) -> int:
        """What one user's late contributions to a goal come to: kept, and part of no sum."""
        ...

    async def user_day_totals(self, goal_id: str) -> dict[tuple[str, date], int]:
        """Counted amounts by user and UTC day of occurrence; for goals with a limit by day."""
        ...

    async def shapes(self, goal_id: str, users: Sequence[str] | None = None) -> dict[str, dict[int, int]]:
        """How many counted contributions of these users, or of all, are in each of `outliers`' steps."""
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

    async def note(self, told: Note) -> Note:
        """Keep what an operator did or is about to do (law 18), under a number of its own."""
        ...

    async def notes(self, *, subject: str | None = None, before: int | None = None, limit: int = 100) -> list[Note]:
        """The newest notes, newest first: those about one subject, those before a number."""
        ...

    async def holds(self, *, goal_id: str | None = None, after: int = 0, limit: int = 100) -> list[Hold]:
        """A page of what is held and not decided yet, oldest first, those after one's id."""
        ...

    async def hold(self, hold_id: int) -> Hold:
        """What is or was held under this id. Raises UnknownHold."""
        ...

    async def ban_user(self, user_id: str, *, at: datetime, reason: str, author: str) -> Ban:
        """Note that this user is banned, and say which ban it is: the one that there is, or a new one (law 18)."""
        ...

    async def lift_ban(self, number: int, *, at: datetime) -> None:
        """Note that a ban is over; done again, it changes nothing."""
        ...

    async def bans(self) -> list[Ban]:
        """Every ban that is not over, oldest first."""
        ...

    async def ban_of(self, user_id: str) -> Ban | None:
        """A user's ban, where there is one that is not over."""
        ...

    async def hide(self, user_id: str, *, at: datetime) -> None:
        """Note that this user is left out of boards."""
        ...

    async def unhide(self, user_id: str) -> None:
        """Note that this user is not left out any more."""
        ...

    async def hidden(self) -> frozenset[str]:
        """Who is left out of boards."""
        ...


class OutboxLedger(Ledger, Protocol):
    """A ledger behind a store with an outbox: what it is told has been decided, and is on its way here."""

    async def watermark(self, partition: Partition) -> Watermark | None:
        """How far a partition is; None before its first epoch."""
        ...

    async def standing(self, goal_id: str) -> Standing:
        """A goal's totals beside its watermarks (law 9). Raises UnknownGoal."""
        ...

    async def drain(
        self, watermark: Watermark, run_id: str, entries: Sequence[OutboxEntry | Unreadable], *, at: datetime
    ) -> Drained | None:
        """Keep entries that follow a watermark, in their order, and move it behind the last one (laws 1 to 5, 9 to 11).

        None, and nothing is done, where the watermark is not the one that was read any more. Without entries it only
        notes the run. Entries of another epoch than the watermark's are kept too, and move nothing.
        """
        ...

    async def rewind(self, watermark: Watermark, run_id: str, *, seq: int) -> Watermark | None:
        """Set a watermark to `seq` for another run of the store's server; None where it has moved already."""
        ...

    async def begin_epoch(self, goal_id: str, partitions: Sequence[Partition], *, at: datetime, reason: str) -> str:
        """A new epoch for a goal (law 12): its watermarks stand at 0, what was to be repaired in older ones is void.

        When it began and why is kept.
        """
        ...

    async def repairs(self, partition: Partition) -> list[Repair]:
        """What the store still has to take back, by position (law 10)."""
        ...

    async def repaired(self, repairs: Sequence[Repair], *, at: datetime) -> None:
        """These are done: the store has taken them back."""
        ...

    async def recent(
        self, goal_id: str, since: datetime, *, before: int | None = None, limit: int = 10_000
    ) -> tuple[list[Held], int | None]:
        """A page of what a goal received since an instant, the newest first, and what the next is `before`.

        None is the end: a page of which the last was received earlier. What was received earlier and carried later
        than that is not looked for.
        """
        ...

    async def user_days(self, goal_id: str, users: Sequence[str]) -> dict[tuple[str, date], int]:
        """Counted amounts of these users by UTC day of occurrence."""
        ...

    async def dead_letters(self, *, limit: int = 1_000) -> list[DeadLetter]:
        """The newest dead letters, newest first."""
        ...
