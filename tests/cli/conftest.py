"""The real command line on a temporary database, in this process or in one of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from worldevents.cli.main import run

PROGRAM = [sys.executable, "-m", "worldevents"]


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        return json.loads(self.err)


Run = Callable[..., Said]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a database that is not there yet."""
    path = tmp_path / "test.db"
    monkeypatch.setenv("WORLDEVENTS_DATABASE_URL", f"sqlite:///{path}")
    return path


@pytest.fixture
def worldevents(database: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""
    assert not database.exists()

    def call(*arguments: str) -> Said:
        code = run(arguments)
        written = capsys.readouterr()
        return Said(code, written.out, written.err)

    return call


@pytest.fixture
def running(worldevents: Run) -> Run:
    """Have the winter event under way."""
    assert worldevents("events", "apply", "winter", *window()).code == 0
    return worldevents


def window(days: int = 30) -> tuple[str, ...]:
    """Give the options for a window around today."""
    today = datetime.now(UTC).date()
    return ("--from", f"{today - timedelta(days=1)}", "--to", f"{today + timedelta(days=days)}")


def separately(*arguments: str, **environment: str) -> Said:
    """Run a command line in a process of its own."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)
