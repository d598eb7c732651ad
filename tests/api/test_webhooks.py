"""Operators and webhooks over HTTP: endpoints come and go, secrets are shown once, messages go out again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio
from standardwebhooks import Webhook

from tests.api.door import Answered, Door, Json
from tests.api.test_description import CHECKED_IN, WITH_ENDPOINT
from tests.webhooks.feed import Feed
from tests.webhooks.receiver import OK, Receiver, answered, receiving
from worldevents.api.app import create_app
from worldevents.clock import SystemClock
from worldevents.runtime import open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING

PATH = "/v1/admin/webhooks"
WHY = {"reason": "why", "author": "ops"}
SOON_S = 20.0
DOCUMENT = json.loads(CHECKED_IN.read_text())


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Have a receiver on this machine."""
    async with receiving() as found:
        yield found


@pytest_asyncio.fixture
async def told(tmp_path: Path) -> AsyncIterator[tuple[Door, Feed]]:
    """Give a door that delivers to this machine, and what is announced."""
    settings, feed = Settings(database_url=f"sqlite:///{tmp_path}/hooks.db", webhook_loopback=True), Feed()
    async with open_runtime(settings, clock=SystemClock(), feed=feed) as runtime:
        yield Door(runtime, create_app(runtime), ManualClock(DURING)), feed


def described(name: str, answer: Answered) -> Any:
    """The document of a good answer, which is as the operation says."""
    entry = next(
        one for methods in DOCUMENT["paths"].values() for one in methods.values() if one["operationId"] == name
    )
    schema = entry["responses"][str(answer.status)]["content"]["application/json"]["schema"]
    validator = jsonschema_rs.Draft202012Validator(
        {**schema, "components": DOCUMENT["components"]}, validate_formats=True
    )
    validator.validate(answer.json)
    return answer.json


async def added(door: Door, url: str, **told: object) -> Json:
    made: Json = described("addWebhook", await door.post(PATH, {"url": url, **WHY, **told}))
    return made


async def until_owed(door: Door, owed: int) -> Json:
    """Wait until so much is owed; the only endpoint's account."""
    async with asyncio.timeout(SOON_S):
        while True:
            report = described("reportWebhooks", await door.get(f"{PATH}/report"))
            if report["owed"] == owed:
                (account,) = report["endpoints"]
                return dict(account)
            # Nobody signals that a message is delivered.
            await asyncio.sleep(0.02)


async def test_an_endpoint_from_its_beginning_to_its_end(told: tuple[Door, Feed], receiver: Receiver) -> None:
    """Made, shown, tried, told, rotated, replayed, disabled, enabled and removed; each answer is as described."""
    door, feed = told
    made = await added(door, receiver.url, since="2026-12-01T00:00:00Z")
    one, secret = f"{PATH}/{made['id']}", made.pop("secret")
    assert {"endpoints": [made]} == described("listWebhooks", await door.get(PATH))
    tried = described("tryWebhook", await door.post(f"{one}/test", {}))
    assert {"delivered": True, "status": 204, "result": "HTTP 204"} == tried
    sent = receiver.sent[0]
    assert "webhook.test" == Webhook(secret).verify(sent.body, sent.headers)["type"]

    feed.size = 5
    account = await until_owed(door, 0)
    assert (5, 5, 0, 0) == tuple(account[name] for name in ("announced", "delivered", "pending", "dead"))
    page = described("listWebhookDeliveries", await door.get(f"{one}/deliveries?limit=2"))
    assert (["msg_5", "msg_4"], 4) == ([it["messageId"] for it in page["deliveries"]], page["next"])
    rest = (await door.get(f"{one}/deliveries?before=4&status=delivered")).json
    assert ([3, 2, 1], None) == ([it["number"] for it in rest["deliveries"]], rest["next"])

    rotated = described("rotateWebhookSecret", await door.post(f"{one}/rotate", {**WHY, "keepSeconds": 3600}))
    assert secret != rotated["secret"]
    assert rotated["previousSecretUntil"] is not None
    replayed = described("replayWebhooks", await door.post(f"{one}/replay", {**WHY, "messageId": "msg_2"}))
    assert {"replayed": 1} == replayed
    again = (await receiver.hears(7))[-1]
    assert "msg_2" == again.id
    for each in (secret, rotated["secret"]):
        assert Webhook(each).verify(again.body, again.headers)
    await until_owed(door, 0)

    off = described("disableWebhook", await door.post(f"{one}/disable", {**WHY, "reason": "moving"}))
    assert "moving" == off["disabledWhy"]
    feed.size = 6
    await until_owed(door, 1)
    assert described("enableWebhook", await door.post(f"{one}/enable", WHY))["disabledAt"] is None
    await until_owed(door, 0)
    shown = described("showWebhook", await door.get(one))
    assert ["add", "rotate", "replay of msg_2", "disable", "enable"] == [it["what"] for it in shown["changes"]]
    assert {"ops"} == {it["author"] for it in shown["changes"]}
    removed = described("removeWebhook", await door.ask("DELETE", f"{one}?reason=over&author=ops"))
    assert {"id": made["id"], "removed": True} == removed
    assert (404, "unknown_webhook", "endpointId") == (await door.get(one)).refusal
    assert {"endpoints": [], "owed": 0} == (await door.get(f"{PATH}/report")).json


