"""One connection on a real server: joins, heartbeats, leaving, what is pushed, and everything that is refused."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.served import Server, begun, served
from tests.realtime.connected import ALL, VERSIONS, Phone, phone
from worldevents.settings import Settings
from worldevents.testing.builders import a_goal, an_event

pytestmark = pytest.mark.usefixtures("no_leaks")
GOAL = "realtime:goal:volume"
USER = "realtime:user:ann"


@pytest.mark.parametrize("vsn", VERSIONS)
async def test_who_joins_has_the_state_and_then_every_change(server: Server, vsn: str) -> None:
    """The answer repeats both refs; behind it comes the snapshot, to be known as such, and then what is counted."""
    async with phone(server, vsn=vsn) as one:
        answer = await one.join()
        assert ("ok", "j1", "j1") == (answer.status, answer.ref, answer.join_ref)
        assert {"postgres_changes": []} == answer.payload["response"]
        snapshot = await one.hear()
        assert ("goal_update volume 0", True) == (snapshot.word, snapshot.payload["meta"]["replayed"])
        assert (None, None) == (snapshot.ref, snapshot.join_ref)
        assert 201 == await server.contribute("c1", 300)
        update, unlock = await one.hear(), await one.hear()
        assert ["goal_update volume 300", "goal_tier_unlocked volume 25"] == [update.word, unlock.word]
        assert (300, 300, False) == (
            update.payload["newValue"],
            update.payload["payload"]["newValue"],
            update.payload["payload"]["snapshot"],
        )


async def test_both_versions_on_one_topic(server: Server) -> None:
    """An older and a newer client hear the same."""
    async with phone(server, vsn="1.0.0") as old, phone(server, vsn="2.0.0") as new, phone(server, vsn="") as oldest:
        oldest.vsn = "1.0.0"
        for one in (old, new, oldest):
            await one.join()
            assert "goal_update volume 0" == (await one.hear()).word
        await server.contribute("c1", 5)
        first, *others = [(await one.hear()).payload for one in (old, new, oldest)]
        assert [first, first] == others


async def test_one_goal_alone(server: Server) -> None:
    """A goal has a topic of its own; one that is not known has none."""
    async with phone(server) as one:
        assert "ok" == (await one.join(GOAL)).status
        assert "goal_update volume 0" == (await one.hear()).word
        assert "UnknownTopic: there is no topic goal:nope" == (await one.join("realtime:goal:nope")).reason
        assert "UnknownTopic: there is no topic lobby" == (await one.join("realtime:lobby")).reason
        assert "unmatched topic" == (await one.join("community_goals")).reason


async def test_who_joins_again_has_the_state_again(server: Server) -> None:
    """The first channel is closed by its own ref, and only the joiner hears the snapshot."""
    async with phone(server) as one, phone(server) as other:
        for each in (one, other):
            await each.join()
            await each.hear()
        await one.say(ALL, "phx_join", {"config": {}}, ref="j2", join_ref="j2")
        heard = [await one.hear() for _ in range(3)]
        assert [("phx_close", "j1"), ("phx_reply", "j2"), ("broadcast", None)] == [
            (frame.event, frame.join_ref) for frame in heard
        ]
        assert heard[2].payload["payload"]["snapshot"]
        await other.is_quiet()


async def test_who_leaves_hears_no_more_and_may_come_back(server: Server) -> None:
    """Leaving is answered, also where nobody was; a late leave of an earlier join ends nothing."""
    async with phone(server) as one:
        assert "ok" == (await one.ask(ALL, "phx_leave")).status
        await one.join()
        await one.hear()
        assert "ok" == (await one.ask(ALL, "phx_leave", join_ref="j1")).status
        await server.contribute("c1", 1)
        await one.is_quiet()
        await one.join(ref="j2")
        assert "goal_update volume 1" == (await one.hear()).word
        assert "ok" == (await one.ask(ALL, "phx_leave", join_ref="j1")).status
        await server.contribute("c2", 1)
        assert "goal_update volume 2" == (await one.hear()).word


async def test_heartbeats_are_answered(server: Server) -> None:
    """Without a ref too, as the client in Python begins."""
    async with phone(server) as one:
        assert {"status": "ok", "response": {}} == (await one.ask("phoenix", "heartbeat")).payload
        await one.say("phoenix", "heartbeat", ref=None)
        assert ("phx_reply", None) == ((heard := await one.hear()).event, heard.ref)


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("ack", [False, True])
async def test_what_a_client_broadcasts_reaches_nobody(server: Server, *, as_bytes: bool, ack: bool) -> None:
    """Topics are read-only: who waits for an answer is told so, and nobody else hears of it."""
    forged = {"type": "broadcast", "event": "goal_update", "payload": {"goalId": "volume", "newValue": 10**6}}
    async with phone(server) as one, phone(server) as other:
        for each in (one, other):
            await each.join(broadcast={"ack": ack, "self": True})
            await each.hear()
        if as_bytes:
            topic, event = ALL.encode(), b"goal_update"
            head = bytes([3, 2, 2, len(topic), len(event), 0, 1])
            await one.wire.send(head + b"j1" + b"r9" + topic + event + json.dumps(forged["payload"]).encode())
        else:
            await one.say(ALL, "broadcast", forged, ref="r9", join_ref="j1")
        if ack:
            heard = await one.hear()
            assert ("r9", "Unauthorized: this topic is read-only") == (heard.ref, heard.reason)
        await one.is_quiet()
        await other.is_quiet()


async def test_what_is_not_offered_is_refused_once_and_clearly(server: Server) -> None:
    """Changes of tables at the join; presence joins and is refused when it is used; the rest of a topic likewise."""
    async with phone(server) as one:
        refused = await one.join(postgres_changes=[{"event": "*", "schema": "public"}])
        assert "RealtimeDisabledForConfiguration: postgres_changes is not offered" == refused.reason
        assert "ok" == (await one.join(presence={"key": "ann", "enabled": True})).status
        tracked = await one.ask(ALL, "presence", {"type": "presence", "event": "track", "payload": {}}, join_ref="j1")
        assert "RealtimeDisabledForConfiguration: presence is not offered" == tracked.reason
        assert "unmatched topic" == (await one.ask(GOAL, "broadcast", {})).reason


async def test_unknown_words_of_a_join_are_passed_over(server: Server) -> None:
    """Clients say more with every version, and older ones say it otherwise."""
    async with phone(server) as one:
        odd: dict[str, Any] = {
            "config": {"broadcast": {"replay": {"since": 1}, "replication_ready": True}, "persist": 1, "new": []},
            "user_token": "anything",
            "version": "realtime-js/9",
        }
        assert "ok" == (await one.ask(ALL, "phx_join", odd, join_ref="1")).status
        assert "ok" == (await one.ask(GOAL, "phx_join", {"config": None}, join_ref="2")).status
        assert "ok" == (await one.ask(GOAL, "phx_join", {}, join_ref="3")).status


async def test_a_key_that_is_said_as_a_token_is_nobodys(server: Server) -> None:
    """Supabase's clients do so when nobody is signed in."""
    key = "sb_publishable_x"
    async with phone(server, apikey=key) as one:
        assert "ok" == (await one.join(token=key)).status
        await one.hear()
        await one.say(ALL, "access_token", {"access_token": key}, join_ref="j1")
        await one.say(ALL, "access_token", {"access_token": None}, join_ref="j1")
        await one.is_quiet()


