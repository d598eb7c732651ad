"""Finding or opening the system for one command, and asking before something that cannot be taken back."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import typer

from worldevents.cli import output

if TYPE_CHECKING:
    from worldevents.client import Client
    from worldevents.documents.operating import OperatorVerbs
    from worldevents.documents.results import ResultVerbs
    from worldevents.documents.rewards import RewardVerbs
    from worldevents.runtime import Runtime

T = TypeVar("T")


class NotConfirmed(typer.TyperException):
    """A command that asks first was not told to go on."""

    exit_code = 2


def database_url(told: str | None) -> str:
    """The database that a command works on: the option's, else the settings'."""
    from worldevents.settings import Settings

    return Settings.load(database_url=told).database_url


def redis_url(told: str | None) -> str:
    """The Redis in front of the ledger: the option's, else the settings'; empty where there is none."""
    from worldevents.settings import Settings

    return Settings.load(redis_url=told).redis_url


def is_absent(database: str | None) -> bool:
    """Whether the database is a file that is not there yet."""
    from worldevents import operations

    return operations.is_absent(database_url(database))


@dataclass(frozen=True, slots=True)
class Place:
    """Where the system is, as a command was told."""

    database: str | None = None
    server: str | None = None
    key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, and the key to show it."""

    url: str
    key: str | None = field(repr=False)


def server_of(place: Place) -> Server | None:
    """The server that was named, by option or environment, or the one that serves the database; None: there is none."""
    if place.server is not None and place.database is not None:
        raise typer.BadParameter("a server has its own database: name one of the two", param_hint="--server")
    if named := place.server or (None if place.database else os.environ.get("WORLDEVENTS_SERVER")):
        return Server(named, place.key or os.environ.get("WORLDEVENTS_KEY") or None)
    if place.key is not None:
        raise typer.BadParameter("it is for a server: name one", param_hint="--key")
    from worldevents import operations

    found = operations.server_of(database_url(place.database))
    return None if found is None else Server(found.url, found.token)


def on_rewards(place: Place, work: Callable[[RewardVerbs], Awaitable[T]]) -> T:
    """As `on_verbs`, on the verbs of rewards."""
    import asyncio

    async def ask() -> T:
        server = server_of(place)
        if server is not None:
            return await through(server, work)
        return await _opened(place, granted, create=False)

    async def granted(runtime: Runtime) -> T:
        from worldevents.documents.rewards import LocalRewards

        # A command is gone before the background has looked: what an unlock has left to it is done first.
        await runtime.rewards.work_off()
        return await work(LocalRewards(runtime.rewards))

    return asyncio.run(ask())


def on_results(place: Place, work: Callable[[ResultVerbs], Awaitable[T]]) -> T:
    """As `on_verbs`, on the verbs of results."""
    import asyncio

    from worldevents.documents.results import LocalResults

    async def ask() -> T:
        server = server_of(place)
        if server is not None:
            return await through(server, work)
        return await _opened(place, lambda it: work(LocalResults(it.engine, it.settling)), create=False)

    return asyncio.run(ask())


def on_verbs(place: Place, work: Callable[[OperatorVerbs], Awaitable[T]], *, create: bool = False) -> T:
    """Run something on the system's verbs: through its server, or with the system opened for it alone.

    Only with `create` a database that is not there is made: a mistyped path is not an empty season.
    """
    import asyncio

    return asyncio.run(asked(place, work, create=create))


async def asked(place: Place, work: Callable[[OperatorVerbs], Awaitable[T]], *, create: bool = False) -> T:
    """As `on_verbs`, in a loop that is running already."""
    server = server_of(place)
    if server is not None:
        return await through(server, work)
    return await _in_this_process(place, work, create=create)


async def through(server: Server, work: Callable[[Client], Awaitable[T]]) -> T:
    """Run something on the verbs of a server."""
    from worldevents.client import Client

    async with Client(server.url, server.key) as client:
        return await work(client)


async def _in_this_process(place: Place, work: Callable[[OperatorVerbs], Awaitable[T]], *, create: bool) -> T:
    from worldevents.documents.operating import Operating

    return await _opened(place, lambda runtime: work(Operating(runtime.engine, runtime.moderation)), create=create)


async def _opened(place: Place, work: Callable[[Runtime], Awaitable[T]], *, create: bool) -> T:
    from worldevents.errors import ConfigurationInvalid
    from worldevents.runtime import open_runtime
    from worldevents.settings import Settings

    if not create and is_absent(place.database):
        message = "there is no such database yet: `worldevents events apply winter` makes one"
        raise ConfigurationInvalid(message, field="database_url")
    # What a command does for a moment is not published elsewhere: a server does that, when it is there.
    async with open_runtime(Settings.load(database_url=place.database, supabase_url="", webhooks=False)) as runtime:
        return await work(runtime)


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
