"""What the README and the pages under docs/ say is run here."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import worldevents
from tests.servers import RedisServer
from worldevents import errors
from worldevents.catalog import read_event
from worldevents.errors import WorldEventsError

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language in a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def run(arguments: list[str], folder: Path) -> str:
    """Run a program in a folder of its own and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
    environment.pop("WORLDEVENTS_DATABASE_URL", None)
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_library_example_prints_what_the_readme_says(tmp_path: Path) -> None:
    """The first Python block of the README counts once and says so."""
    program = blocks("README.md", "python")[0]

    assert run([sys.executable, "-c", program], tmp_path) == "counted True 102.500 kg\n"
    assert "prints `counted True 102.500 kg`" in (ROOT / "README.md").read_text()


def test_the_workout_example_gives_what_its_comment_says(tmp_path: Path) -> None:
    """The README's workout feeds Lift the Frost and Iron March with the amounts it names."""
    names: dict[str, object] = {}
    exec(blocks("README.md", "python")[1], names)  # noqa: S102 - our own README
    workout = names["workout"]
    assert isinstance(workout, worldevents.Workout)
    today = datetime.now(UTC)
    winter = worldevents.with_window(worldevents.load_event("winter"), today, today + timedelta(days=31))

    async def record() -> dict[str, Decimal]:
        settings = worldevents.Settings(database_url=f"sqlite:///{tmp_path}/docs.db")
        async with worldevents.open_runtime(settings) as runtime:
            await runtime.engine.publish(winter, author="docs")
            recorded = await runtime.engine.record(workout)
            return {
                receipt.contribution.goal_id: receipt.metric.decimal(receipt.contribution.amount)
                for receipt in recorded.receipts
            }

    assert {"lift-the-frost": Decimal("796.175"), "iron-march": Decimal(1)} == asyncio.run(record())


@pytest.mark.slow
def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    """Every command line in the README's command section ends well, in its order, on a fresh database."""
    section = (ROOT / "README.md").read_text().split("## On the command line")[1]
    lines = re.findall(r"^worldevents (.*)$", section, re.MULTILINE)
    assert len(lines) >= 6
    year = datetime.now(UTC).year
    for line in lines:
        moved = line.replace("2026-11-01", f"{year}-01-01").replace("2027-01-01", f"{year + 1}-01-01")
        run([sys.executable, "-m", "worldevents", *shlex.split(moved, comments=True)], tmp_path)

    shown = json.loads(run([sys.executable, "-m", "worldevents", "goals", "list", "--json"], tmp_path))
    assert [102.5] == [goal["currentValue"] for goal in shown["goals"] if goal["id"] == "lift-the-frost"]


@pytest.mark.slow
def test_the_commands_of_the_redis_page_run(
    tmp_path: Path, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command of the page on Redis ends well, but for the two that serve until they are stopped."""
    monkeypatch.setenv("WORLDEVENTS_REDIS_URL", redis_server.url)
    monkeypatch.setenv("WORLDEVENTS_REDIS_PREFIX", "docs")
    program = [sys.executable, "-m", "worldevents"]
    run([*program, "events", "apply", "winter"], tmp_path)
    lines = re.findall(r"^worldevents (.*)$", (ROOT / "docs/redis.md").read_text(), re.MULTILINE)
    asked = [shlex.split(line, comments=True) for line in lines]
    assert [["serve"], ["sync"]] == [words for words in asked if words in (["serve"], ["sync"])]
    told = [run([*program, *words], tmp_path) for words in asked if words not in (["serve"], ["sync"])]
    assert len(told) >= 4


@pytest.mark.slow
def test_the_requests_of_the_readme_are_answered(tmp_path: Path) -> None:
    """What the README sends over HTTP is counted, shown and told live by a server started as it says."""
    section = (ROOT / "README.md").read_text().split("## Over HTTP")[1]
    lines = re.search(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert lines is not None
    commands = [shlex.split(one) for one in re.split(r"\n(?=\w)", lines[1].replace("\\\n", " ")) if one.strip()]
    year = datetime.now(UTC).year
    moved = {"2026-11-01": f"{year}-01-01", "2027-01-01": f"{year + 1}-01-01"}
    answers = []
    with contextlib.ExitStack() as stack:
        server = ""
        for program, *arguments in commands:
            if arguments[:1] == ["serve"]:
                server = stack.enter_context(serving(tmp_path))
            elif program == "worldevents":
                run([sys.executable, "-m", "worldevents", *(moved.get(one, one) for one in arguments)], tmp_path)
            else:
                answers.append(answer_to(arguments, server))

    receipt, recorded, progress, board, stream = answers
    assert '"status":"counted"' in receipt
    assert '"amount":490' in recorded
    assert '"userContribution":102.5' in progress
    assert '"rank":2' in board
    assert stream.startswith("retry:")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server on the folder's database, started as the README says but on a free port; its address."""
    command = [sys.executable, "-m", "worldevents", "serve", "--port", "0", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"].removeprefix("http://")
        finally:
            process.terminate()


def answer_to(curl: list[str], server: str) -> str:
    """Do what a curl command does: of an answer that does not end, its beginning."""
    headers, body, method, url = {}, None, "GET", ""
    words = iter(curl)
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                body = next(words).encode()
            case "-N":
                pass
            case _:
                url = "http://" + word.replace("localhost:8000", server)
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - the same
        return str(response.read(20 if url.endswith("/stream") else -1).decode())


def test_the_event_file_of_the_docs_is_valid() -> None:
    """The example in docs/event-files.md can be published."""
    (text,) = blocks("docs/event-files.md", "toml")
    event = read_event(text)

    assert ["melt-the-ice", "spring-volume"] == [goal.id for goal in event.goals]


def test_the_settings_table_is_complete() -> None:
    """Every setting stands in the README with its default."""
    text = (ROOT / "README.md").read_text()
    for name, field in worldevents.Settings.model_fields.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        assert f"| `WORLDEVENTS_{name.upper()}` | `{default}` |" in text


def test_the_table_of_errors_is_complete() -> None:
    """Every code stands in docs/errors.md with its default message and whether to try again."""
    table = (ROOT / "docs" / "errors.md").read_text()
    every = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, WorldEventsError)]
    for error in every:
        row = f"| `{error.code}` | {error().detail} | {'yes' if error.retryable else 'no'} |"
        assert error is WorldEventsError or row in table.splitlines()
    assert len(every) - 1 == table.count("\n| `")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there."""
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.slow
def test_the_replay_prints_the_table_of_the_readme(tmp_path: Path) -> None:
    """The figures of December in the README are those that the command gives."""
    (table,) = [block for block in blocks("README.md", "") if block.startswith("METRIC")]
    printed = run([sys.executable, "-m", "worldevents", "replay"], tmp_path)

    assert table.splitlines() == [line.rstrip() for line in printed.splitlines()[-5:]]
