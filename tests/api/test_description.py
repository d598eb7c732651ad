"""The OpenAPI document is what the door does: it is checked in, and real answers are what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import pytest_asyncio

from tests.api.door import OPEN_GOAL, Answered, Door, Json, an_event_file
from tests.test_docs import ROOT
from worldevents.api.routing import PUBLIC

CHECKED_IN = ROOT / "docs" / "openapi.json"
NDJSON = {"content-type": "application/x-ndjson"}
TOML = {"content-type": "application/toml"}
ONE = f"/v1/goals/{OPEN_GOAL}/contributions"
ADMIN = "/v1/admin"
EVENTS = f"{ADMIN}/events"
WHY = {"reason": "why"}
CORRECTION = {**WHY, "id": "k1", "goalId": OPEN_GOAL, "userId": "ann", "amount": "-2.5"}
HOLD = {**WHY, "goalId": OPEN_GOAL, "userId": "ann", "contributionId": "w1:squat"}
HOOKS = "/v1/admin/webhooks"
WITH_ENDPOINT = (
    *("showWebhook", "removeWebhook", "rotateWebhookSecret", "enableWebhook", "disableWebhook"),
    *("listWebhookDeliveries", "replayWebhooks", "tryWebhook"),
)
ITEM = {"contributionId": "c1", "userId": "ann", "amount": 102.5, "displayName": "Ann"}
IN_BATCH = {**ITEM, "goalId": OPEN_GOAL}
ACTIONS = [
    {"kind": "workout", "id": "w1", "userId": "ann", "volume": {"squat": "100.5", "bench": 60}, "prs": ["squat"]},
    {"kind": "boss", "id": "b1", "userId": "ann"},
    {"kind": "boss", "id": "b1", "userId": "ann", "count": 2},
    {"kind": "challenge", "id": "ch1", "userId": "ann", "workouts": ["w1"]},
    {"kind": "activity", "userId": "ann", "occurredAt": "2026-12-10T18:00:00Z"},
    {"kind": "nap"},
]
GRANT = "challenge~extra~ton~ann"
FILE = an_event_file(
    "extra",
    "extra-volume",
    extra="""
hidden = true
  [[goals.tiers]]
  threshold = 12.5
  minimum = 5
  audience = "everyone"
  reward = { kind = "boost", name = "Boost", multiplier = 1.5, minutes = 60 }
