"""The server process: it watches, finishes and leaves, and says what is wrong."""

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.api.served import Event, begun, line, process, served, standing_in, watching
from worldevents import protocols, serving
from worldevents.api.stream import ABORT
from worldevents.errors import ConfigurationInvalid, Internal
from worldevents.ledger import find_server
from worldevents.model import GoalContribution
from worldevents.operations import is_absent
from worldevents.runtime import open_runtime
from worldevents.serving import bound, serve, url_of
from worldevents.settings import Settings
from worldevents.store.embedded import EmbeddedStore
from worldevents.testing.builders import DURING
from worldevents.testing.clock import ManualClock

pytestmark = [pytest.mark.usefixtures("no_leaks"), pytest.mark.slow]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(database_url=f"sqlite:///{tmp_path}/served.db", update_interval_ms=10)


def told(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event.data)
    return found


# Watching.


async def test_what_is_counted_reaches_who_watches(settings: Settings) -> None:
    """A stream begins with every goal's state; a contribution comes as the new state, with the tier it reached."""
    await begun(settings)
    async with served(settings) as server, watching(server.client) as events:
        first = await anext(events)
        assert ("goal_update", 0, True, 2_000) == (
            first.event,
            told(first)["newValue"],
            told(first)["snapshot"],
            first.retry,
        )
        assert 201 == await server.contribute("c1", 300)
        update, unlock = await anext(events), await anext(events)
        assert ("goal_update", 300, [25], False) == (
            update.event,
            *(told(update)[key] for key in ("newValue", "tiersUnlocked", "snapshot")),
        )
        assert ("goal_tier_unlocked", 25, 0) == (unlock.event, told(unlock)["threshold"], told(unlock)["index"])


async def test_who_comes_again_goes_on_where_it_was(settings: Settings) -> None:
    """With the last id, by header or query, nothing is told twice; the header goes first."""
    await begun(settings)
    async with served(settings) as server:
        async with watching(server.client) as events:
            first = await anext(events)
            await server.contribute("c1", 10)
            last = await anext(events)
        assert first.id != last.id
        stale = first.id
        for number, by_query, by_header in ((20, True, False), (30, False, True), (40, True, True)):
            query = f"?lastEventId={stale if by_header else last.id}" if by_query else ""
            headers = {"last-event-id": last.id} if by_header else {}
            async with watching(server.client, query, headers) as events:
                await server.contribute(f"c{number}", 10)
                last = await anext(events)
                assert (number, False) == (told(last)["newValue"], told(last)["snapshot"])


async def test_a_stream_tells_a_user_where_the_user_stands(settings: Settings) -> None:
    """First as it is and then as it changes, between the states of goals; ids still say where to go on."""
    await begun(settings)
    async with served(settings) as server:
        async with watching(server.client, "?userId=ann") as events:
            assert ["goal_update", "standing_update"] == [(await anext(events)).event for _ in range(2)]
            await server.contribute("c1", 10)
            seen = [await anext(events) for _ in range(2)]
            own = next(told(event) for event in seen if event.event == "standing_update")
            assert ("ann", 10, 1, False) == tuple(
                own[name] for name in ("userId", "userContribution", "userRank", "snapshot")
            )
        async with watching(server.client, f"?userId=ann&lastEventId={seen[-1].id}") as events:
            assert ("standing_update", True) == ((first := await anext(events)).event, told(first)["snapshot"])
        bad = await server.client.get("/v1/stream?userId=a%20b")
        assert (422, "id_invalid", "userId") == (bad.status_code, *(bad.json()[key] for key in ("code", "field")))


async def test_a_stream_of_an_unknown_goal_is_refused_before_it_starts(settings: Settings) -> None:
    """A problem, not a stream that says nothing; and no more than a hundred goals."""
    await begun(settings)
    async with served(settings) as server:
        unknown = await server.client.get("/v1/stream?goals=volume,nope")
        assert (404, "unknown_goal", "goals") == (
            unknown.status_code,
            *(unknown.json()[key] for key in ("code", "field")),
        )
        many = await server.client.get("/v1/stream?goals=" + ",".join(f"goal-{number}" for number in range(101)))
        assert (422, "body_invalid") == (many.status_code, many.json()["code"])


async def test_a_client_that_leaves_is_noticed(settings: Settings) -> None:
    """Its stream ends, and the server's count of watchers says so."""
    await begun(settings)
    async with served(settings) as server:
        async with watching(server.client) as events:
            await anext(events)
            assert 1 == await subscribers(server.client)
        while await subscribers(server.client):
            pass


