"""`worldevents token`: keys are made once, listed without their text, and revoked for good."""

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Run, separately
from worldevents.auth import Access, Right
from worldevents.errors import Unauthorized
from worldevents.ledger import open_ledger
from worldevents.runtime import open_runtime
from worldevents.settings import Settings


def test_the_output_is_the_key_alone(worldevents: Run, database: Path) -> None:
    """KEY=$(worldevents token create) works, makes the database, and says what the key is beside it."""
    said = worldevents("token", "create", "--name", "game server")
    assert said.code == 0
    assert re.fullmatch(r"we_secret_[A-Za-z0-9_-]{43}\n", said.out)
    assert "shown this once" in said.err
    assert "the first one: from now on everybody needs a key" in said.err
    assert said.out.strip() not in said.err
    assert database.exists()
    assert "first one" not in worldevents("token", "create").err


@pytest.mark.parametrize(
    ("options", "kind", "rights", "goals"),
    [
        ([], "secret", ["read", "contribute"], []),
        (["--operate"], "secret", ["read", "contribute", "operate"], []),
        (["--public"], "public", ["read"], []),
        (["--public", "--goal", "b", "--goal", "a"], "public", ["read"], ["a", "b"]),
    ],
)
def test_a_key_is_what_was_asked_for(
    worldevents: Run, options: list[str], kind: str, rights: list[str], goals: list[str]
) -> None:
    """The document has everything, and the list has it too but for the key itself."""
    made = worldevents("token", "create", *options, "--json").document
    assert (kind, rights, goals, None) == (made["kind"], made["rights"], made["goals"], made["revokedAt"])
    key = made.pop("key")
    assert made["hint"] == f"{key[: key.index('_', 3) + 1]}…{key[-4:]}"
    assert {"keys": [made]} == worldevents("token", "list", "--json").document


def test_the_list_is_for_people(running: Run) -> None:
    """Oldest first, a line each, with all that tells them apart."""
    running("token", "create", "--name", "game server")
    running("token", "create", "--public", "--goal", "iron-march", "--name", "page")
    assert running("token", "create", "--goal", "iron-march").err.count("No published event") == 0
    assert "No published event has a goal iron-mars" in running("token", "create", "--goal", "iron-mars").err
    heads, *rows = running("token", "list").out.splitlines()
    assert ["ID", "NAME", "KIND", "RIGHTS", "GOALS", "KEY", "CREATED", "REVOKED"] == heads.split()
    assert 4 == len(rows)
    assert re.search(r"game server +secret +read, contribute +all +we_secret_….{4} ", rows[0])
    assert re.search(r"page +public +read +iron-march +we_pub_….{4} ", rows[1])


def test_a_key_is_revoked_for_good(worldevents: Run) -> None:
    """Doing it again says the first instant; the list keeps the row."""
    made = worldevents("token", "create", "--json").document
    first = worldevents("token", "revoke", made["id"], "--json").document
    assert first["revokedAt"] is not None
    assert first == worldevents("token", "revoke", made["id"], "--json").document
    assert {"keys": [first]} == worldevents("token", "list", "--json").document
    assert "is revoked since" in worldevents("token", "revoke", made["id"]).out


def test_what_cannot_be_is_refused(worldevents: Run, database: Path) -> None:
    """An unknown id, a public key that operates, a name or a goal that cannot be one: nothing is made."""
    assert "configuration_invalid" == worldevents("token", "list", "--json").problem["code"]
    assert "configuration_invalid" == worldevents("token", "revoke", "x", "--json").problem["code"]
    assert 2 == worldevents("token", "create", "--public", "--operate").code
    for options, field in ((["--name", "\x1b"], "name"), (["--goal", "A B"], "goals")):
        said = worldevents("token", "create", *options, "--json")
        assert (1, "", "body_invalid", field) == (said.code, said.out, said.problem["code"], said.problem["field"])
    assert not database.exists()
    worldevents("token", "create")
    assert "unknown_key" == worldevents("token", "revoke", "x", "--json").problem["code"]
    assert 1 == len(worldevents("token", "list", "--json").document["keys"])


def test_the_database_never_holds_a_key(worldevents: Run, database: Path) -> None:
    """Nobody finds a key in the file, the log beside it, or a dump of the table."""
    key = worldevents("token", "create", "--name", "canary").out.strip()
    files = b"".join(path.read_bytes() for path in database.parent.iterdir())
    with sqlite3.connect(database) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert "canary" in dump
    for part in (key, key[-43:], key[-20:]):
        assert (False, False) == (part.encode() in files, part in dump)


async def test_keys_are_made_beside_a_running_server(database: Path) -> None:
    """While a process owns the database another one makes and revokes keys, and the view of the first one follows."""
    async with open_runtime(Settings(database_url=f"sqlite:///{database}")) as runtime:
        access = Access(runtime.ledger.keys)
        await access.refresh()
        assert access.is_open
        key = (await asyncio.to_thread(separately, "token", "create", "--operate")).out.strip()
        await access.refresh()
        caller = await access.caller(f"Bearer {key}")
        assert (False, True) == (access.is_open, caller.may(Right.OPERATE))
        revoked = await asyncio.to_thread(separately, "token", "revoke", caller.id.removeprefix("key:"))
        assert 0 == revoked.code
        await access.refresh()
        with pytest.raises(Unauthorized):
            await access.caller(f"Bearer {key}")


async def test_keys_on_a_server_database(postgres_url: str) -> None:
    """On PostgreSQL it is the same, beside the process that owns it."""
    async with open_ledger(postgres_url, own=True) as ledger:
        said = await asyncio.to_thread(separately, "token", "create", "--database", postgres_url)
        listed = await asyncio.to_thread(separately, "token", "list", "--json", "--database", postgres_url)
        assert (0, 0) == (said.code, listed.code)
        assert [one["id"] for one in listed.document["keys"]] == [key.id for key in await ledger.keys()]
