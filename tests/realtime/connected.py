"""A client of the wire for the tests: it speaks frames of either version and hears them as one kind of document."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.api.served import Server

Json = dict[str, Any]
HEARD_S = 30.0
"""How long a test waits for a frame."""
ALL = "realtime:community_goals"
VERSIONS = ("1.0.0", "2.0.0")


@dataclass(frozen=True, kw_only=True)
class Heard:
    """A frame from the server."""

    topic: str
    event: str
    payload: Any
    ref: Any
    join_ref: Any

    @property
    def status(self) -> str:
        """Of an answer: ok or error."""
        assert self.event == "phx_reply", self
        return str(self.payload["status"])

    @property
    def reason(self) -> str:
        """Of an answer that refuses."""
        assert self.status == "error", self
        return str(self.payload["response"]["reason"])

    @property
    def word(self) -> str:
        """Of a broadcast: its event, goal and value, in short."""
        assert self.event == "broadcast", self
        told = self.payload["payload"]
        return f"{self.payload['event']} {told['goalId']} {told.get('newValue', told.get('threshold'))}"


@dataclass
class Phone:
    """One connection."""

    wire: ClientConnection
    vsn: str
    refs: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    frames: list[Any] = field(default_factory=list)
    """Every frame that was heard, as it came."""

    async def say(
        self, topic: str, event: str, payload: Any = None, *, ref: str | None = "next", join_ref: str | None = None
    ) -> str | None:
        """Send a frame, and return its ref."""
        ref = str(next(self.refs)) if ref == "next" else ref
        body = {} if payload is None else payload
        told: object = [join_ref, ref, topic, event, body]
        if self.vsn != "2.0.0":
            told = {"join_ref": join_ref, "ref": ref, "topic": topic, "event": event, "payload": body}
        await self.wire.send(json.dumps(told))
        return ref

    async def hear(self) -> Heard:
        """Wait for the next frame."""
        async with asyncio.timeout(HEARD_S):
            told = json.loads(await self.wire.recv())
        self.frames.append(told)
        if self.vsn == "2.0.0":
            join_ref, ref, topic, event, payload = told
            return Heard(join_ref=join_ref, ref=ref, topic=topic, event=event, payload=payload)
        assert "ref" in told, told
        return Heard(**{"join_ref": None, **told})

    async def ask(self, topic: str, event: str, payload: Any = None, **refs: Any) -> Heard:
        """Send a frame and wait for its answer; what comes before it is passed over."""
        ref = await self.say(topic, event, payload, **refs)
        while (heard := await self.hear()).ref != ref or heard.event != "phx_reply":
            pass
        return heard

    async def join(self, topic: str = ALL, *, ref: str = "j1", token: str | None = None, **config: Any) -> Heard:
        """Join a topic as Supabase's client does, and return the answer."""
        payload: Json = {
            "config": {
                "broadcast": {"ack": False, "self": False},
                "presence": {"key": "", "enabled": False},
                "postgres_changes": [],
                "private": False,
                **config,
            }
        }
        return await self.ask(
            topic, "phx_join", payload | ({"access_token": token} if token else {}), ref=ref, join_ref=ref
        )

    async def is_quiet(self) -> None:
        """Make sure that nothing is on its way here: the next frame is the answer to a heartbeat."""
        ref = await self.say("phoenix", "heartbeat")
        assert ("phx_reply", ref) == ((heard := await self.hear()).event, heard.ref), heard


@asynccontextmanager
async def phone(
    server: Server, *, vsn: str = "2.0.0", apikey: str = "anything", **options: Any
) -> AsyncIterator[Phone]:
    """Connect to a server as a Supabase client does."""
    url = str(server.client.base_url).replace("http", "ws", 1).rstrip("/")
    async with connect(f"{url}/realtime/v1/websocket?apikey={apikey}&vsn={vsn}", compression=None, **options) as wire:
        yield Phone(wire, vsn)
