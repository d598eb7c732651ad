"""The outermost callable: lets in, sends contributions to their bare routes and everything else to the framework."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from worldevents.api import bodies
from worldevents.api.answers import Scope, Send, send_problem
from worldevents.api.bodies import Headers, Receive
from worldevents.api.contributions import ContributionRoutes
from worldevents.api.gate import Gate
from worldevents.auth import Caller, Right
from worldevents.errors import Internal, MethodNotAllowed, WorldEventsError

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[Caller, Headers, Receive, Send], Awaitable[None]]

_GOALS: Final = "/v1/goals/"
_TAIL: Final = "/contributions"

_log = logging.getLogger(__name__)


class Front:
    """An ASGI application around the framework's."""

    def __init__(self, app: App, gate: Gate, contributions: ContributionRoutes) -> None:
        self._app = app
        self._gate = gate
        self._contributions = contributions
        self._bare: dict[str, Handler] = {
            "/v1/contributions": contributions.many,
            "/v1/actions": contributions.actions,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: Headers = dict(scope["headers"])
        answer = _Answer(send)
        try:
            self._gate.check_neighbour(headers)
            path = _path(scope)
            if path.endswith(_TAIL) and path.startswith(_GOALS):
                _need_post(scope)
                goal_id = path[len(_GOALS) : -len(_TAIL)]
                caller = await self._contributor(headers)
                await self._contributions.one(goal_id, caller, headers, receive, answer)
            elif path in self._bare:
                _need_post(scope)
                caller = await self._contributor(headers)
                await self._bare[path](caller, headers, receive, answer)
            else:
                await self._app(scope, receive, send)
        except bodies.Gone:
            return
        except WorldEventsError as error:
            await answer.fail(error)
        except Exception:
            if answer.started:
                raise
            _log.exception("a request failed")
            await answer.fail(Internal())

    async def _contributor(self, headers: Headers) -> Caller:
        caller = await self._gate.caller(headers)
        caller.require_any(Right.CONTRIBUTE)
        return caller


class _Answer:
    """A `send` that remembers whether the answer has begun: from then on nothing else can be answered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.started = True
        await self._send(message)

    async def fail(self, error: WorldEventsError) -> None:
        if not self.started:
            await send_problem(self._send, error)


def _path(scope: Scope) -> str:
    """The path below wherever a host has mounted this."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


def _need_post(scope: Scope) -> None:
    if scope["method"] != "POST":
        raise MethodNotAllowed("this address takes POST", field="POST")
