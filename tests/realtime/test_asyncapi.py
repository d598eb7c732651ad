"""The AsyncAPI document is what the live doors do: real servers and real clients say what it describes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs
import pytest
import pytest_asyncio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import worldevents
from tests.api.served import Server
from tests.clients.programs import Program
from tests.realtime.described import CHANNELS, DOCUMENT, SOCKETS, STREAM, Told, fits, messages, season
from tests.unit.issuing import claims, signed
from worldevents.live import messages as live
from worldevents.live import phoenix
from worldevents.model import GoalStatus

Season = dict[str, list[Told]]
Start = Callable[..., Program]

ALL = "community_goals"
ENVELOPE = {"type", "event", "payload", "meta"}
INSIDE = {"socketV1": "payload.", "socketV2": ""}
"""Where the payload of a frame begins."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def said(tmp_path_factory: pytest.TempPathFactory) -> Season:
    """Everything that a server says in the course of one event, by channel."""
    return await season(tmp_path_factory.mktemp("season"))


# The document itself.


def test_it_is_asyncapi(node_modules: Path) -> None:
    """The schema of AsyncAPI 3.0.0 has nothing to complain about; it does about a document that is none."""
    schema = json.loads((node_modules / "@asyncapi" / "specs" / "schemas" / "3.0.0.json").read_text())
    validator = jsonschema_rs.Draft7Validator(schema, validate_formats=True)
    assert [] == [error.message for error in validator.iter_errors(DOCUMENT)]
    assert not validator.is_valid({**DOCUMENT, "operations": {"push": {"action": "publish"}}})


def test_its_references_lead_somewhere_and_all_is_used() -> None:
    """No part is named that is not there, and none is there for nothing."""
    named = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)))
    for reference in named:
        found: Any = DOCUMENT
        for name in reference.split("/"):
            found = found[name]
    parts = {f"{kind}/{name}" for kind in ("servers", "channels") for name in DOCUMENT[kind]}
    parts |= {f"components/{kind}/{name}" for kind, told in DOCUMENT["components"].items() for name in told}
    parts |= {f"channels/{name}/messages/{key}" for name in CHANNELS for key in DOCUMENT["channels"][name]["messages"]}
    assert parts == named
    for operation in DOCUMENT["operations"].values():
        own = operation["channel"]["$ref"]
        for one in (*operation["messages"], *operation.get("reply", {}).get("messages", [])):
            assert one["$ref"].startswith(f"{own}/messages/")


def test_it_says_what_the_code_says() -> None:
    """The version, the events, and what a goal can be."""
    assert worldevents.__version__ == DOCUMENT["info"]["version"]
    ours = {live.UPDATE, live.UNLOCKED, live.STARTED, live.COMPLETED, live.ENDED, live.STANDING}
    assert ours | {live.BYE} == messages(STREAM, of_server=True)
    for channel in SOCKETS.values():
        assert ours < messages(channel, of_server=True)
    assert list(GoalStatus) == DOCUMENT["components"]["schemas"]["Status"]["enum"]


async def test_a_server_has_it(server: Server) -> None:
    """As it is in the package."""
    answer = await server.client.get("/asyncapi.json")
    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
    assert DOCUMENT == answer.json()


# What servers say.


@pytest.mark.parametrize("channel", CHANNELS)
def test_all_that_a_server_says_is_described(said: Season, channel: str) -> None:
    """Each frame and event fits one message and no other, and every message that is described was said."""
    described = messages(channel, of_server=True)
    found = [{one for one in described if fits(channel, one, told)} for told in said[channel]]
    assert [] == [told for told, fitting in zip(said[channel], found, strict=True) if len(fitting) != 1]
    assert described == set().union(*found)


def test_what_is_told_twice_in_a_frame_is_the_same(said: Season) -> None:
    """Which no schema can say: the flat fields are those of the nested payload."""
    for push in pushes(said):
        assert push["payload"] == {name: value for name, value in push.items() if name not in ENVELOPE}


def test_an_id_names_one_thing(said: Season) -> None:
    """Who has heard of an id, in whatever version, has heard all that is told by it."""
    named: dict[str, set[tuple[Any, ...]]] = {}
    for push in pushes(said):
        told = [push["event"], *(push.get(name) for name in ("goalId", "userId", "epoch", "seq", "threshold"))]
        named.setdefault(push["meta"]["id"], set()).add(tuple(told))
    assert {1} == {len(things) for things in named.values()}
    assert len(named) == len(set().union(*named.values()))


def pushes(said: Season) -> list[dict[str, Any]]:
    """The payloads of the frames by which we say something of our own."""
    found = [one["payload"]["payload"] for one in said["socketV1"] if one["payload"]["event"] == "broadcast"]
    found += [one["payload"][4] for one in said["socketV2"] if one["payload"][3] == "broadcast"]
    ours = [push for push in found if push["event"] != "boss"]
    assert len(ours) >= 20
    return ours


@pytest.mark.parametrize("channel", CHANNELS)
def test_another_form_does_not_fit(said: Season, channel: str) -> None:
    """With a field less, one more or one of another type it is no such message, but where anything may stand."""
    survivors = set()
    for name in messages(channel, of_server=True):
        told = next(one for one in said[channel] if fits(channel, name, one))
        for part, one in told.items():
            survivors |= {(name, place) for place, mutant in mutants(one) if fits(channel, name, {part: mutant})}
    # A kind of reward has fields of its own, and a host says what it likes.
    expected = {("goal_tier_unlocked", "reward")}
    if channel != STREAM:
        rewards = [("goal_tier_unlocked", one) for one in ("reward", "payload.reward")]
        hosts = [("host_broadcast", one) for one in ("payload", "payload.boss")]
        expected = {(name, f"{INSIDE[channel]}{place}") for name, place in (*rewards, *hosts)}
    assert expected == survivors


