"""A client's patience and exactness, against a server that answers as it is told to."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from worldevents import asking, problems
from worldevents.catalog import load_event
from worldevents.client import Client
from worldevents.errors import (
    Closed,
    Complaint,
    ConfigurationInvalid,
    ContributionConflict,
    DatabaseOwned,
    EventInvalid,
    Internal,
    ServerUnreachable,
    UnknownEvent,
    UnknownGoal,
    WorldEventsError,
)

LIFT = "lift-the-frost"
GOAL = {"goal": {"id": LIFT}}


@dataclass
class Asked:
    """A request as the server saw it."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """Answers each request with the next of its answers; the last one is for all that come after."""

    answers: list[bytes]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.splitlines()
        headers = dict(one.lower().split(": ", 1) for one in rest if one)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Asked(line.removesuffix(" HTTP/1.1"), headers, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[Server]:
    """Have a server with these answers; an empty one is a connection that breaks."""
    server = Server(list(answers))
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    async with listening:
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server


def answer(document: object, status: int = 200, **headers: str) -> bytes:
    body = json.dumps(document).encode()
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{more}\r\n".encode() + body


def refusal(error: WorldEventsError, **headers: str) -> bytes:
    return answer(problems.problem(error), problems.status(error), **headers)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long here."""
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(asking, "RETRY_AFTER_MAX_S", 0.01)


def a_client(server: Server, key: str | None = None) -> Client:
    return Client(server.url, key, chance=random.Random(1))  # noqa: S311 - the same waits at every run


# Patience.


@pytest.mark.parametrize(
    "trouble",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{",
        refusal(Closed(), retry_after="1"),
        answer("a proxy", 502),
    ],
    ids=["no answer", "half an answer", "closed", "a proxy's word"],
)
async def test_what_gets_no_answer_is_asked_again(trouble: bytes) -> None:
    """A broken connection and a 503 are followed by the same request."""
    async with serving(trouble, trouble, answer(GOAL)) as server, a_client(server) as client:
        assert GOAL == await client.progress(LIFT)
    assert ["GET /v1/goals/lift-the-frost/progress"] * 3 == [one.line for one in server.asked]


async def test_a_contribution_is_repeated_as_it_was() -> None:
    """The same id and amount go again: that is why nothing counts twice."""
    item = {"contributionId": "w1", "userId": "ada", "amount": Decimal("0.10")}
    async with serving(b"", answer({"status": "counted"})) as server, a_client(server) as client:
        await client.contribute(LIFT, item)
    assert [{**item, "amount": "0.10"}] * 2 == [one.document for one in server.asked]


async def test_patience_has_an_end() -> None:
    """After five tries the server counts as unreachable, or what it said last is raised."""
    async with serving(b"") as server, a_client(server) as client:
        with pytest.raises(ServerUnreachable, match=r"http://127\.0\.0\.1:\d+ does not answer"):
            await client.goals()
    assert 5 == len(server.asked)
    async with serving(refusal(Closed())) as server, a_client(server) as client:
        with pytest.raises(Closed):
            await client.goals()
    assert 5 == len(server.asked)


@pytest.mark.parametrize("error", [ContributionConflict(field="contributionId"), DatabaseOwned(), Internal()])
async def test_a_clear_no_is_not_asked_again(error: WorldEventsError) -> None:
    """What another try would not change is raised at once, as what it is."""
    async with serving(refusal(error)) as server, a_client(server) as client:
        with pytest.raises(type(error)) as raised:
            await client.contribute(LIFT, {})
    assert (error.detail, error.field, 1) == (raised.value.detail, raised.value.field, len(server.asked))


async def test_complaints_about_an_event_come_through() -> None:
    """Each with its message and its path, so that a file's lines can be found."""
    places = ("event", "starts_at"), ("goals", 1, "tiers", 0, "threshold"), ()
    told = EventInvalid(*(Complaint("no", path) for path in places))
    async with serving(refusal(told)) as server, a_client(server) as client:
        with pytest.raises(EventInvalid) as raised:
            await client.publish(load_event("winter"), author="ada")
    assert told.complaints == raised.value.complaints


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b"\xff"])
async def test_an_answer_that_is_none_is_not_believed(body: bytes) -> None:
    """A page of somebody else at the same address is an error."""
    raw = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
    async with serving(raw) as server, a_client(server) as client:
        with pytest.raises(Internal):
            await client.goals()


async def test_no_redirect_is_followed() -> None:
    """A key goes to the server that was named."""
    async with serving(answer({}, 302, location="http://127.0.0.1:1/")) as server, a_client(server, "we_x") as client:
        with pytest.raises(Internal):
            await client.goals()
    assert ["bearer we_x"] == [one.headers["authorization"] for one in server.asked]


