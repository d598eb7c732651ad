"""Other people's clients, unmodified, on real servers: the lines that were asked for, and connections that end."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.clients.programs import Program
from tests.unit.issuing import AUDIENCE, ISSUER, SECRET
from tests.web.served import Served
from worldevents.access_keys import KeyKind, Right
from worldevents.auth import NewKey, new_key
from worldevents.keyring import keep

pytestmark = [pytest.mark.real, pytest.mark.slow]

NEW = "@supabase/supabase-js"
OLD = "supabase-js-2-90"
LIBRARIES = [pytest.param(NEW, id="2.119"), pytest.param(OLD, id="2.90")]
Node = Callable[..., Program]
Heard = list[Any]
ALL = "community_goals"
USER = "user:ann"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """Give a server in open mode, whose goal stands at 42."""
    with Served(tmp_path) as served:
        served.publish("g1")
        served.contribute("g1", "ann", 42)
        yield served


@dataclass(frozen=True)
class Guarded:
    """A server with keys and an issuer of users' tokens."""

    served: Served
    public: str
    secret: str

    def token(self, *, lasts_s: float = 600, user: str = "ann") -> str:
        """A user's token; a minute of doubt about the issuer's clock is granted on top."""
        now = time.time()
        told = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": now - 90, "exp": now + lasts_s - 60}
        return jwt.encode(told | {"role": "authenticated"}, SECRET, algorithm="HS256")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    """Give a server that asks for a key."""
    public, secret = (_key(kind, number) for number, kind in enumerate((KeyKind.PUBLIC, KeyKind.SECRET)))
    settings = {"jwt_secret": SECRET, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    folder = tmp_path / "guarded"
    folder.mkdir()
    served = Served(folder, settings, key=secret.text)
    for one in (public, secret):
        asyncio.run(keep(served.database_url, one, migrate=True))
    with served:
        served.publish("g1")
        served.contribute("g1", "bob", 10)
        yield Guarded(served, public.text, secret.text)


def _key(kind: KeyKind, number: int) -> NewKey:
    rights = None if kind is KeyKind.PUBLIC else list(Right)
    return new_key(kind, kind=kind, rights=rights, created_at=datetime.now(UTC), randomness=bytes([number] * 32))


async def until(program: Program, *beginning: Any) -> Heard:
    """Wait until the program tells something that begins so."""
    while True:
        heard: Heard = await program.told()
        if heard[: len(beginning)] == list(beginning):
            return heard


# The lines that were asked for.


@pytest.mark.parametrize("library", LIBRARIES)
async def test_the_lines_that_were_asked_for(server: Served, node: Node, library: str) -> None:
    """They print the goal and its value: what it is at first, and what it becomes."""
    async with node("snippet.mjs", library, server.url, "anything") as page:
        assert ["g1", 42] == await page.told()
        server.contribute("g1", "bob", 8)
        # What was just counted may be told once more, as a change.
        while (heard := await page.told()) == ["g1", 42]:
            pass
        assert ["g1", 50] == heard


@pytest.mark.parametrize("library", LIBRARIES)
async def test_the_value_stands_where_a_real_project_has_it_too(server: Served, node: Node, library: str) -> None:
    """Nested in the message, beside what Supabase says of it; a snapshot is to be known by its meta."""
    async with node("supabase.mjs", library, server.url, "anything") as page:
        page.tell(["join", ALL])
        message = (await until(page, "broadcast", ALL, "goal_update"))[3]
        assert ("broadcast", "goal_update") == (message["type"], message["event"])
        assert (42, 42, True) == (message["payload"]["newValue"], message["newValue"], message["payload"]["snapshot"])
        assert message["meta"]["replayed"] is True


async def test_phoenix_own_client(server: Served, guarded: Guarded, node: Node) -> None:
    """It knows nothing of Supabase, and needs to know nothing; its token goes as a subprotocol."""
    async with node("phoenix.mjs", server.url, "anything") as page:
        assert ["joined"] == await page.told()
        heard = await page.told()
        assert (["broadcast", "goal_update"], 42) == (heard[:2], heard[2]["newValue"])
    async with node("phoenix.mjs", guarded.served.url, guarded.public, guarded.token()) as page:
        assert ["joined"] == await page.told()


async def test_the_client_in_python(guarded: Guarded, python: Node) -> None:
    """Joined, alive after many heartbeats, and told of what is counted, publicly and privately."""
    async with (
        python("supabase.py", guarded.served.url, guarded.public, ALL) as everybody,
        python("supabase.py", guarded.served.url, guarded.public, USER, guarded.token()) as ann,
    ):
        assert ["status", "SUBSCRIBED", None] == await everybody.told()
        assert ["status", "SUBSCRIBED", None] == await ann.told()
        assert 10 == (await until(everybody, "broadcast", "goal_update"))[2]["newValue"]
        assert 0 == (await until(ann, "broadcast", "standing_update"))[2]["userContribution"]
        await asyncio.sleep(3)  # two of its heartbeats: it would leave if they were not answered
        guarded.served.contribute("g1", "ann", 30)
        # What it stood at may come twice: with joining, and as the last news.
        while 40 != (await until(everybody, "broadcast", "goal_update"))[2]["newValue"]:
            pass
        told = (await until(ann, "broadcast", "standing_update"))[2]
        assert (30, 1) == (told["userContribution"], told["userRank"])


# Connections.


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_server_that_starts_again_is_found_again(server: Served, node: Node, library: str, end: str) -> None:
    """By itself; the first thing that is heard is what the goal stands at now."""
    async with node("supabase.mjs", library, server.url, "anything") as page:
        page.tell(["join", ALL])
        await until(page, "broadcast", ALL)
        await asyncio.to_thread(getattr(server, end))
        await until(page, "status", ALL, "CHANNEL_ERROR")
        server.start()
        server.contribute("g1", "bob", 1)
        await until(page, "status", ALL, "SUBSCRIBED")
        assert 43 == (await until(page, "broadcast", ALL, "goal_update"))[3]["payload"]["newValue"]


async def test_an_outage_of_five_seconds(server: Served, node: Node) -> None:
    """The client dials in vain a few times, and then has everything again."""
    async with node("supabase.mjs", NEW, server.url, "anything") as page:
        page.tell(["join", ALL])
        await until(page, "broadcast", ALL)
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(5)
        server.start()
        await until(page, "status", ALL, "SUBSCRIBED")
        assert 42 == (await until(page, "broadcast", ALL, "goal_update"))[3]["payload"]["newValue"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_bad_key(guarded: Guarded, node: Node, library: str) -> None:
    """The client is told that there is no connection, and dials ever more slowly; the log is not filled."""
    async with node("supabase.mjs", library, guarded.served.url, "we_pub_canary") as page:
        page.tell(["join", ALL])
        await until(page, "status", ALL, "CHANNEL_ERROR")
    async with node("supabase.mjs", library, guarded.served.url, guarded.public) as page:
        page.tell(["join", ALL])
        await until(page, "status", ALL, "SUBSCRIBED")
    assert not {"canary", guarded.public, "ERROR"} & set(guarded.served.log.replace("=", " ").split())


@pytest.mark.parametrize("library", LIBRARIES)
async def test_heartbeats_keep_a_connection(server: Served, node: Node, library: str) -> None:
    """Three of them are answered, and the channel is joined as before. `make soak` has them at their usual pace."""
    options = json.dumps({"heartbeatIntervalMs": int(os.environ.get("WORLDEVENTS_HEARTBEAT_MS", "300"))})
    async with node("supabase.mjs", library, server.url, "x", options) as page:
        page.tell(["join", ALL])
        for _ in range(3):
            await until(page, "heartbeat", "ok")
        server.contribute("g1", "bob", 1)
        heard = await page.told()
        while heard[0] != "broadcast" or heard[3]["payload"]["newValue"] != 43:
            assert heard[:2] != ["status", ALL] or heard[2] == "SUBSCRIBED"
            heard = await page.told()


# Private topics.


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_users_topic(guarded: Guarded, node: Node, library: str) -> None:
    """With a good token the user is told where the user stands, first as it is and then as it changes."""
    private = {"config": {"private": True}}
    async with node("supabase.mjs", library, guarded.served.url, guarded.public) as page:
        page.tell(["token", "", guarded.token()])
        await until(page, "token")
        page.tell(["join", USER, private])
        await until(page, "status", USER, "SUBSCRIBED")
        first = (await until(page, "broadcast", USER, "standing_update"))[3]
        assert (0, None) == (first["payload"]["userContribution"], first["payload"]["userRank"])
        guarded.served.contribute("g1", "ann", 30)
        then = (await until(page, "broadcast", USER, "standing_update"))[3]
        assert (30, 1) == (then["userContribution"], then["userRank"])


DENIED = "Unauthorized: You do not have permissions to read from this Channel topic: user:ann"


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        pytest.param("none", DENIED, id="no token"),
        pytest.param("expired", "InvalidJWTToken: Token has expired", id="an expired one"),
        pytest.param("another", DENIED, id="another user's"),
    ],
)
async def test_a_users_topic_without_a_good_token(
    guarded: Guarded, node: Node, library: str, shown: str, reason: str
) -> None:
    """The callback hears why."""
    async with node("supabase.mjs", library, guarded.served.url, guarded.public) as page:
        # The client itself does not send a token that has expired by its own clock: this one expires in a moment.
        token = {"expired": _expired(), "another": guarded.token(user="bob")}.get(shown)
        if token is not None:
            page.tell(["token", "", token])
            await until(page, "token")
        page.tell(["join", USER, {"config": {"private": True}}])
        heard = await until(page, "status", USER, "CHANNEL_ERROR")
        assert reason in heard[3]


