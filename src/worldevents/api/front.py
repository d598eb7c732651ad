"""The outermost callable: lets in, sends the busy routes to bare callables and everything else to the framework."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from worldevents.api import bodies, broadcast, realtime
from worldevents.api.answers import Scope, Send, send_problem
from worldevents.api.bodies import Headers, Receive
from worldevents.api.broadcast import Broadcasts
from worldevents.api.connections import Connections
from worldevents.api.contributions import ContributionRoutes
from worldevents.api.gate import Gate
from worldevents.api.realtime import Realtime
from worldevents.api.stream import STREAM, Streams
from worldevents.auth import Caller, Right
from worldevents.errors import Internal, MethodNotAllowed, UnknownRoute, WorldEventsError

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[Caller, Headers, Receive, Send], Awaitable[None]]

READ_ON_BYTES: Final = 8_388_608
"""How much of a body that is too large is still read, and thrown away, so that its client gets to its answer."""
READ_ON_S: Final = 2.0
"""How long."""
_GOALS: Final = "/v1/goals/"
_TAIL: Final = "/contributions"

_log = logging.getLogger(__name__)


class Front:
    """An ASGI application around the framework's."""

    def __init__(
        self,
        app: App,
        gate: Gate,
        *,
        contributions: ContributionRoutes,
        streams: Streams,
        realtime: Realtime,
        broadcasts: Broadcasts,
        connections: Connections,
    ) -> None:
        self._app = app
        self._gate = gate
        self._contributions = contributions
        self._streams = streams
        self._realtime = realtime
        self._broadcasts = broadcasts
        self._connections = connections
        self._many: dict[str, Handler] = {
            "/v1/contributions": contributions.many,
            "/v1/actions": contributions.actions,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
            return
        answer = _Answer(receive, send)
        try:
            await self._answer(scope, receive, answer)
        except bodies.Gone:
            return
        except WorldEventsError as error:
            await answer.fail(error, _also(scope, error))
        except Exception:
            if answer.started:
                raise
            _log.exception("a request failed")
            await answer.fail(Internal(), _also(scope, Internal()))

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        try:
            self._gate.check_neighbour(headers)
            if _path(scope) != realtime.PATH:
                raise UnknownRoute
            with self._connections.place(scope):
                await self._realtime.serve(scope, headers, receive, send)
        except WorldEventsError as error:
            await realtime.deny(scope, send, error)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        self._gate.check_neighbour(headers)
        path = _path(scope)
        if path.endswith(_TAIL) and path.startswith(_GOALS):
            caller = await self._contributor(scope, headers)
            goal_id = path[len(_GOALS) : -len(_TAIL)]
            await self._contributions.one(goal_id, caller, headers, receive, send)
        elif path in self._many:
            caller = await self._contributor(scope, headers)
            await self._many[path](caller, headers, receive, send)
        elif path == STREAM:
            _need(scope, "GET")
            with self._connections.place(scope):
                await self._streams.serve(scope, headers, receive, send)
        elif broadcast.is_here(path):
            _need(scope, "POST")
            await self._broadcasts.serve(scope, path, headers, receive, send)
        else:
            # The server leaves the body out.
            told = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
            await self._app(told, receive, send)

    async def _contributor(self, scope: Scope, headers: Headers) -> Caller:
        _need(scope, "POST")
        caller = await self._gate.caller(headers)
        caller.require_any(Right.CONTRIBUTE)
        return caller


class _Answer:
    """A `send` that remembers whether the answer has begun: from then on nothing else can be answered.

    Behind a 413 it reads on for a little before it ends: a connection that is closed while its client still sends
    takes the answer with it.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_too_large = False
        self.started = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.started = True
        if message["type"] == "http.response.start":
            self._is_too_large = message["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        elif self._is_too_large and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._read_on()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _read_on(self) -> None:
        left = READ_ON_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_ON_S):
                while left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    async def fail(self, error: WorldEventsError, also: Mapping[str, Any]) -> None:
        if not self.started:
            await send_problem(self, error, also)


def _path(scope: Scope) -> str:
    """The path below wherever a host has mounted this."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


def _also(scope: Scope, error: WorldEventsError) -> Mapping[str, Any]:
    """What a problem says besides, where Supabase's clients read it."""
    return broadcast.words(error) if broadcast.is_here(_path(scope)) else {}


def _need(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise MethodNotAllowed(f"this address takes {method}", allowed=method)
