"""One watcher's mailbox: the newest state of each goal, and every message that must not be missed, in the order told.

It is bounded, so a watcher who does not read costs a known amount and delays nobody. It knows no transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from worldevents.live.messages import Message

EVENTS_MAX = 64
"""The most messages that must not be missed in one mailbox; with one more its watcher counts as stalled."""


class Subscriber:
    """Messages for one watcher, read by iterating or with `take`. Made by `Hub.subscribe`."""

    def __init__(self, goals: frozenset[str] | None, *, events_max: int = EVENTS_MAX) -> None:
        self._goals = goals
        self._events_max = events_max
        self._waiting: dict[tuple[str, str] | Message, Message] = {}
        self._events = 0
        self._arrived = asyncio.Event()
        self._has_read = True
        self._unread_since = 0.0
        self.ended = False
        """Whether nothing more will be put in; what is in may still be read."""
        self.stalled = False
        """Whether it was ended because its watcher did not read."""
        self.on_stalled: Callable[[], None] | None = None
        """Called once when it is ended as stalled: its watcher may be stuck in a write."""

    # The watcher's side.

    def __aiter__(self) -> Subscriber:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            if self.ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        self._has_read = True
        message = self._waiting.pop(next(iter(self._waiting)))
        self._events -= not message.replaceable
        return message

    async def take(self) -> list[Message]:
        """All that waits, in order, or else what comes next; nothing at the end, or when it was woken by `wake`."""
        if not self._waiting and not self.ended:
            self._arrived.clear()
            await self._arrived.wait()
        return self.drain()

    @property
    def has_mail(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    def drain(self) -> list[Message]:
        """All that waits now, in order."""
        self._has_read = True
        messages = list(self._waiting.values())
        self._waiting.clear()
        self._events = 0
        return messages

    def wake(self) -> None:
        """Have a waiting `take` return, even with nothing."""
        self._arrived.set()

    def close(self) -> None:
        """The watcher has gone: nothing is kept for it any more."""
        self.ended = True
        self.drain()
        self._arrived.set()

    # The hub's side.

    def put(self, messages: Iterable[Message]) -> None:
        """Take in those that its watcher asked for. Numbers rise, so reading one means having read all before it."""
        if self.ended:
            return
        for message in messages:
            if self._goals is None or message.goal_id is None or message.goal_id in self._goals:
                self._put(message)
        if self._waiting:
            self._arrived.set()

    def hand(self, message: Message) -> None:
        """Take in what is said to its watcher alone, if it is not about a goal that was left out."""
        if not self.ended and (not self._goals or message.goal_id is None or message.goal_id in self._goals):
            self._put(message)
            self._arrived.set()

    def _put(self, message: Message) -> None:
        if message.replaceable and message.goal_id is not None:
            # Taken out first, so that the newer one stands at its own place in the order.
            place = message.event, message.goal_id
            self._waiting.pop(place, None)
            self._waiting[place] = message
        else:
            self._waiting[message] = message
            self._events += 1

    def end(self) -> None:
        """Nothing more will come; what waits may be read."""
        self.ended = True
        self._arrived.set()

    def stall(self) -> None:
        """End it for not being read."""
        if self.stalled:
            return
        self.stalled = True
        self.close()
        if self.on_stalled is not None:
            self.on_stalled()

    @property
    def is_overfull(self) -> bool:
        """Whether more waits than may: it has to be ended, for nothing in it may be dropped."""
        return self._events > self._events_max

    def is_unread(self, now: float, *, limit: float) -> bool:
        """Whether something has waited so long, in seconds, without any reading; asked again and again."""
        if self._has_read or not self._waiting:
            self._has_read = False
            self._unread_since = now
            return False
        return now - self._unread_since >= limit
