"""Operators' requests that are wrong, and queries that are: refused by code and field, and no event is another."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.door import Door, Stand
from tests.api.hostile_events import EVENT, EVENT_FAULTS, NO_TOML, TOML, EventFault
from tests.api.hostile_items import INSTANTS, NO_IDS

pytestmark = pytest.mark.slow

EVENTS = "/v1/admin/events"
AS_JSON = {"content-type": "application/json"}
AS_TOML = {"content-type": "application/toml"}
VERBS = ["extend", "close", "cancel"]
NO_TEXT = ["5", "true", "[]", "{}", "NaN", '""', '" "', '"a\\nb"', '"a\\u0000"', '"\\u202e"', '"\\ud800"']


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def before(shared_door: Door) -> AsyncIterator[Stand]:
    """What must not move, to the last row."""
    whole = await shared_door.state()
    yield await shared_door.stand()
    assert whole == await shared_door.state()


async def test_the_files_are_right_but_for_their_faults(shared_door: Door, before: Stand) -> None:
    """Without a fault either file could be published."""
    for body, headers in ((EVENT, AS_JSON), (TOML.encode(), AS_TOML)):
        planned = await shared_door.ask("PUT", f"{EVENTS}?dryRun=true", body, headers)
        assert (200, "extra", 0) == (planned.status, planned.json["eventId"], planned.json["version"])
    assert before == await shared_door.stand()


@pytest.mark.parametrize("dry", ["", "?dryRun=true"])
@pytest.mark.parametrize("fault", EVENT_FAULTS, ids=lambda fault: fault.name)
async def test_an_event_as_json(shared_door: Door, before: Stand, fault: EventFault, dry: str) -> None:
    """Every complaint names its field; the first one is the refusal's."""
    answered = await shared_door.ask("PUT", EVENTS + dry, fault.body, AS_JSON)
    assert (422, "event_invalid") == answered.refusal[:2]
    assert fault.field in {one["field"] for one in answered.json["complaints"]}
    assert before == await shared_door.stand()


@pytest.mark.parametrize(("body", "field"), [pytest.param(*rest, id=name) for name, *rest in NO_TOML])
async def test_an_event_as_toml(shared_door: Door, before: Stand, body: bytes, field: str | None) -> None:
    """What is no TOML is told by its line, what is no event by its field, and what is no text by nothing."""
    answered = await shared_door.ask("PUT", EVENTS, body, AS_TOML)
    code = (400, "body_invalid", "body") if field == "body" else (422, "event_invalid", field)
    assert code == answered.refusal
    assert b"canary" not in answered.body
    assert before == await shared_door.stand()


async def test_a_file_that_is_too_large(shared_door: Door, before: Stand) -> None:
    """64 kB are enough for an event."""
    answered = await shared_door.ask("PUT", EVENTS, TOML.encode() + b"#" * 65_536, AS_TOML)
    assert (413, "too_large", "body") == answered.refusal
    assert before == await shared_door.stand()


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (("target = 10_000_000", "target = 20_000_000"), "goals[0].target"),
        (('metric = "bossesDefeated"', 'metric = "totalPRs"'), "goals[1].metric"),
        (("starts_at = 2026-12-01", "starts_at = 2026-12-02"), "event.starts_at"),
        (("ends_at = 2027-01-01", "ends_at = 2026-12-09"), "event.ends_at"),
        (('id = "iron-march"', 'id = "spring-volume"'), "goals"),
    ],
)
async def test_an_edit_that_breaks_a_promise(
    shared_door: Door, before: Stand, winter: str, edit: tuple[str, str], field: str
) -> None:
    """What players were told stays: the file could be a new event's, but not this one's next version."""
    assert edit[0] in winter
    for query in ("", "?dryRun=true"):
        answered = await shared_door.ask("PUT", EVENTS + query, winter.replace(*edit).encode(), AS_TOML)
        assert (422, "event_invalid") == answered.refusal[:2]
        assert any(one["field"].startswith(field) for one in answered.json["complaints"])
    assert before == await shared_door.stand()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("field", "raw"),
    [
        *(("reason", raw) for raw in (*NO_TEXT, "null", f'"{"a" * 501}"', None)),
        # Without an author it is the key that was used.
        *(("author", raw) for raw in (*NO_TEXT, f'"{"a" * 101}"')),
    ],
)
async def test_who_and_why(shared_door: Door, before: Stand, verb: str, field: str, raw: str | None) -> None:
    """A change has a reason that can be read, and an author if one is told."""
    parts = {"reason": '"why"', "endsAt": '"2026-12-31T00:00:00Z"', field: raw}
    if verb != "extend":
        del parts["endsAt"]
    body = "{" + ", ".join(f'"{name}": {told}' for name, told in parts.items() if told) + "}"
    answered = await shared_door.post(f"{EVENTS}/winter-2026/{verb}", body.encode())
    assert (422, "body_invalid", field) == answered.refusal
    assert before == await shared_door.stand()


