"""The routes about the server itself: is it alive, is it ready, what does it count, which version, how is it used."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from worldevents.api import docs, schemas
from worldevents.api.html import html
from worldevents.api.routing import DOCUMENTED, Operator, answer
from worldevents.errors import WorldEventsError
from worldevents.telemetry import Telemetry

Check = Callable[[], Awaitable[object]]
_LIVE: Final = resources.files("worldevents.api").joinpath("asyncapi.json")


def routes(telemetry: Telemetry, *, version: str, ready: Check) -> APIRouter:
    """`ready` raises WorldEventsError where the server cannot count."""
    router = APIRouter(tags=["system"])

    @router.get("/livez", response_model=schemas.Health, response_model_exclude_none=True)
    async def livez() -> dict[str, str]:
        """Whether the process answers; looks at nothing else."""
        return {"status": "ok"}

    @router.get(
        "/readyz",
        response_model=schemas.Health,
        responses={503: {"description": "Not now; the code says why.", "model": schemas.Health}},
    )
    async def readyz() -> Response:
        """Whether contributions can be counted: the ledger answers, and nothing is shutting down."""
        try:
            await ready()
        except WorldEventsError as error:
            return answer({"status": "unavailable", "code": error.code}, status=503)
        return answer({"status": "ok"})

    @router.get("/version", operation_id="version", response_model=schemas.ServerVersion)
    async def tell_version() -> dict[str, str]:
        """Which version this is."""
        return {"version": version}

    @router.get(
        "/metrics",
        dependencies=DOCUMENTED,
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(_: Operator) -> Response:
        """Everything that is counted and timed, as Prometheus reads it."""
        body, media_type = telemetry.exposition()
        return Response(body, media_type=media_type)

    _add_descriptions(router)
    return router


def _add_descriptions(router: APIRouter) -> None:
    live: dict[str, Any] = json.loads(_LIVE.read_bytes())

    @router.get(
        "/asyncapi.json",
        operation_id="asyncapi",
        summary="Describe what is told live",
        response_class=Response,
        responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
    )
    async def asyncapi(request: Request) -> Response:
        """What the stream and the WebSocket tell and take, as AsyncAPI."""
        root = request.scope.get("root_path")
        if not root:
            return answer(live)
        servers = {name: {**one, "pathname": root} for name, one in live["servers"].items()}
        return answer({**live, "servers": servers})

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        document: dict[str, Any] = request.app.openapi()
        root = request.scope.get("root_path")
        return answer({**document, "servers": [{"url": root}]} if root else document)

    @router.get("/docs", include_in_schema=False)
    async def describe(request: Request) -> Response:
        document: dict[str, Any] = request.app.openapi()
        return html(docs.render(document))
