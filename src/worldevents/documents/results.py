"""The verbs of results as JSON documents: every door answers what is made here, and `Client` has the same."""

from __future__ import annotations

from typing import Protocol

from worldevents.codec import Json, results
from worldevents.engine import Engine
from worldevents.settling import Settling


class ResultVerbs(Protocol):
    """What can be asked about settled goals, here or behind a URL; every verb raises WorldEventsError."""

    async def result(self, goal_id: str, *, after: int = 0, limit: int = 10, user_id: str | None = None) -> Json:
        """What a settled goal came to, with a page of its final board, and one user's own row."""
        ...

    async def settle(self, event_id: str) -> Json:
        """`{eventId, settled, goals, waiting}`: an event settled now, if its grace is over."""
        ...


class LocalResults:
    """`ResultVerbs` of a system in this process."""

    def __init__(self, engine: Engine, settling: Settling) -> None:
        self._engine = engine
        self._settling = settling

    async def result(self, goal_id: str, *, after: int = 0, limit: int = 10, user_id: str | None = None) -> Json:
        told = await self._settling.board(goal_id, after=after, limit=limit, user_id=user_id)
        return results.board(told)

    async def settle(self, event_id: str) -> Json:
        found = {one.goal.id: one for one in await self._settling.settle(event_id)}
        goals = [goal.id for goal in self._engine.event(event_id).event.goals]
        return {
            "eventId": event_id,
            "settled": len(found) == len(goals),
            "goals": [results.result(found[goal_id]) for goal_id in goals if goal_id in found],
            "waiting": [goal_id for goal_id in goals if goal_id not in found],
        }
