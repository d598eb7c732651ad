"""`serve`, `demo`, `init` and `openapi` as a user starts them, and a goal that is watched."""

import json
import os
import re
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.conftest import PROGRAM, Run, separately
from tests.cli.served import serving
from worldevents.cli.commands.init import _next_month
from worldevents.settings import Settings

pytestmark = pytest.mark.slow

LIFT = "lift-the-frost"
EXPECTED = json.loads((Path(__file__).parents[1] / "acceptance" / "expected_december_2023.json").read_text())


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Have a command running that ends at Ctrl-C; it is over when the context is."""
    with subprocess.Popen(
        [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _line(process: subprocess.Popen[str], stream: str = "stdout") -> str:
    found = getattr(process, stream)
    line: str = found.readline()
    return line.rstrip("\n")


def _ctrl_c(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    return process.returncode, out, err


# serve


def test_serving_says_where_it_is(running: Run) -> None:
    """The address comes first, then what is there, all on stderr; Ctrl-C is a good end."""
    assert running("goals", "list").code == 0
    with started("serve", "--port", "0") as process:
        lines = list(iter(lambda: _line(process, "stderr"), "Ctrl-C ends it."))
        url = next(line for line in lines if line.startswith("http://127.0.0.1:"))
        assert {"/", "/docs"} <= {line.split()[0] for line in lines}
        with urlopen(f"{url}/v1/goals") as answer:  # noqa: S310 - our own server
            assert len(json.load(answer)["goals"]) == 3
        code, out, _ = _ctrl_c(process)
    assert (code, out) == (0, "")


def test_other_machines_are_served_only_with_keys(worldevents: Run, database: Path) -> None:
    """Without a key whoever comes may do everything: nobody else is let near, and the cure is said."""
    said = worldevents("serve", "--host", "0.0.0.0", "--port", "0", "--json")  # noqa: S104 - refused
    assert (said.code, said.problem["field"]) == (1, "host")
    assert "worldevents token create" in said.problem["detail"]
    assert not database.exists()
    worldevents("token", "create")
    with serving("--host", "0.0.0.0") as url:  # noqa: S104 - on a port that nobody knows
        assert worldevents("events", "apply", "winter").code == 0
        assert url.startswith("http://127.0.0.1:")


def test_one_process_owns_a_database(worldevents: Run, database: Path) -> None:
    """More workers are refused with the reason, and a second server with the first one's name."""
    said = worldevents("serve", "--workers", "2")
    assert (said.code, said.err) == (
        1,
        "error configuration_invalid: one process owns a database: there is one worker (workers)\n",
    )
    with serving():
        second = worldevents("serve", "--port", "0", "--json")
    assert (second.code, second.problem["code"]) == (1, "database_owned")
    assert database.exists()


# goals show --watch


def _watching(process: subprocess.Popen[str]) -> float:
    value: float = json.loads(_line(process))["goal"]["currentValue"]
    return value


def test_a_goal_is_watched_through_a_server(running: Run) -> None:
    """Every change is a line with the document of the goal's progress; Ctrl-C is a good end."""
    with serving(), started("goals", "show", LIFT, "--watch", "--user", "ada", "--json") as process:
        assert _watching(process) == 0
        running("contribute", LIFT, "ada", "12.5", "--id", "w1")
        assert _watching(process) == 12.5
        running("contribute", LIFT, "ada", "12.5", "--id", "w1")
        running("contribute", LIFT, "ada", "1", "--id", "w2")
        line = json.loads(_line(process))
        assert (line["userContribution"], line["userRank"]) == (13.5, 1)
        assert _ctrl_c(process)[0] == 0


def test_a_goal_is_watched_without_a_server(running: Run) -> None:
    """It looks now and then, and leaves the database to other commands in between."""
    with started("goals", "show", LIFT, "--watch") as process:
        assert "0.00 %  0 of 10,000,000 kg · 0 contributors" in _line(process)
        while running("contribute", LIFT, "ada", "12.5", "--id", "w1").code:
            pass
        assert "12.5 of 10,000,000 kg · 1 contributor" in _line(process)
        assert _ctrl_c(process)[0] == 0


def test_an_unknown_goal_is_not_watched(running: Run) -> None:
    """It is said so at once, with a server and without."""
    without = running("goals", "show", "nope", "--watch")
    with serving():
        through = running("goals", "show", "nope", "--watch")
    assert (
        (without.code, without.err) == (through.code, through.err) == (1, "error unknown_goal: no goal nope (goalId)\n")
    )


# demo


