"""The ledger's memory of results: what a settled goal came to. Words only, as in `base`.

Its laws, which `worldevents.testing.LedgerLaws` holds every back end to:

19. A goal begins to settle once: after the grace of its event's newest version, which was not called off. From then on
    nothing moves its sums: an append raises GoalNotOpen and is nothing, in a drain that entry is a dead letter and a
    repair. Late rows are kept as ever. No publish changes what the result rests on (`rules.settled_edit_complaints`).
20. A result is told when it is whole: every open promise of the goal was looked through again, and nobody is left to a
    job; the consolation too, where the goal gives it; everyone with a counted amount has a final rank, 1 + the
    contributors with strictly more, and nobody else has. Then it never changes.
21. Settling may be killed anywhere and done by several processes at once: the result is the same. When the last goal of
    an event has its result, that is announced, once, with all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from worldevents.results import FinalRow, GoalResult


class ResultLedger(Protocol):
    """The durable memory of results. Every verb raises LedgerUnavailable where the database cannot be used."""

    async def begin_settling(self, goal_id: str, *, version: int, at: datetime) -> bool:
        """Write down what a goal came to, have its promises looked through, and give its consolation (laws 19, 20).

        Whether it settles, now or since before: False where `version` is not its event's newest one any more, or by
        that one the goal's grace is not over at `at`, or it was called off. Raises UnknownGoal.
        """
        ...

    async def unranked(self, goal_id: str, *, limit: int = 10_000) -> Sequence[FinalRow]:
        """The next contributors of a goal that settles, from the top of its board, who have no final rank yet."""
        ...

    async def keep_ranks(self, goal_id: str, rows: Sequence[FinalRow]) -> None:
        """Keep final ranks as `unranked` told them; those that are kept already stay."""
        ...

    async def finish_settling(self, goal_id: str, *, at: datetime) -> bool:
        """Tell the result, if it is whole (law 20); and of an event's last one announce the event (law 21).

        Whether it is told, now or since before. Where nobody is left to rank and it is not whole, all are void.
        """
        ...

    async def results(self, event_id: str | None = None) -> Sequence[GoalResult]:
        """Every result that is told, of all goals or of one event's, in the order in which they were settled."""
        ...

    async def final_rows(self, goal_id: str, *, after: int = 0, limit: int = 1_000) -> Sequence[FinalRow]:
        """A page of a settled goal's board by place, those after `after`, without users who are hidden today."""
        ...

    async def final_row(self, goal_id: str, user_id: str) -> FinalRow | None:
        """One user's row on a settled goal's board, hidden or not; None without one."""
        ...