@pytest.mark.parametrize(
    "junk", [" ", "nonsense", "{}", "[1,2,3]", '["1","2","t","e",null]', b"", b"\x00\x01", b"\x03\xff", b"\x07" * 40]
)
async def test_junk_is_dropped_and_the_connection_lives(server: Server, junk: str | bytes) -> None:
    """Text and bytes alike."""
    async with phone(server) as one:
        await one.wire.send(junk)
        await one.is_quiet()


async def test_a_frame_that_is_too_large_ends_the_connection(server: Server) -> None:
    """By the code that says so."""
    async with phone(server) as one:
        await one.wire.send("x" * 70_000)
        with pytest.raises(ConnectionClosed):
            await one.hear()
        assert 1009 == one.wire.close_code


async def test_too_many_joins_are_refused(server: Server) -> None:
    """What was joined stays, and a client that is in no hurry may join again."""
    async with phone(server) as one:
        answers = [await one.ask(GOAL, "phx_join", join_ref=str(number)) for number in range(130)]
        refused = [answer.reason for answer in answers if answer.status == "error"]
        assert refused
        assert {"ClientJoinRateLimitReached: Too many joins per second"} == set(refused)
        assert "ok" == (await one.ask(GOAL, "phx_leave")).status


async def test_a_hundred_topics_are_enough(settings: Settings) -> None:
    """One more is refused, and may be joined when another was left."""
    await begun(settings, an_event(*(a_goal(f"goal-{number}") for number in range(101))))
    async with served(settings) as server, phone(server) as one:
        topics = [f"realtime:goal:goal-{number}" for number in range(101)]
        assert {"ok"} == {(await one.join(topic, ref=topic)).status for topic in topics[:100]}
        assert "ChannelRateLimitReached: Too many channels" == (await one.join(topics[100])).reason
        await one.ask(topics[0], "phx_leave")
        assert "ok" == (await one.join(topics[100])).status


@pytest.mark.parametrize(
    ("query", "headers", "answer"),
    [
        ("vsn=3.0.0&apikey=x", {}, (422, "body_invalid")),
        ("apikey=x", {"Origin": "https://elsewhere.example"}, (403, "forbidden")),
    ],
)
async def test_a_handshake_is_refused_by_http(
    server: Server, query: str, headers: dict[str, str], answer: tuple[int, str]
) -> None:
    """As a problem, before there is a socket."""
    with pytest.raises(InvalidStatus) as refused:
        await _dial(server, f"/realtime/v1/websocket?{query}", headers)
    response = refused.value.response
    assert answer == (response.status_code, json.loads(response.body or b"")["code"])


async def test_there_is_one_address(server: Server) -> None:
    """A socket elsewhere is not found."""
    with pytest.raises(InvalidStatus) as refused:
        await _dial(server, "/v1/stream", {})
    assert 404 == refused.value.response.status_code


async def _dial(server: Server, target: str, headers: dict[str, str]) -> None:
    url = str(server.client.base_url).replace("http", "ws", 1).rstrip("/")
    async with connect(url + target, additional_headers=headers):
        pass


async def test_phoenix_is_the_protocol_that_is_chosen(server: Server) -> None:
    """Phoenix's own client offers it beside its token."""
    async with phone(server, subprotocols=["phoenix", "base64url.bearer.phx.dG9rZW4"]) as one:
        assert "phoenix" == one.wire.subprotocol


async def test_hundreds_watch_and_all_see_the_last_value(server: Server) -> None:
    """A small crowd: nobody is left behind."""
    async with AsyncExitStack() as stack:
        crowd: list[Phone] = [await stack.enter_async_context(phone(server, vsn=VERSIONS[n % 2])) for n in range(200)]
        await asyncio.gather(*(one.join() for one in crowd))
        for number in range(20):
            await server.contribute(f"c{number}", 10)
        assert {200} == set(await asyncio.gather(*(_last(one, 200) for one in crowd)))


async def _last(one: Phone, wanted: int) -> int:
    while True:
        heard = await one.hear()
        if heard.event == "broadcast" and heard.payload.get("newValue") == wanted:
            return wanted
