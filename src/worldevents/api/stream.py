"""`GET /v1/stream`: live messages as server-sent events, over bare ASGI.

No framework writes here: a message is one `send` of bytes that all streams share, and a framework's own event streams
encode each event again for every stream. Nothing is decided here about goals, and nobody is let in or kept out.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worldevents.api.answers import Scope, Send
from worldevents.api.bodies import Headers, Receive
from worldevents.api.gate import Gate
from worldevents.api.query import last, query
from worldevents.auth import Right
from worldevents.errors import BodyInvalid, UnknownGoal
from worldevents.live import sse
from worldevents.live.hub import Hub
from worldevents.live.messages import BYE, Message
from worldevents.live.rooms import USER
from worldevents.live.subscriber import Subscriber
from worldevents.rules import check_id, is_slug

STREAM: Final = "/v1/stream"
ABORT: Final = "worldevents.abort"
"""The extension by which a server offers to drop a connection whose client does not read: a function under `call`."""
GOALS_MAX: Final = 100
"""The most goals that one stream names."""
ID_MAX: Final = 256
"""A longer last event id is none of ours."""

_HEADERS: Final = [
    (b"content-type", sse.CONTENT_TYPE),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """The times of a stream, in seconds and, where it says so, milliseconds."""

    keep_alive_s: float = 15.0
    """How often a stream says something, even without news: a proxy may end what is silent for a minute."""
    life_s: float = 900.0
    """How long a stream lives, give or take a tenth; then it ends and its client comes again where it was."""
    retry_ms: int = 2_000
    """What a client waits after a connection that broke."""
    bye_ms: tuple[int, int] = (500, 3_000)
    """What clients wait when the server closes: not all the same, for they would all come back at once."""


class Streams:
    """Lets readers in, and streams to each of them."""

    def __init__(self, gate: Gate, hub: Hub, greet: Callable[[str], None]) -> None:
        """`greet` is called with a user's topic that somebody has come to."""
        self._gate = gate
        self._hub = hub
        self._greet = greet
        self._limits = StreamLimits()
        self._chance = random.Random()  # noqa: S311 - spreads reconnections, keeps no secret

    async def serve(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        """Answer a reader. Raises what it is refused for."""
        asked = query(scope)
        caller = await self._gate.caller(headers, last(asked, "apikey"))
        caller.require_any(Right.READ)
        goals = named_goals(self._hub, last(asked, "goals")) or caller.goals or None
        for goal_id in goals or ():
            caller.require(Right.READ, goal_id)
        user_id = last(asked, "userId")
        if user_id is not None:
            caller.check_user(check_id(user_id, "userId"))
        told = headers.get(b"last-event-id")
        await stream(
            scope,
            receive,
            send,
            hub=self._hub,
            goals=goals,
            last_event_id=last(asked, "lastEventId") if told is None else told.decode("latin-1"),
            limits=self._limits,
            chance=self._chance,
            topic=None if user_id is None else f"{USER}{user_id}",
            greet=self._greet,
        )


def named_goals(hub: Hub, query: str | None) -> frozenset[str] | None:
    """The goals of `goals=a,b`; None where it is left out or empty. Raises BodyInvalid for too many, UnknownGoal."""
    names = frozenset((query or "").split(",")) - {""}
    if len(names) > GOALS_MAX:
        raise BodyInvalid(f"at most {GOALS_MAX} goals in one stream", field="goals")
    for name in sorted(names):
        if not hub.knows(name):
            # Only what could be an id is said back.
            raise UnknownGoal(f"no goal {name}" if is_slug(name) else None, field="goals")
    return names or None


async def stream(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    hub: Hub,
    goals: frozenset[str] | None,
    last_event_id: str | None,
    limits: StreamLimits,
    chance: random.Random,
    topic: str | None = None,
    greet: Callable[[str], None] | None = None,
) -> None:
    """Answer with what happens to these goals (None: to all), until somebody ends it.

    On a topic, what is said there comes in between; `greet` is told that somebody has come to it. `last_event_id` is
    the header's, or else the query's. When the client goes, it ends at once; when the client does not read, the
    connection is dropped.
    """
    since = last_event_id if last_event_id and len(last_event_id) <= ID_MAX else None
    with hub.subscribe(goals, since, topic=topic) as subscriber:
        if topic is not None and greet is not None:
            greet(topic)
        gone = asyncio.create_task(_until_gone(receive, subscriber))
        try:
            async with asyncio.timeout(None) as patience:
                loop = asyncio.get_running_loop()
                # Its own write may be what is stuck.
                subscriber.on_stalled = lambda: patience.reschedule(loop.time())
                await _write(send, subscriber, limits, chance)
        except TimeoutError:
            await _drop(scope, gone)
        finally:
            gone.cancel()
            await asyncio.wait([gone])


async def _until_gone(receive: Receive, subscriber: Subscriber) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscriber.close()


async def _drop(scope: Scope, gone: asyncio.Task[None]) -> None:
    extension = (scope.get("extensions") or {}).get(ABORT)
    if extension is not None:
        extension["call"]()
        await gone


async def _write(send: Send, subscriber: Subscriber, limits: StreamLimits, chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    life = loop.call_later(limits.life_s * chance.uniform(0.9, 1.1), subscriber.close)
    beat: asyncio.TimerHandle

    def say_something() -> None:
        nonlocal beat
        subscriber.wake()
        beat = loop.call_later(limits.keep_alive_s, say_something)

    beat = loop.call_later(limits.keep_alive_s, say_something)
    try:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        # Something at once: headers go out with the first byte.
        body = sse.retry(limits.retry_ms) + _body(subscriber.drain(), limits, chance)
        while True:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            messages = await subscriber.take()
            if not messages and subscriber.ended:
                break
            body = _body(messages, limits, chance) or sse.KEEP_ALIVE
        if subscriber.stalled:
            raise TimeoutError
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        life.cancel()
        beat.cancel()


def _body(messages: list[Message], limits: StreamLimits, chance: random.Random) -> bytes:
    """The shared bytes of these messages; before a goodbye, this client's own time to come again."""
    if len(messages) == 1 and messages[0].goal_id is not None:
        return messages[0].written(sse.event)
    parts = []
    # What hosts say is for sockets: it has no place in what a stream goes on from.
    for message in (one for one in messages if one.is_ours):
        if message.event == BYE:
            parts.append(sse.retry(chance.randint(*limits.bye_ms)))
        parts.append(message.written(sse.event))
    return b"".join(parts)
