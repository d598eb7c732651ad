"""What hosts say over HTTP: who may, and where it is heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.api.served import Server, begun, served, watching
from tests.clients.programs import Program
from tests.realtime.connected import ALL, VERSIONS, Phone, phone
from tests.realtime.saying import BATCH, ONE, SAID, Keyed, a_message, joined, keyed_server
from tests.unit.issuing import claims, signed
from worldevents.live.subscriber import EVENTS_MAX
from worldevents.settings import Settings

pytestmark = pytest.mark.usefixtures("no_leaks")
Start = Callable[..., Program]


@pytest_asyncio.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[Keyed]:
    async with keyed_server(tmp_path) as found:
        yield found


# Where it is heard.


@pytest.mark.parametrize("vsn", VERSIONS)
async def test_what_is_said_is_heard_as_it_was_said(keyed: Keyed, vsn: str) -> None:
    """The envelope of Supabase and nothing beside: a host's names are not mixed with those of an envelope."""
    async with AsyncExitStack() as stack:
        one = await joined(stack, keyed, vsn=vsn)
        answer = await keyed.post(ONE, SAID)
        assert (202, b"") == (answer.status_code, answer.content)
        heard = await one.hear()
        assert ("broadcast", None, None) == (heard.event, heard.ref, heard.join_ref)
        meta = heard.payload.pop("meta")
        assert {"type": "broadcast", "event": "boss", "payload": SAID} == heard.payload
        assert 202 == (await keyed.say(a_message(), a_message(id="mine", event="*"))).status_code
        second, third = await one.hear(), await one.hear()
        assert ["boss", "*"] == [second.payload["event"], third.payload["event"]]
        # Who drops what was told before by its id drops none of these.
        assert meta["id"] != second.payload["meta"]["id"]
        assert {"id": "mine"} == third.payload["meta"]


async def test_it_is_heard_on_its_topic_and_nowhere_else(keyed: Keyed) -> None:
    """A goal's topic, a user's and that of all goals are three rooms; a stream is in none of them."""
    topics = [ALL, "realtime:goal:volume", "realtime:user:ann"]
    async with AsyncExitStack() as stack:
        phones = [await joined(stack, keyed, topic) for topic in topics]
        stream = await stack.enter_async_context(
            watching(keyed.server.client, "?userId=ann", {"authorization": f"Bearer {keyed.secret}"})
        )
        first = sorted([(await anext(stream)).event for _ in range(4)])
        assert ["goal_update"] * 2 + ["standing_update"] * 2 == first
        said = [a_message(topic=one.removeprefix("realtime:"), payload={"to": one}, private=True) for one in topics]
        assert 202 == (await keyed.say(*said)).status_code
        for one, topic in zip(phones, topics, strict=True):
            # The stream's coming has told the user once more.
            while (heard := await one.hear()).payload["event"] == "standing_update":
                pass
            assert (topic, {"to": topic}) == (heard.topic, heard.payload["payload"])
            await one.is_quiet()
        body = {"contributionId": "c1", "userId": "ann", "amount": 1}
        await keyed.post("/v1/goals/lifts/contributions", body, authorization=f"Bearer {keyed.secret}")
        then = await anext(stream)
        assert ("lifts", True) == (json.loads(then.data)["goalId"], bool(then.id))


async def test_a_full_batch_arrives_whole_and_in_order(keyed: Keyed) -> None:
    """A hundred at once are more than a mailbox holds: who reads gets all of them."""
    count = 100
    assert count > EVENTS_MAX
    async with AsyncExitStack() as stack:
        one = await joined(stack, keyed)
        assert 202 == (await keyed.say(*(a_message(payload={"n": n}) for n in range(count)))).status_code
        assert list(range(count)) == [(await one.hear()).payload["payload"]["n"] for _ in range(count)]


async def test_a_large_payload_arrives(keyed: Keyed) -> None:
    """Almost 64 kB, of what takes more room in JSON."""
    payload = {"text": '"' * 32_000, "ids": [1], "payload": None}
    async with AsyncExitStack() as stack:
        one = await joined(stack, keyed)
        assert 202 == (await keyed.post(ONE, payload)).status_code
        assert payload == (await one.hear()).payload["payload"]


