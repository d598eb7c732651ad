"""What a browser gets: the page of the events, and the elements it is made of."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from worldevents import documents, rules
from worldevents.api.gate import Gate
from worldevents.api.html import html
from worldevents.api.page import PageEvent, PageGoal, render, render_locked
from worldevents.auth import Right
from worldevents.engine import Engine
from worldevents.errors import Unauthorized
from worldevents.settings import Settings

SHOWN: Final = ("active", "grace", "upcoming")
"""The events on the page, by status."""

User = Annotated[str | None, Query(description="Show the page as this user sees it.")]


def routes(engine: Engine, settings: Settings) -> APIRouter:
    """`/` and `/events/{eventId}`: server-rendered, then live."""
    router = APIRouter(include_in_schema=False)
    local = documents.Local(engine)

    @router.get("/")
    async def show_all(request: Request, user: User = None) -> Response:
        return await page(request, user, None)

    @router.get("/events/{eventId}")
    async def show_one(request: Request, eventId: str, user: User = None) -> Response:  # noqa: N803
        return await page(request, user, eventId)

    async def page(request: Request, user: str | None, event_id: str | None) -> Response:
        root: str = request.scope.get("root_path", "")
        gate: Gate = request.app.state.gate
        key = request.query_params.get("apikey") or settings.page_key or None
        try:
            caller = await gate.caller(dict(request.scope["headers"]), key)
        except Unauthorized:
            return html(render_locked(root=root), status=401)
        caller.require_any(Right.READ)
        if user is not None:
            caller.check_user(rules.check_id(user, "user"))
        if event_id is None:
            told = [one for one in (await local.events())["events"] if one["status"] in SHOWN]
        else:
            told = [await local.event(event_id)]
        events = [
            PageEvent(
                event=event,
                goals=tuple(
                    [
                        PageGoal(
                            progress=await local.progress(goal_id, user),
                            leaderboard=await local.leaderboard(goal_id, user_id=user),
                        )
                        for goal_id in event["goalIds"]
                        if caller.may(Right.READ, goal_id)
                    ]
                ),
            )
            for event in told
        ]
        return html(render(events=events, user=user, key=key, root=root))

    return router


def elements() -> ASGIApp:
    """The modules as they are: compressed, each with an ETag, and asked for again after an upgrade."""
    return GZipMiddleware(_Elements(directory=Path(str(resources.files("worldevents").joinpath("web")))))


class _Elements(StaticFiles):
    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["cache-control"] = "no-cache"
        answer.headers["x-content-type-options"] = "nosniff"
        return answer
