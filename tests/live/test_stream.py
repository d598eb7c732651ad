"""One stream as the server sees it: what it says at once, how it stays alive, and every way in which it ends."""

import asyncio
import random
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.live.telling import a_hub, a_state, an_update, running
from tests.live.virtual import in_virtual_time, passing, turns
from worldevents.api.stream import ABORT, GOALS_MAX, StreamLimits, named_goals, stream
from worldevents.errors import BodyInvalid, UnknownGoal
from worldevents.live.hub import Hub

LIMITS = StreamLimits()


class Client:
    """Who is at the other end: what it got, whether it still reads, and whether it is there."""

    def __init__(self) -> None:
        self.start: MutableMapping[str, Any] = {}
        self.bodies: list[bytes] = []
        self.complete = False
        self.aborted = False
        self.reads = asyncio.Event()
        self.reads.set()
        self._gone = asyncio.Event()
        self._asked = False

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.bodies.append(message["body"])
            self.complete = not message["more_body"]

    def leave(self) -> None:
        self._gone.set()
        self.reads.set()

    def abort(self) -> None:
        self.aborted = True
        self.leave()

    def got(self) -> list[bytes]:
        got, self.bodies = self.bodies, []
        return got


@asynccontextmanager
async def streaming(
    hub: Hub, client: Client, since: str | None = None, *, extensions: bool = True
) -> AsyncIterator[asyncio.Task[None]]:
    """Have a client's stream written; at the end of the context it is over, or the test fails."""
    scope = {"extensions": {ABORT: {"call": client.abort}}} if extensions else {}
    chance = random.Random(7)  # noqa: S311 - keeps no secret
    task = asyncio.create_task(
        stream(
            scope,
            client.receive,
            client.send,
            hub=hub,
            goals=None,
            last_event_id=since,
            limits=LIMITS,
            chance=chance,
        )
    )
    await turns()
    yield task
    await turns()
    assert task.done()
    await task


@in_virtual_time
async def test_a_stream_says_something_at_once() -> None:
    """Headers that keep everybody between from storing it, the time to come again, and every goal."""
    hub = a_hub()
    hub.prime([a_state(1)])
    client = Client()
    async with streaming(hub, client):
        assert 200 == client.start["status"]
        assert {
            b"content-type": b"text/event-stream; charset=utf-8",
            b"cache-control": b"no-store",
            b"x-accel-buffering": b"no",
        } == dict(client.start["headers"])
        (first,) = client.got()
        retry, event = first.split(b"\n\n", 1)
        assert b"retry: 2000" == retry
        assert event.startswith(b'id: run1:1\nevent: goal_update\ndata: {"goalId":"volume"')
        client.leave()


@in_virtual_time
async def test_with_nothing_to_say_the_headers_go_out_all_the_same() -> None:
    """The first byte does not wait for the first change."""
    client = Client()
    async with streaming(a_hub(), client):
        assert [b"retry: 2000\n\n"] == client.got()
        client.leave()


@in_virtual_time
async def test_every_client_is_sent_the_same_bytes() -> None:
    """A change is written once, and each stream sends that."""
    async with running(a_hub()) as hub:
        one, other = Client(), Client()
        async with streaming(hub, one), streaming(hub, other):
            one.got(), other.got()
            hub.tell(an_update(1))
            await turns()
            ((mine,), (yours,)) = one.got(), other.got()
            assert mine is yours
            one.leave()
            other.leave()


@in_virtual_time
async def test_a_quiet_stream_shows_every_15_seconds_that_it_lives() -> None:
    """A comment, so that nobody between takes it for dead."""
    client = Client()
    async with streaming(a_hub(), client):
        client.got()
        await passing(46)
        assert [b": ka\n\n"] * 3 == client.got()
        client.leave()


@in_virtual_time
async def test_a_stream_lives_a_quarter_of_an_hour() -> None:
    """Give or take a tenth, then it ends as it should."""
    client = Client()
    async with streaming(a_hub(), client) as task:
        await passing(LIMITS.life_s * 0.9 - 1)
        assert not task.done()
        await passing(LIMITS.life_s * 0.2 + 2)
        assert (True, True, False) == (task.done(), client.complete, client.aborted)


