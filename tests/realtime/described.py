"""The AsyncAPI document as tests read it, and all that a real server says in the course of one event."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from tests.api.served import Event, Server, begun, served, watching
from tests.realtime.connected import ALL, Phone, phone
from tests.unit.issuing import AUDIENCE, ISSUER, NOW, SECRET, claims, signed
from worldevents.access_keys import KeyKind
from worldevents.auth import new_key
from worldevents.settings import Settings
from worldevents.testing.builders import DURING, ENDS_AT, STARTS_AT, a_goal, an_event
from worldevents.testing.clock import ManualClock

Json = dict[str, Any]
Told = dict[str, Any]
"""The parts of a message that the document describes, by their names: a payload, and on the stream headers."""

DOCUMENT: Final[Json] = json.loads(resources.files("worldevents.api").joinpath("asyncapi.json").read_bytes())
STREAM: Final = "stream"
SOCKETS: Final = {"1.0.0": "socketV1", "2.0.0": "socketV2"}
CHANNELS: Final = (STREAM, *SOCKETS.values())
USER: Final = "realtime:user:ann"
GOAL: Final = "realtime:goal:volume"


def messages(channel: str, *, of_server: bool) -> set[str]:
    """The messages of a channel that the server sends, also as replies, or those that clients send."""
    found: set[str] = set()
    for operation in DOCUMENT["operations"].values():
        if operation["channel"]["$ref"] == f"#/channels/{channel}":
            own, replies = operation["messages"], operation.get("reply", {}).get("messages", [])
            sent, received = (own, replies) if operation["action"] == "send" else (replies, own)
            found |= {one["$ref"].rpartition("/")[2] for one in (sent + replies if of_server else received)}
    return found


@cache
def _validator(channel: str, message: str, part: str) -> jsonschema_rs.Draft7Validator:
    beside = {name: DOCUMENT[name] for name in ("channels", "components")}
    schema = {"$ref": f"#/channels/{channel}/messages/{message}/{part}", **beside}
    return jsonschema_rs.Draft7Validator(schema, validate_formats=True)


def fits(channel: str, message: str, told: Told) -> bool:
    """Whether something is this message, as the document describes it."""
    return all(_validator(channel, message, part).is_valid(one) for part, one in told.items())


async def season(folder: Path) -> dict[str, list[Told]]:
    """Everything that a server says, by channel: before an event, in its course, at its end, and when it leaves."""
    clock = ManualClock(STARTS_AT - timedelta(hours=1))
    secret = new_key("game", created_at=DURING, randomness=bytes([1] * 32))
    public = new_key("page", kind=KeyKind.PUBLIC, created_at=DURING, randomness=bytes([2] * 32))
    settings = Settings.load(
        database_url=f"sqlite:///{folder}/served.db",
        update_interval_ms=10,
        jwt_secret=SECRET,
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
    )
    await begun(settings, an_event(a_goal("volume"), a_goal("lifts")), clock=clock, keys=[secret.key, public.key])
    async with served(settings, clock) as server, AsyncExitStack() as stack:
        server.client.headers["authorization"] = f"Bearer {secret.text}"
        events = await stack.enter_async_context(watching(server.client, "?userId=ann"))
        async with phone(server, vsn="1.0.0", apikey=public.text) as old, phone(server, apikey=public.text) as new:
            await _through(server, clock, (old, new))
        server.task.cancel()
        heard = {STREAM: [_event(one) async for one in events]}
        await asyncio.wait([server.task])
    return heard | {SOCKETS[one.vsn]: [{"payload": frame} for frame in one.frames] for one in (old, new)}


def _event(told: Event) -> Told:
    return {"headers": {"id": told.id, "event": told.event}, "payload": json.loads(told.data)}


async def _through(server: Server, clock: ManualClock, phones: tuple[Phone, ...]) -> None:
    for one in phones:
        await one.join()
        await one.join(GOAL, ref="j2")
        await one.ask("phoenix", "heartbeat")
        await _be_refused(one)
    clock.set(DURING)
    for one in phones:
        await _until(one, "goal_started")
        await one.join(USER, ref="j3", token=signed(claims()), private=True)
        await _until(one, "standing_update")
    await server.contribute("c1", 300)
    for one in phones:
        await _until(one, "goal_update", "goal_tier_unlocked", "standing_update")
    await server.contribute("c2", 700, user="bob")
    for one in phones:
        await _until(one, "goal_completed", "standing_update")
    said = {"topic": "community_goals", "event": "boss", "payload": {"boss": "Frost Giant"}}
    await server.client.post("/realtime/v1/api/broadcast", json={"messages": [said]})
    for one in phones:
        await _until(one, "boss")
        # A minute of doubt about the issuer's clock is granted: this one has half a second left.
        await one.join(USER, ref="j4", token=signed(claims(exp=NOW - 59.5)), private=True)
        await _until(one, "system", "phx_close")
        await one.ask(ALL, "phx_leave", join_ref="j1")
    clock.set(ENDS_AT)
    for one in phones:
        await _until(one, "goal_ended")


async def _be_refused(one: Phone) -> None:
    """By everything that there is to be refused for, but for what takes long."""
    await one.join("realtime:lobby")
    await one.join("realtime:user:a b", private=True)
    await one.join(USER)
    await one.join(USER, private=True)
    await one.join(USER, token="x", private=True)  # noqa: S106 - it is none
    await one.join(USER, token=signed(claims(exp=NOW - 900)), private=True)
    await one.join(postgres_changes=[{"event": "*"}])
    await one.join(GOAL, ref="j2", broadcast={"ack": True})
    await one.ask(GOAL, "broadcast", {"event": "wave"}, join_ref="j2")
    await one.ask(GOAL, "presence", {"event": "track"}, join_ref="j2")
    await one.ask("nonsense", "access_token", {}, ref="r")


async def _until(one: Phone, *wanted: str) -> None:
    """Listen until all of these were heard, in whatever order."""
    left = set(wanted)
    while left:
        heard = await one.hear()
        left -= {heard.event, str(heard.payload.get("event"))}
