"""Reading seasonal events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from worldevents import documents
from worldevents.api import schemas
from worldevents.api.routing import DOCUMENTED, Reader, answer
from worldevents.engine import Engine

UserId = Annotated[str | None, Query(alias="userId", description="A user, whose personal challenges are added.")]


def routes(engine: Engine) -> APIRouter:
    """`GET /v1/events` and what is below it."""
    router = APIRouter(prefix="/v1/events", tags=["events"], dependencies=DOCUMENTED)
    local = documents.Local(engine)

    @router.get("", response_model=schemas.Events)
    async def list_events(_: Reader) -> Response:
        """The newest version of every event, by start."""
        return answer(await local.events())

    @router.get("/{eventId}", response_model=schemas.Event)
    async def show_event(caller: Reader, eventId: str, user_id: UserId = None) -> Response:  # noqa: N803
        """One event; with a user, that user's progress in each personal challenge."""
        if user_id is not None:
            caller.check_user(user_id)
        return answer(await local.event(eventId, user_id))

    return router