def test_the_tour_here_is_the_rest_of_it() -> None:
    """What the other tour leaves out for want of an endpoint is toured above."""
    source = Path(__file__).read_text()
    assert [] == [name for name in WITH_ENDPOINT if f'described("{name}"' not in source]


async def test_a_secret_is_shown_once(told: tuple[Door, Feed], receiver: Receiver) -> None:
    """In no list, page or report, and to no endpoint, does it stand again."""
    door, feed = told
    made = await added(door, receiver.url, since="2026-12-01T00:00:00Z")
    feed.size = 1
    await until_owed(door, 0)
    one = f"{PATH}/{made['id']}"
    for path in (PATH, one, f"{one}/deliveries", f"{PATH}/report", "/metrics"):
        assert made["secret"].removeprefix("whsec_") not in (await door.get(path)).body.decode()
    assert made["secret"].removeprefix("whsec_") not in str(receiver.sent)
    assert "secret" not in repr(await door.runtime.ledger.webhooks.endpoints())  # type: ignore[attr-defined]


async def test_a_test_that_fails_says_why(told: tuple[Door, Feed], receiver: Receiver) -> None:
    """And is not kept: nothing is owed for it."""
    door, _ = told
    one = f"{PATH}/{(await added(door, receiver.url))['id']}"
    receiver.answer = lambda _: answered("500 Oh")
    failed = {"delivered": False, "status": 500, "result": "HTTP 500"}
    assert failed == (await door.post(f"{one}/test", {})).json
    receiver.answer = lambda _: OK
    assert 0 == (await door.get(f"{PATH}/report")).json["owed"]
    assert [] == (await door.get(f"{one}/deliveries")).json["deliveries"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"),
        ({**WHY}, "url"),
        ({**WHY, "url": 5}, "url"),
        ({**WHY, "url": "http://game.example/"}, "url"),
        ({**WHY, "url": "https://10.0.0.1/"}, "url"),
        ({**WHY, "url": "https://game.example:22/"}, "url"),
        ({**WHY, "url": "https://game.example/", "kinds": ["other"]}, "kinds"),
        ({**WHY, "url": "https://game.example/", "kinds": "goal.completed"}, "kinds"),
        ({**WHY, "url": "https://game.example/", "kinds": [5]}, "kinds"),
        ({**WHY, "url": "https://game.example/", "since": "soon"}, "since"),
        ({**WHY, "url": "https://game.example/", "secret": "mine"}, "secret"),
        ({"url": "https://game.example/", "reason": " "}, "reason"),
        ({"url": "https://game.example/", "reason": "\x00"}, "reason"),
        ({**WHY, "author": "", "url": "https://game.example/"}, "author"),
    ],
)
async def test_an_endpoint_that_cannot_be(told: tuple[Door, Feed], body: Json, field: str) -> None:
    """Is refused with the field named, and none is made."""
    door, _ = told
    assert (422, "body_invalid", field) == (await door.post(PATH, body)).refusal
    assert [] == (await door.get(PATH)).json["endpoints"]


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("rotate", {**WHY, "keepSeconds": -1}, "keepSeconds"),
        ("rotate", {**WHY, "keepSeconds": 10**9}, "keepSeconds"),
        ("rotate", {**WHY, "keepSeconds": 1.5}, "keepSeconds"),
        ("rotate", {**WHY, "keepSeconds": True}, "keepSeconds"),
        ("rotate", {}, "reason"),
        ("replay", {**WHY}, "messageId"),
        ("replay", {**WHY, "messageId": "msg_1", "since": "2026-12-01T00:00:00Z"}, "messageId"),
        ("replay", {**WHY, "messageId": 5}, "messageId"),
        ("replay", {**WHY, "since": "2026-12-01T00:00:00Z", "deadOnly": 1}, "deadOnly"),
        ("replay", {**WHY, "since": "yesterday"}, "since"),
        ("enable", {}, "reason"),
        ("disable", {**WHY, "keepSeconds": 1}, "keepSeconds"),
        ("test", {"to": "https://10.0.0.1/"}, "to"),
    ],
)
async def test_a_change_that_cannot_be(told: tuple[Door, Feed], verb: str, body: Json, field: str) -> None:
    """Is refused with the field named, and nothing is changed."""
    door, _ = told
    one = f"{PATH}/{(await added(door, 'https://game.example/'))['id']}"
    before = (await door.get(one)).json
    assert (422, "body_invalid", field) == (await door.post(f"{one}/{verb}", body)).refusal
    assert before == (await door.get(one)).json


async def test_what_is_not_there(told: tuple[Door, Feed]) -> None:
    """An endpoint, a message and a page that are none."""
    door, _ = told
    for verb, body in (("rotate", WHY), ("enable", WHY), ("disable", WHY), ("test", {})):
        assert (404, "unknown_webhook") == (await door.post(f"{PATH}/nowhere/{verb}", body)).refusal[:2]
    one = f"{PATH}/{(await added(door, 'https://game.example/'))['id']}"
    asked = await door.post(f"{one}/replay", {**WHY, "messageId": "msg_9"})
    assert (404, "unknown_delivery", "messageId") == asked.refusal
    for query, field in (
        ("status=lost", "status"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("before=x", "before"),
    ):
        assert (422, "body_invalid", field) == (await door.get(f"{one}/deliveries?{query}")).refusal
    assert (422, "reason") == (await door.ask("DELETE", one)).refusal[::2]