def _expired() -> str:
    """A token that expired long ago, and does not say so to who cannot read it."""
    now = time.time()
    told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now - 900, "exp": now - 600}
    return jwt.encode(told, SECRET, algorithm="HS256")


async def test_a_token_that_expires(guarded: Guarded, node: Node) -> None:
    """The channel is told why, and closed for good; another token in time would have kept it."""
    async with node("supabase.mjs", NEW, guarded.served.url, guarded.public) as page:
        page.tell(["token", "", guarded.token(lasts_s=3)])
        await until(page, "token")
        page.tell(["join", USER, {"config": {"private": True}}])
        await until(page, "status", USER, "SUBSCRIBED")
        heard = await until(page, "system", USER, "error")
        assert "InvalidJWTToken: Token has expired" == heard[3]
        await until(page, "status", USER, "CLOSED")


# What is not offered.


@pytest.mark.parametrize("library", LIBRARIES)
async def test_topics_are_read_only(server: Served, node: Node, library: str) -> None:
    """What a page broadcasts reaches no other; one that waits for an answer hears that it failed."""
    forged = {"goalId": "g1", "newValue": 10**6}
    async with (
        node("supabase.mjs", library, server.url, "x") as page,
        node("supabase.mjs", library, server.url, "x") as other,
    ):
        page.tell(["join", ALL, {"config": {"broadcast": {"ack": True, "self": True}}}])
        other.tell(["join", ALL])
        for one in (page, other):
            await until(one, "broadcast", ALL)
        page.tell(["send", ALL, "goal_update", forged])
        assert ["sent", ALL, "error"] == await until(page, "sent")
        server.contribute("g1", "bob", 1)
        for one in (page, other):
            while (value := (await until(one, "broadcast"))[3]["payload"]["newValue"]) == 42:
                pass
            assert 43 == value


