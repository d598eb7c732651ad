"""Topics, and who is on each: what is said there reaches them and nobody else."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from worldevents.live.messages import Message
from worldevents.live.subscriber import Subscriber

ALL_GOALS: Final = "community_goals"
"""The topic of every goal that is told."""
ONE_GOAL: Final = "goal:"
"""What the topic of one goal begins with; its id follows."""
USER: Final = "user:"
"""What the private topic of one user begins with."""


class Rooms:
    """Subscribers by the topic they are on; nothing is kept of a topic that nobody is on."""

    def __init__(self) -> None:
        self._rooms: dict[str, dict[Subscriber, None]] = {}

    @property
    def topics(self) -> Collection[str]:
        """The topics that somebody is on."""
        return self._rooms.keys()

    def on(self, topic: str) -> list[Subscriber]:
        """Everybody on a topic."""
        return list(self._rooms.get(topic, {}))

    @contextmanager
    def inside(self, topic: str, subscriber: Subscriber) -> Iterator[None]:
        """Be on a topic while the context is open."""
        room = self._rooms.setdefault(topic, {})
        room[subscriber] = None
        try:
            yield
        finally:
            del room[subscriber]
            if not room:
                del self._rooms[topic]

    def say(self, topic: str, message: Message) -> int:
        """Tell everybody on a topic, and return how many that is."""
        room = self._rooms.get(topic, {})
        for subscriber in room:
            subscriber.hand(message)
        return len(room)
