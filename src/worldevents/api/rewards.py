"""Rewards: a user's own, claiming, polling for hosts; granting and revoking by hand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from worldevents import rules
from worldevents.api import reward_schemas, schemas
from worldevents.api.operators import author_and_reason, body_of, read_fields
from worldevents.api.routing import DOCUMENTED, Operator, Reader, answer, caller
from worldevents.auth import Caller, Right
from worldevents.documents.rewards import LocalRewards
from worldevents.rewards import LIST_MAX, Rewards, user_of
from worldevents.settings import Settings

After = Annotated[
    int, Query(ge=0, lt=rules.TOTAL_BOUND, description="The number of the last grant that was seen; 0 is none.")
]
Limit = Annotated[int, Query(ge=1, le=LIST_MAX)]


async def claimer(told: Annotated[Caller, Depends(caller)]) -> Caller:
    """A server that may contribute, or a user."""
    told.require_any(Right.CONTRIBUTE)
    return told


Claimer = Annotated[Caller, Depends(claimer)]


def routes(rewards: Rewards, settings: Settings) -> APIRouter:
    """Everything about rewards."""
    router = APIRouter(prefix="/v1", dependencies=DOCUMENTED)
    _reading(router, LocalRewards(rewards))
    _claiming(router, rewards)
    _operating(router, LocalRewards(rewards), settings)
    return router


def _reading(router: APIRouter, local: LocalRewards) -> None:
    @router.get("/users/{userId}/rewards", response_model=reward_schemas.Rewards, tags=["rewards"])
    async def list_rewards(told: Reader, userId: str) -> Response:  # noqa: N803
        """A user's grants and those of everyone: for that user, and for servers."""
        rules.check_id(userId, "userId")
        told.check_user(userId)
        if told.user_id is None:
            told.require_server(Right.READ)
        return answer(await local.rewards(userId))

    @router.get("/grants", response_model=reward_schemas.Grants, tags=["rewards"])
    async def list_grants(told: Reader, after: After = 0, limit: Limit = LIST_MAX) -> Response:
        """All grants in the order of granting, those after a number: for a server that polls."""
        told.require_server(Right.READ)
        return answer(await local.grants(after=after, limit=limit))


def _claiming(router: APIRouter, rewards: Rewards) -> None:
    local = LocalRewards(rewards)

    async def check(told: Caller, grant_id: str) -> None:
        told.check_user(user_of(grant_id))
        if told.goals:
            told.require(Right.CONTRIBUTE, (await rewards.grant(grant_id)).goal_id)

    @router.post("/rewards/{grantId}/claim", response_model=reward_schemas.Grant, tags=["rewards"])
    async def claim_reward(told: Claimer, grantId: str) -> Response:  # noqa: N803
        """Claim a grant, once: claimed before, it is answered as it is. For its user, and for servers."""
        await check(told, grantId)
        return answer(await local.claim(grantId))

    @router.post("/rewards/{grantId}/deliver", response_model=reward_schemas.Grant, tags=["rewards"])
    async def deliver_reward(told: Claimer, grantId: str) -> Response:  # noqa: N803
        """Say that the player has it, once: for servers."""
        told.require_server(Right.CONTRIBUTE, (await rewards.grant(grantId)).goal_id if told.goals else None)
        return answer(await local.deliver(grantId))


def _operating(router: APIRouter, local: LocalRewards, settings: Settings) -> None:
    change: dict[str, Any] = {
        "response_model": reward_schemas.Grant,
        "openapi_extra": body_of(schemas.Change),
        "tags": ["operators"],
    }

    async def why(request: Request, told: Caller) -> Any:
        return author_and_reason(told, await read_fields(request, settings, "reason", "author"))

    @router.get("/admin/grants/report", response_model=reward_schemas.GrantsReport, tags=["operators"])
    async def report_grants(_: Operator) -> Response:
        """Owed against delivered: every way on which hosts hear of grants, and what became of each reward."""
        return answer(await local.grants_report())

    @router.post("/admin/grants/{grantId}/grant", **change)
    async def give_reward(request: Request, told: Operator, grantId: str) -> Response:  # noqa: N803
        """Grant to a user who does not qualify, or again after a revocation; else nothing changes."""
        return answer(await local.give(grantId, **await why(request, told)))

    @router.post("/admin/grants/{grantId}/revoke", **change)
    async def revoke_reward(request: Request, told: Operator, grantId: str) -> Response:  # noqa: N803
        """Take a grant back; it cannot be claimed any more."""
        return answer(await local.revoke(grantId, **await why(request, told)))
