"""The command line as a process: help, colours, questions, and what it needs to be installed."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM, Run, separately, window
from worldevents.__main__ import main

pytestmark = pytest.mark.slow

COMMANDS = (
    "",
    "contribute",
    "demo",
    "doctor",
    "events",
    "events apply",
    "events plan",
    "events show",
    "goals",
    "goals list",
    "goals show",
    "init",
    "leaderboard",
    "migrate",
    "openapi",
    "replay",
    "serve",
    "standing",
    "token",
    "token create",
    "token list",
    "token revoke",
    "version",
)
SLOW = {
    "alembic",
    "asyncio",
    "fastapi",
    "httpx2",
    "prometheus_client",
    "pydantic",
    "pydantic_settings",
    "rich",
    "sqlalchemy",
    "uvicorn",
}
ESCAPE = "\x1b"


def test_help_is_quick() -> None:
    """No page of help loads a library that takes long to load."""
    program = (
        "import sys\n"
        "from worldevents.cli.main import run\n"
        f"assert [run([*page.split(), '--help']) for page in {COMMANDS}] == [0] * {len(COMMANDS)}\n"
        f"print(sorted({SLOW} & sys.modules.keys()), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_every_command_explains_itself(worldevents: Run) -> None:
    """Without arguments the commands are listed; that is a usage error."""
    said = worldevents("--help")
    assert (said.code, said.err) == (0, "")
    assert worldevents("events").code == 2


def test_usage_errors_are_documents_too(worldevents: Run) -> None:
    """With --json even a missing argument is told as JSON, on stderr."""
    said = worldevents("contribute", "lift-the-frost", "--json")
    assert (said.code, said.out) == (2, "")
    assert said.problem == {"code": "usage", "detail": "Missing argument 'USER'.", "retryable": False}


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_the_extra_is_asked_for(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without typer or rich one line says what to install."""
    monkeypatch.setattr("worldevents.__main__.find_spec", lambda name: None if name == missing else object())
    assert main() == 1
    assert capsys.readouterr().err == "the command line needs typer and rich: pip install 'worldevents[cli]'\n"


def test_output_that_nobody_watches_is_plain(running: Run) -> None:
    """Into a pipe there are no colours and no bars."""
    running("contribute", "lift-the-frost", "ada", "10", "--id", "w1")
    for command in (
        ["goals", "list"],
        ["goals", "show", "lift-the-frost"],
        ["leaderboard", "lift-the-frost"],
        ["standing", "lift-the-frost", "ada"],
        ["doctor"],
    ):
        said = separately(*command, FORCE_COLOR="1")
        assert said.code == 0
        assert ESCAPE not in said.out + said.err
        assert "━" not in said.out


def _in_a_terminal(*arguments: str, typed: str = "", **environment: str) -> tuple[int, str]:
    """Run a command line as somebody at a terminal does."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "30", **environment}
    with subprocess.Popen([*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=settings) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        written = b""
        try:
            while piece := os.read(ours, 65_536):
                written += piece
        except OSError:
            # Linux says so when the other end of a terminal is gone.
            pass
        finally:
            os.close(ours)
    return process.returncode, written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_bars(running: Run) -> None:
    """A bar is full at 100 %, the percent goes on; every tier has its mark."""
    running("contribute", "slay-the-winter-king", "ada", "1_250", "--id", "b1")
    code, shown = _in_a_terminal("goals", "show", "slay-the-winter-king", NO_COLOR="")
    assert code == 0
    assert ESCAPE in shown
    assert (shown.count("━"), shown.count("◆"), shown.count("◇")) == (38, 2, 0)
    assert "125.00 %" in shown


def test_no_color_is_plain(running: Run) -> None:
    """NO_COLOR takes colours and bars away, in a terminal too."""
    assert running("goals", "list").code == 0
    code, shown = _in_a_terminal("goals", "show", "lift-the-frost", NO_COLOR="1")
    assert code == 0
    assert ESCAPE not in shown
    assert "━" not in shown


def test_a_line_fits_into_80_columns(running: Run) -> None:
    """The list of goals needs no folding, whether it has bars or statuses."""
    running("contribute", "lift-the-frost", "ada", "99_999.999", "--id", "w1")
    for status in ("active", "all"):
        _, shown = _in_a_terminal("goals", "list", "--status", status, NO_COLOR="")
        assert len(shown.splitlines()) == 4


def test_closing_asks_for_the_events_id(running: Run) -> None:
    """Only the typed id goes on."""
    code, shown = _in_a_terminal("events", "close", "winter-2026", "--reason", "thaw", typed="yes\n")
    assert code == 1
    assert "Nothing was changed." in shown
    assert running("events", "list", "--json").document["events"][0]["status"] == "active"
    code, _ = _in_a_terminal("events", "close", "winter-2026", "--reason", "thaw", typed="winter-2026\n")
    assert code == 0
    assert running("events", "list", "--json").document["events"][0]["status"] == "grace"


def test_it_runs_as_a_module_and_as_a_script(database: Path) -> None:
    """`python -m worldevents` and `worldevents` are the same."""
    script = Path(sys.executable).with_name("worldevents")
    done = subprocess.run(
        [script, "events", "apply", "winter", *window(), "--json"], capture_output=True, text=True, check=True
    )
    assert '"version": 1' in done.stdout
    assert separately("events", "plan", "winter", *window(), "--json").code == 0
    assert database.exists()
