"""`worldevents webhooks`: on a database, and through the server that serves it."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.cli.conftest import Run, separately, window
from tests.cli.served import serving
from tests.webhooks.feed import announcement
from tests.webhooks.receiver import OK, answered, receiving
from worldevents.ledger import open_ledger
from worldevents.ledger.outward import DeliveryStatus, Outcome
from worldevents.testing.builders import DURING

URL = "https://game.example/webhooks"
WHY = ("--reason", "why", "--author", "ops")


def made(run: Run, *options: str) -> str:
    """The id of a new endpoint."""
    return str(run("webhooks", "add", URL, *WHY, *options, "--json").document["id"])


def owing(url: str, endpoint_id: str) -> None:
    """Have one delivered, one dead and one pending delivery."""

    async def put() -> None:
        async with open_ledger(url) as ledger:
            hooks = ledger.webhooks
            one = await hooks.endpoint(endpoint_id)
            page = [announcement(number, at=one.since) for number in (1, 2, 3)]
            assert await hooks.hand_over(one, page, at=DURING)
            turn = await hooks.turn(endpoint_id, [], most=2, now=DURING, until=DURING)
            outcomes = [
                Outcome(claim, status, DURING, DURING, answer, f"HTTP {answer}")
                for claim, status, answer in zip(
                    turn.claims, (DeliveryStatus.DELIVERED, DeliveryStatus.DEAD), (204, 503), strict=True
                )
            ]
            await hooks.turn(endpoint_id, outcomes, most=0, now=DURING, until=DURING)

    asyncio.run(put())


def test_the_output_is_the_secret_alone(running: Run) -> None:
    """SECRET=$(worldevents webhooks add …) works; what it is for is said beside it."""
    said = running("webhooks", "add", URL, *WHY)
    assert 0 == said.code
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", said.out)
    assert "shown this once" in said.err
    listed = running("webhooks", "list")
    assert said.out.strip() not in listed.out
    assert re.search(rf"{re.escape(URL)} +event.settled, goal.completed, .* active", listed.out)


def test_an_endpoint_is_what_was_asked_for(running: Run) -> None:
    """Its kinds, from when on, and by whom it was made."""
    made_ = running(
        "webhooks", "add", URL, *WHY, "--kind", "goal.completed", "--since", "2026-12-01", "--json"
    ).document
    assert (["goal.completed"], "2026-12-01T00:00:00Z") == (made_["kinds"], made_["since"])
    shown = running("webhooks", "show", made_["id"], "--json").document
    assert [("add", "ops", "why")] == [(one["what"], one["author"], one["reason"]) for one in shown["changes"]]
    assert re.search(r"add +ops +why", running("webhooks", "show", made_["id"]).out)


@pytest.mark.parametrize("what", ["add", "rotate", "enable", "disable", "remove"])
@pytest.mark.parametrize("field", ["reason", "author"])
def test_who_and_why_are_texts(running: Run, what: str, field: str) -> None:
    """As over HTTP; nothing is made and nothing changed."""
    endpoint = made(running)
    told = {"reason": "why", "author": "ops", field: " "}
    words = [URL] if what == "add" else [endpoint, *(["--yes"] if what == "remove" else [])]
    said = running("webhooks", what, *words, *(part for name in told for part in (f"--{name}", told[name])), "--json")
    assert (1, "body_invalid", field) == (said.code, said.problem["code"], said.problem["field"])
    assert [endpoint] == [one["id"] for one in running("webhooks", "list", "--json").document["endpoints"]]
    assert 1 == len(running("webhooks", "show", endpoint, "--json").document["changes"])


def test_a_secret_is_rotated(running: Run) -> None:
    """The new one is printed, and how long the previous one signs too."""
    endpoint = made(running)
    said = running("webhooks", "rotate", endpoint, *WHY, "--keep", "60")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", said.out)
    assert "The previous secret signs too until" in said.err


def test_an_endpoint_rests_and_is_removed(running: Run) -> None:
    """Disabled with its reason, enabled, and removed when that is meant."""
    endpoint = made(running)
    off = running("webhooks", "disable", endpoint, "--reason", "moving")
    assert "is disabled since" in off.out
    assert "moving" in off.out
    assert f"endpoint {endpoint} is active" in running("webhooks", "enable", endpoint, *WHY).out
    assert 2 == running("webhooks", "remove", endpoint, *WHY).code
    assert 0 == running("webhooks", "remove", endpoint, *WHY, "--yes").code
    assert "unknown_webhook" == running("webhooks", "show", endpoint, "--json").problem["code"]
    assert {"endpoints": []} == running("webhooks", "list", "--json").document


def test_what_is_owed_is_an_exit_code(running: Run, database: Path) -> None:
    """The report, the deliveries behind it, and sending what is dead again."""
    assert (0, {"endpoints": [], "owed": 0}) == (
        running("webhooks", "report").code,
        running("webhooks", "report", "--json").document,
    )
    endpoint = made(running)
    owing(f"sqlite:///{database}", endpoint)
    said = running("webhooks", "report")
    assert 1 == said.code
    heads, row = said.out.splitlines()
    assert ["ID", "URL", "ANNOUNCED", "DELIVERED", "PENDING", "DEAD", "OWED"] == heads.split()
    assert [endpoint, URL, "3", "1", "1", "1", "2"] == row.split()
    rows = running("webhooks", "deliveries", endpoint, "--limit", "2").out.splitlines()[1:]
    assert [["3", "msg_3"], ["2", "msg_2"]] == [one.split()[:2] for one in rows]
    assert ["msg_2"] == [
        one["messageId"]
        for one in running("webhooks", "deliveries", endpoint, "--status", "dead", "--json").document["deliveries"]
    ]
    assert "1 sent again" in running("webhooks", "replay", endpoint, *WHY, "--since", "2020-01-01", "--dead").out
    assert {"replayed": 1} == running("webhooks", "replay", endpoint, *WHY, "--message", "msg_1", "--json").document
    assert (
        "unknown_delivery" == running("webhooks", "replay", endpoint, *WHY, "--message", "m", "--json").problem["code"]
    )


def test_what_cannot_be_is_refused(worldevents: Run, database: Path) -> None:
    """No database, no reason, an address that no webhook goes to."""
    assert "configuration_invalid" == worldevents("webhooks", "list", "--json").problem["code"]
    assert not database.exists()
    assert 0 == worldevents("events", "apply", "winter", *window()).code
    assert 2 == worldevents("webhooks", "add", URL).code
    for url in ("http://game.example/", "https://169.254.169.254/latest"):
        said = worldevents("webhooks", "add", url, *WHY, "--json")
        assert (1, "body_invalid", "url") == (said.code, said.problem["code"], said.problem["field"])


@pytest.fixture
def served(running: Run, database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Have a server on the database, which may call this machine; commands find it."""
    assert database.exists()
    monkeypatch.setenv("WORLDEVENTS_WEBHOOK_LOOPBACK", "true")
    with serving():
        yield running