@pytest.mark.parametrize("raw", [None, "null", *(one.raw for one in INSTANTS if one.code == "body_invalid")])
async def test_an_end_that_is_no_instant(shared_door: Door, before: Stand, raw: str | None) -> None:
    """It is written as everywhere."""
    body = f'{{"reason": "why", "endsAt": {raw}}}' if raw else '{"reason": "why"}'
    answered = await shared_door.post(f"{EVENTS}/winter-2026/extend", body.encode())
    assert (422, "endsAt") == (answered.status, answered.json["field"])
    assert answered.code in ("body_invalid", "event_invalid")
    assert before == await shared_door.stand()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("event", ["nowhere", "WINTER-2026", "winter-2026%20", "%00", "%ff", "a" * 65, "%3Cscript%3E"])
async def test_an_event_that_is_not_there(shared_door: Door, before: Stand, verb: str, event: str) -> None:
    """404, and only what could be an event's id is said back."""
    body = {"reason": "why"} | ({"endsAt": "2026-12-31T00:00:00Z"} if verb == "extend" else {})
    answered = await shared_door.post(f"{EVENTS}/{event}/{verb}", body)
    assert (404, "unknown_event", "eventId") == answered.refusal
    assert b"script" not in answered.body
    assert b"\xef\xbf\xbd" not in answered.body
    assert len(answered.body) < 300
    assert before == await shared_door.stand()


@pytest.mark.parametrize("ends_at", ["2026-12-10T18:29:59Z", "2026-11-30T00:00:00Z", "0001-01-01T00:00:00Z"])
async def test_an_end_that_is_past(shared_door: Door, before: Stand, ends_at: str) -> None:
    """An event ends in the future, and after its start."""
    answered = await shared_door.post(f"{EVENTS}/winter-2026/extend", {"reason": "why", "endsAt": ends_at})
    assert (422, "event_invalid") == answered.refusal[:2]
    assert before == await shared_door.stand()


@pytest.mark.parametrize("verb", VERBS)
async def test_a_field_that_nobody_reads(shared_door: Door, before: Stand, verb: str) -> None:
    """A typing error is not ignored."""
    answered = await shared_door.post(f"{EVENTS}/winter-2026/{verb}", {"reason": "why", "raeson": "why"})
    assert (422, "body_invalid", "raeson") == answered.refusal
    assert before == await shared_door.stand()


GOAL = "/v1/goals/lift-the-frost"
QUERIES = [
    *((f"/v1/goals?status={one}", "status") for one in ("nope", "", "ACTIVE", "%ff", "active%00", "all,active")),
    *(
        (f"{GOAL}/leaderboard?limit={one}", "limit")
        for one in ("0", "-1", "1001", "abc", "1e3", "1.5", "", "%20", "NaN", "0x10", "%00", "9" * 20, "9" * 5_000)
    ),
    *(
        (f"{GOAL}/{target}={one}", field)
        for target, field in (
            ("progress?userId", "userId"),
            ("standing?userId", "userId"),
            ("leaderboard?userId", "userId"),
            ("leaderboard?around", "around"),
        )
        for one in (
            *("", "%20", "a%20b", "%00", "%ff", "%ED%A0%80", "a%2Fb", "%C3%A4", "%F0%9F%98%80"),
            *("a" * 129, "%3Cscript%3E", "%u0061", "%", "a%0d%0aset-cookie:%20b"),
        )
    ),
]


@pytest.mark.parametrize(("target", "field"), QUERIES, ids=[target[:70] for target, _ in QUERIES])
async def test_a_query(shared_door: Door, before: Stand, target: str, field: str) -> None:
    """422 with the parameter's name, and nothing of what it held."""
    answered = await shared_door.get(target)
    assert 422 == answered.status
    assert field == answered.json["field"]
    assert answered.code in ("body_invalid", "id_invalid")
    assert b"script" not in answered.body
    assert len(answered.body) < 400
    assert before == await shared_door.stand()


@pytest.mark.parametrize(
    "query", ["dryRun=maybe", "dryRun=", "dryRun=%ff", "author=" + "a" * 101, "reason=" + "a" * 501]
)
async def test_a_query_of_a_publish(shared_door: Door, before: Stand, query: str) -> None:
    """The same."""
    answered = await shared_door.ask("PUT", f"{EVENTS}?{query}", TOML.encode(), AS_TOML)
    assert (422, "body_invalid", query.partition("=")[0]) == answered.refusal
    assert before == await shared_door.stand()


@pytest.mark.parametrize("raw", [raw for raw in NO_IDS if raw is not None and raw[0] == '"' and "\\u" not in raw])
async def test_an_id_is_none_anywhere(shared_door: Door, raw: str) -> None:
    """What a body may not name as a user, a query about events may not either."""
    user = "".join(f"%{byte:02x}" for byte in json.loads(raw).encode())
    for target in ("/v1/events/winter-2026", f"{EVENTS}/winter-2026"):
        answered = await shared_door.get(f"{target}?userId={user}")
        assert (422, "id_invalid", "userId") == answered.refusal
