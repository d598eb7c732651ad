"""What a browser gets: the page of the events, and the elements it is made of."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from starlette.staticfiles import StaticFiles

from worldevents import documents, rules
from worldevents.api.gate import Gate
from worldevents.api.html import html
from worldevents.api.page import PageEvent, PageGoal, render
from worldevents.auth import Right
from worldevents.engine import Engine
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
        told = [one for one in (await local.events())["events"] if one["status"] in SHOWN]
        return await page(request, told, user)

    @router.get("/events/{eventId}")
    async def show_one(request: Request, eventId: str, user: User = None) -> Response:  # noqa: N803
        return await page(request, [await local.event(eventId)], user)

    async def page(request: Request, told: list[documents.Json], user: str | None) -> Response:
        gate: Gate = request.app.state.gate
        key = request.query_params.get("apikey") or settings.page_key or None
        caller = await gate.caller(dict(request.scope["headers"]), key)
        caller.require_any(Right.READ)
        if user is not None:
            caller.check_user(rules.check_id(user, "user"))
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
        return html(render(events=events, user=user, key=key))

    return router


def elements() -> StaticFiles:
    """The modules as they are, with an ETag each."""
    return StaticFiles(directory=Path(str(resources.files("worldevents").joinpath("web"))))
