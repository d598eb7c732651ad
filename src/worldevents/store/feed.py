"""Live changes inside one process, from a store to whoever reads its updates; and what hosts say, in the same way.

A reader's mailbox holds at most one update per goal, so a stalled reader costs a bounded amount and delays nobody. What
a goal stands at is asked when the update is read: a goal may change a thousand times for each time that anybody looks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from worldevents.model import Broadcast, GoalState, GoalUpdate, TierUnlock

SAID_MAX: Final = 10_000
"""The most broadcasts that wait for one reader; with more, the oldest are lost, and that is logged."""

_log = logging.getLogger(__name__)


class Feed:
    """Hands every update to every open mailbox, at once and without waiting."""

    def __init__(self) -> None:
        self._mailboxes: set[_Mailbox] = set()

    @property
    def is_read(self) -> bool:
        """Whether anybody would notice an update."""
        return bool(self._mailboxes)

    def tell(self, goal_id: str, state: Callable[[], GoalState], unlocked: Sequence[TierUnlock] = ()) -> None:
        """A goal has changed: `state` says what it stands at, and `unlocked` which tiers it newly reached."""
        for mailbox in self._mailboxes:
            mailbox.put(goal_id, state, tuple(unlocked))

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
        self._newest: dict[str, tuple[Callable[[], GoalState], tuple[TierUnlock, ...]]] = {}
        self._arrived = asyncio.Event()

    def put(self, goal_id: str, state: Callable[[], GoalState], unlocked: tuple[TierUnlock, ...]) -> None:
        _, unread = self._newest.pop(goal_id, (None, ()))
        # A total replaces a total; an unlock is never dropped.
        self._newest[goal_id] = state, unread + unlocked
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[GoalUpdate]:
        return self

    async def __anext__(self) -> GoalUpdate:
        await self._arrived.wait()
        state, unlocked = self._newest.pop(next(iter(self._newest)))
        if not self._newest:
            self._arrived.clear()
        return GoalUpdate(state=state(), unlocked=unlocked)


class Voices:
    """Hands what is said to every open mailbox, at once and without waiting."""

    def __init__(self) -> None:
        self._mailboxes: set[_Said] = set()

    def say(self, said: Sequence[Broadcast]) -> None:
        """These were said, in this order."""
        for mailbox in self._mailboxes:
            mailbox.put(said)

    @contextmanager
    def reading(self) -> Iterator[AsyncIterator[Broadcast]]:
        """A mailbox for as long as the context is open, read by iterating."""
        mailbox = _Said()
        self._mailboxes.add(mailbox)
        try:
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)


class _Said:
    def __init__(self) -> None:
        self._waiting: deque[Broadcast] = deque()
        self._arrived = asyncio.Event()

    def put(self, said: Sequence[Broadcast]) -> None:
        self._waiting.extend(said)
        lost = max(0, len(self._waiting) - SAID_MAX)
        if lost:
            _log.warning("too many broadcasts wait: the oldest %d are lost", lost)
        for _ in range(lost):
            self._waiting.popleft()
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[Broadcast]:
        return self

    async def __anext__(self) -> Broadcast:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()
