"""Publishing to a project over real HTTP: what arrives there and when, whatever it answers, and from which server."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.api.served import Server, begun, line, process, served
from tests.proxy import Proxy
from tests.realtime.connected import phone
from tests.realtime.projects import Stub, project
from tests.realtime.saying import Keyed, keyed_server
from worldevents.errors import ConfigurationInvalid
from worldevents.live import publisher
from worldevents.live.supabase import Project
from worldevents.settings import Settings

pytestmark = pytest.mark.usefixtures("no_leaks")
KEY = "sb_secret_not_for_logs"


def settings_for(tmp_path: Path, url: str, **changes: Any) -> Settings:
    """A server that publishes there, and tells every change at once."""
    return Settings.load(
        **{
            "database_url": f"sqlite:///{tmp_path}/publishing.db",
            "update_interval_ms": 10,
            "supabase_url": url,
            "supabase_key": KEY,
            **changes,
        }
    )


async def prepared(settings: Settings) -> None:
    """Put an event into its database, without publishing that."""
    await begun(settings.model_copy(update={"supabase_url": ""}))


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[Stub]:
    async with project() as found:
        yield found


async def figure(server: Server, result: str) -> int:
    """How many messages the server says that it has published with this result."""
    text = (await server.client.get("/metrics")).text
    name = f'worldevents_outward_total{{result="{result}"}} '
    return next((int(float(one.removeprefix(name))) for one in text.splitlines() if one.startswith(name)), 0)


async def counted(server: Server, results: str, at_least: int) -> None:
    """Wait until so many messages had this result."""
    async with asyncio.timeout(10):
        while await figure(server, results) < at_least:
            pass


# To a server of ours.


@pytest_asyncio.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[Keyed]:
    async with keyed_server(tmp_path) as found:
        yield found


@pytest.mark.parametrize("private", [False, True])
async def test_what_one_server_counts_is_heard_at_the_other(keyed: Keyed, tmp_path: Path, *, private: bool) -> None:
    """At most once a second, however much is counted; each time the newest, and the last in the end."""
    settings = settings_for(
        tmp_path, str(keyed.server.client.base_url), supabase_key=keyed.secret, supabase_private=private
    )
    await prepared(settings)
    async with phone(keyed.server, apikey=keyed.secret) as there:
        await there.join()
        for _ in range(2):
            assert (await there.hear()).payload["payload"]["snapshot"]
        async with served(settings) as here:
            assert "goal_update volume 0" == (await there.hear()).word
            loop, number = asyncio.get_running_loop(), itertools.count(1)
            arrivals: list[tuple[float, int]] = []
            listening = asyncio.create_task(there.hear())
            while len(arrivals) < 3:
                assert 201 == await here.contribute(f"c{next(number)}", 1)
                if listening.done():
                    if listening.result().payload["event"] == "goal_update":
                        arrivals.append((loop.time(), listening.result().payload["payload"]["newValue"]))
                    listening = asyncio.create_task(there.hear())
            last = next(number)
            assert 201 == await here.contribute(f"c{last}", 1)
            word = (await listening).word
            while word != f"goal_update volume {last}":
                word = (await there.hear()).word
            assert last > 10
        gaps = [after - before for (before, _), (after, _) in itertools.pairwise(arrivals)]
        assert all(gap > 0.9 for gap in gaps), gaps
        values = [value for _, value in arrivals]
        assert values == sorted(set(values))


async def test_a_project_that_is_away_is_told_when_it_is_back(keyed: Keyed, tmp_path: Path) -> None:
    """Everything counts meanwhile; then the newest state goes there, and what happened once."""
    port = urlsplit(str(keyed.server.client.base_url)).port
    assert port is not None
    async with Proxy(port) as proxy, phone(keyed.server, apikey=keyed.secret) as there:
        settings = settings_for(tmp_path, f"http://127.0.0.1:{proxy.port}", supabase_key=keyed.secret)
        await prepared(settings)
        await there.join()
        for _ in range(2):
            await there.hear()
        async with served(settings) as here:
            assert "goal_update volume 0" == (await there.hear()).word
            await proxy.refuse()
            for number in range(30):
                assert 201 == await here.contribute(f"c{number}", 10)
            await counted(here, "retried", 3)
            await there.is_quiet()
            await proxy.accept()
            told = [(await there.hear()).word for _ in range(2)]
            assert ["goal_tier_unlocked volume 25", "goal_update volume 300"] == told
        await there.is_quiet()


# What is asked.


async def test_a_public_topic_gets_batches(stub: Stub, tmp_path: Path) -> None:
    """Below the path of the address, with the key as it is wanted, and the payloads of our own sockets."""
    settings = settings_for(tmp_path, f"{stub.url}/prefix/", supabase_topic="goals é")
    await prepared(settings)
    async with served(settings) as here:
        (first,) = await stub.hears(1)
        assert ("/prefix/realtime/v1/api/broadcast", 0) == (first.target, await figure(here, "refused"))
        names = ("apikey", "authorization", "content-type")
        assert [KEY, f"Bearer {KEY}", "application/json"] == [first.headers[name] for name in names]
        (message,) = first.body["messages"]
        assert {"topic", "event", "payload", "private"} == message.keys()
        assert ("goals é", "goal_update", False) == (message["topic"], message["event"], message["private"])
        assert ("volume", 0, True) == tuple(message["payload"][name] for name in ("goalId", "newValue", "snapshot"))
        await here.contribute("c1", 600)
        unlocks, update = ["goal_tier_unlocked volume 25", "goal_tier_unlocked volume 50"], "goal_update volume 600"
        told = (await stub.hears(2))[1].words
        # On a busy machine the update is due when the unlocks are sent: then it goes with them.
        assert [*unlocks, update] == (told if update in told else [*told, *(await stub.hears(3))[2].words])
        # One connection carries them all.
        assert 1 == len({one.caller for one in stub.asked})
        assert 4 == await figure(here, "sent")


async def test_a_private_topic_gets_one_message_at_a_time(stub: Stub, tmp_path: Path) -> None:
    """Its name and the event's stand in the address, and the payload is the body."""
    settings = settings_for(tmp_path, stub.url, supabase_topic="goals/é", supabase_private=True)
    await prepared(settings)
    async with served(settings) as here:
        await here.contribute("c1", 600)
        asked = await stub.hears(4)
        events = ("goal_update", "goal_tier_unlocked", "goal_tier_unlocked", "goal_update")
        addresses = [f"/realtime/v1/api/broadcast/goals%2F%C3%A9/events/{event}?private=true" for event in events]
        assert addresses == [one.target for one in asked]
        assert ["volume"] * 4 == [one.body["goalId"] for one in asked]


