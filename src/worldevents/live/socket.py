"""One connection of a Supabase client, from its first frame to its last: joins, heartbeats, tokens, and what is pushed.

It knows neither HTTP nor keys: a `Wire` carries its frames, a `Doorkeeper` says who may join what. Clients only read:
what they broadcast reaches nobody.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from worldevents.clock import Clock
from worldevents.live import phoenix
from worldevents.live.hub import Hub
from worldevents.live.messages import BYE
from worldevents.live.phoenix import PREFIX, Frame, FrameInvalid, Push, Ref, Version
from worldevents.live.subscriber import Subscriber

RESTARTING: Final = 1012
"""The close code of a server that leaves."""
POLICY: Final = 1008
"""The close code for a key that counts no longer."""
NORMAL: Final = 1000
_UNMATCHED: Final = "unmatched topic"
_READ_ONLY: Final = "Unauthorized: this topic is read-only"
_NOT_OFFERED: Final = "RealtimeDisabledForConfiguration: {} is not offered"

_log = logging.getLogger(__name__)


class Refused(Exception):
    """Why a topic may not be joined: a code, a colon and a sentence."""


class Gone(Exception):
    """The client has left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What somebody may follow on a topic."""

    goals: frozenset[str] | None
    """The goals whose changes are told there; None is all."""
    until: datetime | None = None
    """When the token that was shown ends; None where none was needed."""


class Doorkeeper(Protocol):
    """Says who may follow what; made for one connection."""

    @property
    def is_welcome(self) -> bool:
        """Whether the key that the connection was made with still counts."""
        ...

    async def admit(self, name: str, *, private: bool, token: str | None) -> Admitted:
        """Let somebody follow a topic, which is named without its prefix. Raises Refused."""
        ...


class Wire(Protocol):
    """Carries frames."""

    async def receive(self) -> str | bytes:
        """The next thing a client sent. Raises Gone."""
        ...

    async def send(self, frame: bytes) -> None:
        """Send a text; waits while the client does not read. Raises Gone."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """End the connection."""
        ...

    def drop(self) -> None:
        """End the connection of a client that does not read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLimits:
    """The bounds of a connection; times in seconds."""

    channels_max: int = 100
    """The most topics at once."""
    frames_per_s: float = 50
    """How many frames are read in the long run: more are read later."""
    frames_burst: int = 200
    joins_per_s: float = 5
    """How many joins are taken in the long run: more are refused."""
    joins_burst: int = 120
    idle_s: float = 120
    """How long a connection without a topic is kept."""
    drain_s: float = 3.0
    """Over what time the connections of a server that leaves are closed: clients come back at once, all of them."""


