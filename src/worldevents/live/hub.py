"""The hub: what the store tells about goals goes in, and out to every watcher as shared, ready-made messages.

It thins the changes of a goal, never its unlocks, beginnings and ends; it waits for nobody and never reads the store.
It knows no transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from math import inf
from typing import Final

from worldevents import codec, rules
from worldevents.clock import Clock
from worldevents.live.messages import (
    BYE,
    COMPLETED,
    ENDED,
    STARTED,
    UNLOCKED,
    UPDATE,
    Message,
    Payload,
    goal_message,
    json_bytes,
    unlock,
    update,
)
from worldevents.live.rooms import Rooms
from worldevents.live.subscriber import EVENTS_MAX, Subscriber
from worldevents.model import GoalState, GoalStatus, GoalUpdate
from worldevents.telemetry import Telemetry

INTERVAL_S: Final = 0.4
"""The least time between two updates of one goal."""
STALL_S: Final = 10.0
"""How long something may wait unread before its subscriber is ended."""
LOOK_S: Final = 1.0
"""How often the clock and the mailboxes are looked at."""
FAREWELL_S: Final = 1.0
"""How long subscribers may take to leave once the hub is closed."""
SLICE: Final = 100
"""Subscribers handed something in one turn of the event loop: more at once delays everybody else's answers."""

_WHOLE: Final = Decimal(100)
_OVER: Final = frozenset({GoalStatus.SETTLED, GoalStatus.CANCELLED})
_NOT_ENDED: Final = frozenset({GoalStatus.UPCOMING, GoalStatus.ACTIVE})
_ENDED_BY_TIME: Final = frozenset({GoalStatus.GRACE, GoalStatus.SETTLED})


@dataclass(slots=True, eq=False)
class _Goal:
    """A goal as this hub tells it."""

    state: GoalState
    status: GoalStatus
    completed: bool
    number: int
    """The number of the last message about it."""
    told_at: float = -inf
    """When its last update went out, by the loop's time."""
    snapshot: Message | None = None
    made_at: float = -inf


