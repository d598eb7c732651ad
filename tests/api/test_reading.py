"""What is read: goals, one user's progress and its ETag, boards, events as players and as operators see them."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources
from typing import Any

import pytest

from tests.api.door import OPEN_GOAL, Door, Json
from worldevents.testing.builders import DURING

PROGRESS = f"/v1/goals/{OPEN_GOAL}/progress"
STANDING = f"/v1/goals/{OPEN_GOAL}/standing"
BOARD = f"/v1/goals/{OPEN_GOAL}/leaderboard"
EVENTS = "/v1/admin/events"
WINTER = resources.files("worldevents.demo").joinpath("winter.toml").read_text("utf-8")
TOML = {"content-type": "application/toml"}


async def contribute(door: Door, **amounts: float) -> None:
    items = [
        {"goalId": OPEN_GOAL, "contributionId": f"{user}-{amount}", "userId": user, "amount": amount}
        for user, amount in amounts.items()
    ]
    await door.post("/v1/contributions", {"items": items})


async def test_goals_are_listed_by_status(door: Door) -> None:
    """The active ones, unless others are asked for; of one event, if it is named."""

    async def ids(query: str) -> list[str]:
        return [one["id"] for one in (await door.get(f"/v1/goals{query}")).json["goals"]]

    winter = [OPEN_GOAL, "slay-the-winter-king", "iron-march"]
    assert {*winter, "march-yourself"} == set(await ids(""))
    assert winter == await ids("?eventId=winter-2026")
    assert ["spring-volume"] == await ids("?status=upcoming")
    assert ["autumn-volume"] == await ids("?status=settled")
    assert ["lost-volume"] == await ids("?status=cancelled")
    assert [] == await ids("?status=grace")
    assert [] == await ids("?status=all&eventId=nowhere")
    assert 7 == len(await ids("?status=all"))


async def test_progress_is_a_goal_and_a_share(door: Door) -> None:
    """Without a contribution 0 and null; with one, its sum and rank."""
    await contribute(door, ann=5, bob=10.5)
    stranger = (await door.get(f"{PROGRESS}?userId=zoe")).json
    ann = (await door.get(f"{PROGRESS}?userId=ann")).json
    assert (0, 0, None, 2) == tuple(
        stranger[name] for name in ("userContribution", "userPending", "userRank", "participantCount")
    )
    assert (5, 2) == (ann["userContribution"], ann["userRank"])
    assert {
        "id": OPEN_GOAL,
        "eventId": "winter-2026",
        "metric": "totalVolume",
        "unit": "kg",
        "targetValue": 10_000_000,
        "currentValue": 15.5,
        "percent": 0,
        "status": "active",
        "startsAt": "2026-12-01T00:00:00Z",
        "endsAt": "2027-01-01T00:00:00Z",
        "serverTime": "2026-12-10T18:30:00Z",
    }.items() <= ann["goal"].items()


async def test_a_standing_is_explained(door: Door) -> None:
    """Rank, tie, share, what is missing, and each tier's answer; for who gave nothing too."""
    await contribute(door, ann=5, bob=10.5, cid=5, dan=100_001)
    ann = (await door.get(f"{STANDING}?userId=ann")).json
    assert {
        "userId": "ann",
        "status": "active",
        "unit": "kg",
        "currentValue": 20.5,
        "pendingValue": 100_001,
        "userContribution": 5,
        "userPending": 0,
        "userLate": 0,
        "userRank": 2,
        "rankSharedBy": 2,
        "participantCount": 3,
        "ahead": {"count": 0, "of": 3, "percent": 0},
        "nextRank": {"rank": 1, "missing": 5.5, "sharedBy": 2},
        "nextTier": {"threshold": 25, "thresholdValue": 2_500_000, "missing": 2_499_979.5},
        "nextMinimum": None,
        "share": {"percentOfTotal": 24.390243, "percentOfTarget": 0.00005},
        "serverTime": "2026-12-10T18:30:00Z",
    }.items() <= ann.items()
    first = ann["tiers"][0]
    assert (False, ["not_unlocked"], 0, 2) == tuple(
        first[name] for name in ("qualifies", "whyNot", "missing", "others")
    )
    dan = (await door.get(f"{STANDING}?userId=dan")).json
    assert (0, 100_001, None, None, {"rank": 4, "missing": 0.001, "sharedBy": 1}) == tuple(
        dan[name] for name in ("userContribution", "userPending", "userRank", "ahead", "nextRank")
    )
    assert ["not_unlocked", "nothing_counted", "held"] == dan["tiers"][0]["whyNot"]


