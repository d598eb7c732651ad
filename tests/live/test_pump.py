"""From the store's feed to the hub: no goal waits for another, and a goal that never rests costs little."""

import asyncio
from functools import partial
from typing import cast

from tests.live.virtual import in_virtual_time, passing
from worldevents.live.hub import Hub
from worldevents.model import EventVersion, GoalState, GoalUpdate
from worldevents.runtime import PUMP_S, _pump
from worldevents.store.base import Store
from worldevents.store.feed import Feed
from worldevents.testing.builders import DURING, a_goal, an_event

GOALS = [f"goal-{number}" for number in range(300)]


class Published:
    """Of a store what the pump looks at."""

    def __init__(self) -> None:
        event = an_event(*(a_goal(goal) for goal in GOALS))
        self.events = {event.id: EventVersion(event=event, version=1, author="test", published_at=DURING)}


class Heard:
    """Of a hub what the pump tells, and when."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def tell(self, update: GoalUpdate) -> None:
        self.told.append((update.state.goal.id, update.state.total))


def state(goal: str, total: int) -> GoalState:
    return GoalState(goal=a_goal(goal), total=total, pending=0, participants=1, unlocks=(), epoch="1-x", seq=total)


@in_virtual_time
async def test_many_goals_that_change_at_once_are_told_at_once() -> None:
    """However many goals have news, none waits for the others' pauses."""
    feed, hub = Feed(), Heard()
    with feed.reading() as updates:
        pump = asyncio.create_task(_pump(cast("Store", Published()), updates, cast("Hub", hub)))
        for goal in GOALS:
            feed.tell(goal, partial(state, goal, 1))
        await passing(PUMP_S)
        assert [(goal, 1) for goal in GOALS] == hub.told
        pump.cancel()
        await asyncio.wait([pump])


@in_virtual_time
async def test_a_goal_that_changes_all_the_time_is_told_now_and_then() -> None:
    """A thousand changes in a second are a hundred updates at most, and the last one is among them."""
    feed, hub = Feed(), Heard()
    with feed.reading() as updates:
        pump = asyncio.create_task(_pump(cast("Store", Published()), updates, cast("Hub", hub)))
        for total in range(1, 1_001):
            feed.tell("goal-0", partial(state, "goal-0", total))
            await passing(0.001)
        await passing(2 * PUMP_S)
        assert ("goal-0", 1_000) == hub.told[-1]
        assert 50 <= len(hub.told) <= 1 / PUMP_S + 2
        pump.cancel()
        await asyncio.wait([pump])
