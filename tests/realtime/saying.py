"""A server with keys, and hosts that say something there over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.api.served import Server, begun, served
from tests.realtime.connected import ALL, Phone, phone
from tests.unit.issuing import AUDIENCE, ISSUER, SECRET
from worldevents.access_keys import KeyKind, Right
from worldevents.auth import new_key
from worldevents.settings import Settings
from worldevents.testing.builders import DURING, a_goal, an_event

BATCH = "/realtime/v1/api/broadcast"
ONE = f"{BATCH}/community_goals/events/boss"
SAID = {"boss": "Frost Giant", "hp": 0.5, "loot": [1, None, {"é": "ü"}]}


def a_message(**changes: Any) -> dict[str, Any]:
    """A message of a batch that anybody with a full key may send."""
    return {"topic": "community_goals", "event": "boss", "payload": SAID, "private": False, **changes}


@dataclass(frozen=True)
class Keyed:
    """A server with keys, and what they are."""

    server: Server
    secret: str
    narrow: str
    reader: str
    public: str

    async def post(self, path: str, body: Any, *, key: str | None = None, **headers: str) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body)
        told = {"content-type": "application/json", "apikey": self.secret if key is None else key, **headers}
        return await self.server.client.post(path, content=content, headers=told)

    async def say(self, *messages: dict[str, Any], key: str | None = None) -> httpx2.Response:
        return await self.post(BATCH, {"messages": list(messages)}, key=key)


@asynccontextmanager
async def keyed_server(tmp_path: Path) -> AsyncIterator[Keyed]:
    """A server with two goals, and a secret key for all, one for `volume` alone, and two that may only read."""
    made = [
        new_key("game", created_at=DURING, randomness=bytes([1] * 32)),
        new_key("narrow", goals=["volume"], created_at=DURING, randomness=bytes([2] * 32)),
        new_key("reader", rights=[Right.READ], created_at=DURING, randomness=bytes([3] * 32)),
        new_key("page", kind=KeyKind.PUBLIC, created_at=DURING, randomness=bytes([4] * 32)),
    ]
    settings = Settings.load(
        database_url=f"sqlite:///{tmp_path}/served.db",
        jwt_secret=SECRET,
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
    )
    await begun(settings, an_event(a_goal("volume"), a_goal("lifts")), keys=[one.key for one in made])
    async with served(settings) as server:
        yield Keyed(server, *(one.text for one in made))


async def joined(stack: AsyncExitStack, keyed: Keyed, topic: str = ALL, *, vsn: str = "2.0.0") -> Phone:
    """Be on a topic, with all that is told at the start behind one."""
    one = await stack.enter_async_context(phone(keyed.server, vsn=vsn, apikey=keyed.secret))
    is_private = topic.startswith("realtime:user:")
    assert "ok" == (await one.join(topic, private=is_private)).status
    for _ in range({ALL: 2, "realtime:goal:volume": 1}.get(topic, 2)):
        await one.hear()
    return one
