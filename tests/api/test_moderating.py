"""What operators do to amounts and users by HTTP: refused by code and field, or done and noted under the key's name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.api.door import OPEN_GOAL, Door, Stand

ADMIN = "/v1/admin"
WHY = {"reason": "why"}
CORRECTION = {**WHY, "id": "k1", "goalId": OPEN_GOAL, "userId": "ann", "amount": -1}
HOLD = {**WHY, "goalId": OPEN_GOAL, "userId": "ann", "contributionId": "c1"}
FAULTS: list[tuple[str, Any, tuple[int, str, str | None]]] = [
    ("corrections", b"[]", (400, "body_invalid", "body")),
    ("corrections", {**CORRECTION, "reason": ""}, (422, "body_invalid", "reason")),
    ("corrections", {**CORRECTION, "reason": 5}, (422, "body_invalid", "reason")),
    ("corrections", {**CORRECTION, "reason": "x" * 501}, (422, "body_invalid", "reason")),
    ("corrections", {**CORRECTION, "author": "\u202e"}, (422, "body_invalid", "author")),
    ("corrections", {**CORRECTION, "amount": 0}, (422, "amount_invalid", "amount")),
    ("corrections", {**CORRECTION, "amount": "-"}, (422, "amount_invalid", "amount")),
    ("corrections", {**CORRECTION, "amount": [5]}, (422, "amount_invalid", "amount")),
    ("corrections", {**CORRECTION, "amount": "-0.0001"}, (422, "amount_invalid", "amount")),
    ("corrections", {**CORRECTION, "amount": None}, (422, "amount_invalid", "amount")),
    ("corrections", {**CORRECTION, "id": "k#1"}, (422, "id_invalid", "id")),
    ("corrections", {**CORRECTION, "userId": ""}, (422, "id_invalid", "userId")),
    ("corrections", {**CORRECTION, "goalId": "nowhere"}, (404, "unknown_goal", "goalId")),
    ("corrections", {**CORRECTION, "note": "x"}, (422, "body_invalid", "note")),
    ("corrections", CORRECTION, (409, "below_zero", "amount")),
    ("holds", {**HOLD, "contributionId": 5}, (422, "body_invalid", "contributionId")),
    ("holds", HOLD, (422, "body_invalid", "contributionId")),
    ("holds/1/release", {}, (422, "body_invalid", "reason")),
    ("holds/x/release", WHY, (404, "unknown_hold", "id")),
    ("holds/99/reject", WHY, (404, "unknown_hold", "id")),
    ("holds/99/reject", {**WHY, "amount": 5}, (422, "body_invalid", "amount")),
    ("users/a%20b/ban", WHY, (422, "id_invalid", "userId")),
    ("users/ann/ban", {}, (422, "body_invalid", "reason")),
    ("users/ann/unban", {"reason": None}, (422, "body_invalid", "reason")),
    ("users/ann/hide", {"reason": " "}, (422, "body_invalid", "reason")),
    ("users/a%23b/unhide", WHY, (422, "id_invalid", "userId")),
    ("users/a%20b/erase", WHY, (422, "id_invalid", "userId")),
    ("users/erased%230123456789abcdef/erase", WHY, (422, "id_invalid", "userId")),
    ("users/ann/erase", {"reason": ""}, (422, "body_invalid", "reason")),
    ("users/ann/erase", {**WHY, "really": True}, (422, "body_invalid", "really")),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def before(shared_door: Door) -> AsyncIterator[Stand]:
    """What must not move, to the last row."""
    whole = await shared_door.state()
    yield await shared_door.stand()
    assert whole == await shared_door.state()


@pytest.mark.parametrize(("path", "body", "refusal"), FAULTS)
async def test_what_is_wrong_is_refused(
    shared_door: Door, before: Stand, path: str, body: Any, refusal: tuple[int, str, str | None]
) -> None:
    """By its code and field; nothing is changed, and nothing noted."""
    answered = await shared_door.ask("POST", f"{ADMIN}/{path}", body, {"content-type": "application/json"})
    assert refusal == answered.refusal
    assert before == await shared_door.stand()
    assert [] == await shared_door.runtime.moderation.notes()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("holds?limit=0", "limit"),
        ("holds?limit=x", "limit"),
        ("audit?before=0", "before"),
        ("audit?limit=1001", "limit"),
        ("users/ann/export?limit=1001", "limit"),
        ("users/ann/export?limit=0", "limit"),
        ("users/ann/export?after=-1", "after"),
    ],
)
async def test_a_list_has_its_bounds(shared_door: Door, query: str, field: str) -> None:
    """A page is never longer than said, and begins at an id."""
    assert (422, "body_invalid", field) == (await shared_door.get(f"{ADMIN}/{query}")).refusal


async def test_a_preview_changes_nothing(door: Door) -> None:
    """Each verb says what it would do, with nothing done and nothing noted."""
    told = {"contributionId": "c1", "userId": "ann", "amount": 5}
    await door.ask("POST", f"/v1/goals/{OPEN_GOAL}/contributions", told)
    stand = await door.stand()
    for path, body in (
        ("corrections", CORRECTION),
        ("holds", HOLD),
        ("users/ann/ban", WHY),
        ("users/ann/unban", WHY),
        ("users/ann/hide", WHY),
        ("users/ann/erase", WHY),
    ):
        answered = await door.ask("POST", f"{ADMIN}/{path}?preview=true", body)
        assert (200, True) == (answered.status, answered.json["preview"])
    assert stand == await door.stand()
    assert [] == (await door.get(f"{ADMIN}/audit")).json["entries"]


async def test_what_was_done_is_under_the_callers_name(door: Door) -> None:
    """Who says nothing is named by the key that was used; who names somebody, by that."""
    await door.ask(
        "POST", f"/v1/goals/{OPEN_GOAL}/contributions", {"contributionId": "c1", "userId": "ann", "amount": 5}
    )
    await door.ask("POST", f"{ADMIN}/corrections", CORRECTION)
    await door.ask("POST", f"{ADMIN}/corrections", {**CORRECTION, "id": "k2", "author": "eve"})
    entries = (await door.get(f"{ADMIN}/audit?userId=ann")).json["entries"]
    assert ["eve", "open mode"] == [one["author"] for one in entries]
    (older,) = (await door.get(f"{ADMIN}/audit?before={entries[0]['id']}")).json["entries"]
    assert older == entries[1]


async def test_a_banned_user_is_told_so(door: Door) -> None:
    """403 with a code of its own, in batches too; repeats of before are answered."""
    one = {"contributionId": "c1", "userId": "ann", "amount": 5}
    path = f"/v1/goals/{OPEN_GOAL}/contributions"
    await door.ask("POST", path, one)
    assert 200 == (await door.ask("POST", f"{ADMIN}/users/ann/ban", WHY)).status
    assert (403, "user_banned", "userId") == (await door.ask("POST", path, {**one, "contributionId": "c2"})).refusal
    assert 200 == (await door.ask("POST", path, one)).status
    items = [{**one, "goalId": OPEN_GOAL, "contributionId": "c3", "userId": user} for user in ("ann", "bob")]
    results = (await door.ask("POST", "/v1/contributions", {"items": items})).json["results"]
    assert [403, 201] == [result["status"] for result in results]


async def test_a_user_is_exported_and_erased(door: Door) -> None:
    """Page by page all that is kept; then the tombstone has it, and of the user nothing is known."""
    path = f"/v1/goals/{OPEN_GOAL}/contributions"
    for number in range(3):
        told = {"contributionId": f"c{number}", "userId": "ann", "amount": 1.5, "displayName": "Ann"}
        await door.ask("POST", path, told)
    first = (await door.get(f"{ADMIN}/users/ann/export?limit=2")).json
    assert ("Ann", ["c0", "c1"]) == (
        first["about"]["displayName"],
        [one["contributionId"] for one in first["contributions"]],
    )
    rest = (await door.get(f"{ADMIN}/users/ann/export?limit=2&after={first['next']}")).json
    assert (None, ["c2"], None) == (
        rest["about"],
        [one["contributionId"] for one in rest["contributions"]],
        rest["next"],
    )
    share = {"goalId": OPEN_GOAL, "unit": "kg", "userContribution": 4.5, "userPending": 0, "userRank": 1}
    assert [share] == first["about"]["goals"]
    would = (await door.ask("POST", f"{ADMIN}/users/ann/erase?preview=true", WHY)).json
    assert (True, False, None, 3, [share]) == (
        would["known"],
        would["erased"],
        would["tombstone"],
        would["contributions"],
        would["goals"],
    )
    done = (await door.ask("POST", f"{ADMIN}/users/ann/erase", WHY)).json
    assert (True, [share]) == (done["erased"], done["goals"])
    board = (await door.get(f"/v1/goals/{OPEN_GOAL}/leaderboard")).json["contributors"]
    assert [(1, done["tombstone"], None)] == [(one["rank"], one["userId"], one["displayName"]) for one in board]
    again = (await door.ask("POST", f"{ADMIN}/users/ann/erase", WHY)).json
    assert (False, False, 0) == (again["known"], again["erased"], again["contributions"])
    assert [] == (await door.get(f"{ADMIN}/users/ann/export")).json["contributions"]
    tombstone = done["tombstone"].replace("#", "%23")
    assert 3 == len((await door.get(f"{ADMIN}/users/{tombstone}/export")).json["contributions"])
    correction = {**CORRECTION, "userId": done["tombstone"], "amount": -0.5}
    assert 4 == (await door.ask("POST", f"{ADMIN}/corrections", correction)).json["after"]["userContribution"]
