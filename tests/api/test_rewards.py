"""Rewards by HTTP: a user's own, claiming, polling, and what operators do by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.door import Door, Json, opened
from tests.unit.issuing import AUDIENCE, ISSUER, SECRET, claims, signed
from worldevents.auth import KeyKind, Right, new_key
from worldevents.testing.builders import DURING

KING = "slay-the-winter-king"
ADA = f"tier~{KING}~50~ada"
CHANGE = {"reason": "lost a workout", "author": "eve"}


async def slay(door: Door, **kills: int) -> None:
    """Half of the king's thousand unlocks a tier; the job is waited for."""
    for user, count in kills.items():
        await door.runtime.engine.contribute(KING, user, count, contribution_id="kills")
    await door.runtime.rewards.work_off()


@pytest_asyncio.fixture
async def slain(door: Door) -> Door:
    """Give a door of which Ada and Bob have unlocked the king's first tier."""
    await slay(door, ada=400, bob=100)
    return door


async def test_a_user_sees_the_own_rewards(slain: Door) -> None:
    """The newest first; a stranger has none."""
    told = (await slain.get("/v1/users/ada/rewards")).json
    assert [(ADA, "claimable", 50, "ada", KING)] == [
        (one["id"], one["status"], one["threshold"], one["userId"], one["goalId"]) for one in told["rewards"]
    ]
    assert {"rewards": [], "world": []} == (await slain.get("/v1/users/zoe/rewards")).json
    assert (422, "id_invalid", "userId") == (await slain.get("/v1/users/a b/rewards".replace(" ", "%20"))).refusal


async def test_a_claim_is_answered_the_same_for_ever(slain: Door) -> None:
    """Many at once too."""
    path = f"/v1/rewards/{ADA}/claim"
    answers = await asyncio.gather(*(slain.ask("POST", path) for _ in range(5)))
    assert [200] * 5 == [one.status for one in answers]
    first = answers[0].json
    assert ("claimed", ADA) == (first["status"], first["id"])
    assert all(first == one.json for one in answers)
    assert (404, "unknown_grant", "grantId") == (await slain.ask("POST", "/v1/rewards/nothing/claim")).refusal


