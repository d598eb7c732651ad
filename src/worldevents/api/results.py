"""What settled goals came to, and settling an event now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from worldevents.api import result_schemas
from worldevents.api.goals import UserId
from worldevents.api.routing import DOCUMENTED, Operator, ReaderOf, answer
from worldevents.documents.results import LocalResults
from worldevents.engine import Engine
from worldevents.settling import LIST_MAX, Settling

After = Annotated[
    int, Query(description="The place of the last row that was seen; 0 is none.", json_schema_extra={"minimum": 0})
]
Limit = Annotated[int, Query(description="How many rows.", json_schema_extra={"minimum": 1, "maximum": LIST_MAX})]


def routes(engine: Engine, settling: Settling) -> APIRouter:
    """`GET /v1/goals/{goalId}/result`, and the operators' way to have it now."""
    router = APIRouter(prefix="/v1", dependencies=DOCUMENTED)
    local = LocalResults(engine, settling)

    @router.get("/goals/{goalId}/result", response_model=result_schemas.SettledGoal, tags=["goals"])
    async def show_result(
        caller: ReaderOf,
        goalId: str,  # noqa: N803
        after: After = 0,
        limit: Limit = 10,
        user_id: UserId = None,
    ) -> Response:
        """What a settled goal came to, and its final board, page by page. Until then 404 `not_settled`."""
        if user_id is not None:
            caller.check_user(user_id)
        return answer(await local.result(goalId, after=after, limit=limit, user_id=user_id))

    @router.post("/admin/events/{eventId}/settle", response_model=result_schemas.SettledEvent, tags=["operators"])
    async def settle_event(_: Operator, eventId: str) -> Response:  # noqa: N803
        """Settle an event now, if its grace is over. A running server does so by itself."""
        return answer(await local.settle(eventId))

    return router
