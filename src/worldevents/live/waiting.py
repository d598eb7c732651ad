"""What waits to be published elsewhere: the newest state of each goal, and in its order what happens once. Pure.

It is bounded, however long nobody takes anything: a state replaces the one before it, and of too many other messages
the oldest go.
"""

from __future__ import annotations

from math import inf
from typing import Final

from worldevents.live.messages import Message

INTERVAL_S: Final = 1.0
"""The least time between two tries to publish a state of one goal: subscribers elsewhere are counted for each."""
EVENTS_MAX: Final = 1_000
"""The most messages that happen once and wait."""


class Waiting:
    """Messages that wait. Instants are the loop's, in seconds.

    What was asked for with `due` stays until it is `done`: what was not taken is there again, or newer.
    """

    def __init__(self, *, interval_s: float = INTERVAL_S, events_max: int = EVENTS_MAX) -> None:
        self._interval_s = interval_s
        self._events_max = events_max
        self._states: dict[str, Message] = {}
        self._tried_at: dict[str, float] = {}
        self._events: dict[Message, float] = {}

    def put(self, message: Message, now: float) -> int:
        """Take one in, and return how many had to go for it."""
        if message.replaceable and message.goal_id is not None:
            self._states[message.goal_id] = message
            return 0
        self._events[message] = now
        if len(self._events) <= self._events_max:
            return 0
        del self._events[next(iter(self._events))]
        return 1

    def due(self, now: float) -> list[Message]:
        """What may go now: what happened once, and then states, that which has waited longest first."""
        return [*self._events, *(one for goal_id, one in self._states.items() if now >= self._due_at(goal_id))]

    def due_at(self) -> float:
        """When something may go; never, where nothing waits."""
        if self._events:
            return -inf
        return min((self._due_at(goal_id) for goal_id in self._states), default=inf)

    def _due_at(self, goal_id: str) -> float:
        return self._tried_at.get(goal_id, -inf) + self._interval_s

    @property
    def everything(self) -> list[Message]:
        """All that waits, whether it may go or not."""
        return self.due(inf)

    def tried(self, message: Message, now: float) -> None:
        """It is on its way."""
        if message.replaceable and message.goal_id is not None:
            self._tried_at[message.goal_id] = now

    def done(self, message: Message) -> None:
        """It need not go any more; what is newer still has to."""
        if message.replaceable and message.goal_id is not None:
            if self._states.get(message.goal_id) is message:
                del self._states[message.goal_id]
        else:
            self._events.pop(message, None)

    def forget_events(self, before: float) -> None:
        """Let go of what happened once and came before an instant."""
        for message in [one for one, came_at in self._events.items() if came_at < before]:
            del self._events[message]
