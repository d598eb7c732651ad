"""Reading goals: what they stand at, one user's share, and the ranking."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from worldevents import codec, documents
from worldevents.api import schemas
from worldevents.api.routing import DOCUMENTED, Reader, ReaderOf, answer
from worldevents.api.standing import ExplainedStanding
from worldevents.auth import Right
from worldevents.engine import LEADERBOARD_MAX, Engine
from worldevents.model import GoalProgress

UserId = Annotated[str | None, Query(alias="userId", description="A user, whose share and rank are added.")]


def routes(engine: Engine) -> APIRouter:
    """`GET /v1/goals` and what is below it."""
    router = APIRouter(prefix="/v1/goals", tags=["goals"], dependencies=DOCUMENTED)
    local = documents.Local(engine)

    @router.get("", response_model=schemas.Goals)
    async def list_goals(
        caller: Reader,
        status: Annotated[str, Query(json_schema_extra={"enum": [*documents.STATUSES]})] = "active",
        event_id: Annotated[str | None, Query(alias="eventId", description="Only the goals of this event.")] = None,
    ) -> Response:
        """The goals that players are shown, by the start of their event."""
        told = await local.goals(status, event_id=event_id)
        return answer({"goals": [one for one in told["goals"] if caller.may(Right.READ, one["id"])]})

    @router.get(
        "/{goalId}/progress",
        response_model=schemas.Progress,
        responses={304: {"description": "As the caller's If-None-Match knows it."}},
    )
    async def show_progress(request: Request, caller: ReaderOf, goalId: str, user_id: UserId = None) -> Response:  # noqa: N803
        """A goal and one user's share of it; without a contribution 0 and null. Carries an ETag."""
        if user_id is not None:
            caller.check_user(user_id)
        told = await engine.progress(goalId, user_id)
        document = codec.progress(told, engine.now())
        tag = _tag(told, document)
        headers = {"etag": tag, "cache-control": "no-cache"}
        if tag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        return answer(document, headers=headers)

    @router.get("/{goalId}/standing", response_model=ExplainedStanding)
    async def explain_standing(
        caller: ReaderOf,
        goalId: str,  # noqa: N803
        user_id: Annotated[str, Query(alias="userId", description="The user whose standing it is.")],
    ) -> Response:
        """Where a user stands and why: rank, tie, share, what is missing, and each tier's answer to that user."""
        caller.check_user(user_id)
        return answer(await local.standing(goalId, user_id), headers={"cache-control": "no-cache"})

    @router.get("/{goalId}/leaderboard", response_model=schemas.Leaderboard)
    async def show_leaderboard(
        caller: ReaderOf,
        goalId: str,  # noqa: N803
        limit: Annotated[
            int, Query(description="How many rows.", json_schema_extra={"minimum": 1, "maximum": LEADERBOARD_MAX})
        ] = 10,
        around: Annotated[str | None, Query(description="A user in whose neighbourhood the rows are.")] = None,
        user_id: UserId = None,
    ) -> Response:
        """Who contributed most; equal amounts share a rank."""
        for asked in (around, user_id):
            if asked is not None:
                caller.check_user(asked)
        return answer(await local.leaderboard(goalId, limit=limit, around=around, user_id=user_id))

    return router


def _tag(told: GoalProgress, document: dict[str, Any]) -> str:
    """Weak: the same state, told at another moment."""
    state = told.state
    own = f"{told.user_contribution}.{told.user_pending}.{told.user_rank}"
    return f'W/"{state.epoch}.{state.seq}.{document["goal"]["status"]}.{own}"'
