"""`worldevents init`: an event file and a file of settings to begin with."""

from __future__ import annotations

import ast
import inspect
import re
from datetime import UTC, datetime
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldevents.cli import output
from worldevents.cli.options import Json

if TYPE_CHECKING:
    from worldevents.settings import Settings

EVENT_FILE = "winter.toml"
SETTINGS_FILE = "worldevents.env"


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made if it is not there.")] = Path(),
    *,
    as_json: Json = False,
) -> None:
    """Write an example event, dated to next month, and an example of the settings.

    A file that is there is never written over.
    """
    from worldevents.clock import SystemClock
    from worldevents.settings import Settings

    files = {
        folder / EVENT_FILE: _event_file(*_next_month(SystemClock().now())),
        folder / SETTINGS_FILE: _settings_file(Settings),
    }
    _write(files)
    if as_json:
        output.document({"files": [str(path) for path in files]})
        return
    event = folder / EVENT_FILE
    for path in files:
        output.line(str(path))
    output.note(f"Next: edit {event}, then")
    output.note(f"  worldevents events validate {event}")
    output.note(f"  worldevents events apply {event}")
    output.note("  worldevents serve")


def _next_month(now: datetime) -> tuple[datetime, datetime]:
    """The beginning of the next month, and of the one after it."""
    months = now.year * 12 + now.month
    first, second = (datetime(at // 12, at % 12 + 1, 1, tzinfo=UTC) for at in (months, months + 1))
    return first, second


def _write(files: dict[Path, str]) -> None:
    """Write all of them, or none. Raises ConfigurationInvalid."""
    from worldevents.errors import ConfigurationInvalid

    for path in files:
        if path.exists() or path.is_symlink():
            raise ConfigurationInvalid(f"{path} is there already; nothing was written", field="folder")
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ConfigurationInvalid(f"{error.filename}: {error.strerror}", field="folder") from error


def _event_file(starts_at: datetime, ends_at: datetime) -> str:
    """The shipped example at another time."""
    text = resources.files("worldevents.demo").joinpath("example.toml").read_text("utf-8")
    for name, at in (("starts_at", starts_at), ("ends_at", ends_at)):
        text = re.sub(rf"^{name} = \S+", f"{name} = {at:%Y-%m-%dT%H:%M:%SZ}", text, flags=re.MULTILINE)
    return text


def _settings_file(settings: type[Settings]) -> str:
    head = f"""\
# Settings of worldevents: every one, with its default. Take away the # of a line to change it.
#
# Nothing reads this file by itself. For a shell:   set -a; . ./{SETTINGS_FILE}; set +a
# for a container: --env-file {SETTINGS_FILE}    for systemd: EnvironmentFile=/path/to/{SETTINGS_FILE}
"""
    explained, lines = _explanations(settings), [head]
    for name, field in settings.model_fields.items():
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        lines += [*(f"# {line}" for line in explained[name]), f"#WORLDEVENTS_{name.upper()}={default}\n"]
    return "\n".join(lines)


def _explanations(settings: type[Settings]) -> dict[str, list[str]]:
    """The lines under each setting in the code: what it means is said once, there."""
    (declared,) = ast.parse(inspect.getsource(settings)).body
    found = {}
    for one, told in pairwise(declared.body if isinstance(declared, ast.ClassDef) else []):
        if isinstance(one, ast.AnnAssign) and isinstance(told, ast.Expr) and isinstance(told.value, ast.Constant):
            found[ast.unparse(one.target)] = inspect.cleandoc(str(told.value.value)).splitlines()
    return found
