"""What the tests of live updates are told by and read with."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from worldevents.clock import Clock
from worldevents.live.hub import Hub
from worldevents.live.messages import Message
from worldevents.live.subscriber import Subscriber
from worldevents.model import CommunityGoal, GoalState, GoalUpdate, TierUnlock
from worldevents.telemetry import Telemetry
from worldevents.testing.builders import DURING, a_goal
from worldevents.testing.clock import ManualClock

RUN = "run1"


def a_state(seq: int, *percents: int, goal: CommunityGoal | str = "volume", total: int | None = None) -> GoalState:
    """A goal at this version, with these tiers unlocked; its total is the version unless told."""
    declared = a_goal(goal) if isinstance(goal, str) else goal
    unlocks = tuple(an_unlock(percent, declared.id) for percent in percents)
    return GoalState(
        goal=declared,
        total=seq if total is None else total,
        pending=0,
        participants=1,
        unlocks=unlocks,
        epoch="1-x",
        seq=seq,
    )


def an_unlock(percent: int, goal_id: str = "volume") -> TierUnlock:
    return TierUnlock(goal_id=goal_id, threshold=Decimal(percent), unlocked_at=DURING, position=None)


def an_update(
    seq: int, *percents: int, goal: CommunityGoal | str = "volume", total: int | None = None, before: Iterable[int] = ()
) -> GoalUpdate:
    """A change to this version that newly reached these tiers, after those before."""
    state = a_state(seq, *before, *percents, goal=goal, total=total)
    return GoalUpdate(state=state, unlocked=tuple(an_unlock(percent, state.goal.id) for percent in percents))


def cancelled(goal: CommunityGoal) -> CommunityGoal:
    return replace(goal, cancelled_at=DURING)


def a_hub(clock: Clock | None = None, **limits: Any) -> Hub:
    return Hub(clock or ManualClock(DURING), Telemetry(), run_id=RUN, **limits)


@asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[Hub]:
    """Have a hub tell, and close it at the end."""
    task = asyncio.create_task(hub.run())
    try:
        yield hub
    finally:
        hub.close()
        await task


def word(message: Message) -> str:
    """A message in short: its event, its goal and the version it tells; of an unlock, the percentage."""
    told: dict[str, Any] = json.loads(message.data)
    last = told["threshold"] if message.event == "goal_tier_unlocked" else told.get("seq", "")
    return f"{message.event.removeprefix('goal_')} {message.goal_id or ''} {last}".strip()


def words(subscriber: Subscriber) -> list[str]:
    """All that waits in a mailbox, in short."""
    return [word(message) for message in subscriber.drain()]


def payload(message: Message) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(message.data)
    return told