async def subscribers(client: httpx2.AsyncClient) -> int:
    text = (await client.get("/metrics")).text
    (found,) = [row for row in text.splitlines() if row.startswith("worldevents_subscribers ")]
    return int(float(found.split()[1]))


async def test_the_server_does_not_name_itself(settings: Settings) -> None:
    """Nobody needs to know what it is made with."""
    async with served(settings) as server:
        assert "server" not in (await server.client.get("/livez")).headers


# Leaving.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_under_open_streams(settings: Settings, number: signal.Signals) -> None:
    """Each of 20 watchers is told goodbye and when to come again; the process leaves at once and says nothing ugly."""
    await begun(settings)
    with process(settings) as running:
        url = await asyncio.to_thread(line, running)
        address = find_server(settings.database_url)
        assert address is not None
        assert url == address.url
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=30))
            query = "?apikey=we_pub_canary"
            streams = [await stack.enter_async_context(watching(client, query)) for _ in range(20)]
            running.send_signal(number)
            last = [[event async for event in events][-1] for events in streams]
        assert {"bye"} == {event.event for event in last}
        assert all(event.retry is not None and 500 <= event.retry <= 3_000 for event in last)
        out, err = await asyncio.to_thread(running.communicate, timeout=5)
        assert (0, "left\n") == (running.returncode, out)
        assert ["served"] == [row.rpartition(": ")[2] for row in err.splitlines()[1:]]
        assert "canary" not in err
    assert find_server(settings.database_url) is None