@pytest.mark.slow
@pytest.mark.usefixtures("served")
async def test_through_a_server_it_is_the_same() -> None:
    """Every command, and its server is what sends."""

    def run(*arguments: str) -> tuple[int, dict[str, object]]:
        said = separately("webhooks", *arguments, "--json")
        return said.code, json.loads(said.out or said.err)

    async with receiving() as receiver:
        _, new = await asyncio.to_thread(run, "add", receiver.url, *WHY)
        endpoint = str(new["id"])
        assert (0, True) == await _tried(run, endpoint)
        sent = receiver.sent[0]
        assert Webhook(str(new["secret"])).verify(sent.body, sent.headers)
        receiver.answer = lambda _: answered("500 Oh")
        assert (1, False) == await _tried(run, endpoint)
        receiver.answer = lambda _: OK
        for arguments in (
            ("list",),
            ("show", endpoint),
            ("rotate", endpoint, *WHY),
            ("disable", endpoint, *WHY),
            ("enable", endpoint, *WHY),
            ("deliveries", endpoint),
            ("replay", endpoint, *WHY, "--since", "2020-01-01"),
            ("report",),
            ("remove", endpoint, *WHY, "--yes"),
        ):
            code, told = await asyncio.to_thread(run, *arguments)
            assert (arguments, 0) == (arguments, code), told
        code, told = await asyncio.to_thread(run, "show", endpoint)
        assert (1, "unknown_webhook") == (code, told["code"])


async def _tried(run: Callable[..., tuple[int, dict[str, object]]], endpoint: str) -> tuple[int, object]:
    code, told = await asyncio.to_thread(run, "test", endpoint)
    return code, told["delivered"]
