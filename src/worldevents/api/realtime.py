"""`/realtime/v1/websocket`: the handshake of Supabase's wire, and who may join which topic.

A refusal is an answer of HTTP, before there is a socket: a client waits longer and longer after those, and comes again
every second after a socket that was opened and closed.
"""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Callable
from typing import Final

from worldevents.api.answers import Scope, Send, encode, problem_headers
from worldevents.api.bodies import Headers, Receive
from worldevents.api.gate import Gate
from worldevents.api.query import last, query
from worldevents.auth import Access, Caller, Right
from worldevents.clock import Clock
from worldevents.errors import BodyInvalid, Closed, TokenExpired, Unauthorized, WorldEventsError
from worldevents.live import phoenix, socket
from worldevents.live.hub import Hub
from worldevents.live.phoenix import FrameInvalid
from worldevents.live.rooms import ALL_GOALS, ONE_GOAL, USER
from worldevents.live.socket import Admitted, Gone, Refused, Socket, SocketLimits
from worldevents.problems import problem, status
from worldevents.rules import is_id

PATH: Final = "/realtime/v1/websocket"

DROP: Final = "worldevents.drop"
"""The extension by which a server offers to end a connection whose client does not read: a function under `call`."""
DENY: Final = "websocket.http.response"
_PROTOCOL: Final = "phoenix"
_BEARER: Final = "base64url.bearer.phx."
_FOREIGN: Final = "sb_"
"""How Supabase's own keys begin: a client that has no user's token sends its key as one."""
_TOPIC_SHOWN: Final = 100


class Realtime:
    """Accepts sockets, and lives as long as each of them."""

    def __init__(self, gate: Gate, access: Access, hub: Hub, clock: Clock, greet: Callable[[str], None]) -> None:
        self._gate = gate
        self._access = access
        self._hub = hub
        self._clock = clock
        self._greet = greet
        self._limits = SocketLimits()
        self._chance = random.Random()  # noqa: S311 - spreads reconnections, keeps no secret

    async def serve(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """Answer a handshake, and all that follows. Raises what the handshake is refused for."""
        asked = query(scope)
        try:
            vsn = phoenix.version(last(asked, "vsn"))
        except FrameInvalid as error:
            raise BodyInvalid(str(error), field="vsn") from None
        told = headers.get(b"x-api-key")
        apikey = last(asked, "apikey") if told is None else told.decode("latin-1")
        self._gate.check_origin(headers)
        caller = await self._gate.caller(headers, apikey)
        caller.require_any(Right.READ)
        if self._hub.closed:
            raise Closed
        offered = scope.get("subprotocols", [])
        await receive()
        await send({"type": "websocket.accept", "subprotocol": _PROTOCOL if _PROTOCOL in offered else None})
        connection = Socket(
            _Wire(scope, receive, send),
            vsn,
            hub=self._hub,
            doorkeeper=_Doorkeeper(self._access, self._hub, caller, apikey, _offered_token(offered)),
            greet=self._greet,
            clock=self._clock,
            limits=self._limits,
            chance=self._chance,
        )
        await connection.run()


class _Wire:
    """Frames over ASGI."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._drop = ((scope.get("extensions") or {}).get(DROP) or {}).get("call")

    async def receive(self) -> str | bytes:
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise Gone
        text: str | None = message.get("text")
        data: bytes = message.get("bytes") or b""
        return data if text is None else text

    async def send(self, frame: bytes) -> None:
        try:
            await self._send({"type": "websocket.send", "text": frame.decode("ascii")})
        except OSError:
            raise Gone from None

    async def close(self, code: int, reason: str) -> None:
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):
            # It has closed by itself in the meantime.
            return

    def drop(self) -> None:
        if self._drop is not None:
            self._drop()


class _Doorkeeper:
    """Who may follow what on one connection."""

    def __init__(self, access: Access, hub: Hub, caller: Caller, apikey: str | None, default_token: str | None) -> None:
        self._access = access
        self._hub = hub
        self._caller = caller
        self._apikey = apikey
        self._default_token = default_token

    @property
    def is_welcome(self) -> bool:
        if self._access.is_open or self._apikey is None:
            return True
        return self._access.caller_of_key(self._apikey) is not None

    async def admit(self, name: str, *, private: bool, token: str | None) -> Admitted:
        caller = await self._holder(name, token) if private else self._caller
        kind, _, rest = name.partition(":")
        if name == ALL_GOALS:
            return Admitted(goals=caller.goals or None, until=caller.until)
        if f"{kind}:" == ONE_GOAL and self._hub.knows(rest):
            if not caller.may(Right.READ, rest):
                raise _unauthorized(name)
            return Admitted(goals=frozenset({rest}), until=caller.until)
        if f"{kind}:" == USER and is_id(rest):
            if not private:
                raise Refused("PrivateOnly: this topic is private")
            if caller.user_id != rest and not caller.trusted:
                raise _unauthorized(name)
            return Admitted(goals=frozenset(), until=caller.until)
        raise Refused(f"UnknownTopic: there is no topic {name[:_TOPIC_SHOWN]}")

    async def _holder(self, name: str, token: str | None) -> Caller:
        """Who shows this token on a private topic; without one, the connection's own key."""
        if token is None or token == self._apikey or token.startswith(_FOREIGN):
            token = self._default_token
        if token is None:
            # In open mode anybody would be everybody.
            if self._access.is_open or not self._caller.trusted:
                raise _unauthorized(name)
            return self._caller
        try:
            return await self._access.caller(f"Bearer {token}")
        except TokenExpired:
            raise Refused("InvalidJWTToken: Token has expired") from None
        except Unauthorized:
            raise Refused("MalformedJWT: The token provided is not a valid JWT") from None


def _unauthorized(name: str) -> Refused:
    shown = name[:_TOPIC_SHOWN]
    return Refused(f"Unauthorized: You do not have permissions to read from this Channel topic: {shown}")


def _offered_token(subprotocols: list[str]) -> str | None:
    """The token that Phoenix's own client carries in a subprotocol, where browsers let it carry one."""
    for one in subprotocols:
        if one.startswith(_BEARER):
            text = one.removeprefix(_BEARER)
            try:
                return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
            except (binascii.Error, UnicodeDecodeError):
                return None
    return None


async def deny(scope: Scope, send: Send, error: WorldEventsError) -> None:
    """Refuse a handshake with a problem document; a server that cannot say so says 403."""
    if DENY not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": socket.POLICY})
        return
    headers = {"content-type": "application/problem+json", **problem_headers(error)}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": f"{DENY}.start", "status": status(error), "headers": raw})
    await send({"type": f"{DENY}.body", "body": encode(problem(error))})