async def test_a_standing_tells_what_came_late(door: Door) -> None:
    """After the grace it says so, and that a tier was never unlocked."""
    door.clock.set(DURING + timedelta(days=30))
    item = {"contributionId": "c1", "userId": "ann", "amount": 7, "occurredAt": "2026-12-10T18:00:00Z"}
    assert "late" == (await door.post(f"/v1/goals/{OPEN_GOAL}/contributions", item)).json["status"]
    told = (await door.get(f"{STANDING}?userId=ann")).json
    assert ("settled", 0, 7) == (told["status"], told["userContribution"], told["userLate"])
    assert ["missed", "nothing_counted", "late"] == told["tiers"][0]["whyNot"]


async def test_progress_has_an_etag(door: Door) -> None:
    """304 without a body while nothing is another: for the same user, whatever else is in the list."""
    first = await door.get(f"{PROGRESS}?userId=ann")
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    for told in (tag, f'"x", {tag} ,"y"', f'{tag},"x"'):
        again = await door.get(f"{PROGRESS}?userId=ann", if_none_match=told)
        assert (304, b"", tag) == (again.status, again.body, again.headers["etag"])
    for told in ('"x"', "", tag[:-2], "W/"):
        assert 200 == (await door.get(f"{PROGRESS}?userId=ann", if_none_match=told)).status


async def _contribute_as_ann(door: Door) -> None:
    await contribute(door, ann=5)


async def _contribute_as_bob(door: Door) -> None:
    await contribute(door, bob=5)


async def _hold(door: Door) -> None:
    await contribute(door, bob=100_001)


async def _end(door: Door) -> None:
    door.clock.set(DURING + timedelta(days=22))


async def _call_off(door: Door) -> None:
    await door.post(f"{EVENTS}/winter-2026/cancel", {"reason": "why"})


async def _rename(door: Door) -> None:
    shown = (await door.get(f"{EVENTS}/winter-2026")).json
    assert "Lift the Frost" == shown["goals"][0]["name"]
    renamed = WINTER.replace("Lift the Frost", "Thaw the Frost").encode()
    assert 200 == (await door.ask("PUT", EVENTS, renamed, TOML)).status


@pytest.mark.parametrize("change", [_contribute_as_ann, _contribute_as_bob, _hold, _end, _call_off, _rename])
async def test_an_etag_ends_with_what_it_stood_for(door: Door, change: Any) -> None:
    """Any change that can be seen makes another tag: a sum, a pending amount, a status by the clock, a name."""
    before = await door.get(f"{PROGRESS}?userId=ann")
    await change(door)
    after = await door.get(f"{PROGRESS}?userId=ann", if_none_match=before.headers["etag"])
    assert 200 == after.status
    assert _seen(before.json) != _seen(after.json)


def _seen(told: Json) -> Json:
    return {**told, "goal": {**told["goal"], "serverTime": None}}


