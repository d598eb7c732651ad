"""The store: the memory that answers at once. Words only; the back ends are beside this file.

Laws, which `worldevents.testing.StoreLaws` holds every back end to:

1. A contribution id counts at most once for a goal and a user. The same id and amount again is a repeat, with another
   amount a conflict, and neither changes anything.
2. A goal's total is the sum of its contributors' amounts, and of the ledger and whatever is on its way there.
3. A refused contribution changes nothing.
4. A rank is 1 + the number of contributors with strictly more; inside a tie the order is by user id.
5. Only an instant inside the window, arrived before the end of the grace, counts.
6. Positions are (epoch, seq) and rise in the order of application.
7. A store that lost its memory refuses until it is restored; it never starts again from zero.
8. Every update is a whole state, and its seq rises within an epoch.
9. Totals stay below 2^53, contributors never below 0.
10. A batch answers item by item, in order; one bad item never spoils another.
17. Movements (`movements`) are done once for each id, all that are asked for together or none; one that would leave a
    user below zero, or come after the grace, changes nothing. They are in the same sums, order and updates.
18. A banned user's new contributions and movements are refused, in every process; the ban has moved out what the user
    had in that same moment, unless the grace is over. Lifted, it moves back exactly that.
19. A hidden user's row is left out of boards, in every process, and nothing else changes: not the others' ranks, not
    the count of contributors, and not the row or share that is told to the user's own asking.
20. What is closed is closed in every process: from then on nothing moves the goal's sums, and what has moved them is in
    the ledger or in the outbox. Only late rows are still taken.
21. An erased user is the tombstone in a goal, from one moment on: with all that the user had there, at the same rank.
    Sums, order by amount, counts and unlocks stay. An id that was seen before is a repeat, or is taken back when the
    ledger tells; whatever else comes under the user's id is a new user's. Done again, it changes nothing.

All processes that have one store open hear each other through it, by two more, in `SpeakingLaws`:

15. What is said reaches everybody who listens at that moment, in every process, at most once, in one order for all.
    None of it is kept.
16. A role has one leader at a time: who took it has it until it is given up, or was not renewed for its ttl.

A `BufferedStore`, whose memory is ahead of the ledger, has four more, in `BufferLaws`:

11. A contribution is in the outbox before it is answered, and stays there until it is acknowledged.
12. A position is taken back at most once.
13. What is restored is wiped first and opened last, by one at a time; nobody else's half of it is ever seen.
14. Beyond its bounds the outbox takes nothing more, and what it holds stays.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from worldevents.errors import WorldEventsError
from worldevents.model import (
    Broadcast,
    CommunityGoal,
    ContributionStatus,
    EventVersion,
    GoalContribution,
    GoalProgress,
    GoalState,
    GoalUpdate,
    Leaderboard,
    OutboxEntry,
    Partition,
    Position,
    Receipt,
    Repair,
    TierUnlock,
    Unreadable,
)
from worldevents.movements import Ban, Erasure, Movement
from worldevents.standing import Standing

Answer = Receipt | WorldEventsError
"""What a store says to one contribution of a batch."""


class Store(Protocol):
    """The real-time memory of published goals. Verbs about one goal raise UnknownGoal."""

    @property
    def events(self) -> Mapping[str, EventVersion]:
        """Every published event by id, as this process knows it."""
        ...

    def goal(self, goal_id: str) -> CommunityGoal:
        """A published goal, as this process knows it."""
        ...

    async def announce(self, event_id: str) -> None:
        """Take over what the ledger decided about an event, and tell it as updates."""
        ...

    async def contribute(self, batch: Sequence[GoalContribution]) -> list[Answer]:
        """Apply a batch in its order, in one atomic step per goal: seen before? open? within limits? then the totals.

        A contribution whose answer is a Receipt is as durable as the store's acknowledgement mode says. Raises only
        where a whole call failed: then none or all of a goal's items were applied, and repeating them tells (law 1).
        """
        ...

    async def move(self, movements: Sequence[Movement]) -> list[Receipt]:
        """Do movements of one user in one goal, in one step (law 17).

        Raises ContributionConflict where an id was used for something else, BelowZero, GoalNotOpen, LimitExceeded,
        UserBanned, and what `contribute` raises where a whole call failed.
        """
        ...

    async def ban(self, goal_id: str, ban: Ban) -> list[Receipt]:
        """Refuse a user in a goal from now on, and move out what the user has there (law 18): what was moved now.

        Done again, it moves nothing more; and nothing where the grace is over. Raises what `move` raises.
        """
        ...

    async def unban(self, ban: Ban, movements: Sequence[Movement], *, goal_id: str) -> list[Receipt]:
        """Take a user again, and do the movements that bring back what the ban moved out (law 18)."""
        ...

    async def hiding_changed(self) -> None:
        """Take over whom the ledger says to leave out of boards (law 19), and have every process do so."""
        ...

    async def closed(self, goal_id: str, *, version: int) -> bool:
        """Whether the goal's grace is over by the store's time, as this version of its event declares it (law 20).

        False as well where the store judges by another version.
        """
        ...

    def tombstone(self, user_id: str) -> str:
        """What is to stand for a user who is to be erased: at random."""
        ...

    async def erase(self, goal_id: str, erasure: Erasure) -> Receipt:
        """Put the tombstone in a user's place in a goal (law 21); it is done in the ledger when its row is there.

        Raises what `contribute` raises where a whole call failed.
        """
        ...

    async def forget(self, erasure: Erasure) -> None:
        """Drop what else names an erased user, once the ledger has done its part; and have every process do so."""
        ...

    async def state(self, goal_id: str) -> GoalState:
        """What a goal stands at now."""
        ...

    async def progress(self, goal_id: str, user_id: str | None) -> GoalProgress:
        """A goal's state and one user's share, both of the same moment."""
        ...

    async def standing(self, goal_id: str, user_id: str) -> Standing:
        """A user's place on a goal's board, and how many have what its tiers ask for; all of the same moment (law 4).

        Where a goal is cut into partitions, each of them tells its own moment.
        """
        ...

    async def leaderboard(
        self, goal_id: str, *, limit: int, around: str | None = None, user_id: str | None = None
    ) -> Leaderboard:
        """The top rows, or with `around` as many rows with that user in their middle; and `user_id`'s own row."""
        ...

    def updates(self) -> AbstractContextManager[AsyncIterator[GoalUpdate]]:
        """Live changes of all goals from now on, while the context is open (law 8).

        A slow reader gets the newest state of each goal instead of every one between, but every tier unlock.
        """
        ...

    async def mark_active(self, users: Sequence[tuple[str, date]]) -> None:
        """Remember that these users were active on these UTC days."""
        ...

    async def broadcast(self, said: Sequence[Broadcast]) -> None:
        """Say these to all who listen, in their order and without anything between: all or none (law 15)."""
        ...

    def broadcasts(self) -> AbstractContextManager[AsyncIterator[Broadcast]]:
        """What any process says from now on, this one too, while the context is open (law 15)."""
        ...

    async def lead(self, role: str, *, token: str, ttl_s: float) -> bool:
        """Take a role, or renew it, in the name of `token`: whether it is ours from this call on for so long (law 16).

        Raises StoreUnavailable; then it may be ours, and is not to be relied on. Where no other process can have the
        store open, it is always ours.
        """
        ...

    async def resign(self, role: str, *, token: str) -> None:
        """Give a role up, if it is ours: another may have it at once (law 16)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What a partition holds for the ledger, and what it stood at in that very moment."""

    epoch: str | None
    """None where the memory is gone."""
    is_open: bool
    """Whether it takes contributions: it does not while it is lost or restored."""
    is_shut: bool
    """Whether somebody has shut it to restore it; without an epoch it was wiped for that, and is not simply lost."""
    run_id: str
    """The server process that answered: another one may have another memory."""
    last: int
    """The seq of the newest position; 0 before the first."""
    entries: Sequence[OutboxEntry | Unreadable]
    total: int
    pending: int
    participants: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord:
    """One user of a goal as a store is given it back: sums, and what counted on each day if a limit asks for it."""

    user_id: str
    amount: int
    pending: int
    days: Sequence[tuple[date, int]] = ()
    shape: Mapping[int, int] = field(default_factory=dict)
    """How many counted contributions are in each of `outliers`' steps, if the goal has such a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownId:
    """A contribution that the ledger holds, so that a repeat is known again."""

    user_id: str
    contribution_id: str
    amount: int
    status: ContributionStatus
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """All that a goal stands at in the ledger, page by page: pages may be many, and each is held once."""

    epoch: str
    seq: int
    users: AsyncIterator[Sequence[UserRecord]]
    ids: AsyncIterator[Sequence[KnownId]]
    """Those that were received within the store's window."""
    unlocks: Sequence[TierUnlock]
    bans: Sequence[Ban] = ()