@pytest.mark.parametrize("library", LIBRARIES)
async def test_tables_and_presence(server: Served, node: Node, library: str) -> None:
    """One clear error for tables; who asks for presence joins, and hears that it failed when it is used."""
    async with node("supabase.mjs", library, server.url, "x") as page:
        page.tell(["join", ALL, {"tables": True}])
        heard = await until(page, "status", ALL, "CHANNEL_ERROR")
        assert "postgres_changes is not offered" in heard[3]
    async with node("supabase.mjs", library, server.url, "x") as page:
        page.tell(["join", ALL, {"presence": True}])
        await until(page, "status", ALL, "SUBSCRIBED")
        page.tell(["track", ALL])
        assert ["tracked", ALL, "error"] == await until(page, "tracked")


@pytest.mark.parametrize("library", LIBRARIES)
async def test_leaving_and_coming_back(server: Served, node: Node, library: str) -> None:
    """A page that mounts twice leaves and joins at once, under the same name.

    It has another topic beside: the older client does not dial again at once after its last topic was left.
    """
    async with node("supabase.mjs", library, server.url, "x") as page:
        page.tell(["join", "goal:g1"])
        await until(page, "broadcast", "goal:g1")
        page.tell(["join", ALL])
        await until(page, "broadcast", ALL)
        page.tell(["leave", ALL])
        assert ["left", ALL, "ok"] == await until(page, "left")
        page.tell(["join", ALL])
        await until(page, "status", ALL, "SUBSCRIBED")
        assert 42 == (await until(page, "broadcast", ALL))[3]["payload"]["newValue"]
