"""Results by HTTP: none before a goal is settled, then the same for ever, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest_asyncio

from tests.api.door import Door, Json, opened
from tests.api.test_description import Stop, check
from tests.unit.issuing import AUDIENCE, ISSUER, SECRET, claims, signed

KING, MARCH = "slay-the-winter-king", "iron-march"
RESULT = f"/v1/goals/{KING}/result"
OVER = datetime(2027, 1, 2, tzinfo=UTC)
SETTLE = "/v1/admin/events/winter-2026/settle"


@pytest_asyncio.fixture
async def fought(door: Door) -> Door:
    """Give a door at which the king's thousand was nearly reached: 950, with a tie."""
    for user, count in (("ada", 500), ("bob", 225), ("cid", 225)):
        await door.runtime.engine.contribute(KING, user, count, contribution_id="kills", display_name=user.title())
    return door


async def test_before_it_is_settled_there_is_none(fought: Door) -> None:
    """A code of its own, until the grace is over; to ask for settling then does nothing."""
    fought.clock.set(OVER - timedelta(microseconds=1))
    assert (404, "not_settled", "goalId") == (await fought.get(RESULT)).refusal
    told = (await fought.ask("POST", SETTLE)).json
    assert (False, [], 3) == (told["settled"], told["goals"], len(told["waiting"]))
    assert (404, "unknown_goal", "goalId") == (await fought.get("/v1/goals/nowhere/result")).refusal


async def test_a_settled_goal_has_its_figures_and_its_board(fought: Door) -> None:
    """Outcome, sums and ranks with ties; pages by place; and one user's own row."""
    fought.clock.set(OVER)
    settled = (await fought.ask("POST", SETTLE)).json
    assert (True, []) == (settled["settled"], settled["waiting"])
    goals = [(one["goalId"], one["outcome"]) for one in settled["goals"]]
    assert [("lift-the-frost", "missed"), (KING, "near_missed"), (MARCH, "missed")] == goals
    first = await fought.get(f"{RESULT}?limit=2&userId=cid")
    document = (await fought.get("/openapi.json")).json
    check(document, Stop("showResult", 200, "GET", RESULT), first)
    told = first.json
    assert {
        "goalId": KING,
        "outcome": "near_missed",
        "targetValue": 1_000,
        "currentValue": 950,
        "percent": 95,
        "participantCount": 3,
        "completedAt": None,
        "consoled": False,
        "settledAt": "2027-01-02T00:00:00Z",
        "next": 2,
    }.items() <= told.items()
    assert [50] == [one["threshold"] for one in told["tiersUnlocked"]]
    rows = [(one["place"], one["rank"], one["userId"], one["displayName"]) for one in told["contributors"]]
    assert [(1, 1, "ada", "Ada"), (2, 2, "bob", "Bob")] == rows
    own = {"place": 3, "rank": 2, "userId": "cid", "displayName": "Cid", "amount": 225}
    assert own == told["user"]
    second = (await fought.get(f"{RESULT}?after=2")).json
    assert ([own], None) == (second["contributors"], second["user"])
    assert ([], None) == ((last := (await fought.get(f"{RESULT}?after=3")).json)["contributors"], last["next"])
    for query, field in (
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("after=-1", "after"),
        ("userId=a+b", "userId"),
    ):
        assert field == (await fought.get(f"{RESULT}?{query}")).json["field"]


async def test_goals_of_that_status_are_the_same(fought: Door) -> None:
    """`settled` is a matter of time, and so is listed at once; the result follows."""
    fought.clock.set(OVER)
    listed = (await fought.get("/v1/goals?status=settled&eventId=winter-2026")).json["goals"]
    assert ["lift-the-frost", KING, MARCH] == [one["id"] for one in listed]


async def test_who_may(declared: Path, tmp_path: Path) -> None:
    """Readers read results, users their own row alone; only operators ask for settling."""
    async with opened(declared, tmp_path, jwt_secret=SECRET, jwt_issuer=ISSUER, jwt_audience=AUDIENCE) as door:
        ada: Json = {"authorization": f"Bearer {signed(claims(sub='ada'))}"}
        await door.runtime.settling.settle("autumn")
        path = "/v1/goals/autumn-volume/result"
        assert 200 == (await door.ask("GET", f"{path}?userId=ada", headers=ada)).status
        assert 403 == (await door.ask("GET", f"{path}?userId=bob", headers=ada)).status
        assert 403 == (await door.ask("POST", "/v1/admin/events/autumn/settle", headers=ada)).status