async def test_a_host_polls(slain: Door) -> None:
    """Page by page, each with the number that the next is asked for with."""
    first = (await slain.get("/v1/grants?limit=1")).json
    second = (await slain.get(f"/v1/grants?after={first['next']}")).json
    last = (await slain.get(f"/v1/grants?after={second['next']}")).json
    assert ["ada", "bob"] == [one["userId"] for one in [*first["grants"], *second["grants"]]]
    assert {"grants": [], "next": second["next"]} == last
    for query, field in (
        ("after=-1", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        (f"after={2**53}", "after"),
    ):
        assert (422, "body_invalid", field) == (await slain.get(f"/v1/grants?{query}")).refusal


async def test_a_delivery_is_said_once(slain: Door) -> None:
    """And stays."""
    first = (await slain.ask("POST", f"/v1/rewards/{ADA}/deliver")).json
    assert "delivered" == first["status"]
    assert first == (await slain.ask("POST", f"/v1/rewards/{ADA}/deliver")).json


async def test_operators_take_back_and_give(slain: Door) -> None:
    """With reason and author; what was taken back is not claimed."""
    revoked = (await slain.post(f"/v1/admin/grants/{ADA}/revoke", CHANGE)).json
    assert ("revoked", "lost a workout", "eve") == (revoked["status"], revoked["reason"], revoked["author"])
    assert (409, "grant_revoked", "grantId") == (await slain.ask("POST", f"/v1/rewards/{ADA}/claim")).refusal
    given = (await slain.post(f"/v1/admin/grants/{ADA}/grant", {"reason": "innocent"})).json
    assert ("claimable", "innocent", "open mode") == (given["status"], given["reason"], given["author"])
    zoe = (await slain.post(f"/v1/admin/grants/tier~{KING}~100~zoe/grant", CHANGE)).json
    assert ("claimable", "zoe") == (zoe["status"], zoe["userId"])
    for body, field in ({"author": "eve"}, "reason"), ({**CHANGE, "why": 1}, "why"), ({"reason": " "}, "reason"):
        assert field == (await slain.post(f"/v1/admin/grants/{ADA}/revoke", body)).json["field"]
    assert (404, "unknown_grant") == (await slain.post(f"/v1/admin/grants/tier~{KING}~7~zoe/grant", CHANGE)).refusal[:2]


async def test_a_banned_user_claims_nothing(slain: Door) -> None:
    """The preview names the grants and what becomes of them; a claim is refused, until the ban is over."""
    reward = (await slain.get("/v1/users/ada/rewards")).json["rewards"][0]["reward"]
    grant = {"id": ADA, "name": reward["name"], "kind": reward["kind"], "status": "claimable", "suspended": True}
    would = (await slain.post("/v1/admin/users/ada/ban?preview=true", CHANGE)).json
    assert [grant] == would["grants"]
    assert {**would, "preview": False} == (await slain.post("/v1/admin/users/ada/ban", CHANGE)).json
    refused = await slain.ask("POST", f"/v1/rewards/{ADA}/claim")
    assert (403, "user_banned", "grantId") == refused.refusal
    assert "banned" in (await slain.get(f"/v1/goals/{KING}/standing?userId=ada")).json["tiers"][0]["whyNot"]
    told = (await slain.post("/v1/admin/users/ada/unban", CHANGE)).json
    assert [{**grant, "suspended": False}] == told["grants"]
    assert "claimed" == (await slain.ask("POST", f"/v1/rewards/{ADA}/claim")).json["status"]


async def test_the_report_says_what_is_owed(slain: Door) -> None:
    """On the way that is used; and what became of each tier's grants."""
    path = "/v1/admin/grants/report"
    told = (await slain.get(path)).json
    way = {"way": "deliver", "endpointId": None, "url": None, "grants": 2, "delivered": 0, "owed": 2, "dead": 0}
    oldest = (await slain.get("/v1/grants")).json["grants"][0]["grantedAt"]
    source = {"eventId": "winter-2026", "goalId": KING, "threshold": 50, "challengeId": None, "grants": 2}
    statuses = {"claimable": 2, "claimed": 0, "pending": 0, "delivered": 0, "revoked": 0}
    assert {"owed": 2, "channels": [{**way, "oldestAt": oldest}], "sources": [{**source, **statuses}]} == told
    for user in ("ada", "bob"):
        await slain.ask("POST", f"/v1/rewards/tier~{KING}~50~{user}/deliver")
    after = (await slain.get(path)).json
    assert (0, {**way, "delivered": 2, "owed": 0, "oldestAt": None}) == (after["owed"], after["channels"][0])
    assert 2 == after["sources"][0]["delivered"]


@pytest_asyncio.fixture
async def keyed(declared: Path, tmp_path: Path) -> AsyncIterator[tuple[Door, dict[str, Json]]]:
    """Give a door with keys and users, on which Ada and Bob were granted."""
    async with opened(declared, tmp_path, jwt_secret=SECRET, jwt_issuer=ISSUER, jwt_audience=AUDIENCE) as door:
        await slay(door, ada=400, bob=100)
        callers: dict[str, Json] = {"ada": {"authorization": f"Bearer {signed(claims(sub='ada'))}"}}
        for number, (name, told) in enumerate(
            {
                "secret": {},
                "read": {"rights": [Right.READ]},
                "public": {"kind": KeyKind.PUBLIC},
                "king": {"goals": [KING]},
                "other": {"goals": ["iron-march"]},
            }.items(),
            1,
        ):
            made = new_key(name, created_at=DURING, randomness=bytes([number] * 32), **told)  # type: ignore[arg-type]
            await door.runtime.ledger.add_key(made.key)
            callers[name] = {"authorization": f"Bearer {made.text}"}
        await door.runtime.access.refresh()
        yield door, callers


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/users/ada/rewards", {"ada", "secret", "read"}),
        ("GET", "/v1/users/bob/rewards", {"secret", "read"}),
        ("GET", "/v1/grants", {"secret", "read"}),
        ("POST", f"/v1/rewards/{ADA}/claim", {"ada", "secret", "king"}),
        ("POST", f"/v1/rewards/tier~{KING}~50~bob/claim", {"secret", "king"}),
        ("POST", f"/v1/rewards/{ADA}/deliver", {"secret", "king"}),
    ],
)
async def test_who_may(keyed: tuple[Door, dict[str, Json]], method: str, path: str, allowed: set[str]) -> None:
    """Users what is their own, servers what their key is for; nobody else, and a page's key nothing."""
    door, callers = keyed
    answers = {name: (await door.ask(method, path, headers=headers)).status for name, headers in callers.items()}
    assert {name: 200 if name in allowed else 403 for name in callers} == answers
