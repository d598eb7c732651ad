"""`worldevents serve`: the system behind HTTP, with its page, until Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, Json
from worldevents.cli.system import is_absent
from worldevents.hosts import is_loopback

if TYPE_CHECKING:
    from types import ModuleType

    from worldevents.settings import Settings

HOST = "127.0.0.1"
PORT = 8000


def serve(
    *,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen; beyond this machine only with keys.")] = (
        HOST
    ),
    port: Annotated[int, typer.Option(metavar="N", help="0 takes one that is free.")] = PORT,
    workers: Annotated[int, typer.Option(metavar="N", help="Processes that share the work.")] = 1,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Serve the system over HTTP until Ctrl-C: the page at /, what can be asked of it at /docs.

    Other commands on the same database go through it meanwhile.
    """
    from worldevents.errors import ConfigurationInvalid
    from worldevents.settings import Settings

    if workers != 1:
        # Two memories of one database would tell two truths.
        raise ConfigurationInvalid("one process owns a database: there is one worker", field="workers")
    settings = Settings.load(database_url=database)
    if not is_loopback(host):
        _check_keys(settings)

    def ready(url: str) -> None:
        if as_json:
            output.document_line({"url": url})
        else:
            tell_addresses(url)
            output.note("Ctrl-C ends it.")

    serving().run(settings, host=host, port=port, on_ready=ready)


def serving() -> ModuleType:
    """The server's module; ConfigurationInvalid says what to install where its libraries are missing."""
    try:
        from worldevents import serving as module
    except ModuleNotFoundError as error:
        from worldevents.errors import ConfigurationInvalid

        raise ConfigurationInvalid(f"serving needs {error.name}: pip install 'worldevents[server]'") from error
    return module


def tell_addresses(url: str) -> None:
    """Say where a server is and what is there."""
    output.note(url)
    output.note("  /      the page that players see, live")
    output.note("  /docs  everything that can be asked, and how")


def _check_keys(settings: Settings) -> None:
    """ConfigurationInvalid while there are no keys: then whoever comes may do everything."""
    import asyncio

    from worldevents import keyring
    from worldevents.errors import ConfigurationInvalid

    url = settings.database_url
    if is_absent(url) or not asyncio.run(keyring.every(url, migrate=settings.auto_migrate)):
        message = "without a key only this machine is served: `worldevents token create` makes one"
        raise ConfigurationInvalid(message, field="host")
