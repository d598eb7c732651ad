"""`/realtime/v1/api/broadcast`: what hosts say to topics over HTTP, in the words of Supabase's server.

Bare ASGI. All of a request is checked before any of it is said. Nothing is said for a public key or a user: whoever
could do that could forge what our own topics tell.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import count
from typing import Any, Final, NoReturn

from worldevents import problems, rules
from worldevents.api import bodies
from worldevents.api.answers import Scope, Send, send_nothing
from worldevents.api.bodies import Headers, Receive
from worldevents.api.gate import Gate
from worldevents.api.query import last, query
from worldevents.auth import Caller, Right
from worldevents.errors import (
    BodyInvalid,
    Closed,
    Forbidden,
    TooLarge,
    Unauthorized,
    UnknownRoute,
    WorldEventsError,
)
from worldevents.live.hub import Hub
from worldevents.live.rooms import ALL_GOALS, ONE_GOAL, USER
from worldevents.model import Broadcast
from worldevents.problems import WHOLE_BODY
from worldevents.settings import Settings

PATH: Final = "/realtime/v1/api/broadcast"
MESSAGES_MAX: Final = 100
"""The most messages in one call."""
EVENT_MAX: Final = 255
"""The longest name of an event, and the longest id of a message, in characters."""
_EVENTS: Final = "/events/"
_BOOLEANS: Final[Mapping[str | None, bool]] = {None: False, "true": True, "false": False}

Say = Callable[[Sequence[Broadcast]], Awaitable[None]]


def is_here(path: str) -> bool:
    """Whether a path is one of these."""
    return path == PATH or path.startswith(f"{PATH}/")


def words(error: WorldEventsError) -> dict[str, Any]:
    """What a problem says here besides: Supabase's clients show `message`, and its server lists `errors` in a 422."""
    is_unknown = isinstance(error, Unauthorized)
    told: dict[str, Any] = {"message": HTTPStatus.UNAUTHORIZED.phrase if is_unknown else error.detail}
    if problems.status(error) == HTTPStatus.UNPROCESSABLE_ENTITY:
        told["errors"] = {error.field or WHOLE_BODY: [error.detail]}
    return told


