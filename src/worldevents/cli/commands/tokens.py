"""`worldevents token`: the keys of a database, which a running server notices by itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, Json
from worldevents.cli.system import is_absent

if TYPE_CHECKING:
    from worldevents.access_keys import AccessKey
    from worldevents.settings import Settings


def create(
    *,
    name: Annotated[str, typer.Option(metavar="NAME", help="What the key is for.")] = "unnamed",
    public: Annotated[bool, typer.Option("--public", help="For a page: it only reads.")] = False,
    operate: Annotated[bool, typer.Option("--operate", help="It may also change events and moderate.")] = False,
    goal: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="For this goal alone; may be said several times.")
    ] = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once.

    A server that is running knows it within two seconds. The first key ends open mode: then everybody needs one.
    """
    import asyncio
    import secrets

    from worldevents import keyring
    from worldevents.auth import KeyKind, Right, new_key
    from worldevents.clock import SystemClock

    if public and operate:
        raise typer.BadParameter("a public key only reads", param_hint="--operate")
    made = new_key(
        name,
        kind=KeyKind.PUBLIC if public else KeyKind.SECRET,
        rights=Right if operate else None,
        goals=goal or (),
        created_at=SystemClock().now(),
        randomness=secrets.token_bytes(32),
    )
    settings = _settings(database)
    kept = asyncio.run(keyring.keep(settings.database_url, made, migrate=settings.auto_migrate))
    if as_json:
        output.document({**_document(made.key), "key": made.text})
    else:
        # As it is: the output is the key, however narrow a terminal is.
        sys.stdout.write(f"{made.text}\n")
    for unknown in kept.unknown_goals:
        output.note(f"No published event has a goal {unknown} yet.")
    if kept.is_first:
        output.note("It is the first one: from now on everybody needs a key.")
    output.note(f"Key {made.key.id} may {_words(_rights(made.key))}. It is shown this once: keep it safe.")


def list_keys(*, database: Database = None, as_json: Json = False) -> None:
    """List all keys, revoked ones too, oldest first."""
    import asyncio

    from worldevents import keyring

    settings = _settings(_there(database))
    keys = asyncio.run(keyring.every(settings.database_url, migrate=settings.auto_migrate))
    documents = [_document(key) for key in keys]
    if as_json:
        output.document({"keys": documents})
        return
    rows = [
        (
            one["id"],
            one["name"],
            one["kind"],
            ", ".join(one["rights"]),
            ", ".join(one["goals"]) or "all",
            one["hint"],
            output.moment(one["createdAt"]),
            output.moment(one["revokedAt"]) if one["revokedAt"] else "",
        )
        for one in documents
    ]
    output.table(("ID", "NAME", "KIND", "RIGHTS", "GOALS", "KEY", "CREATED", "REVOKED"), rows)


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `token list` shows it.")],
    *,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Revoke a key for good. Doing it again changes nothing."""
    import asyncio

    from worldevents import keyring
    from worldevents.clock import SystemClock

    settings = _settings(_there(database))
    now = SystemClock().now()
    key = asyncio.run(keyring.revoke(settings.database_url, key_id, now, migrate=settings.auto_migrate))
    document = _document(key)
    if as_json:
        output.document(document)
    else:
        output.line(f"{key.id} {key.hint} ({key.name}) is revoked since {output.moment(document['revokedAt'])}")


def _settings(database: str | None) -> Settings:
    from worldevents.settings import Settings

    return Settings.load(database_url=database)


def _there(database: str | None) -> str | None:
    """The same database, if there is one: a mistyped path is not a place without keys."""
    if is_absent(database):
        from worldevents.errors import ConfigurationInvalid

        message = "there is no such database yet: `worldevents token create` makes one"
        raise ConfigurationInvalid(message, field="database_url")
    return database


def _document(key: AccessKey) -> dict[str, Any]:
    from worldevents import codec

    return {
        "id": key.id,
        "name": key.name,
        "kind": key.kind.value,
        "rights": _rights(key),
        "goals": sorted(key.goals),
        "hint": key.hint,
        "createdAt": codec.instant(key.created_at),
        "revokedAt": None if key.revoked_at is None else codec.instant(key.revoked_at),
    }


def _rights(key: AccessKey) -> list[str]:
    from worldevents.access_keys import Right

    return [right.value for right in Right if right in key.rights]


def _words(rights: list[str]) -> str:
    *others, last = rights
    return f"{', '.join(others)} and {last}" if others else last
