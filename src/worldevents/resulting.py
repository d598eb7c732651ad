"""The verbs of results as JSON documents: every door answers what is made here, and a client has the same."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from worldevents import result_documents
from worldevents.engine import Engine
from worldevents.errors import UnknownEvent, UnknownGoal
from worldevents.rules import is_slug
from worldevents.settling import Settling

Json = dict[str, Any]


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
        return result_documents.board(told)

    async def settle(self, event_id: str) -> Json:
        found = {one.goal.id: one for one in await self._settling.settle(event_id)}
        goals = [goal.id for goal in self._engine.event(event_id).event.goals]
        return {
            "eventId": event_id,
            "settled": len(found) == len(goals),
            "goals": [result_documents.result(found[goal_id]) for goal_id in goals if goal_id in found],
            "waiting": [goal_id for goal_id in goals if goal_id not in found],
        }


class Ask(Protocol):
    """One request to a server: `Client.ask`."""

    def __call__(
        self, method: str, path: str, document: Json | None = None, *, query: Mapping[str, str | None] | None = None
    ) -> Awaitable[Json]:
        """The document that it answers."""
        ...


class RemoteResults:
    """`ResultVerbs` of a server. What can be the id of nothing is not sent."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def result(self, goal_id: str, *, after: int = 0, limit: int = 10, user_id: str | None = None) -> Json:
        if not is_slug(goal_id):
            raise UnknownGoal(field="goalId")
        query = {"after": str(after), "limit": str(limit), "userId": user_id}
        return await self._ask("GET", f"/v1/goals/{goal_id}/result", query=query)

    async def settle(self, event_id: str) -> Json:
        if not is_slug(event_id):
            raise UnknownEvent(field="eventId")
        return await self._ask("POST", f"/v1/admin/events/{event_id}/settle")