async def test_without_anybody_there_it_is_said_all_the_same(keyed: Keyed) -> None:
    """202 is no promise that somebody hears."""
    assert 202 == (await keyed.post(ONE, {})).status_code


# Who may.


@pytest.mark.parametrize("how", ["header", "query", "bearer", "both", "bearer wins"])
async def test_a_key_is_shown_in_any_of_supabases_ways(keyed: Keyed, how: str) -> None:
    """Its clients send it as apikey and as bearer at once; a bearer goes first."""
    bearer = {"authorization": f"Bearer {keyed.secret}"}
    headers: Mapping[str, Mapping[str, str]] = {
        "header": {"apikey": keyed.secret},
        "query": {},
        "bearer": bearer,
        "both": {"apikey": keyed.secret, **bearer},
        "bearer wins": {"apikey": "we_pub_unknown", **bearer},
    }
    path = f"{ONE}?apikey={keyed.secret}&vsn=2.0.0" if how == "query" else ONE
    answer = await keyed.server.client.post(path, json={}, headers=headers[how])
    assert (202, b"") == (answer.status_code, answer.content)


@pytest.mark.parametrize("key", ["", "we_secret_unknown", "sb_secret_x", "anything"])
@pytest.mark.parametrize("path", [BATCH, ONE])
async def test_an_unknown_key_is_refused(keyed: Keyed, path: str, key: str) -> None:
    """401 with a problem which also says what Supabase's server says."""
    answer = await keyed.post(path, {"messages": [a_message()]}, key=key)
    assert (401, "unauthorized", "Unauthorized") == (
        answer.status_code,
        answer.json()["code"],
        answer.json()["message"],
    )
    assert "application/problem+json" == answer.headers["content-type"]


async def test_who_only_reads_says_nothing(keyed: Keyed) -> None:
    """A public key, a secret one without the right, and a user: whoever they are, they cannot forge a goal's news."""
    user = {"authorization": f"Bearer {signed(claims(sub='ann'))}"}
    async with AsyncExitStack() as stack:
        one = await joined(stack, keyed)
        for key, headers in ((keyed.public, {}), (keyed.reader, {}), (keyed.secret, user), (keyed.public, user)):
            for path in (BATCH, ONE):
                answer = await keyed.post(path, {"messages": [a_message()]}, key=key, **headers)
                assert (403, "forbidden") == (answer.status_code, answer.json()["code"])
                assert answer.json()["detail"] == answer.json()["message"]
        await one.is_quiet()


async def test_a_key_for_one_goal_speaks_on_its_topic_alone(keyed: Keyed) -> None:
    """Not on another's, not to all, not to a user; and a batch that holds one such message says none."""
    async with AsyncExitStack() as stack:
        one = await joined(stack, keyed, "realtime:goal:volume")
        own = a_message(topic="goal:volume")
        assert 202 == (await keyed.say(own, key=keyed.narrow)).status_code
        assert SAID == (await one.hear()).payload["payload"]
        for topic in ("goal:lifts", "community_goals", "user:ann"):
            answer = await keyed.say(own, a_message(topic=topic, private=True), key=keyed.narrow)
            assert (403, "messages[1].topic") == (answer.status_code, answer.json()["field"])
        await one.is_quiet()


async def test_in_open_mode_the_neighbour_may(server: Server) -> None:
    """While there is no key, this machine does everything; what a Supabase client shows as its key is not looked at."""
    headers = {"apikey": "anything", "authorization": "Bearer anything"}
    async with phone(server) as one:
        await one.join()
        await one.hear()
        assert 202 == (await server.client.post(ONE, json=SAID, headers=headers)).status_code
        assert SAID == (await one.hear()).payload["payload"]
    elsewhere = await server.client.post(ONE, json=SAID, headers={"host": "goals.example.com"})
    assert (403, "Host") == (elsewhere.status_code, elsewhere.json()["field"])
    assert elsewhere.json()["detail"] == elsewhere.json()["message"]


# Other people's clients.