# Addresses and keys.


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://x", "http://", "http://a:b@x", "http://x?y=1", "http://\n"]
)
def test_an_address_is_http_and_a_host(url: str) -> None:
    """Anything else is refused before anything is sent."""
    with pytest.raises(ConfigurationInvalid, match="a server is named as"):
        Client(url)


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "ä"])
def test_a_key_is_never_shown(key: str) -> None:
    """One that cannot be a key is refused without being said."""
    with pytest.raises(ConfigurationInvalid, match="a key is printable ASCII without spaces"):
        Client("http://127.0.0.1:1", key)
    assert "we_secret" not in repr(Client("http://127.0.0.1:1", "we_secret_x"))


@pytest.mark.parametrize("goal_id", ["", ".", "..", "a/b", "a?b", "A", "a" * 65])
async def test_what_can_be_no_id_is_not_sent(goal_id: str) -> None:
    """A path is made of ids alone."""
    async with serving(answer({})) as server, a_client(server) as client:
        with pytest.raises(UnknownGoal):
            await client.progress(goal_id)
        with pytest.raises(UnknownEvent):
            await client.event(goal_id)
    assert [] == server.asked


async def test_queries_carry_what_was_asked() -> None:
    """What is left out is not sent, and a user's id is encoded."""
    async with serving(answer({})) as server, a_client(server) as client:
        await client.leaderboard(LIFT, limit=3, around="a&b=c")
        await client.standing(LIFT, "a&b=c")
        await client.extend("winter", datetime(2027, 1, 1, tzinfo=UTC), author="ada", reason="snow")
    assert "GET /v1/goals/lift-the-frost/leaderboard?limit=3&around=a%26b%3Dc" == server.asked[0].line
    assert "GET /v1/goals/lift-the-frost/standing?userId=a%26b%3Dc" == server.asked[1].line
    assert "POST /v1/admin/events/winter/extend" == server.asked[2].line
    assert {"endsAt": "2027-01-01T00:00:00+00:00", "author": "ada", "reason": "snow"} == server.asked[2].document


# Batches.


def results(count: int) -> bytes:
    return answer({"results": [{"status": 201}] * count})


async def test_many_items_go_in_several_requests() -> None:
    """A thousand at most in each, in their order, and every one is answered."""
    items = [{"contributionId": f"w{number}"} for number in range(2_500)]
    async with serving(results(1_000), results(1_000), results(500)) as server, a_client(server) as client:
        assert 2_500 == len(await client.contribute_many(items))
    assert items == [item for one in server.asked for item in one.document["items"]]


async def test_large_items_go_in_smaller_batches() -> None:
    """No request is over a megabyte; nothing at all is no request."""
    items: Sequence[dict[str, Any]] = [{"id": str(number), "prs": ["x" * 300_000]} for number in range(4)]
    async with serving(results(3), results(1)) as server, a_client(server) as client:
        assert 4 == len(await client.record_many(items))
        assert [] == await client.record_many([])
    assert [3, 1] == [len(one.document["items"]) for one in server.asked]


async def test_fewer_answers_than_items_are_an_error() -> None:
    """Nobody guesses which items were meant."""
    async with serving(results(1)) as server, a_client(server) as client:
        with pytest.raises(Internal, match="did not answer 2 items"):
            await client.contribute_many([{}, {}])


# Watching.


def stream(*events: str) -> bytes:
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    return "".join([head, "retry: 1\n\n", *events]).encode()


def update(number: int) -> str:
    return f'id: run:{number}\nevent: goal_update\ndata: {{"seq":{number}}}\n\n'


async def test_a_stream_is_taken_up_where_it_ended() -> None:
    """Across connections that end or break, each update is told once, and other events are not."""
    bye = 'id: run:2\nevent: bye\ndata: {"reason":"closing"}\n\n'
    answers = stream(update(1), ": ka\n\n", update(2), bye), b"", refusal(Closed()), stream(update(3))
    async with serving(*answers) as server, a_client(server) as client, aclosing(client.updates(LIFT)) as updates:
        assert [1, 2, 3] == [(await anext(updates))["seq"] for _ in range(3)]
    assert ["", "run:2", "run:2", "run:2"] == [one.headers["last-event-id"] for one in server.asked]
    assert {"GET /v1/stream?goals=lift-the-frost"} == {one.line for one in server.asked}


async def test_a_stream_that_is_refused_is_said_so() -> None:
    """A problem is raised at once; a server that was never there is unreachable after a few tries."""
    async with serving(refusal(UnknownGoal())) as server, a_client(server) as client:
        with pytest.raises(UnknownGoal):
            await anext(client.updates("nope"))
    async with serving(b"") as server, a_client(server) as client:
        with pytest.raises(ServerUnreachable):
            await anext(client.updates(LIFT))
    assert 5 == len(server.asked)
