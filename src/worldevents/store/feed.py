"""Live changes inside one process: from a store to whoever reads its updates.

A reader's mailbox holds at most one update per goal, so a stalled reader costs a bounded amount and delays nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from worldevents.model import GoalUpdate


class Feed:
    """Hands every update to every open mailbox, at once and without waiting."""

    def __init__(self) -> None:
        self._mailboxes: set[_Mailbox] = set()

    @property
    def is_read(self) -> bool:
        """Whether anybody would notice an update."""
        return bool(self._mailboxes)

    def tell(self, update: GoalUpdate) -> None:
        for mailbox in self._mailboxes:
            mailbox.put(update)

    @contextmanager
    def reading(self) -> Iterator[AsyncIterator[GoalUpdate]]:
        """A mailbox for as long as the context is open, read by iterating."""
        mailbox = _Mailbox()
        self._mailboxes.add(mailbox)
        try:
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)


class _Mailbox:
    def __init__(self) -> None:
        self._newest: dict[str, GoalUpdate] = {}
        self._arrived = asyncio.Event()

    def put(self, update: GoalUpdate) -> None:
        goal_id = update.state.goal.id
        unread = self._newest.pop(goal_id, None)
        if unread is not None:
            # A total replaces a total; an unlock is never dropped.
            update = GoalUpdate(state=update.state, unlocked=unread.unlocked + update.unlocked)
        self._newest[goal_id] = update
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[GoalUpdate]:
        return self

    async def __anext__(self) -> GoalUpdate:
        await self._arrived.wait()
        update = self._newest.pop(next(iter(self._newest)))
        if not self._newest:
            self._arrived.clear()
        return update