# What it answers.


@pytest.mark.parametrize("status", [503, 429])
async def test_what_is_not_taken_goes_later(stub: Stub, tmp_path: Path, status: int) -> None:
    """The newest state, and every unlock in its order; nothing is told twice of what was taken."""
    settings = settings_for(tmp_path, stub.url)
    await prepared(settings)
    stub.status = status
    async with served(settings) as here:
        for number in range(60):
            assert 201 == await here.contribute(f"c{number}", 10)
        await counted(here, "retried", 5)
        stub.status = 202
        await counted(here, "sent", 3)
        events = ["goal_tier_unlocked volume 25", "goal_tier_unlocked volume 50"]
        told = [one.words for one in stub.asked]
        assert set(events) == {word for words in told for word in words if "goal_update" not in word}
        # On a slow machine updates on the way are tried too, and not taken.
        values = [int(word.split()[-1]) for words in told for word in words if "goal_update" in word]
        assert values == sorted(values)
        assert events == [word for word in told[-1] if "tier" in word] or events == told[-2]
        assert "goal_update volume 600" == told[-1][-1]


async def test_what_is_refused_is_said_once_without_the_key(
    stub: Stub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong key is an operator's matter: all else goes on."""
    settings = settings_for(tmp_path, stub.url)
    await prepared(settings)
    stub.status = 401
    with caplog.at_level(logging.DEBUG):
        async with served(settings) as here:
            await here.contribute("c1", 300)
            await counted(here, "refused", 3)
            assert (200, 0) == ((await here.client.get("/readyz")).status_code, await figure(here, "retried"))
    assert 1 == len([one for one in caplog.records if one.levelno >= logging.WARNING])
    assert KEY not in caplog.text


async def test_a_project_that_hangs_holds_nobody_up(stub: Stub, tmp_path: Path) -> None:
    """Neither who counts nor the end of the server."""
    settings = settings_for(tmp_path, stub.url)
    await prepared(settings)
    stub.status = None
    async with served(settings) as here:
        await stub.hears(1)
        for number in range(100):
            assert 201 == await here.contribute(f"c{number}", 1)
        began = asyncio.get_running_loop().time()
        here.task.cancel()
        await asyncio.wait([here.task])
        assert asyncio.get_running_loop().time() - began < 2.5


async def test_what_waits_goes_when_the_server_leaves(stub: Stub, tmp_path: Path) -> None:
    """The last state does not wait for its second."""
    settings = settings_for(tmp_path, stub.url)
    await prepared(settings)
    async with served(settings) as here:
        await stub.hears(1)
        await here.contribute("c1", 5)
    assert "goal_update volume 5" == stub.asked[-1].words[-1]


# Several servers.


async def test_of_two_servers_one_publishes_and_then_the_other(
    stub: Stub, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second says nothing while the first is there, and takes over with all goals when it was killed."""
    settings = settings_for(tmp_path, stub.url, redis_url=redis_url)
    await prepared(settings)
    for name in ("redis_url", "supabase_url", "supabase_key", "update_interval_ms"):
        monkeypatch.setenv(f"WORLDEVENTS_{name.upper()}", str(getattr(settings, name)))
    with process(settings) as first:
        assert (await asyncio.to_thread(line, first)).startswith("http")
        publishing = (await stub.hears_word("goal_update volume 0")).caller
        async with served(settings) as second:
            for number in (1, 2):
                await second.contribute(f"c{number}", 1)
                await stub.hears_word(f"goal_update volume {number}")
            assert {publishing} == {one.caller for one in stub.asked}
            stub.asked.clear()
            await second.contribute("c3", 300)
            first.kill()
            killed_at = asyncio.get_running_loop().time()
            taken_over = await stub.hears_word("goal_update volume 302")
            while taken_over.caller == publishing:
                stub.asked.clear()
                taken_over = await stub.hears_word("goal_update volume 302")
            assert taken_over.at - killed_at < 5.0
            assert ["goal_tier_unlocked volume 25", "goal_update volume 302"] == taken_over.words


def test_a_server_may_be_silent_for_less_than_five_seconds() -> None:
    """That is how soon another takes over."""
    assert publisher.LEASE_S + publisher.RENEW_S <= 5.0


# Settings.


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "http://abc.supabase.co"}, "supabase_url"),
        ({"url": "abc.supabase.co"}, "supabase_url"),
        ({"url": "ftp://127.0.0.1"}, "supabase_url"),
        ({"url": "https://"}, "supabase_url"),
        ({"url": "https://ann:secret@abc.supabase.co"}, "supabase_url"),
        ({"url": "https://abc.supabase.co?x=1"}, "supabase_url"),
        ({"url": "https://[abc"}, "supabase_url"),
        ({"key": ""}, "supabase_key"),
        ({"key": "two words"}, "supabase_key"),
        ({"key": "é"}, "supabase_key"),
        ({"topic": ""}, "supabase_topic"),
        ({"topic": "a\nb"}, "supabase_topic"),
    ],
    ids=str,
)
def test_a_bad_setting_is_named(changes: dict[str, str], field: str) -> None:
    """And no key is shown."""
    told: dict[str, Any] = {"url": "https://abc.supabase.co", "key": KEY, "topic": "goals", "private": False}
    with pytest.raises(ConfigurationInvalid) as refused:
        Project(**{**told, **changes})
    assert field == refused.value.field
    assert "secret" not in str(refused.value).replace("secret key", "")


async def test_a_server_with_a_bad_setting_does_not_start(tmp_path: Path) -> None:
    """A project without its key is found at once, not when something is published."""
    settings = settings_for(tmp_path, "https://abc.supabase.co", supabase_key="")
    with pytest.raises(ConfigurationInvalid) as refused:
        await begun(settings)
    assert "supabase_key" == refused.value.field


def test_no_key_is_shown() -> None:
    """Neither by the settings nor by what is made of them."""
    settings = Settings.load(supabase_url="https://abc.supabase.co", supabase_key=KEY)
    made = Project(url=settings.supabase_url, key=KEY, topic="goals", private=True)
    assert KEY not in repr(settings) + repr(made)
