"""What hosts may not say over HTTP: every bad message is named, and nothing of its request is heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.realtime.saying import BATCH, ONE, Keyed, a_message, joined, keyed_server

pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest_asyncio.fixture
async def keyed(tmp_path: Path) -> AsyncIterator[Keyed]:
    async with keyed_server(tmp_path) as found:
        yield found


BAD_MESSAGES: list[tuple[dict[str, Any], str]] = [
    ({"topic": "lobby"}, "topic"),
    ({"topic": "realtime:community_goals"}, "topic"),
    ({"topic": "goal:nowhere"}, "topic"),
    ({"topic": "goal:"}, "topic"),
    ({"topic": "user:", "private": True}, "topic"),
    ({"topic": "user:a b", "private": True}, "topic"),
    ({"topic": ""}, "topic"),
    ({"topic": None}, "topic"),
    ({"topic": 5}, "topic"),
    ({"topic": "user:ann"}, "private"),
    ({"private": "true"}, "private"),
    ({"private": None}, "private"),
    ({"event": ""}, "event"),
    ({"event": "x" * 256}, "event"),
    ({"event": "a\nb"}, "event"),
    ({"event": "\ud800"}, "event"),
    ({"event": None}, "event"),
    ({"payload": None}, "payload"),
    ({"payload": []}, "payload"),
    ({"payload": "text"}, "payload"),
    ({"payload": 5}, "payload"),
    ({"id": ""}, "id"),
    ({"id": 5}, "id"),
    ({"id": "x" * 256}, "id"),
]


async def test_a_bad_message_is_named_and_nothing_of_its_batch_is_said(keyed: Keyed) -> None:
    """422 with the field, as our problem and as Supabase's list of errors."""
    async with AsyncExitStack() as stack:
        one = await joined(stack, keyed)
        for changes, field in BAD_MESSAGES:
            answer = await keyed.say(a_message(), a_message(**changes))
            told = answer.json()
            assert (422, f"messages[1].{field}") == (answer.status_code, told["field"]), changes
            assert {f"messages[1].{field}": [told["detail"]]} == told["errors"]
        await one.is_quiet()


BAD_BATCHES: list[tuple[bytes, int, str]] = [
    (b"", 400, "body"),
    (b"{", 400, "body"),
    (b"\xff", 400, "body"),
    (b'{"messages": [{}], "messages": []}', 422, "messages"),
    (b'{"messages": [{"payload": {"n": 1e999}}]}', 400, "body"),
    (b'{"messages": [{"payload": {"n": NaN}}]}', 400, "body"),
    (b"[" * 100_000, 400, "body"),
    (b"[]", 422, "messages"),
    (b"5", 422, "messages"),
    (b"{}", 422, "messages"),
    (b'{"messages": []}', 422, "messages"),
    (b'{"messages": {}}', 422, "messages"),
    (b'{"messages": [5]}', 422, "messages[0]"),
    (b'{"messages": [{}]}', 422, "messages[0].topic"),
    (b'{"messages": [' + b"{}," * 100 + b"{}]}", 422, "messages"),
    (b" " * 1_048_577, 413, "body"),
]


async def test_a_bad_batch_is_refused(keyed: Keyed) -> None:
    """What is no JSON, no list of messages, or too much of either."""
    for body, status, field in BAD_BATCHES:
        answer = await keyed.post(BATCH, body)
        assert (status, field) == (answer.status_code, answer.json()["field"]), body[:50]


BAD_ONES: list[tuple[str, bytes, int, str]] = [
    ("lobby/events/boss", b"{}", 422, "topic"),
    ("goal%3Anowhere/events/boss", b"{}", 422, "topic"),
    ("user%3Aann/events/boss", b"{}", 422, "private"),
    ("user%3Aann/events/boss?private=false", b"{}", 422, "private"),
    ("community_goals/events/boss?private=maybe", b"{}", 422, "private"),
    ("community_goals/events/boss?private=true&persist=true", b"{}", 422, "persist"),
    ("community_goals/events/boss?persist%5Bttl%5D=5", b"{}", 422, "persist"),
    ("community_goals/events/", b"{}", 422, "event"),
    ("community_goals/events/a%0Ab", b"{}", 422, "event"),
    (f"community_goals/events/{'x' * 256}", b"{}", 422, "event"),
    ("community_goals/events/boss", b"[]", 400, "body"),
    ("community_goals/events/boss", b"null", 400, "body"),
    ("community_goals/events/boss", b"", 400, "body"),
    ("community_goals/events/boss", b'{"n": -Infinity}', 400, "body"),
    ("community_goals/events/boss", b'{"text": "' + b"x" * 65_536 + b'"}', 413, "body"),
    ("community_goals/events/boss", b'{"text": "' + "é".encode() * 20_000 + b'"}', 413, "body"),
]


async def test_a_bad_single_message_is_refused(keyed: Keyed) -> None:
    """Its topic and its event stand in the path, its payload is the body."""
    for path, body, status, field in BAD_ONES:
        answer = await keyed.post(f"{BATCH}/{path}", body)
        assert (status, field) == (answer.status_code, answer.json()["field"]), (path[:80], body[:50])
        assert answer.json()["message"]


async def test_a_payload_of_a_batch_has_the_same_bound(keyed: Keyed) -> None:
    """64 kB each, however they come."""
    answer = await keyed.say(a_message(), a_message(payload={"text": "x" * 65_536}))
    assert (413, "messages[1].payload") == (answer.status_code, answer.json()["field"])


async def test_other_addresses_methods_and_types(keyed: Keyed) -> None:
    """Bytes are not taken, nothing is to be had, and there is nothing else below."""
    binary = await keyed.post(ONE, b"\x00", **{"content-type": "application/octet-stream"})
    assert (415, "Content-Type") == (binary.status_code, binary.json()["field"])
    for path in (BATCH, ONE):
        asked = await keyed.server.client.get(path, headers={"apikey": keyed.secret})
        assert (405, "POST") == (asked.status_code, asked.headers["allow"])
    for path in ("/", "/community_goals", "/community_goals/boss", "s"):
        assert 404 == (await keyed.post(f"{BATCH}{path}", {})).status_code


async def test_a_name_may_need_encoding(keyed: Keyed) -> None:
    """What stands in the path is a name, whatever letters it has."""
    async with AsyncExitStack() as stack:
        one = await joined(stack, keyed, "realtime:user:ann")
        for event, encoded in (("a/b c", "a%2Fb%20c"), ("été?", "%C3%A9t%C3%A9%3F"), ("x/events/y", "x%2Fevents%2Fy")):
            path = f"{BATCH}/user%3Aann/events/{encoded}?private=true"
            assert 202 == (await keyed.post(path, {}, **{"content-type": ""})).status_code
            assert event == (await one.hear()).payload["event"]


async def test_pages_may_ask_first(keyed: Keyed) -> None:
    """A browser asks whether it may send the headers of Supabase's client."""
    asked = {
        "origin": "http://localhost:5173",
        "access-control-request-method": "POST",
        "access-control-request-headers": "apikey,authorization,content-type,x-client-info,prefer",
    }
    for path in (BATCH, ONE):
        answer = await keyed.server.client.options(path, headers=asked)
        assert (200, "http://localhost:5173") == (
            answer.status_code,
            answer.headers["access-control-allow-origin"],
        )
        assert (
            400
            == (
                await keyed.server.client.options(path, headers={**asked, "origin": "https://elsewhere.example"})
            ).status_code
        )
