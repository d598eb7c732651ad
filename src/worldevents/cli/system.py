"""Opening the system for one command, and asking before something that cannot be taken back."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from worldevents.cli import output

if TYPE_CHECKING:
    from worldevents.engine import Engine

T = TypeVar("T")


class NotConfirmed(typer.TyperException):
    """A command that asks first was not told to go on."""

    exit_code = 2


def database_url(told: str | None) -> str:
    """The database that a command works on: the option's, else the settings'."""
    from worldevents.settings import Settings

    return Settings.load(database_url=told).database_url


def is_absent(database: str | None) -> bool:
    """Whether the database is a file that is not there yet."""
    from worldevents import operations

    return operations.is_absent(database_url(database))


def on_engine(database: str | None, work: Callable[[Engine], Awaitable[T]], *, create: bool = False) -> T:
    """Run something on the system's verbs, with the system opened for it alone.

    Only with `create` a database that is not there is made: a mistyped path is not an empty season.
    """
    import asyncio

    from worldevents.errors import ConfigurationInvalid
    from worldevents.runtime import open_runtime
    from worldevents.settings import Settings

    if not create and is_absent(database):
        message = "there is no such database yet: `worldevents events apply winter` makes one"
        raise ConfigurationInvalid(message, field="database_url")

    async def opened() -> T:
        async with open_runtime(Settings.load(database_url=database)) as runtime:
            return await work(runtime.engine)

    return asyncio.run(opened())


def confirm(event_id: str, *, warning: str, yes: bool) -> None:
    """Go on only when the event's id is typed, or with --yes; without a terminal --yes is a must."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed("nobody is there to be asked: say --yes")
    output.note(warning)
    sys.stderr.write(f"Type {output.printable(event_id)} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != event_id:
        output.note("Nothing was changed.")
        raise typer.Exit(1)
