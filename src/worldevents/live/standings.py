"""Where each watched user stands: told on the user's own topic when it changes, by the user or by those around.

One task asks for all users, after a goal has changed and never more often than goals are told; the more users are
watched, the longer it rests in between, so that it takes no more than its share of the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from worldevents import codec
from worldevents.clock import Clock
from worldevents.errors import WorldEventsError
from worldevents.live.hub import INTERVAL_S, Hub
from worldevents.live.messages import STANDING
from worldevents.live.rooms import USER
from worldevents.live.subscriber import Subscriber
from worldevents.model import GoalProgress

SLICE: Final = 64
"""Users who are asked for at once."""
REST: Final = 3.0
"""How much longer than a round is the rest after it."""
REST_MAX_S: Final = 4.0

_log = logging.getLogger(__name__)


class _Told(NamedTuple):
    amount: int
    pending: int
    rank: int | None


class Standings:
    """Tells users about themselves; `run` is its one background task."""

    def __init__(
        self,
        hub: Hub,
        read: Callable[[str, str], Awaitable[GoalProgress]],
        clock: Clock,
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """`read` is asked for a goal and a user: `Store.progress`."""
        self._hub = hub
        self._read = read
        self._clock = clock
        self._interval_s = interval_s
        self._told: dict[str, dict[str, _Told]] = {}
        self._new: set[str] = set()
        self._changed: set[str] = set()
        self._work = asyncio.Event()
        self._changes: Subscriber | None = None

    def greet(self, topic: str) -> None:
        """Somebody has come to this topic: if it is a user's, all goals are told there once."""
        if topic.startswith(USER):
            self._new.add(topic.removeprefix(USER))
            self._work.set()
            if self._changes is not None:
                self._changes.wake()

    def _watched(self) -> list[str]:
        return [topic.removeprefix(USER) for topic in self._hub.rooms.topics if topic.startswith(USER)]

    async def run(self) -> None:
        """Tell until the hub is closed; while no user is watched, nothing is asked."""
        while not self._hub.closed:
            if not self._watched():
                await self._work.wait()
                self._work.clear()
            # Begun anew after a round that took so long that the hub gave it up: all goals are looked at then.
            with self._hub.subscribe() as self._changes:
                await self._follow(self._changes)
            self._changes = None

    async def _follow(self, changes: Subscriber) -> None:
        loop = asyncio.get_running_loop()
        while not changes.ended and self._watched():
            # What could not be read is asked for again, though nothing new has happened.
            is_owing = self._new or self._changed
            told = changes.drain() if is_owing else await changes.take()
            self._changed |= {one.goal_id for one in told if one.goal_id is not None}
            began = loop.time()
            await self._round(self._watched())
            took = loop.time() - began
            await asyncio.sleep(max(self._interval_s - took, min(took * REST, REST_MAX_S)))

    async def _round(self, users: Sequence[str]) -> None:
        self._told = {user: self._told.get(user, {}) for user in users}
        new, self._new = self._new & self._told.keys(), set()
        goals = self._hub.running()
        changed, self._changed = self._changed & goals, set()
        asked = [(user, goal_id) for user in users for goal_id in (goals if user in new else changed)]
        for start in range(0, len(asked), SLICE):
            some = asked[start : start + SLICE]
            await asyncio.gather(*(self._tell(user, goal_id, is_new=user in new) for user, goal_id in some))
            await asyncio.sleep(0)

    async def _tell(self, user_id: str, goal_id: str, *, is_new: bool) -> None:
        try:
            progress = await self._read(goal_id, user_id)
        except WorldEventsError as error:
            _log.debug("a standing could not be read: %s", error)
            self._changed.add(goal_id)
            self._new |= {user_id} if is_new else set()
            return
        told = self._told[user_id]
        before = told.get(goal_id)
        now = told[goal_id] = _Told(progress.user_contribution, progress.user_pending, progress.user_rank)
        if is_new or now != before:
            rank_before = None if before is None else before.rank
            payload = codec.standing(progress, user_id, self._clock.now(), rank_before=rank_before, snapshot=is_new)
            topic, state = f"{USER}{user_id}", progress.state
            key = f"{state.epoch}:{goal_id}:{state.seq}:{topic}"
            self._hub.say(topic, STANDING, payload, key=key, goal_id=goal_id, snapshot=is_new)
