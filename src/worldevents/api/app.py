"""The application: every route on one runtime, behind one front."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

import worldevents
from worldevents import problems
from worldevents.api import events, goals, moderating, operators, pages, results, rewards, system, webhooks
from worldevents.api.answers import PROBLEM, Scope, Send, encode, problem_headers
from worldevents.api.bodies import Gone, Receive
from worldevents.api.broadcast import Broadcasts
from worldevents.api.connections import Connections
from worldevents.api.contributions import ContributionRoutes
from worldevents.api.front import App, Front
from worldevents.api.gate import Gate
from worldevents.api.openapi import openapi
from worldevents.api.realtime import Realtime
from worldevents.api.stream import Streams
from worldevents.documents.operating import Operating
from worldevents.errors import (
    BodyInvalid,
    Closed,
    Internal,
    LedgerBehind,
    MethodNotAllowed,
    UnknownRoute,
    WorldEventsError,
)
from worldevents.runtime import Runtime

_LOOPBACK_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"
_ALLOWED_HEADERS = [
    *("authorization", "content-type", "idempotency-key", "if-none-match", "last-event-id", "prefer"),
    # Those of Supabase's clients.
    *("apikey", "x-client-info"),
]
_DESCRIPTION = """\
Real-time community goals: every contribution counts exactly once. A contribution carries an id that its caller chooses;
sent again, it is answered, not counted."""

_log = logging.getLogger(__name__)


def create_app(runtime: Runtime) -> App:
    """An ASGI application on an open runtime; who opened the runtime closes it, after the last request."""
    front = _front(runtime, _framework(runtime))
    shared = CORSMiddleware(
        front,
        allow_origins=runtime.settings.allowed_origins(),
        allow_origin_regex=_LOOPBACK_ORIGIN,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=_ALLOWED_HEADERS,
        expose_headers=["etag", "retry-after"],
    )

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        # A game's server names no origin, and nobody caches a POST: it need not pass what pages have to.
        is_plain = scope.get("method") == "POST" and b"origin" not in dict(scope["headers"])
        await (front if is_plain else shared)(scope, receive, send)

    return application


def _front(runtime: Runtime, app: FastAPI) -> Front:
    settings, hub = runtime.settings, runtime.hub
    gate = app.state.gate = Gate(runtime.access, settings.allowed_origins())
    return Front(
        app,
        gate,
        contributions=ContributionRoutes(runtime.engine, settings),
        streams=Streams(gate, hub, runtime.standings.greet),
        broadcasts=Broadcasts(gate, hub, runtime.store.broadcast, settings),
        realtime=Realtime(gate, runtime.access, hub, runtime.clock, runtime.standings.greet),
        connections=Connections(most=settings.connections_max, per_address=settings.connections_per_address),
    )


def describe(runtime: Runtime) -> dict[str, Any]:
    """The OpenAPI document of that application."""
    return _described(_framework(runtime))


def _framework(runtime: Runtime) -> FastAPI:
    app = FastAPI(
        title="worldevents",
        version=worldevents.__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )

    async def ready() -> None:
        if runtime.hub.closed:
            raise Closed
        if not runtime.settings.redis_url:
            await runtime.ledger.totals()
            return
        # While the ledger is away contributions go on, for as long as the outbox is let grow.
        await runtime.engine.goals(None)
        if runtime.syncer is not None and runtime.syncer.lag_s > runtime.settings.lag_max_s:
            raise LedgerBehind

    engine = runtime.engine
    app.include_router(goals.routes(engine))
    app.include_router(events.routes(engine))
    app.include_router(operators.routes(engine, runtime.settings))
    app.include_router(moderating.routes(Operating(engine, runtime.moderation), runtime.settings))
    app.include_router(rewards.routes(runtime.rewards, runtime.settings))
    app.include_router(results.routes(engine, runtime.settling))
    app.include_router(webhooks.routes(runtime.webhooks, runtime.settings))
    app.include_router(system.routes(runtime.telemetry, version=worldevents.__version__, ready=ready))
    app.include_router(pages.routes(engine, runtime.settings))
    app.mount("/elements", pages.elements())
    app.add_exception_handler(WorldEventsError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_form)
    app.add_exception_handler(HTTPException, _refuse_route)
    app.add_exception_handler(Gone, _answer_nobody)
    app.add_exception_handler(Exception, _fail)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign] # the framework's own way
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = openapi(app)
    return app.openapi_schema


def _problem(error: WorldEventsError) -> Response:
    body = encode(problems.problem(error))
    return Response(body, problems.status(error), problem_headers(error), media_type=PROBLEM)


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, WorldEventsError)  # noqa: S101 - registered for no other
    return _problem(error)


async def _refuse_form(_: Request, error: Exception) -> Response:
    """A parameter of another type; what it was is not said back."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for no other
    first = error.errors()[0]
    return _problem(BodyInvalid(f"this cannot be read: {first['msg'].lower()}", field=str(first["loc"][-1])))


async def _refuse_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for no other
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "GET")
        return _problem(MethodNotAllowed(f"this address takes {allowed}", allowed=allowed))
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _problem(UnknownRoute())
    return _problem(BodyInvalid("the request cannot be read", field=problems.WHOLE_BODY))


async def _answer_nobody(_: Request, __: Exception) -> Response:
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _fail(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _problem(Internal())
