"""Where users stand, as it is told: in virtual time, by a reading that the test decides about."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.live.telling import a_hub, a_state, an_update, payload, running
from tests.live.virtual import in_virtual_time, passing
from worldevents.errors import StoreUnavailable
from worldevents.live.hub import Hub
from worldevents.live.standings import REST_MAX_S, Standings
from worldevents.live.subscriber import Subscriber
from worldevents.model import GoalProgress
from worldevents.testing.builders import DURING
from worldevents.testing.clock import ManualClock


@dataclass
class Board:
    """What is read: amounts by user, of the goal at its newest version."""

    amounts: dict[str, int] = field(default_factory=dict)
    seq: int = 1
    takes_s: float = 0.0
    fails: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def read(self, goal_id: str, user_id: str) -> GoalProgress:
        self.asked.append((goal_id, user_id))
        await asyncio.sleep(self.takes_s)
        if self.fails:
            raise StoreUnavailable
        own = self.amounts.get(user_id, 0)
        above = sum(amount > own for amount in self.amounts.values())
        state = replace(a_state(self.seq), participants=len(self.amounts))
        return GoalProgress(state=state, user_contribution=own, user_rank=above + 1 if own else None)

    def change(self, hub: Hub, **amounts: int) -> None:
        """Count for users, and tell the hub."""
        self.amounts |= amounts
        self.seq += 1
        hub.tell(an_update(self.seq))


@asynccontextmanager
async def standing(board: Board) -> AsyncIterator[tuple[Hub, Standings]]:
    """A hub with one goal, and who tells standings beside it."""
    hub = a_hub()
    hub.prime([a_state(1)])
    standings = Standings(hub, board.read, ManualClock(DURING))
    task = asyncio.create_task(standings.run())
    try:
        async with running(hub):
            yield hub, standings
    finally:
        task.cancel()
        await asyncio.wait([task])


def told(subscriber: Subscriber) -> list[tuple[Any, ...]]:
    """All that waits: amount, rank, change of rank, and whether it is a snapshot."""
    names = ("userContribution", "userRank", "rankChange", "snapshot")
    return [tuple(payload(message)[name] for name in names) for message in subscriber.drain()]


@in_virtual_time
async def test_nobody_is_asked_for_whom_nobody_watches() -> None:
    """Nothing is read, and the hub has no watcher of ours."""
    board = Board()
    async with standing(board) as (hub, standings):
        standings.greet("community_goals")
        board.change(hub, ann=5)
        await passing(5)
        assert [] == board.asked
        assert {} == hub._subscribers


@in_virtual_time
async def test_changes_are_told_and_nothing_else() -> None:
    """At first how it is, then each change of the own amount or rank."""
    board = Board({"ann": 20})
    async with standing(board) as (hub, standings):
        with hub.subscribe(frozenset(), topic="user:ann") as ann:
            standings.greet("user:ann")
            await passing(1)
            assert [(20, 1, None, True)] == told(ann)
            board.change(hub, bob=10)
            await passing(1)
            assert [] == told(ann)
            board.change(hub, bob=30)
            await passing(1)
            assert [(20, 2, -1, False)] == told(ann)
            board.change(hub, ann=40)
            await passing(1)
            assert [(40, 1, 1, False)] == told(ann)


@in_virtual_time
async def test_many_changes_are_told_a_few_times_a_second() -> None:
    """As often as the goal is, and the last one always."""
    board = Board()
    async with standing(board) as (hub, standings):
        with hub.subscribe(frozenset(), topic="user:ann") as ann:
            standings.greet("user:ann")
            for number in range(1, 201):
                board.change(hub, ann=number)
                await passing(0.01)
            await passing(1)
            assert 200 == told(ann)[-1][0]
            assert len(board.asked) <= 7


@in_virtual_time
async def test_who_comes_later_is_told_at_once_and_others_once_more() -> None:
    """A second page of the same user starts with the state; so does the first one again, which is harmless."""
    board = Board({"ann": 5})
    async with standing(board) as (hub, standings):
        with hub.subscribe(frozenset(), topic="user:ann") as first:
            standings.greet("user:ann")
            await passing(1)
            first.drain()
            with hub.subscribe(frozenset(), topic="user:ann") as second:
                standings.greet("user:ann")
                await passing(0.5)
                assert [(5, 1, 0, True)] == told(second)


@in_virtual_time
async def test_what_cannot_be_read_is_asked_for_again() -> None:
    """Though nothing new happens: when the store is back, the user is told."""
    board = Board({"ann": 5}, fails=True)
    async with standing(board) as (hub, standings):
        with hub.subscribe(frozenset(), topic="user:ann") as ann:
            standings.greet("user:ann")
            await passing(3)
            assert [] == told(ann)
            board.fails = False
            await passing(1)
            assert [(5, 1, None, True)] == told(ann)


@in_virtual_time
async def test_a_slow_reading_is_given_a_rest() -> None:
    """The longer a round takes, the longer is the pause, up to a bound; it goes on though the hub gave it up."""
    board = Board({"ann": 5}, takes_s=12)
    async with standing(board) as (hub, standings):
        with hub.subscribe(frozenset(), topic="user:ann") as ann:
            standings.greet("user:ann")
            for number in range(60):
                board.change(hub, ann=10 + number)
                await passing(1)
                ann.drain()
            assert 3 <= len(board.asked) <= 60 / (12 + REST_MAX_S) + 1
            board.takes_s = 0
            board.change(hub, ann=99)
            amounts = []
            for _ in range(20):
                await passing(1)
                amounts += [amount for amount, *_ in told(ann)]
            assert 99 == amounts[-1]


@in_virtual_time
async def test_it_ends_with_the_hub() -> None:
    """Though somebody is watched still."""
    hub = a_hub()
    hub.prime([a_state(1)])
    standings = Standings(hub, Board().read, ManualClock(DURING))
    task = asyncio.create_task(standings.run())
    async with running(hub):
        with hub.subscribe(frozenset(), topic="user:ann"):
            standings.greet("user:ann")
            await passing(1)
    await passing(5)
    assert task.done()