def mutants(told: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Everything that is a little different, and in which field."""
    yield place, [[]]
    if isinstance(told, dict):
        yield place, {**told, "unknown": 1}
        for name, value in told.items():
            yield place, {key: other for key, other in told.items() if key != name}
            for inside, mutant in mutants(value, f"{place}.{name}".removeprefix(".")):
                yield inside, {**told, name: mutant}
    elif isinstance(told, list):
        yield place, [*told, "unknown"]
        for at, value in enumerate(told):
            for inside, mutant in mutants(value, place):
                yield inside, [*told[:at], mutant, *told[at + 1 :]]


@pytest.mark.parametrize(
    ("event", "change"),
    [
        ("goal_update", {"newValue": -1}),
        ("goal_update", {"newValue": 2**53}),
        ("goal_update", {"targetValue": 0}),
        ("goal_update", {"percent": -0.01}),
        ("goal_update", {"nextTier": {}}),
        ("goal_update", {"tiersUnlocked": [25, 25]}),
        ("goal_update", {"contributors": 0.5}),
        ("goal_update", {"startsAt": "2026-12-01"}),
        ("goal_update", {"startsAt": "2026-12-01T01:00:00+01:00"}),
        ("goal_update", {"status": "done"}),
        ("goal_update", {"goalId": "Volume"}),
        ("goal_update", {"epoch": "1"}),
        ("goal_update", {"seq": -1}),
        ("goal_started", {"status": "upcoming"}),
        ("goal_ended", {"status": "active"}),
        ("goal_ended", {"snapshot": True}),
        ("goal_tier_unlocked", {"index": -1}),
        ("goal_tier_unlocked", {"threshold": 0}),
        ("standing_update", {"userId": "a b"}),
        ("standing_update", {"userRank": 0}),
        ("standing_update", {"rankChange": 0.5}),
        ("bye", {"reason": "bored"}),
    ],
)
def test_another_value_does_not_fit(said: Season, event: str, change: dict[str, Any]) -> None:
    """A number out of its bounds, a time without its zone, a word that is none."""
    told = next(one for one in said[STREAM] if fits(STREAM, event, one))
    assert not fits(STREAM, event, {**told, "payload": told["payload"] | change})


# What clients say.


@asynccontextmanager
async def listener(heard: list[tuple[str, Told]]) -> AsyncIterator[str]:
    """A server that agrees to everything and keeps what it is sent, with its channel; gives the address."""

    async def listen(wire: ServerConnection) -> None:
        assert wire.request is not None
        vsn = parse_qs(urlsplit(wire.request.path).query)["vsn"][0]
        # A program that is killed says no goodbye.
        with suppress(ConnectionClosed):
            async for data in wire:
                # Of bytes, the characters of the same numbers.
                told = json.loads(data) if isinstance(data, str) else data.decode("latin-1")
                heard.append((SOCKETS[vsn], {"payload": told}))
                if isinstance(data, str):
                    frame = phoenix.decode(data, phoenix.Version(vsn))
                    answer = phoenix.reply(frame, phoenix.Version(vsn), {"postgres_changes": []})
                    await wire.send(answer.decode())

    async with serve(listen, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def recognised(heard: list[tuple[str, Told]]) -> set[tuple[str, str]]:
    """The messages of clients that these are; each has to be one and no other."""
    found = set()
    for channel, told in heard:
        fitting = [one for one in messages(channel, of_server=False) if fits(channel, one, told)]
        assert 1 == len(fitting), (fitting, told)
        found.add((channel, fitting[0]))
    return found


async def until(program: Program, *beginning: Any) -> None:
    """Wait until the program tells something that begins so."""
    while (await program.told())[: len(beginning)] != list(beginning):
        pass


@pytest.mark.parametrize(
    ("library", "channel", "broadcast"),
    [
        pytest.param("@supabase/supabase-js", "socketV2", "broadcast_bytes", id="2.119"),
        pytest.param("supabase-js-2-90", "socketV1", "broadcast", id="2.90"),
    ],
)
@pytest.mark.usefixtures("no_leaks")
async def test_all_that_supabases_client_says_is_described(
    node: Start, library: str, channel: str, broadcast: str
) -> None:
    """It joins, beats, shows a token, broadcasts and leaves: each is a message of its version, and all of them."""
    heard: list[tuple[str, Told]] = []
    async with (
        listener(heard) as url,
        node("supabase.mjs", library, url, "key", '{"heartbeatIntervalMs": 300}') as page,
    ):
        page.tell(["join", ALL, {"config": {"private": True}}])
        await until(page, "status", ALL, "SUBSCRIBED")
        await until(page, "heartbeat", "ok")
        page.tell(["token", ALL, signed(claims(exp=int(time.time()) + 600))])
        await until(page, "token")
        page.tell(["send", ALL, "wave", {"hand": "left"}])
        await until(page, "sent", ALL)
        page.tell(["leave", ALL])
        await until(page, "left", ALL)
    said = {"phx_join", "heartbeat", "access_token", broadcast, "phx_leave"}
    assert {(channel, one) for one in said} == recognised(heard)


@pytest.mark.usefixtures("no_leaks")
async def test_what_other_clients_say_is_described(node: Start, python: Start) -> None:
    """Phoenix's own in JavaScript, and Supabase's in Python."""
    heard: list[tuple[str, Told]] = []
    async with listener(heard) as url:
        async with node("phoenix.mjs", url, "key") as page:
            await until(page, "joined")
        async with python("supabase.py", url, "key", ALL) as program:
            await until(program, "status")
    assert {("socketV2", "phx_join"), ("socketV1", "phx_join"), ("socketV1", "heartbeat")} <= recognised(heard)
