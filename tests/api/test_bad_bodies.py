"""Bodies that are wrong as a whole, by every route that takes one: refused by code and field, and nothing changes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.door import OPEN_GOAL, Door, Stand
from tests.api.hostile_bodies import BAD_LINES, CANARY, ENVELOPES, JSON_BODIES, LENGTHS, LINES, BodyFault, Endless
from worldevents.api.front import READ_ON_BYTES

pytestmark = pytest.mark.slow

Route = tuple[str, str]

ONE = "POST", f"/v1/goals/{OPEN_GOAL}/contributions"
BATCHES = [("POST", "/v1/contributions"), ("POST", "/v1/actions")]
CHANGES = [("POST", f"/v1/admin/events/winter-2026/{verb}") for verb in ("extend", "close", "cancel")]
ROUTES = [ONE, *BATCHES, ("PUT", "/v1/admin/events"), *CHANGES]
LINE = f'{{"goalId": "{OPEN_GOAL}", "contributionId": "good", "userId": "bob", "amount": 5}}'.encode()
BATCH_MAX = 1_048_576
NDJSON = {"content-type": "application/x-ndjson"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def before(shared_door: Door) -> AsyncIterator[Stand]:
    """Count the good line, so that its repeats change nothing; what then must not move, to the last row."""
    await shared_door.ask("POST", "/v1/contributions", LINE, NDJSON)
    whole = await shared_door.state()
    yield await shared_door.stand()
    assert whole == await shared_door.state()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
@pytest.mark.parametrize("fault", [*JSON_BODIES, *LENGTHS], ids=lambda fault: fault.name)
async def test_a_body(shared_door: Door, before: Stand, route: Route, fault: BodyFault) -> None:
    """It is refused before anything is done, and what could not be decoded is not said back."""
    answered = await shared_door.ask(*route, fault.body, fault.headers)
    assert fault.refusal == answered.refusal
    assert CANARY.encode() not in answered.body
    assert before == await shared_door.stand()
    if isinstance(fault.body, Endless):
        assert fault.body.taken <= BATCH_MAX + READ_ON_BYTES + 4 * 65_536


@pytest.mark.parametrize("route", BATCHES, ids=" ".join)
@pytest.mark.parametrize("fault", ENVELOPES, ids=lambda fault: fault.name)
async def test_an_envelope(shared_door: Door, before: Stand, route: Route, fault: BodyFault) -> None:
    """A batch holds 1 to 1,000 items and nothing else."""
    answered = await shared_door.ask(*route, fault.body, fault.headers)
    assert fault.refusal == answered.refusal
    assert before == await shared_door.stand()


@pytest.mark.parametrize("fault", LINES, ids=lambda fault: fault.name)
async def test_a_stream(shared_door: Door, before: Stand, fault: BodyFault) -> None:
    """Where no line was answered yet, the whole answer is the problem."""
    answered = await shared_door.ask("POST", "/v1/contributions", fault.body, fault.headers)
    assert fault.refusal == answered.refusal
    assert before == await shared_door.stand()


@pytest.mark.parametrize("fault", BAD_LINES, ids=lambda fault: fault.name)
async def test_a_line(shared_door: Door, before: Stand, fault: BodyFault) -> None:
    """It is refused in its place, and those around it are answered."""
    assert isinstance(fault.body, bytes)
    body = b"\n".join([LINE, fault.body, LINE])
    answered = await shared_door.ask("POST", "/v1/contributions", body, NDJSON)
    first, refused, last = answered.lines
    assert (200, 200) == (first["status"], last["status"])
    problem = refused["problem"]
    assert fault.refusal == (problem["status"], problem["code"], problem["field"])
    assert CANARY.encode() not in answered.body
    assert before == await shared_door.stand()


@pytest.mark.parametrize("tail", [b"a" * 70_000, b"a" * 70_000 + b"\n" + LINE, b" " * 70_000])
@pytest.mark.parametrize("cut", [0, 1, 100, 500], ids=lambda cut: f"cut {cut}")
async def test_what_ends_a_stream_is_its_last_line(shared_door: Door, before: Stand, tail: bytes, cut: int) -> None:
    """Lines before one that is too long are answered, in whatever packets they came; then the stream ends."""
    body = LINE + b"\n" + LINE + b"\n" + tail
    parts = [body[:cut], body[cut:]]
    answered = await shared_door.ask("POST", "/v1/contributions", parts, NDJSON)
    assert (200, [200, 200, 413]) == (answered.status, [line["status"] for line in answered.lines])
    assert ("too_large", "body") == tuple(answered.lines[-1]["problem"][name] for name in ("code", "field"))
    assert before == await shared_door.stand()


async def test_a_stream_has_an_end(shared_door: Door, before: Stand) -> None:
    """100,000 lines are answered; the one after them is not, and says so."""
    lines = b"{}\n" * 100_001
    answered = await shared_door.ask("POST", "/v1/contributions", lines, NDJSON)
    told = answered.body.splitlines()
    assert (200, 100_001) == (answered.status, len(told))
    assert b'"too_large"' in told[-1]
    assert b'"too_large"' not in told[-2]
    assert before == await shared_door.stand()


@pytest.mark.parametrize("key", ["", '""', " ", '"', "a b", "c" * 129, "c2", '"c2"', "\xe4", "c1,c1", "c1\x00"])
async def test_a_header_that_names_another_id(shared_door: Door, before: Stand, key: str) -> None:
    """`Idempotency-Key` and body differ, or the key can be no id: 422, whichever was meant."""
    for own in ('"contributionId": "c1", ', ""):
        if not own and key.strip('"') == "c2":
            continue
        body = f'{{{own}"userId": "ann", "amount": 5}}'.encode()
        answered = await shared_door.ask(*ONE, body, {"idempotency-key": key})
        assert (422, "id_invalid", "contributionId") == answered.refusal
    assert before == await shared_door.stand()


@pytest.mark.parametrize(
    "goal",
    [
        *("nowhere", "winter-2026", "LIFT-THE-FROST", "lift-the-frost%20", "lift-the-frost%00", "lift-the-frost/x"),
        *("%00", "%ff", "%F0%9F%98%80", "%ED%A0%80", "..", ".", "a" * 65, "a" * 8_000, "%3Cscript%3E"),
    ],
)
async def test_a_goal_that_is_not_there(shared_door: Door, before: Stand, goal: str) -> None:
    """404, and only what could be a goal's id is said back."""
    body = b'{"contributionId": "c1", "userId": "ann", "amount": 5}'
    answered = await shared_door.post(f"/v1/goals/{goal}/contributions", body)
    assert (404, "unknown_goal", "goalId") == answered.refusal
    assert b"script" not in answered.body
    assert len(answered.body) < 300
    assert before == await shared_door.stand()


@pytest.mark.parametrize("goal", ["spring-volume", "autumn-volume", "lost-volume"])
async def test_a_goal_that_is_not_open(shared_door: Door, before: Stand, goal: str) -> None:
    """409 before its start, after its grace, and when it was called off."""
    body = b'{"contributionId": "c1", "userId": "ann", "amount": 5}'
    answered = await shared_door.post(f"/v1/goals/{goal}/contributions", body)
    assert (409, "goal_not_open", None) == answered.refusal
    assert before == await shared_door.stand()