def test_the_demo_ends_at_the_expected_figures(tmp_path: Path) -> None:
    """As fast as it goes: one document on stdout, the one of the replay, and nothing is left behind."""
    said = separately("demo", "--speed", "max", "--port", "0", "--exit-when-done", "--json", TMPDIR=str(tmp_path))
    assert said.code == 0, said.err
    assert said.document == EXPECTED
    assert list(tmp_path.iterdir()) == []


def test_the_demo_shows_the_month_while_it_goes_by(tmp_path: Path) -> None:
    """The page and the goals answer from the start, in December 2023; Ctrl-C before the end is no good end."""
    assert tmp_path.exists()
    with started("demo", "--port", "0", "--json") as process:
        url = _line(process, "stderr")
        with urlopen(f"{url}/v1/goals") as answer:  # noqa: S310 - our own server
            (goal, *_) = json.load(answer)["goals"]
        assert (goal["status"], goal["serverTime"][:7]) == ("active", "2023-12")
        with urlopen(url) as answer:  # noqa: S310 - our own server
            assert "Lift the Frost" in answer.read().decode()
        code, out, err = _ctrl_c(process)
    assert (code, out) == (1, "")
    assert err.endswith("Stopped before the month was over.\n")


def test_the_demo_can_be_looked_at_from_elsewhere(worldevents: Run) -> None:
    """Where other machines reach it, it only shows: its page has a key that reads, and nobody contributes."""
    with started("demo", "--port", "0", "--host", "0.0.0.0", "--seconds", "3600") as process:  # noqa: S104 - looked at
        url = _line(process, "stderr")
        with urlopen(url) as answer:  # noqa: S310 - our own server
            keys = re.findall(r"we_pub_[A-Za-z0-9_-]+", answer.read().decode())
        looked = worldevents("goals", "list", "--server", url, "--key", keys[0], "--json")
        assert len(looked.document["goals"]) == 3
        refused = worldevents("contribute", LIFT, "ada", "1", "--id", "x", "--server", url, "--key", keys[0])
        assert refused.err.startswith("error forbidden: ")
        assert _ctrl_c(process)[0] == 1


# init and openapi


def test_init_writes_what_can_be_used_at_once(worldevents: Run, tmp_path: Path) -> None:
    """The event is valid and begins next month; every setting stands in the other file with its default."""
    folder = tmp_path / "new"
    said = worldevents("init", str(folder), "--json")
    event, settings = (Path(name) for name in said.document["files"])
    assert worldevents("events", "apply", str(event)).code == 0
    starts_at = tomllib.loads(event.read_text())["event"]["starts_at"]
    assert starts_at > datetime.now(UTC)
    assert starts_at.day == 1
    written = settings.read_text()
    for name in Settings.model_fields:
        assert re.search(rf"^# .+\n#WORLDEVENTS_{name.upper()}=", written, re.MULTILINE)
    loaded = f"set -a; . {settings}; set +a; env"
    shown = subprocess.run(["/bin/sh", "-c", loaded], capture_output=True, text=True, check=True, env={})
    assert "WORLDEVENTS" not in shown.stdout


def test_init_writes_over_nothing(worldevents: Run, tmp_path: Path) -> None:
    """A file that is there stays as it is, and no other is written beside it."""
    (tmp_path / "worldevents.env").write_text("mine")
    said = worldevents("init", str(tmp_path))
    assert (said.code, said.out) == (1, "")
    assert f"{tmp_path}/worldevents.env is there already" in said.err
    assert ["worldevents.env"] == [path.name for path in tmp_path.iterdir()]
    assert (tmp_path / "worldevents.env").read_text() == "mine"


@pytest.mark.parametrize(
    ("today", "expected"),
    [("2026-01-31", ("2026-02-01", "2026-03-01")), ("2026-11-30", ("2026-12-01", "2027-01-01"))],
)
def test_the_next_month_is_a_whole_one(today: str, expected: tuple[str, str]) -> None:
    """From its first day to that of the one after it, over the end of a year too."""
    months = _next_month(datetime.fromisoformat(today).replace(tzinfo=UTC))
    assert expected == tuple(f"{one:%Y-%m-%d}" for one in months)


def test_december_is_followed_by_january() -> None:
    """The year changes as well."""
    assert datetime(2027, 1, 1, tzinfo=UTC) == _next_month(datetime(2026, 12, 9, tzinfo=UTC))[0]


def test_the_server_is_described(worldevents: Run) -> None:
    """The OpenAPI document has the routes that the specification asks for."""
    paths = worldevents("openapi").document["paths"]
    assert {"/v1/goals", "/v1/goals/{goalId}/progress", "/v1/goals/{goalId}/contributions"} <= paths.keys()