class _Pace:
    """So many a second, and a burst before that counts."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._gap = 1 / per_s
        self._ahead = burst / per_s
        self._due = 0.0

    def early(self, now: float) -> float:
        """How much too early one would be now, in seconds."""
        return max(0.0, self._due - now - self._ahead)

    def count(self, now: float) -> None:
        """Take one."""
        self._due = max(self._due, now) + self._gap


@dataclass(slots=True, eq=False)
class _Channel:
    topic: str
    join_ref: Ref
    private: bool
    acks: bool
    """Whether the client waits for an answer to what it broadcasts."""
    task: asyncio.Task[None] | None = None
    expiry: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        return self.topic.removeprefix(PREFIX)


class Socket:
    """A connection that was accepted; `run` lives as long as it does."""

    def __init__(
        self,
        wire: Wire,
        vsn: Version,
        *,
        hub: Hub,
        doorkeeper: Doorkeeper,
        greet: Callable[[str], None],
        clock: Clock,
        limits: SocketLimits,
        chance: random.Random,
    ) -> None:
        """`greet` is called with a topic that was joined: who keeps a user's standing says it there."""
        self._wire = wire
        self._vsn = vsn
        self._hub = hub
        self._doorkeeper = doorkeeper
        self._greet = greet
        self._clock = clock
        self._limits = limits
        self._chance = chance
        self._loop = asyncio.get_running_loop()
        self._frames = _Pace(limits.frames_per_s, limits.frames_burst)
        self._joins = _Pace(limits.joins_per_s, limits.joins_burst)
        self._channels: dict[str, _Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Answer until either side ends it."""
        self._watch_idle()
        self._hub.leavers[self._leave_soon] = None
        try:
            with suppress(Gone):
                while True:
                    await self._read(await self._wire.receive())
        finally:
            del self._hub.leavers[self._leave_soon]
            for timer in (self._idle, self._leaving, *(one.expiry for one in self._channels.values())):
                if timer is not None:
                    timer.cancel()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a connection failed", exc_info=task.exception())
            self._wire.drop()

    # What the client says.

    async def _read(self, data: str | bytes) -> None:
        await asyncio.sleep(self._frames.early(self._loop.time()))
        self._frames.count(self._loop.time())
        try:
            frame = phoenix.decode(data, self._vsn) if isinstance(data, str) else phoenix.decode_binary(data)
        except FrameInvalid as error:
            _log.debug("what a client sent was no frame: %s", error)
            return
        if frame.topic == phoenix.HEARTBEAT_TOPIC:
            await self._beat(frame)
        elif frame.event == "phx_join":
            await self._join(frame)
        else:
            await self._hear(frame, self._channels.get(frame.topic))

    async def _beat(self, frame: Frame) -> None:
        if not self._doorkeeper.is_welcome:
            await self._wire.close(POLICY, "this key counts no longer")
            return
        await self._wire.send(phoenix.reply(frame, self._vsn, {}))

    async def _hear(self, frame: Frame, channel: _Channel | None) -> None:
        if frame.event == "phx_leave":
            if channel is not None and frame.join_ref in (None, channel.join_ref):
                self._end(channel)
            await self._wire.send(phoenix.reply(frame, self._vsn, {}))
        elif channel is None:
            await self._wire.send(phoenix.refusal(frame, self._vsn, _UNMATCHED))
        elif frame.event == "access_token":
            await self._renew(channel, frame.payload.get("access_token"))
        elif frame.event == phoenix.BROADCAST:
            if channel.acks:
                await self._wire.send(phoenix.refusal(frame, self._vsn, _READ_ONLY))
        else:
            await self._wire.send(phoenix.refusal(frame, self._vsn, _NOT_OFFERED.format(frame.event[:64])))

    async def _join(self, frame: Frame) -> None:
        config = _object(frame.payload.get("config"))
        token = frame.payload.get("access_token") or frame.payload.get("user_token")
        private = config.get("private") is True
        try:
            self._check_join(frame, config)
            admitted = await self._doorkeeper.admit(
                frame.topic.removeprefix(PREFIX), private=private, token=token if isinstance(token, str) else None
            )
        except Refused as refusal:
            await self._wire.send(phoenix.refusal(frame, self._vsn, str(refusal)))
            return
        before = self._channels.get(frame.topic)
        if before is not None:
            # Who joins again means a new channel; the old one is told so by its own ref.
            self._end(before)
            await self._wire.send(phoenix.closing(before.topic, self._vsn, before.join_ref))
        # Not all clients listen before this.
        await self._wire.send(phoenix.reply(frame, self._vsn, {"postgres_changes": []}))
        acks = _object(config.get("broadcast")).get("ack") is True
        channel = _Channel(frame.topic, frame.join_ref, private, acks)
        self._channels[frame.topic] = channel
        self._watch_idle()
        self._expire_at(channel, admitted.until)
        channel.task = self._start(self._follow(channel, admitted.goals))

    def _check_join(self, frame: Frame, config: dict[str, Any]) -> None:
        if not frame.topic.startswith(PREFIX):
            raise Refused(_UNMATCHED)
        if config.get("postgres_changes"):
            raise Refused(_NOT_OFFERED.format("postgres_changes"))
        if frame.topic not in self._channels and len(self._channels) >= self._limits.channels_max:
            raise Refused("ChannelRateLimitReached: Too many channels")
        if self._joins.early(self._loop.time()):
            raise Refused("ClientJoinRateLimitReached: Too many joins per second")
        self._joins.count(self._loop.time())

    # What it follows.

    async def _follow(self, channel: _Channel, goals: frozenset[str] | None) -> None:
        push = Push(channel.topic, self._vsn)
        with suppress(Gone), self._hub.subscribe(goals, topic=channel.name) as subscriber:
            subscriber.on_stalled = self._wire.drop
            self._greet(channel.name)
            while not (subscriber.ended and not subscriber.has_mail):
                await self._push(subscriber, push)

    async def _push(self, subscriber: Subscriber, push: Push) -> None:
        for message in await subscriber.take():
            # Its connection says goodbye for all topics.
            if message.event != BYE:
                await self._wire.send(message.written(push))

    def _end(self, channel: _Channel) -> None:
        self._channels.pop(channel.topic, None)
        if channel.expiry is not None:
            channel.expiry.cancel()
        if channel.task is not None:
            channel.task.cancel()
        self._watch_idle()

    async def _expel(self, channel: _Channel, reason: str) -> None:
        if self._channels.get(channel.topic) is channel:
            self._end(channel)
            with suppress(Gone):
                await self._wire.send(phoenix.system_error(channel.topic, self._vsn, channel.join_ref, reason))
                await self._wire.send(phoenix.closing(channel.topic, self._vsn, channel.join_ref))

    async def _renew(self, channel: _Channel, token: object) -> None:
        if not channel.private or not isinstance(token, str):
            return
        try:
            admitted = await self._doorkeeper.admit(channel.name, private=True, token=token)
        except Refused as refusal:
            await self._expel(channel, str(refusal))
        else:
            self._expire_at(channel, admitted.until)

    def _expire_at(self, channel: _Channel, until: datetime | None) -> None:
        if channel.expiry is not None:
            channel.expiry.cancel()
            channel.expiry = None
        if until is not None:
            left = max(0.0, (until - self._clock.now()).total_seconds())
            channel.expiry = self._loop.call_later(left, self._expired, channel)

    def _expired(self, channel: _Channel) -> None:
        self._start(self._expel(channel, "InvalidJWTToken: Token has expired"))

    # Its end.

    def _leave_soon(self) -> None:
        if self._leaving is None:
            delay = self._chance.uniform(0, self._limits.drain_s)
            self._leaving = self._loop.call_later(delay, self._close, RESTARTING, "the server restarts")

    def _watch_idle(self) -> None:
        if self._channels:
            if self._idle is not None:
                self._idle.cancel()
                self._idle = None
        elif self._idle is None:
            self._idle = self._loop.call_later(self._limits.idle_s, self._close, NORMAL, "no topic was joined")

    def _close(self, code: int, reason: str) -> None:
        self._start(self._wire.close(code, reason))


def _object(told: object) -> dict[str, Any]:
    return told if isinstance(told, dict) else {}
