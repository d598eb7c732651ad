"""Servers and commands that meet in Redis: what one counts, all show; what stands between it and the ledger is seen."""

import json
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.cli.conftest import PROGRAM, Run, window
from tests.cli.served import serving
from tests.servers import RedisServer

GOAL = "lift-the-frost"
SECONDS = 20.0


@pytest.fixture
def prefix(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the settings name Redis, with key names of the test's own."""
    own = uuid.uuid4().hex[:8]
    monkeypatch.setenv("WORLDEVENTS_REDIS_URL", redis_server.url)
    monkeypatch.setenv("WORLDEVENTS_REDIS_PREFIX", own)
    monkeypatch.setenv("WORLDEVENTS_SYNC_INTERVAL_MS", "50")
    return own


@pytest.fixture
def winter(prefix: str, worldevents: Run) -> Run:
    """Have the winter event under way, in Redis."""
    assert prefix
    assert 0 == worldevents("events", "apply", "winter", *window()).code
    return worldevents


@pytest.fixture
def servers(winter: Run) -> Iterator[list[str]]:
    """Two servers on the same Redis and ledger; their addresses."""
    assert 0 == winter("sync", "--once").code
    with ExitStack() as stack:
        yield [stack.enter_context(serving()) for _ in range(2)]


def post(url: str, contribution_id: str, amount: float, **headers: str) -> tuple[int, dict[str, Any], str | None]:
    """One contribution over HTTP: status, answer, and the acknowledgement that was applied."""
    body = json.dumps({"contributionId": contribution_id, "userId": "ada", "amount": amount}).encode()
    told = {"Content-Type": "application/json", **headers}
    with urlopen(Request(f"{url}/v1/goals/{GOAL}/contributions", body, told)) as answer:  # noqa: S310 - our own server
        return answer.status, json.load(answer), answer.headers["Preference-Applied"]


def test_two_servers_count_into_one_goal(servers: list[str]) -> None:
    """The same contribution at both is counted at the first and a repeat at the second."""
    assert HTTPStatus.CREATED == post(servers[0], "w1", 100)[0]
    status, receipt, _ = post(servers[1], "w1", 100)
    assert (HTTPStatus.OK, True, 100) == (status, receipt["duplicate"], receipt["currentValue"])


def test_an_update_reaches_the_viewers_of_the_other_server(servers: list[str]) -> None:
    """Within half a second of its answer, on the streams of a server that was never asked."""
    with urlopen(f"{servers[1]}/v1/stream?goals={GOAL}") as stream:  # noqa: S310 - our own server
        while not stream.readline().startswith(b"data:"):
            pass
        post(servers[0], "w1", 100)
        answered = time.monotonic()
        for line in stream:
            if line.startswith(b"data:") and json.loads(line[5:])["newValue"] == 100:
                break
        # Generous: the machine is shared. The bound itself is a benchmark's business.
        assert time.monotonic() - answered < SECONDS


@pytest.mark.parametrize("ack", ["applied", "fsynced", "ledger"])
def test_an_answer_is_as_safe_as_preferred(servers: list[str], ack: str) -> None:
    """Prefer names the acknowledgement, and the answer says which one it was."""
    assert (201, f"ack={ack}") == post(servers[0], "w1", 100, Prefer=f"respond-async, ack={ack}")[::2]


def test_what_waits_is_carried_by_a_command(winter: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a syncer a contribution waits; `sync --once` takes it to the ledger, and then both sides are equal."""
    winter("sync", "--once")
    monkeypatch.setenv("WORLDEVENTS_SYNC", "false")
    assert 0 == winter("contribute", GOAL, "ada", "100", "--id", "w1").code
    waiting = {one["goalId"]: one for one in winter("reconcile", "--json").document["goals"]}
    assert 1 == waiting[GOAL]["waiting"]
    done = winter("sync", "--once", "--json")
    assert (0, {"done": True, "waiting": 0}) == (done.code, done.document)
    (found,) = [one for one in winter("reconcile", "--json").document["goals"] if one["goalId"] == GOAL]
    assert (True, 0, "100.000", "100.000") == (
        found["agrees"],
        found["waiting"],
        found["sumOfUsers"],
        found["ledger"]["total"],
    )


def test_a_difference_is_found_and_mended(winter: Run, prefix: str, redis_server: RedisServer) -> None:
    """Somebody who changes a number in Redis is found out; --fix brings back what the ledger says."""
    winter("contribute", GOAL, "ada", "100", "--id", "w1")
    winter("sync", "--once")
    redis_server.client().zincrby(f"{prefix}:{{{GOAL}:0}}:board", -5_000, "ada")
    assert 1 == winter("reconcile").code
    mended = winter("reconcile", "--fix", "--json")
    assert (0, [True, False, False]) == (mended.code, [one["mended"] for one in mended.document["goals"]])
    assert 100 == winter("goals", "show", GOAL, "--user", "ada", "--json").document["userContribution"]


@pytest.mark.usefixtures("winter")
def test_a_syncer_of_its_own_ends_when_asked() -> None:
    """`sync` carries until a signal, and says that it is at it."""
    with subprocess.Popen([*PROGRAM, "sync"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "carrying" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(SECONDS)


def test_without_redis_there_is_nothing_to_carry(running: Run) -> None:
    """An embedded store's contributions are in the ledger at once."""
    said = running("sync", "--once", "--json")
    assert (1, "configuration_invalid", "redis_url") == (said.code, said.problem["code"], said.problem["field"])


@pytest.mark.usefixtures("winter")
def test_a_server_in_front_of_the_ledger_is_ready() -> None:
    """Its goals are there, and nothing waits."""
    with serving() as url, urlopen(f"{url}/readyz") as answer:  # noqa: S310 - our own server
        assert {"status": "ok"} == json.load(answer)


@pytest.mark.parametrize("here", [True, False])
def test_a_contribution_from_the_command_line_is_as_safe_as_asked(
    servers: list[str], winter: Run, *, here: bool
) -> None:
    """`--ack` is heard in this process and by a server; what nobody knows is refused."""
    where = () if here else ("--server", servers[0])
    said = winter("contribute", GOAL, "ada", "100", "--id", "w1", "--ack", "ledger", "--json", *where)
    assert (0, 100) == (said.code, said.document["amount"])
    (held,) = [one for one in winter("reconcile", "--json").document["goals"] if one["goalId"] == GOAL]
    assert ("100.000", 0) == (held["ledger"]["total"], held["waiting"])
    assert 2 == winter("contribute", GOAL, "ada", "100", "--id", "w1", "--ack", "never").code


def checked(worldevents: Run, *options: str) -> dict[str, tuple[str, str]]:
    """What the doctor found, by the name of the check."""
    found = worldevents("doctor", "--json", *options).document["checks"]
    return {one["name"]: (one["status"], one["detail"]) for one in found}


def test_the_doctor_looks_at_redis_too(winter: Run) -> None:
    """That it answers, keeps what it has, and which functions are there."""
    found = checked(winter)
    assert {"ok"} == {found[name][0] for name in ("redis", "memory", "file", "functions")}
    assert "appendfsync always" in found["file"][1]


def test_the_doctor_finds_a_redis_that_forgets(worldevents: Run) -> None:
    """One that evicts fails; without a file it is a warning; nothing is loaded into it by looking."""
    with RedisServer({"appendonly": "no", "maxmemory-policy": "allkeys-lru"}) as server:
        found = checked(worldevents, "--redis", server.url)
        assert ("fail", "allkeys-lru") == found["memory"]
        assert ("warn", "ok") == (found["file"][0], found["functions"][0])
        assert [] == server.client().function_list()
    found = checked(worldevents, "--redis", server.url)
    assert "fail" == found["redis"][0]
    assert "memory" not in found
