"""What operators do to amounts and users: correct, hold, release, reject, ban; and what they have done."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from worldevents.api import schemas_operating
from worldevents.api.operators import Preview, body_of, read_object
from worldevents.api.routing import DOCUMENTED, Operator, answer
from worldevents.auth import Caller
from worldevents.documents.operating import Operating
from worldevents.settings import Settings

Limit = Annotated[int, Query(ge=1, le=1_000, description="How many at most.")]
AfterHold = Annotated[str, Query(max_length=18, description="The id of the last hold that was read.")]
AfterRow = Annotated[str, Query(max_length=18, description="The `next` of the page before.")]
RowLimit = Annotated[int, Query(ge=1, le=1_000, description="How many contributions at most.")]
OfGoal = Annotated[str | None, Query(alias="goalId", description="Those of one goal.")]
OfUser = Annotated[str | None, Query(alias="userId", description="What was done about one user.")]
BeforeEntry = Annotated[int | None, Query(ge=1, lt=2**53, description="The id of the last entry that was read.")]


def routes(verbs: Operating, settings: Settings) -> APIRouter:
    """`/v1/admin/corrections`, `/holds`, `/users` and `/audit`."""
    router = APIRouter(prefix="/v1/admin", tags=["operators"], dependencies=DOCUMENTED)
    _amounts(router, verbs, settings)
    _users(router, verbs, settings)
    _personal(router, verbs, settings)
    return router


async def _item(request: Request, caller: Caller, settings: Settings) -> dict[str, Any]:
    """The body of a change; who does it is the key that was used, unless it says who."""
    told = await read_object(request, settings)
    return told if told.get("author") is not None else {**told, "author": caller.hint}


def _amounts(router: APIRouter, verbs: Operating, settings: Settings) -> None:
    @router.post(
        "/corrections",
        response_model=schemas_operating.Moved,
        openapi_extra=body_of(schemas_operating.NewCorrection),
    )
    async def correct(request: Request, caller: Operator, *, preview: Preview = False) -> Response:
        """Add an amount of either sign to what a user has, once for its id."""
        return answer(await verbs.correct(await _item(request, caller, settings), preview=preview))

    @router.get("/holds", response_model=schemas_operating.Holds)
    async def list_holds(
        _: Operator, *, goal_id: OfGoal = None, after: AfterHold = "0", limit: Limit = 100
    ) -> Response:
        """The held amounts that wait for a decision, oldest first."""
        return answer(await verbs.holds(goal_id=goal_id, after=after, limit=limit))

    @router.post("/holds", response_model=schemas_operating.Moved, openapi_extra=body_of(schemas_operating.NewHold))
    async def withhold(request: Request, caller: Operator, *, preview: Preview = False) -> Response:
        """Hold what has counted, until it is released or rejected."""
        return answer(await verbs.withhold(await _item(request, caller, settings), preview=preview))

    @router.post(
        "/holds/{holdId}/release",
        response_model=schemas_operating.Moved,
        openapi_extra=body_of(schemas_operating.Reason),
    )
    async def release(request: Request, caller: Operator, holdId: str, *, preview: Preview = False) -> Response:  # noqa: N803
        """Let a held amount count."""
        return answer(await verbs.decide(holdId, "release", await _item(request, caller, settings), preview=preview))

    @router.post(
        "/holds/{holdId}/reject",
        response_model=schemas_operating.Moved,
        openapi_extra=body_of(schemas_operating.Reason),
    )
    async def reject(request: Request, caller: Operator, holdId: str, *, preview: Preview = False) -> Response:  # noqa: N803
        """Let a held amount never count."""
        return answer(await verbs.decide(holdId, "reject", await _item(request, caller, settings), preview=preview))


def _users(router: APIRouter, verbs: Operating, settings: Settings) -> None:
    @router.post(
        "/users/{userId}/ban", response_model=schemas_operating.Banned, openapi_extra=body_of(schemas_operating.Reason)
    )
    async def ban(request: Request, caller: Operator, userId: str, *, preview: Preview = False) -> Response:  # noqa: N803
        """Take nothing more of a user, and move what the user has out of every running goal."""
        return answer(await verbs.change_user(userId, "ban", await _item(request, caller, settings), preview=preview))

    @router.post(
        "/users/{userId}/unban",
        response_model=schemas_operating.Banned,
        openapi_extra=body_of(schemas_operating.Reason),
    )
    async def unban(request: Request, caller: Operator, userId: str, *, preview: Preview = False) -> Response:  # noqa: N803
        """Take a user again, and move back in exactly what the ban has moved out."""
        return answer(await verbs.change_user(userId, "unban", await _item(request, caller, settings), preview=preview))

    @router.post(
        "/users/{userId}/hide", response_model=schemas_operating.Hidden, openapi_extra=body_of(schemas_operating.Reason)
    )
    async def hide(request: Request, caller: Operator, userId: str, *, preview: Preview = False) -> Response:  # noqa: N803
        """Leave a user out of boards; what the user has counts on."""
        return answer(await verbs.change_user(userId, "hide", await _item(request, caller, settings), preview=preview))

    @router.post(
        "/users/{userId}/unhide",
        response_model=schemas_operating.Hidden,
        openapi_extra=body_of(schemas_operating.Reason),
    )
    async def unhide(request: Request, caller: Operator, userId: str, *, preview: Preview = False) -> Response:  # noqa: N803
        """Show a user on boards again."""
        return answer(
            await verbs.change_user(userId, "unhide", await _item(request, caller, settings), preview=preview)
        )

    @router.get("/users", response_model=schemas_operating.Users)
    async def list_users(_: Operator) -> Response:
        """Who is banned, since when and why; and who is hidden."""
        return answer(await verbs.bans())

    @router.get("/audit", response_model=schemas_operating.Audit)
    async def audit(_: Operator, *, user_id: OfUser = None, before: BeforeEntry = None, limit: Limit = 100) -> Response:
        """What operators did or set out to do, newest first."""
        return answer(await verbs.audit(user_id=user_id, before=before, limit=limit))


def _personal(router: APIRouter, verbs: Operating, settings: Settings) -> None:
    @router.post(
        "/users/{userId}/erase",
        response_model=schemas_operating.Erased,
        openapi_extra=body_of(schemas_operating.Reason),
    )
    async def erase(request: Request, caller: Operator, userId: str, *, preview: Preview = False) -> Response:  # noqa: N803
        """Put a tombstone in a user's place, everywhere; every figure stays."""
        return answer(await verbs.change_user(userId, "erase", await _item(request, caller, settings), preview=preview))

    @router.get("/users/{userId}/export", response_model=schemas_operating.Export)
    async def export(_: Operator, userId: str, *, after: AfterRow = "0", limit: RowLimit = 1_000) -> Response:  # noqa: N803
        """All that is kept about a user, page by page; what is no contribution comes with the first page."""
        return answer(await verbs.export(userId, after=after, limit=limit))