async def test_a_board_has_its_best_first(door: Door) -> None:
    """Equal amounts share a rank; a user's own row is there wherever it is; around a user are the neighbours."""
    await contribute(door, **{f"user-{number:02}": 100 - number // 2 for number in range(20)}, ann=1)
    board = (await door.get(f"{BOARD}?limit=3&userId=ann")).json
    assert [(1, "user-00", 100), (1, "user-01", 100), (3, "user-02", 99)] == [
        (row["rank"], row["userId"], row["amount"]) for row in board["contributors"]
    ]
    assert (21, {"rank": 21, "userId": "ann", "displayName": None, "amount": 1}) == (
        board["participantCount"],
        board["user"],
    )
    around = (await door.get(f"{BOARD}?limit=3&around=user-10")).json
    assert "user-10" in [row["userId"] for row in around["contributors"]]
    assert 3 == len(around["contributors"])
    assert 10 == len((await door.get(BOARD)).json["contributors"])
    assert 21 == len((await door.get(f"{BOARD}?limit=1000")).json["contributors"])


async def test_an_event_is_shown(door: Door) -> None:
    """All by their start; one by its id; a user adds progress in the personal challenges."""
    told = (await door.get("/v1/events")).json["events"]
    assert ["autumn", "lost", "players", "winter-2026", "spring"] == [one["id"] for one in told]
    shown = (await door.get("/v1/events/winter-2026")).json
    assert (1, "test", [OPEN_GOAL, "slay-the-winter-king", "iron-march"]) == (
        shown["version"],
        shown["author"],
        shown["goalIds"],
    )
    for leaf in ("/v1/events", EVENTS):
        assert (404, "unknown_event", "eventId") == (await door.get(f"{leaf}/nowhere")).refusal


CHALLENGE = """
[[challenges]]
id = "first-ton"
name = "First Ton"
metric = "totalVolume"
target = 10
reward = { kind = "currency", name = "Gold", amount = 50 }
"""


async def test_operators_publish_and_look(door: Door) -> None:
    """A plan changes nothing; a publish makes a version with its author and reason; sent again, it makes none."""
    file = (WINTER + CHALLENGE).encode()
    planned = (await door.ask("PUT", f"{EVENTS}?dryRun=true", file, TOML)).json
    assert ("winter-2026", 1, True) == (planned["eventId"], planned["version"], bool(planned["changes"]))
    done = (await door.ask("PUT", f"{EVENTS}?author=ops&reason=more%20fun", file, TOML)).json
    again = (await door.ask("PUT", f"{EVENTS}?author=ops2", file, TOML)).json
    assert (2, "ops", "more fun", planned["changes"]) == tuple(
        done[name] for name in ("version", "author", "reason", "changes")
    )
    assert (2, "ops", []) == (again["version"], again["author"], again["changes"])

    await contribute(door, ann=12)
    (challenge,) = (await door.get("/v1/events/winter-2026?userId=ann")).json["challenges"]
    assert (12, True, 10) == (challenge["userContribution"], challenge["completed"], challenge["targetValue"])
    inspected = (await door.get(f"{EVENTS}/winter-2026?userId=ann")).json
    assert [1, 2] == [one["version"] for one in inspected["versions"]]
    assert [False] * 3 == [one["hidden"] for one in inspected["goals"]]


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("extend", {"endsAt": "2027-02-01T00:00:00Z"}, "active"),
        ("close", {}, "grace"),
        ("cancel", {}, "cancelled"),
    ],
)
async def test_operators_change_an_event(door: Door, verb: str, body: Json, status: str) -> None:
    """A preview changes nothing; then it is done, by whom and why it says; a repeat finds it done."""
    route = f"{EVENTS}/winter-2026/{verb}"
    told = {**body, "reason": "why", "author": "ops"}
    preview = (await door.post(f"{route}?preview=true", told)).json
    assert "active" == (await door.get("/v1/events/winter-2026")).json["status"]
    done = (await door.post(route, told)).json
    again = (await door.post(route, told)).json
    assert (preview["changes"], 2, "ops", "why") == tuple(
        done[name] for name in ("changes", "version", "author", "reason")
    )
    assert (2, []) == (again["version"], again["changes"])
    shown = (await door.get("/v1/events/winter-2026")).json
    assert status == shown["status"]


async def test_the_key_is_the_author_of_what_it_does(door: Door) -> None:
    """Where no author is told."""
    done = (await door.post(f"{EVENTS}/winter-2026/close", {"reason": "why"})).json
    assert "open mode" == done["author"]