[[challenges]]
id = "ton"
name = "Ton"
metric = "totalVolume"
target = 10
reward = { kind = "item_set", name = "Set", pieces = ["Helm"] }
""",
)


class Stop(NamedTuple):
    """One request of the tour: the operation it is for, and the status it is to get."""

    operation: str
    status: int
    method: str
    target: str
    body: bytes | Json | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


TOUR = [
    Stop("publishEvent", 200, "PUT", f"{EVENTS}?dryRun=true", FILE.encode(), TOML),
    Stop("publishEvent", 200, "PUT", f"{EVENTS}?author=ops&reason=why", FILE.encode(), TOML),
    Stop("publishEvent", 422, "PUT", EVENTS, FILE.replace("12.5", "-1").encode(), TOML),
    Stop("contribute", 201, "POST", ONE, ITEM),
    Stop("contribute", 200, "POST", ONE, ITEM),
    Stop("contribute", 202, "POST", ONE, {**ITEM, "contributionId": "c2", "amount": 100_001}),
    Stop("contribute", 409, "POST", ONE, {**ITEM, "amount": 1}),
    Stop("contribute", 422, "POST", ONE, {**ITEM, "amount": 0}),
    Stop("contribute", 404, "POST", "/v1/goals/nowhere/contributions", ITEM),
    Stop("contributeMany", 200, "POST", "/v1/contributions", {"items": [IN_BATCH, {**IN_BATCH, "amount": -1}, 5]}),
    Stop("contributeMany", 200, "POST", "/v1/contributions", json.dumps(IN_BATCH).encode(), NDJSON),
    Stop("contributeMany", 422, "POST", "/v1/contributions", {"items": []}),
    Stop("recordActions", 200, "POST", "/v1/actions", {"items": ACTIONS}),
    Stop("recordActions", 415, "POST", "/v1/actions", b"{}", {"content-type": "text/plain"}),
    Stop("listGoals", 200, "GET", "/v1/goals?status=all"),
    Stop("listGoals", 422, "GET", "/v1/goals?status=nope"),
    Stop("showProgress", 200, "GET", f"/v1/goals/{OPEN_GOAL}/progress?userId=ann"),
    Stop("showProgress", 200, "GET", "/v1/goals/extra-volume/progress?userId=zoe"),
    Stop("showProgress", 404, "GET", "/v1/goals/nowhere/progress"),
    Stop("explainStanding", 200, "GET", f"/v1/goals/{OPEN_GOAL}/standing?userId=ann"),
    Stop("explainStanding", 200, "GET", "/v1/goals/extra-volume/standing?userId=zoe"),
    Stop("explainStanding", 422, "GET", f"/v1/goals/{OPEN_GOAL}/standing"),
    Stop("explainStanding", 404, "GET", "/v1/goals/nowhere/standing?userId=ann"),
    Stop("showLeaderboard", 200, "GET", f"/v1/goals/{OPEN_GOAL}/leaderboard?userId=ann"),
    Stop("showLeaderboard", 200, "GET", f"/v1/goals/{OPEN_GOAL}/leaderboard?userId=zoe"),
    Stop("showLeaderboard", 422, "GET", f"/v1/goals/{OPEN_GOAL}/leaderboard?limit=x"),
    Stop("listEvents", 200, "GET", "/v1/events"),
    Stop("listEvents", 401, "GET", "/v1/events", None, {"authorization": "Bearer we_pub_x"}),
    Stop("showEvent", 200, "GET", "/v1/events/extra"),
    Stop("showEvent", 200, "GET", "/v1/events/extra?userId=ann"),
    Stop("inspectEvent", 200, "GET", f"{EVENTS}/extra?userId=ann"),
    Stop("extendEvent", 200, "POST", f"{EVENTS}/extra/extend", {"reason": "why", "endsAt": "2026-12-25T00:00:00Z"}),
    Stop("closeEvent", 200, "POST", f"{EVENTS}/extra/close", {"reason": "why"}),
    Stop("cancelEvent", 200, "POST", f"{EVENTS}/extra/cancel?preview=true", {"reason": "why"}),
    Stop("cancelEvent", 200, "POST", f"{EVENTS}/extra/cancel", {"reason": "why"}),
    Stop("giveReward", 200, "POST", f"/v1/admin/grants/{GRANT}/grant", {"reason": "why"}),
    Stop("giveReward", 404, "POST", "/v1/admin/grants/nothing/grant", {"reason": "why"}),
    Stop("listRewards", 200, "GET", "/v1/users/ann/rewards"),
    Stop("listRewards", 422, "GET", "/v1/users/a~b/rewards"),
    Stop("listGrants", 200, "GET", "/v1/grants"),
    Stop("reportGrants", 200, "GET", "/v1/admin/grants/report"),
    Stop("listGrants", 422, "GET", "/v1/grants?after=x"),
    Stop("claimReward", 200, "POST", f"/v1/rewards/{GRANT}/claim"),
    Stop("claimReward", 404, "POST", "/v1/rewards/nothing/claim"),
    Stop("deliverReward", 200, "POST", f"/v1/rewards/{GRANT}/deliver"),
    Stop("revokeReward", 200, "POST", f"/v1/admin/grants/{GRANT}/revoke", {"reason": "why"}),
    Stop("revokeReward", 422, "POST", f"/v1/admin/grants/{GRANT}/revoke", {}),
    Stop("claimReward", 409, "POST", f"/v1/rewards/{GRANT}/claim"),
    Stop("correct", 200, "POST", f"{ADMIN}/corrections?preview=true", CORRECTION),
    Stop("correct", 200, "POST", f"{ADMIN}/corrections", CORRECTION),
    Stop("correct", 409, "POST", f"{ADMIN}/corrections", {**CORRECTION, "amount": -1}),
    Stop("withhold", 200, "POST", f"{ADMIN}/holds", HOLD),
    Stop("listHolds", 200, "GET", f"{ADMIN}/holds?goalId={OPEN_GOAL}"),
    Stop("release", 200, "POST", f"{ADMIN}/holds/2/release", WHY),
    Stop("release", 404, "POST", f"{ADMIN}/holds/0/release", WHY),
    Stop("reject", 409, "POST", f"{ADMIN}/holds/2/reject", WHY),
    Stop("reject", 200, "POST", f"{ADMIN}/holds/{{hold}}/reject", WHY),
    Stop("ban", 200, "POST", f"{ADMIN}/users/ann/ban", WHY),
    Stop("contribute", 403, "POST", ONE, {**ITEM, "contributionId": "c9"}),
    Stop("hide", 200, "POST", f"{ADMIN}/users/ann/hide", WHY),
    Stop("listUsers", 200, "GET", f"{ADMIN}/users"),
    Stop("unhide", 200, "POST", f"{ADMIN}/users/ann/unhide", WHY),
    Stop("unban", 200, "POST", f"{ADMIN}/users/ann/unban", WHY),
    Stop("audit", 200, "GET", f"{ADMIN}/audit?userId=ann"),
    Stop("settleEvent", 200, "POST", f"{EVENTS}/autumn/settle"),
    Stop("settleEvent", 200, "POST", f"{EVENTS}/spring/settle"),
    Stop("settleEvent", 404, "POST", f"{EVENTS}/nowhere/settle"),
    Stop("showResult", 200, "GET", "/v1/goals/autumn-volume/result?userId=ann"),
    Stop("showResult", 404, "GET", "/v1/goals/spring-volume/result"),
    Stop("showResult", 422, "GET", "/v1/goals/autumn-volume/result?limit=0"),
    Stop("export", 200, "GET", f"{ADMIN}/users/ann/export"),
    Stop("export", 200, "GET", f"{ADMIN}/users/ann/export?after=1&limit=1"),
    Stop("export", 422, "GET", f"{ADMIN}/users/ann/export?after=x"),
    Stop("erase", 200, "POST", f"{ADMIN}/users/ann/erase?preview=true", WHY),
    Stop("erase", 200, "POST", f"{ADMIN}/users/ann/erase", WHY),
    Stop("erase", 422, "POST", f"{ADMIN}/users/ann/erase", {}),
    Stop("broadcast", 422, "POST", "/realtime/v1/api/broadcast/lobby/events/ping", {}),
    Stop("broadcast", 400, "POST", "/realtime/v1/api/broadcast/community_goals/events/ping", b"[]"),
    Stop("broadcastMany", 422, "POST", "/realtime/v1/api/broadcast", {"messages": [5]}),
    Stop("broadcastMany", 401, "POST", "/realtime/v1/api/broadcast", {}, {"authorization": "Bearer we_secret_x"}),
    Stop("listWebhooks", 200, "GET", HOOKS),
    Stop("reportWebhooks", 200, "GET", f"{HOOKS}/report"),
    Stop("addWebhook", 201, "POST", HOOKS, {"url": "https://game.example/hooks", "reason": "why"}),
    Stop("addWebhook", 422, "POST", HOOKS, {"url": "http://game.example/", "reason": "why"}),
    Stop("showWebhook", 404, "GET", f"{HOOKS}/nowhere"),
    Stop("removeWebhook", 404, "DELETE", f"{HOOKS}/nowhere?reason=why"),
    Stop("livez", 200, "GET", "/livez"),
    Stop("livez", 403, "GET", "/livez", None, {"host": "evil.example"}),
    Stop("readyz", 200, "GET", "/readyz"),
    Stop("version", 200, "GET", "/version"),
    Stop("asyncapi", 200, "GET", "/asyncapi.json"),
    Stop("metrics", 200, "GET", "/metrics"),
]
UNTOURED = {
    **{(name, "200"): "is toured in test_webhooks, with an endpoint" for name in WITH_ENDPOINT},
    ("showProgress", "304"): "has no body",
    ("readyz", "503"): "is tested with a server that leaves",
    ("stream", "200"): "does not end",
    ("broadcast", "202"): "has no body",
    ("broadcastMany", "202"): "has no body",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def document(shared_door: Door) -> AsyncIterator[Json]:
    """What the server says of itself."""
    yield (await shared_door.get("/openapi.json")).json


def operations(document: Json) -> dict[str, Json]:
    return {entry["operationId"]: entry for methods in document["paths"].values() for entry in methods.values()}


def check(document: Json, stop: Stop, answered: Answered) -> None:
    """The answer has a status, a type and a form that the operation names."""
    assert stop.status == answered.status, answered
    kind = answered.headers["content-type"].partition(";")[0]
    content = operations(document)[stop.operation]["responses"][str(stop.status)]["content"]
    assert kind in content
    schema = {**content[kind]["schema"], "components": document["components"]}
    told: Any = answered.body.decode() if not kind.endswith("json") or "ndjson" in kind else answered.json
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(told)


async def test_answers_are_as_described(door: Door, document: Json) -> None:
    """A tour through every operation: each answer fits its schema, which allows no other field."""
    hold = ""
    for stop in TOUR:
        answered = await door.ask(stop.method, stop.target.format(hold=hold), stop.body, stop.headers)
        check(document, stop, answered)
        if stop.operation == "listHolds":
            *_, last = answered.json["holds"]
            hold = last["id"]


def test_the_tour_is_complete(document: Json) -> None:
    """Every good answer that is described is on it, but those that say why not."""
    told = {
        (name, status) for name, entry in operations(document).items() for status in entry["responses"] if status < "4"
    }
    toured = {(stop.operation, str(stop.status)) for stop in TOUR}
    assert told - toured - UNTOURED.keys() == set()


def test_it_describes_how_to_call(document: Json) -> None:
    """Each operation has a name, words, and a key that it wants but where none is."""
    for path, methods in document["paths"].items():
        for entry in methods.values():
            assert entry["operationId"].isalnum()
            assert entry.get("description"), entry["operationId"]
            assert (path in PUBLIC) != bool(entry.get("security"))
    assert len(operations(document)) == sum(len(methods) for methods in document["paths"].values())


def test_the_examples_are_valid(document: Json) -> None:
    """Every example of a body fits its schema."""
    count = 0
    for entry in operations(document).values():
        for kind, content in entry.get("requestBody", {}).get("content", {}).items():
            if "example" in content and kind == "application/json":
                schema = {**content["schema"], "components": document["components"]}
                jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(content["example"])
                count += 1
    assert count >= 3


def test_the_checked_in_document_is_this_one(document: Json) -> None:
    """docs/openapi.json is what `worldevents openapi > docs/openapi.json` writes today."""
    assert document == json.loads(CHECKED_IN.read_text())


def test_it_names_no_machine(document: Json) -> None:
    """It is the same wherever it is made."""
    assert "servers" not in document
    assert str(Path.home()) not in json.dumps(document)