class Hub:
    """Tells watchers about goals; `run` is its one background task.

    A message's id is `<run>:<number>`: the run names this hub, numbers rise by one with every message. Whoever comes
    again with an id of this run gets each goal about which something was said since, in its newest state; with any
    other id, or none, every goal. An id belongs to the selection of goals under which it was received.
    """

    def __init__(
        self,
        clock: Clock,
        telemetry: Telemetry,
        *,
        run_id: str,
        interval_s: float = INTERVAL_S,
        stall_s: float = STALL_S,
        look_s: float = LOOK_S,
        events_max: int = EVENTS_MAX,
    ) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._run_id = run_id
        self._interval_s = interval_s
        self._stall_s = stall_s
        self._look_s = look_s
        self._events_max = events_max
        self._goals: dict[str, _Goal] = {}
        self._due: dict[str, _Goal] = {}
        self._events: list[tuple[str, _Goal, Payload]] = []
        self._subscribers: dict[Subscriber, None] = {}
        self.rooms = Rooms()
        self._number = 0
        self._told = 0
        """The number up to which everybody has been told."""
        self._looked_at = -inf
        self._work = asyncio.Event()
        self.leavers: dict[Callable[[], None], None] = {}
        """Called once when this closes: by them connections learn that the server leaves."""
        self.closed = False

    # Being told.

    def prime(self, states: Iterable[GoalState]) -> None:
        """Start from these states, without telling anybody."""
        for state in states:
            if not state.goal.hidden:
                self._add(state)

    def _add(self, state: GoalState) -> _Goal:
        # A number of its own: one who has seen a goal's first state has not seen the next goal's.
        self._number += 1
        status = rules.status_at(state.goal, self._clock.now())
        goal = self._goals[state.goal.id] = _Goal(state, status, _is_completed(state), self._number)
        return goal

    def tell(self, change: GoalUpdate) -> None:
        """Take in a change; it goes out in the next turn of the loop, or when its goal's interval has passed."""
        if self.closed:
            return
        state = change.state
        if state.goal.hidden:
            self.forget(state.goal.id)
            return
        goal = self._goals.get(state.goal.id)
        if goal is None:
            goal = self._add(state)
        elif not _is_older(state, goal.state):
            goal.state = state
        for one in change.unlocked:
            self._events.append((UNLOCKED, goal, unlock(state, one)))
        if not goal.completed and _is_completed(state):
            goal.completed = True
            self._tell_state(COMPLETED, goal)
        if state.goal.id not in self._due or self._events:
            self._work.set()
        self._due[state.goal.id] = goal

    def keep(self, event_id: str, goal_ids: Collection[str]) -> None:
        """Forget the goals of an event that are no longer among these."""
        for goal_id, goal in list(self._goals.items()):
            if goal.state.goal.event_id == event_id and goal_id not in goal_ids:
                self.forget(goal_id)

    def forget(self, goal_id: str) -> None:
        """Tell a goal no more; who watches it is told that it has ended, as if it had been called off."""
        goal = self._goals.pop(goal_id, None)
        if goal is None or self.closed:
            return
        self._due.pop(goal_id, None)
        gone = replace(goal.state.goal, cancelled_at=self._clock.now())
        goal.state = replace(goal.state, goal=gone)
        self._tell_state(ENDED, goal)
        self._work.set()

    def _tell_state(self, event: str, goal: _Goal) -> None:
        self._events.append((event, goal, update(goal.state)))

    # Telling.

    async def run(self) -> None:
        """Tell what is to be told until `close`, and then see the subscribers off."""
        try:
            while not self.closed:
                self._look()
                messages = self._collect()
                number = self._number
                await self._spread(messages)
                self._told = number
                await self._rest()
            await self._see_off()
        finally:
            self.close()

    def _look(self) -> None:
        """Notice what time brings: goals that begin or end, and mailboxes that nobody reads."""
        present = asyncio.get_running_loop().time()
        goals = self._due
        if present >= self._looked_at + self._look_s:
            self._looked_at = present
            goals = self._goals
            self._stall(one for one in self._subscribers if one.is_unread(present, limit=self._stall_s))
        now = self._clock.now()
        for goal_id, goal in list(goals.items()):
            self._notice(goal_id, goal, now)

    def _notice(self, goal_id: str, goal: _Goal, now: datetime) -> None:
        before, goal.status = goal.status, rules.status_at(goal.state.goal, now)
        if before is goal.status:
            return
        if goal.status is GoalStatus.ACTIVE or (before is GoalStatus.UPCOMING and goal.status in _ENDED_BY_TIME):
            self._tell_state(STARTED, goal)
        if before in _NOT_ENDED and goal.status not in _NOT_ENDED:
            self._tell_state(ENDED, goal)
        self._due[goal_id] = goal

    def _collect(self) -> list[Message]:
        """Make the messages that are to go out now; only their numbers, where nobody watches."""
        present = asyncio.get_running_loop().time()
        told: list[tuple[str, _Goal, Payload]] = []
        for goal_id, goal in list(self._due.items()):
            if present >= self._due_at(goal):
                del self._due[goal_id]
                goal.told_at = present
                told.append((UPDATE, goal, update(goal.state)))
        told += self._events
        self._events = []
        messages: list[Message] = []
        now = self._clock.now()
        for event, goal, payload in told:
            self._number += 1
            goal.number = self._number
            if self._subscribers:
                messages.append(self._message(event, goal, payload(now)))
        return messages

    def _due_at(self, goal: _Goal) -> float:
        return goal.told_at + self._interval_s

    def _message(self, event: str, goal: _Goal, payload: codec.Json, *, snapshot: bool = False) -> Message:
        message_id = f"{self._run_id}:{goal.number}"
        return goal_message(event, payload, message_id=message_id, snapshot=snapshot)

    async def _spread(self, messages: Sequence[Message]) -> None:
        """Hand messages to everybody, a slice in each turn of the loop. What is newer by then goes in the next round.

        Who comes during a round gets the newest states at the start, and so is in no slice.
        """
        if not messages:
            return
        subscribers = list(self._subscribers)
        for start in range(0, len(subscribers), SLICE):
            for subscriber in subscribers[start : start + SLICE]:
                subscriber.put(messages)
                if subscriber.is_overfull:
                    self._stall([subscriber])
            await asyncio.sleep(0)
        self._telemetry.delivered.inc(len(messages) * len(subscribers))

    async def _rest(self) -> None:
        """Wait until something is to be done."""
        present = asyncio.get_running_loop().time()
        wake_at = self._looked_at + self._look_s
        if self._due:
            wake_at = min(wake_at, *(self._due_at(goal) for goal in self._due.values()))
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wake_at - present)):
                await self._work.wait()
        self._work.clear()

    # Watching.

    def knows(self, goal_id: str) -> bool:
        """Whether this is a goal that is told."""
        return goal_id in self._goals

    def running(self) -> set[str]:
        """The goals that are not over."""
        return {goal_id for goal_id, goal in self._goals.items() if goal.status not in _OVER}

    @contextmanager
    def subscribe(
        self, goals: frozenset[str] | None = None, since: str | None = None, *, topic: str | None = None
    ) -> Iterator[Subscriber]:
        """What happens to these goals (None: to all) while the context is open, after what was missed since an id.

        Whoever names a topic also gets what is said there. In a closed hub the subscriber ends at once.
        """
        subscriber = Subscriber(goals, events_max=self._events_max)
        if self.closed:
            subscriber.put([self._bye()])
            subscriber.end()
        else:
            # In one step: nothing can be told between the snapshot and the first live message.
            subscriber.put(self._missed(goals, since))
            self._subscribers[subscriber] = None
            self._telemetry.subscribers.inc()
        try:
            with nullcontext() if topic is None else self.rooms.inside(topic, subscriber):
                yield subscriber
        finally:
            subscriber.close()
            if subscriber in self._subscribers:
                del self._subscribers[subscriber]
                self._telemetry.subscribers.dec()
            if self.closed and not self._subscribers:
                self._work.set()

    def say(
        self,
        topic: str,
        event: str,
        payload: codec.Json,
        *,
        key: str,
        goal_id: str | None = None,
        snapshot: bool = False,
    ) -> None:
        """Tell those on a topic something of their own; with a goal's id a newer one makes an older needless."""
        message = Message(
            event=event,
            # All up to here is in every mailbox before this.
            id=f"{self._run_id}:{self._told}",
            data=json_bytes(payload),
            goal_id=goal_id,
            replaceable=goal_id is not None,
            snapshot=snapshot,
            key=key,
        )
        self._telemetry.delivered.inc(self.rooms.say(topic, message))

    def snapshot(self, goals: Collection[str] | None = None) -> list[Message]:
        """The newest state of each of these goals; None means each that is not over."""
        return self._newest(
            goal
            for goal_id, goal in self._goals.items()
            if (goal.status not in _OVER if goals is None else goal_id in goals)
        )

    def _missed(self, goals: frozenset[str] | None, since: str | None) -> list[Message]:
        if since is None:
            return self.snapshot(goals)
        # Whoever was here before also has to hear that a goal is over.
        seen = self._number_of(since)
        asked = self._goals.items()
        return self._newest(
            goal for goal_id, goal in asked if goal.number > seen and (goals is None or goal_id in goals)
        )

    def _number_of(self, message_id: str) -> int:
        """How far one with this id has read; -1 where the id is not of this run."""
        run_id, _, number = message_id.partition(":")
        if run_id != self._run_id or not number.isascii() or not number.isdigit() or len(number) > len(str(2**63)):
            return -1
        return int(number) if int(number) <= self._number else -1

    def _newest(self, goals: Iterable[_Goal]) -> list[Message]:
        """Make their snapshots, in the order of their ids: who is cut off in the midst goes on from there."""
        present = asyncio.get_running_loop().time()
        return [self._snapshot_of(goal, present) for goal in sorted(goals, key=lambda goal: goal.number)]

    def _snapshot_of(self, goal: _Goal, present: float) -> Message:
        """Make a goal's snapshot, once for all who come within an interval: what is newer is on its way to them."""
        made = goal.snapshot
        message_id = f"{self._run_id}:{goal.number}"
        if made is None or made.id != message_id or present - goal.made_at >= self._interval_s:
            payload = codec.update(goal.state, self._clock.now(), snapshot=True)
            made = goal.snapshot = self._message(UPDATE, goal, payload, snapshot=True)
            goal.made_at = present
        return made

    # Ending.

    def close(self) -> None:
        """Tell every subscriber goodbye as its last message, and take no more."""
        if self.closed:
            return
        self.closed = True
        farewell = [self._bye()]
        for subscriber in self._subscribers:
            subscriber.put(farewell)
            subscriber.end()
        for leave in list(self.leavers):
            leave()
        self._work.set()

    def _bye(self) -> Message:
        return Message(event=BYE, id=f"{self._run_id}:{self._number}", data=json_bytes({"reason": "closing"}))

    async def _see_off(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                while self._subscribers:
                    self._work.clear()
                    await self._work.wait()
        self._stall(self._subscribers)

    def _stall(self, subscribers: Iterable[Subscriber]) -> None:
        for subscriber in list(subscribers):
            if not subscriber.stalled:
                self._telemetry.stalled.inc()
                subscriber.stall()


def _is_completed(state: GoalState) -> bool:
    """Whether the target has been reached, now or, by its unlocks, ever."""
    return state.total >= state.goal.target or any(unlock.threshold >= _WHOLE for unlock in state.unlocks)


def _is_older(state: GoalState, than: GoalState) -> bool:
    return state.epoch == than.epoch and state.seq < than.seq
