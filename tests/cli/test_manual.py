"""The manual of the command line says all that there is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from worldevents.cli.main import GROUPS, application

MANUAL = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
WRITTEN = set(re.findall(r"--[a-z-]+", MANUAL))
EVERYWHERE = {"--json", "--database", "--server", "--key", "--help"}


def _commands() -> Iterator[tuple[str, list[str]]]:
    """Every command with its options."""
    for asked in GROUPS:
        for name, command in get_command(application(asked)).commands.items():  # type: ignore[attr-defined] # a group
            inside = {f"{name} {one}": told for one, told in getattr(command, "commands", {}).items()}
            for line, told in (inside or ({} if name in GROUPS else {name: command})).items():
                yield line, [option for one in told.params for option in one.opts if option.startswith("--")]


COMMANDS = dict(_commands())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained(command: str) -> None:
    """Its name stands in the manual, and so does every option that is its own."""
    assert f"`{command}" in MANUAL
    assert set() == {option for option in COMMANDS[command] if option not in WRITTEN | {"--help"}}


def test_options_of_all_commands_are_explained() -> None:
    """What many commands take is said once."""
    assert EVERYWHERE - WRITTEN == {"--help"}