class BufferedStore(Store, Protocol):
    """A store in front of the ledger: what it applied waits in an outbox until a syncer has taken it there.

    Every verb raises StoreUnavailable where its server does not answer; then the call may have been done or not, and
    may be repeated.
    """

    @property
    def can_flush(self) -> bool:
        """Whether `flushed` can be promised: its server's disk is asked, or asked always."""
        ...

    def partitions(self, goal_id: str) -> Sequence[Partition]:
        """The shares that a goal is cut into."""
        ...

    async def backlog(self, partition: Partition, *, after: int, limit: int) -> Backlog:
        """What the outbox holds behind a position's seq, oldest first; answered by a lost or shut partition too.

        Positions are told in the epoch that the entries were applied in.
        """
        ...

    async def acknowledge(self, partition: Partition, position: Position) -> None:
        """Everything up to here is in the ledger: it may go, but for a window that is kept (law 11)."""
        ...

    async def take_back(self, repairs: Sequence[Repair]) -> None:
        """Undo what the ledger did not keep (law 12). Of another epoch than the partition's it does nothing."""
        ...

    async def decided(self, goal_id: str, *, unlocks: Sequence[TierUnlock], names: Mapping[str, str]) -> None:
        """Take over what the ledger decided while it appended: all unlocks of a goal, and users' latest names."""
        ...

    async def shut(self, seen: Mapping[Partition, str | None], *, token: str) -> bool:
        """Take no contributions for a goal from now on, in the name of `token`, who is about to restore it (law 13).

        False where somebody else is restoring it, or where a partition's epoch is not the one that was seen any more;
        of a single partition nothing is done then.
        """
        ...

    async def restore(self, goal_id: str, restoration: Restoration, *, token: str) -> bool:
        """Wipe what a goal has, fill it, and open it under the new epoch (law 13).

        False where somebody else has taken over, or the memory was lost again, in the meantime.
        """
        ...

    async def sum_of_users(self, partition: Partition) -> int | None:
        """The sum of all contributors' amounts, counted again; None where it changed while it was counted."""
        ...

    async def refuse(self, goal_id: str, ban: Ban) -> None:
        """Refuse a user in a goal from now on, and move nothing."""
        ...

    async def refused(self, partition: Partition) -> Mapping[str, int]:
        """Who is banned there, and by which ban's number."""
        ...

    async def flushed(self, goal_ids: Sequence[str]) -> None:
        """Return when all that was applied to these goals is on the disk of their servers."""
        ...

    async def run(self) -> None:
        """Listen to the other processes until cancelled; what this one tells and knows comes from here."""
        ...