IN_NODE = """
import { createClient } from "@supabase/supabase-js";
console.warn = () => {};
const [url, key] = args;
const supabase = createClient(url, key);
const open = supabase.channel("community_goals");
tell(await open.httpSend("boss", { n: 1 }));
tell(await open.send({ type: "broadcast", event: "boss", payload: { n: 2 } }));
const own = supabase.channel("user:ann", { config: { private: true } });
tell(await own.httpSend("a/b c", { n: 3 }));
tell(await own.send({ type: "broadcast", event: "boss", payload: { n: 4 } }));
tell(await supabase.channel("lobby").httpSend("boss", {}).catch((error) => error.message));
tell(await createClient(url, "wrong").channel("community_goals").httpSend("boss", {}).catch((error) => error.message));
"""


async def test_supabases_client_speaks_before_it_joins(keyed: Keyed, node: Start) -> None:
    """`httpSend` and `send`, public and private, with a secret key; and what it shows when it is refused."""
    url = str(keyed.server.client.base_url)
    async with AsyncExitStack() as stack:
        everybody, ann = [await joined(stack, keyed, topic) for topic in (ALL, "realtime:user:ann")]
        async with node(IN_NODE, url, keyed.secret) as program:
            assert [{"success": True}, "ok"] * 2 == [await program.told() for _ in range(4)]
            assert "a topic is community_goals, goal:<a goal> or user:<a user>" == await program.told()
            assert "Unauthorized" == await program.told()
            assert 0 == await program.ended()
        for one, numbers in ((everybody, [1, 2]), (ann, [3, 4])):
            assert numbers == [(await one.hear()).payload["payload"]["n"] for _ in numbers]
            await one.is_quiet()


IN_PYTHON = """
import asyncio, sys
from realtime import AsyncRealtimeClient
from tests.clients.lines import tell

async def main():
    url, key = sys.argv[1:]
    client = AsyncRealtimeClient(url, key)
    for topic, private in (("community_goals", False), ("user:ann", True), ("lobby", False)):
        channel = client.channel(topic, {"config": {"private": private}})
        try:
            tell(await channel.http_send("a/b c", {"to": topic}))
        except Exception as error:
            tell([error.status, str(error)])

asyncio.run(main())
"""


async def test_supabase_for_python_speaks_without_joining(keyed: Keyed, python: Start) -> None:
    """`http_send`, public and private; and what it raises when it is refused."""
    url = f"{str(keyed.server.client.base_url).rstrip('/')}/realtime/v1"
    async with AsyncExitStack() as stack:
        everybody, ann = [await joined(stack, keyed, topic) for topic in (ALL, "realtime:user:ann")]
        async with python(IN_PYTHON, url, keyed.secret) as program:
            assert [None, None] == [await program.told() for _ in range(2)]
            status, message = await program.told()
            assert 422 == status
            assert "a topic is" in message
            assert 0 == await program.ended()
        for one, topic in ((everybody, "community_goals"), (ann, "user:ann")):
            heard = await one.hear()
            assert ("a/b c", {"to": topic}) == (heard.payload["event"], heard.payload["payload"])


# Several servers.


async def test_what_is_said_at_one_server_is_heard_at_another(redis_url: str, tmp_path: Path) -> None:
    """Two servers on one Redis are one place: a phone at the second hears what is said at the first."""
    settings = Settings.load(database_url=f"sqlite:///{tmp_path}/ledger.db", redis_url=redis_url)
    await begun(settings)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(served(settings)) for _ in range(2)]
        phones = [await stack.enter_async_context(phone(one)) for one in (first, second)]
        for one in phones:
            await one.join()
        waiting = [asyncio.create_task(_said(one)) for one in phones]
        async with asyncio.timeout(10):
            # A server that has just started may not listen yet.
            while not all(one.done() for one in waiting):
                assert 202 == (await first.client.post(ONE, json=SAID)).status_code
                await asyncio.wait(waiting, timeout=0.05)
        assert [SAID, SAID] == [one.result() for one in waiting]


async def _said(one: Phone) -> Any:
    """What a phone hears of a boss; what it hears of the goal first, which may be several times, is passed over."""
    while (heard := await one.hear()).payload["event"] != "boss":
        pass
    return heard.payload["payload"]