class Broadcasts:
    """The two routes: many messages in one document, and one whose topic and event stand in the path."""

    def __init__(self, gate: Gate, hub: Hub, say: Say, settings: Settings) -> None:
        """`say` carries what was said to all processes: `Store.broadcast`."""
        self._gate = gate
        self._hub = hub
        self._say = say
        self._body_max = settings.batch_body_max
        self._payload_max = settings.body_max
        self._run = secrets.token_hex(4)
        self._numbers = count(1)

    async def serve(self, scope: Scope, path: str, headers: Headers, receive: Receive, send: Send) -> None:
        """Answer one request. Raises what it is refused for."""
        asked = query(scope)
        told = headers.get(b"apikey")
        apikey = last(asked, "apikey") if told is None else told.decode("latin-1")
        caller = await self._gate.caller(headers, apikey)
        if Right.CONTRIBUTE not in caller.rights:
            raise Forbidden("only a secret key that may contribute broadcasts")
        if path == PATH:
            found = await self._many(caller, headers, receive)
        else:
            one = self._addressed(caller, path, asked)
            bodies.media_type(headers, bodies.JSON)
            body = await bodies.read(headers, receive, self._payload_max)
            found = [replace(one, payload=self._payload(_decode(body), field=WHOLE_BODY))]
        if self._hub.closed:
            raise Closed
        await self._say(found)
        await send_nothing(send, HTTPStatus.ACCEPTED)

    def _addressed(self, caller: Caller, path: str, asked: Mapping[str, list[str]]) -> Broadcast:
        """The one message that a path means, before its payload is read."""
        topic, events, event = path[len(PATH) + 1 :].partition(_EVENTS)
        if not events:
            raise UnknownRoute
        private = last(asked, "private")
        if private not in _BOOLEANS:
            raise BodyInvalid("true or false", field="private")
        if any(name.partition("[")[0] == "persist" for name in asked):
            raise BodyInvalid("nothing that is said is kept", field="persist")
        return Broadcast(
            id=self._next_id(),
            topic=self._topic(caller, topic, private=_BOOLEANS[private]),
            event=_event(event),
            payload=b"",
        )

    async def _many(self, caller: Caller, headers: Headers, receive: Receive) -> list[Broadcast]:
        bodies.media_type(headers, bodies.JSON)
        told = _decode(await bodies.read(headers, receive, self._body_max))
        messages = told.get("messages") if isinstance(told, dict) else None
        if not isinstance(messages, list) or not 0 < len(messages) <= MESSAGES_MAX:
            raise BodyInvalid(f"a list of 1 to {MESSAGES_MAX} messages", field="messages")
        return [self._message(caller, one, f"messages[{place}]") for place, one in enumerate(messages)]

    def _message(self, caller: Caller, told: object, field: str) -> Broadcast:
        """One message of many. What it has besides is for other servers, and not looked at."""
        if not isinstance(told, dict):
            raise BodyInvalid("an object with topic, event and payload", field=field)
        private, own = told.get("private", False), told.get("id")
        if not isinstance(private, bool):
            raise BodyInvalid("true or false", field=f"{field}.private")
        if own is not None and (not isinstance(own, str) or not 0 < len(own) <= EVENT_MAX):
            raise BodyInvalid(f"a text of 1 to {EVENT_MAX} characters", field=f"{field}.id")
        return Broadcast(
            id=own or self._next_id(),
            topic=self._topic(caller, told.get("topic"), private=private, inside=f"{field}."),
            event=_event(told.get("event"), inside=f"{field}."),
            payload=self._payload(told.get("payload"), field=f"{field}.payload"),
        )

    def _next_id(self) -> str:
        return f"{self._run}:{next(self._numbers)}"

    def _topic(self, caller: Caller, told: object, *, private: bool, inside: str = "") -> str:
        topic, field = told if isinstance(told, str) else "", f"{inside}topic"
        kind, _, rest = topic.partition(":")
        goal_id = rest if f"{kind}:" == ONE_GOAL and self._hub.knows(rest) else None
        is_users = f"{kind}:" == USER and rules.is_id(rest)
        if topic != ALL_GOALS and goal_id is None and not is_users:
            raise BodyInvalid(f"a topic is {ALL_GOALS}, {ONE_GOAL}<a goal> or {USER}<a user>", field=field)
        if is_users and not private:
            raise BodyInvalid("this topic is private", field=f"{inside}private")
        if not caller.may(Right.CONTRIBUTE, goal_id):
            raise Forbidden("this key is for the topics of certain goals alone", field=field)
        return topic

    def _payload(self, told: object, *, field: str) -> bytes:
        if not isinstance(told, dict):
            raise BodyInvalid("an object is wanted here", field=field)
        try:
            found = json.dumps(told, separators=(",", ":")).encode("ascii")
        except RecursionError:
            raise BodyInvalid("nested too deeply", field=field) from None
        if len(found) > self._payload_max:
            raise TooLarge(f"a payload is at most {self._payload_max:,} bytes", field=field)
        return found


def _event(told: object, *, inside: str = "") -> str:
    if not isinstance(told, str) or not 0 < len(told) <= EVENT_MAX or not told.isprintable():
        raise BodyInvalid(f"the name of an event has 1 to {EVENT_MAX} printable characters", field=f"{inside}event")
    return told


def _decode(body: bytes) -> Any:
    """JSON as browsers read it. Raises BodyInvalid."""
    return bodies.decode(body, _DECODER)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(_: str) -> NoReturn:
    raise BodyInvalid("a number that JSON cannot tell", field=WHOLE_BODY)


_DECODER: Final = bodies.decoder(parse_float=_finite, parse_constant=_no_number)