async def test_a_request_under_way_is_finished(settings: Settings) -> None:
    """Who was let in is answered, though the server is leaving; and then its runtime is closed."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_scope: object, _receive: object, send: Any) -> None:
        asked.set()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    async with served(settings, make_app=standing_in(slow)) as server:
        request = asyncio.create_task(server.client.get("/"))
        await asked.wait()
        server.task.cancel()
        await asyncio.sleep(0)
        assert not server.task.done()
        go_on.set()
        assert "done" == (await request).text
    async with open_runtime(settings):
        pass


async def test_a_dead_background_task_ends_the_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that cannot count any more does not go on as if it could: it says so and fails."""

    async def surprise(_store: EmbeddedStore, _batch: Sequence[GoalContribution]) -> None:
        raise ZeroDivisionError

    await begun(settings)
    async with served(settings) as server, watching(server.client) as events:
        monkeypatch.setattr(EmbeddedStore, "contribute", surprise)
        assert 503 == await server.contribute("c1", 1)
        assert "bye" == [event async for event in events][-1].event
        with pytest.raises(Internal):
            await server.task
    (died,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "a background task has died" == died.message


async def test_a_client_that_does_not_read_can_be_dropped(settings: Settings) -> None:
    """The server offers what the stream asks for: a stuck connection is over at once, and its file with it."""
    stuck, over = asyncio.Event(), asyncio.Event()

    async def flood(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            async with asyncio.timeout(0.2):
                while True:
                    await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        except TimeoutError:
            stuck.set()
        scope["extensions"][ABORT]["call"]()
        assert "http.disconnect" == (await receive())["type"]
        over.set()

    async with served(settings, make_app=standing_in(flood)) as server:
        reader, writer = await connected(server.client)
        writer.transport.pause_reading()  # type: ignore[attr-defined] # of a socket, one may
        writer.write(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        await stuck.wait()
        await over.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined] # the same
        assert not (await read_or_reset(reader)).endswith(b"\r\n0\r\n\r\n")
        writer.close()


async def connected(client: httpx2.AsyncClient) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(client.base_url.host, client.base_url.port)


async def read_or_reset(reader: asyncio.StreamReader) -> bytes:
    """What a connection says until it is over, however it ends."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_a_head_without_end_is_cut_off(settings: Settings) -> None:
    """No client has the server remember more than a head's worth."""
    async with served(settings) as server:
        reader, writer = await connected(server.client)
        writer.write(b"GET /livez HTTP/1.1\r\nx-long: " + b"x" * 2**20)
        assert b"" == await read_or_reset(reader)
        writer.close()


async def test_a_body_of_any_size_is_no_head(settings: Settings) -> None:
    """What is bounded is the head; a large body is the application's to judge."""
    async with served(settings) as server:
        answer = await server.client.post("/v1/contributions", content=b"[" + b" " * 500_000 + b"]")
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("begins", [b"", b"GET /livez HTTP/1.1\r\nx-sl", b"GET /livez HTTP/1.1\r\n\r\nGET /"])
async def test_a_head_that_takes_for_ever_is_cut_off(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, begins: bytes
) -> None:
    """A connection that says nothing, or stops in the midst of its first or second request, is over after a while."""
    monkeypatch.setattr(protocols, "HEAD_S", 0.05)
    async with served(settings) as server:
        reader, writer = await connected(server.client)
        writer.write(begins)
        if begins.endswith(b"GET /"):
            assert b"HTTP/1.1 " == await reader.readexactly(9)
        await read_or_reset(reader)
        writer.close()


# Starting.


async def test_where_a_server_is_can_be_found(settings: Settings) -> None:
    """The command line finds its address and its token, which has every right."""
    async with served(settings) as server:
        address = find_server(settings.database_url)
        assert address is not None
        assert str(server.client.base_url).rstrip("/") == address.url
        headers = {"authorization": f"Bearer {address.token}"}
        assert 200 == (await server.client.get("/metrics", headers=headers)).status_code
    assert find_server(settings.database_url) is None


async def test_a_port_that_is_taken_is_named(settings: Settings) -> None:
    """Nothing is opened for a server that has no place."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as taken,
        pytest.raises(ConfigurationInvalid, match="another process listens there") as refused,
    ):
        await serve(settings, host="127.0.0.1", port=taken.getsockname()[1])
    assert "port" == refused.value.field
    assert is_absent(settings.database_url)


async def test_a_port_that_is_taken_meanwhile_is_named(settings: Settings) -> None:
    """Two may take a place while neither listens; the second one to listen is told."""
    with closing(bound("127.0.0.1", 0)) as first, closing(bound("127.0.0.1", first.getsockname()[1])):
        first.listen()
        with pytest.raises(ConfigurationInvalid) as refused:
            await serve(settings, host="127.0.0.1", port=first.getsockname()[1])
    assert "port" == refused.value.field


@pytest.mark.parametrize(
    ("field", "host", "port"),
    [
        ("port", "127.0.0.1", -1),
        ("port", "127.0.0.1", 65_536),
        ("host", "203.0.113.7", 0),
        ("host", "no such host", 0),
        ("host", "x" * 300, 0),
    ],
)
def test_an_address_that_cannot_be_is_named(field: str, host: str, port: int) -> None:
    """Which of the two is wrong is said."""
    with pytest.raises(ConfigurationInvalid) as refused:
        bound(host, port)
    assert field == refused.value.field


@pytest.mark.parametrize(("expected", "host"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")])  # noqa: S104
def test_the_url_can_be_used_on_this_machine(expected: str, host: str) -> None:
    """Port 0 takes a free one, and the real one is told; every address of a machine is this one too."""
    with closing(bound(host, 0)) as listener:
        assert f"http://{expected}:{listener.getsockname()[1]}" == url_of(listener)
        assert listener.getsockname()[1] > 0


async def test_a_database_in_use_is_said_and_the_place_is_free_again(settings: Settings) -> None:
    """What goes wrong at the opening comes out as itself."""
    async with open_runtime(settings, clock=ManualClock(DURING)):
        with closing(bound("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with pytest.raises(ConfigurationInvalid):
            await serve(Settings.load(database_url="mysql://x/y"), host="127.0.0.1", port=port)
    with closing(bound("127.0.0.1", port)):
        pass


# Logs.


def test_no_key_stands_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever logs an address: what looks like a key in it is left out, in one plain line."""
    root, named = logging.getLogger(), [logging.getLogger(name) for name in ("worldevents", "uvicorn")]
    before, levels = (root.handlers[:], root.level), [logger.level for logger in named]
    root.handlers.clear()
    try:
        serving.log_to_stderr("info")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        logging.getLogger("uvicorn.error").error('"GET /v1/stream?apikey=%s&goals=a" failed', "we_pub_canary")
        logging.getLogger("worldevents.test").info("token=canary;")
        logging.getLogger("somebody.else").info("chatter")
    finally:
        root.handlers[:] = before[0]
        for logger, level in zip([root, *named], [before[1], *levels], strict=True):
            logger.setLevel(level)
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith('ERROR uvicorn.error: "GET /v1/stream?apikey=***&goals=a" failed')
    assert second.endswith("INFO worldevents.test: token=***")