@in_virtual_time
async def test_a_client_that_leaves_ends_its_stream() -> None:
    """Nothing is kept for who has gone."""
    hub, client = a_hub(), Client()
    async with streaming(hub, client):
        assert 1 == len(hub._subscribers)
        client.leave()
    assert 0 == len(hub._subscribers)


@in_virtual_time
async def test_a_server_that_closes_says_goodbye() -> None:
    """The last event is bye, and before it stands when this client may come again."""
    hub, client = a_hub(), Client()
    async with streaming(hub, client):
        client.got()
        hub.close()
        await turns()
        farewell, end = client.got()
        retry, event = farewell.split(b"\n\n", 1)
        assert 500 <= int(retry.removeprefix(b"retry: ")) <= 3_000
        assert (b'id: run1:0\nevent: bye\ndata: {"reason":"closing"}\n\n', b"", True) == (event, end, client.complete)


@in_virtual_time
async def test_a_client_that_does_not_read_is_dropped() -> None:
    """A write that is stuck for ten seconds is broken off with its connection, and nothing is left of it."""
    hub, client = a_hub(), Client()
    async with running(hub), streaming(hub, client):
        client.reads.clear()
        for seq in range(1, 30):
            hub.tell(an_update(seq))
            await passing(0.5)
        assert (True, False, 0) == (client.aborted, client.complete, len(hub._subscribers))


@in_virtual_time
async def test_a_client_that_misses_too_much_is_dropped() -> None:
    """A stream whose mailbox could not hold what happened breaks off rather than to end as if all were told."""
    hub, client = a_hub(events_max=1), Client()
    async with running(hub), streaming(hub, client):
        hub.tell(an_update(1, 25, 50))
        await passing(1)
        assert (True, False, 0) == (client.aborted, client.complete, len(hub._subscribers))


@in_virtual_time
async def test_where_a_server_cannot_drop_a_client_the_stream_ends_all_the_same() -> None:
    """Not every server offers it."""
    hub, client = a_hub(), Client()
    async with running(hub), streaming(hub, client, extensions=False):
        client.reads.clear()
        for seq in range(1, 30):
            hub.tell(an_update(seq))
            await passing(0.5)
        assert (False, False, 0) == (client.aborted, client.complete, len(hub._subscribers))


@in_virtual_time
async def test_a_stream_that_is_cancelled_leaves_nothing() -> None:
    """A server in a hurry cancels; the mailbox and the watch for the client go too."""
    hub, client = a_hub(), Client()
    with pytest.raises(asyncio.CancelledError):
        async with streaming(hub, client) as task:
            task.cancel()
    assert 0 == len(hub._subscribers)


@in_virtual_time
async def test_a_stream_goes_on_where_it_was() -> None:
    """With the id of the last event nothing is told again; an endless one is no id."""
    hub = a_hub()
    hub.prime([a_state(1)])
    known, unknown = Client(), Client()
    async with streaming(hub, known, "run1:1"), streaming(hub, unknown, "run1:" + "1" * 300):
        assert [b"retry: 2000\n\n"] == known.got()
        assert b"event: goal_update" in unknown.got()[0]
        known.leave()
        unknown.leave()


def test_goals_are_named_with_commas() -> None:
    """None named is all; what nobody knows is refused, and so are too many."""
    hub = a_hub()
    hub.prime([a_state(1), a_state(1, goal="workouts")])
    assert (None, None, None) == (named_goals(hub, None), named_goals(hub, ""), named_goals(hub, ","))
    assert frozenset({"volume", "workouts"}) == named_goals(hub, "volume,workouts,volume")
    for query in ("volume,nope", "volume workouts", "../etc", "VOLUME"):
        with pytest.raises(UnknownGoal) as unknown:
            named_goals(hub, query)
        assert "goals" == unknown.value.field
    with pytest.raises(BodyInvalid, match="at most 100"):
        named_goals(hub, ",".join(f"goal-{index}" for index in range(GOALS_MAX + 1)))
