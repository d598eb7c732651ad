"""The examples of docs/webhooks.md are run: the request, the two receivers, and every command."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shlex
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_webhooks import owing
from tests.clients.programs import Program
from tests.servers.ports import Port
from tests.test_docs import ROOT, blocks
from tests.webhooks.feed import announcement
from tests.webhooks.receiver import Receiver
from worldevents.cli.main import run
from worldevents.grants import Announcement
from worldevents.ledger.outward import Endpoint
from worldevents.testing.builders import DURING
from worldevents.webhooks import signing
from worldevents.webhooks.addresses import Policy
from worldevents.webhooks.operating import KINDS, TEST_KIND
from worldevents.webhooks.schedule import Answer
from worldevents.webhooks.sending import sending

PAGE = "docs/webhooks.md"
TEXT = (ROOT / PAGE).read_text()
SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
UP_S = 20.0


def an_endpoint(url: str) -> Endpoint:
    return Endpoint(id="e", url=url, kinds=frozenset(KINDS), secret=SECRET, since=DURING, created_at=DURING)


def test_every_example_is_run() -> None:
    """There are as many as the tests of this file take."""
    found = [len(blocks(PAGE, language)) for language in ("http", "sh", "python", "js")]
    assert [1, 4, 1, 1] == found
    assert 2 * sum(found) == TEXT.count("```")


def test_every_kind_is_in_the_table() -> None:
    """And none else."""
    rows = [line.split("`")[1] for line in TEXT.splitlines() if line.startswith("| `")]
    assert ["type", *KINDS, TEST_KIND] == rows


def test_the_request_is_one() -> None:
    """Its headers and its body are what is sent, signed with the secret that the page names."""
    (text,) = blocks(PAGE, "http")
    head, body = text.strip().split("\n\n")
    first, *lines = head.splitlines()
    shown = dict(line.split(": ", 1) for line in lines)
    one = Announcement(2, "msg_2", "goal.completed", DURING + timedelta(seconds=2), {"goalId": "lift-the-frost"})
    at = datetime.fromtimestamp(int(shown["webhook-timestamp"]), UTC)
    assert signing.body(one).decode() == body
    sent = signing.headers(an_endpoint("https://game.example/webhooks"), one.id, body.encode(), at)
    assert {"user-agent": "worldevents", **shown} == sent
    assert "POST /webhooks HTTP/1.1" == first
    assert signing.secret_text(SECRET) in TEXT


async def told(url: str, one: Announcement, *, secret: bytes = SECRET) -> Answer:
    """What a receiver answers to one message."""
    body = signing.body(one)
    headers = signing.headers(replace(an_endpoint(url), secret=secret), one.id, body, datetime.now(UTC))
    async with sending(Policy(loopback=True)) as sender:
        return await sender.post(url, headers, body)


async def told_when_up(url: str, one: Announcement) -> Answer:
    async with asyncio.timeout(UP_S):
        while (answer := await told(url, one)).status is None:  # noqa: ASYNC110 - a program that starts tells nobody
            await asyncio.sleep(0.05)
        return answer


async def check(url: str) -> None:
    """A message is taken, however often; one that somebody else signed is not."""
    reward = announcement(4)
    assert "reward.granted" == reward.kind
    assert 204 == (await told_when_up(url, reward)).status
    assert [204, 204] == [(await told(url, one)).status for one in (reward, announcement(5))]
    assert 401 == (await told(url, announcement(8), secret=bytes(32))).status


@asynccontextmanager
async def started(*command: str, folder: Path, **environment: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=os.environ | environment)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.slow
async def test_the_receiver_in_python(tmp_path: Path) -> None:
    """It keeps a reward once."""
    (program,) = blocks(PAGE, "python")
    (tmp_path / "receiver.py").write_text(program)
    port = Port()
    command = (sys.executable, "-m", "uvicorn", "receiver:app", "--port", str(port.number))
    async with started(*command, folder=tmp_path, WEBHOOK_SECRET=signing.secret_text(SECRET)):
        await check(f"http://127.0.0.1:{port.number}/webhooks")
    port.give_back()
    with sqlite3.connect(tmp_path / "rewards.db") as rewards:
        rows = rewards.execute("SELECT message_id, data FROM reward").fetchall()
    rewards.close()
    assert [("msg_4", '{"grantId": "g4", "userId": "user-4"}')] == rows


async def test_the_receiver_in_javascript(node: Callable[..., Program], monkeypatch: pytest.MonkeyPatch) -> None:
    """So does this one."""
    port = Port()
    monkeypatch.setenv("WEBHOOK_SECRET", signing.secret_text(SECRET))
    monkeypatch.setenv("PORT", str(port.number))
    (program,) = blocks(PAGE, "js")
    async with node(f"{program}\nawait told();\ntell([...rewards]);\nprocess.exit(0);") as running:
        await check(f"http://127.0.0.1:{port.number}/webhooks")
        running.tell({})
        assert [["msg_4", {"grantId": "g4", "userId": "user-4"}]] == await running.told()
    port.give_back()


@pytest.mark.slow
async def test_the_commands(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each ends well, in the order of the page; the report says that something is owed."""
    database = f"sqlite:///{tmp_path}/hooks.db"
    monkeypatch.setenv("WORLDEVENTS_DATABASE_URL", database)
    monkeypatch.setenv("WORLDEVENTS_WEBHOOK_LOOPBACK", "true")
    places = {"https://game.example/webhooks": receiver.url, "$MESSAGE": "msg_2"}

    def call(line: str) -> int:
        _, *words = [places.get(word, word) for word in shlex.split(line)]
        return run(words)

    assert 0 == await asyncio.to_thread(call, "worldevents events apply winter")
    codes: list[tuple[str, int]] = []
    for line in "".join(blocks(PAGE, "sh")).splitlines():
        codes.append((line.split()[2], await asyncio.to_thread(call, line)))
        if "$ENDPOINT" not in places:
            capsys.readouterr()
            await asyncio.to_thread(call, "worldevents webhooks list --json")
            places["$ENDPOINT"] = _first_id(capsys.readouterr().out)
            await asyncio.to_thread(owing, database, places["$ENDPOINT"])
    expected = ["add", "add", "list", "test", "report", "deliveries", "replay", "replay", "rotate"]
    assert [(name, int(name == "report")) for name in expected] == codes
    assert 1 == len(receiver.sent)


def _first_id(out: str) -> str:
    document: Any = json.loads(out)
    return str(document["endpoints"][0]["id"])
