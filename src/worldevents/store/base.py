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
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol

from worldevents.errors import WorldEventsError
from worldevents.model import (
    CommunityGoal,
    EventVersion,
    GoalContribution,
    GoalProgress,
    GoalState,
    GoalUpdate,
    Leaderboard,
    Receipt,
)

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

    async def state(self, goal_id: str) -> GoalState:
        """What a goal stands at now."""
        ...

    async def progress(self, goal_id: str, user_id: str | None) -> GoalProgress:
        """A goal's state and one user's share, both of the same moment."""
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
