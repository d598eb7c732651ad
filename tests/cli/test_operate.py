"""What an operator asks about a database, and which version this is."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from tests.backends import POSTGRES
from tests.cli.conftest import Run, separately
from tests.servers import PostgresServer
from worldevents import Settings, __version__, open_runtime


def test_a_database_is_migrated_once(worldevents: Run, database: Path) -> None:
    """--check says that something is pending and creates nothing; after the migration nothing is."""
    check = worldevents("migrate", "--check", "--json")
    assert (check.code, check.document["pending"], check.document["schema"]) == (2, True, None)
    assert not database.exists()
    done = worldevents("migrate", "--json")
    assert (done.code, done.document["pending"], done.document["before"]) == (0, False, None)
    assert done.document["schema"] == done.document["head"]
    assert worldevents("migrate", "--check").code == 0
    assert worldevents("migrate").out == f"the database is at schema {done.document['head']}\n"


def _statuses(document: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {check["name"]: check["status"] for check in document["checks"]}


def test_the_doctor_finds_a_healthy_database_healthy(running: Run, database: Path) -> None:
    """Every check is ok and needs no cure; disk space alone is the machine's own affair."""
    running("contribute", "lift-the-frost", "ada", "10", "--id", "w1")
    said = running("doctor", "--json")
    statuses = _statuses(said.document)
    assert list(statuses) == [
        "python",
        "sqlite",
        "folder",
        "disk",
        "database",
        "schema",
        "owner",
        "clock",
        "sums",
    ]
    assert {status for name, status in statuses.items() if name != "disk"} == {"ok"}
    assert database.exists()


def test_the_doctor_creates_nothing(worldevents: Run, database: Path) -> None:
    """A database that is not there yet is a warning."""
    said = worldevents("doctor", "--json")
    assert said.code == 0
    assert _statuses(said.document)["database"] == "warn"
    assert list(database.parent.iterdir()) == []


def test_the_doctor_finds_sums_that_disagree(running: Run, database: Path) -> None:
    """A total that is not the sum of its rows fails, with the goal named and a cure."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE goal SET total = total + 1 WHERE id = 'iron-march'")
    connection.close()
    said = running("doctor", "--json")
    assert (said.code, said.document["healthy"]) == (1, False)
    (wrong,) = [check for check in said.document["checks"] if check["status"] == "fail"]
    assert (wrong["name"], "iron-march" in wrong["detail"], wrong["cure"] is None) == ("sums", True, False)
    assert running("doctor").code == 1


def test_the_doctor_finds_a_file_that_is_no_database(worldevents: Run, database: Path) -> None:
    """What cannot be read fails, in a line and not in a traceback."""
    database.write_bytes(b"no database at all" * 100)
    said = worldevents("doctor", "--json")
    assert (said.code, _statuses(said.document)["database"]) == (1, "fail")


def test_the_doctor_finds_an_old_schema(running: Run, database: Path) -> None:
    """Another schema than this version's is cured by a migration."""
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE worldevents_schema SET version_num = '0000'")
    connection.close()
    (wrong,) = [check for check in running("doctor", "--json").document["checks"] if check["status"] == "fail"]
    assert (wrong["name"], wrong["cure"]) == ("schema", "run `worldevents migrate`")


def test_the_doctor_misses_a_folder(worldevents: Run, tmp_path: Path) -> None:
    """Without the folder there is nothing to look at in it."""
    said = worldevents("doctor", "--database", f"sqlite:///{tmp_path}/none/test.db", "--json")
    assert (said.code, _statuses(said.document)["folder"]) == (1, "fail")


def test_a_bad_address_is_said_so(worldevents: Run) -> None:
    """Only SQLite and PostgreSQL are databases here; --database stands above the settings."""
    said = worldevents("goals", "list", "--database", "mysql://here/x")
    assert said.code == 1
    assert said.err == "error configuration_invalid: no ledger on mysql: sqlite or postgresql (database_url)\n"


def test_a_bad_setting_is_said_so(worldevents: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that cannot be used is named once."""
    monkeypatch.setenv("WORLDEVENTS_BATCH_MAX", "0")
    said = worldevents("goals", "list")
    assert said.code == 1
    assert said.err.startswith("error configuration_invalid: batch_max: ")
    assert said.err.count("batch_max") == 1


async def test_a_database_has_one_owner(database: Path) -> None:
    """While another process owns it every command says so, but the doctor still looks."""
    async with open_runtime(Settings(database_url=f"sqlite:///{database}")):
        refused = await asyncio.to_thread(separately, "goals", "list", "--json")
        doctor = await asyncio.to_thread(separately, "doctor", "--json")
    assert (refused.code, refused.out, refused.problem["code"]) == (1, "", "database_owned")
    (owner,) = [check for check in doctor.document["checks"] if check["name"] == "owner"]
    assert (doctor.code, owner["status"]) == (0, "ok")
    assert "owns this database" in owner["detail"]


def test_the_version(worldevents: Run) -> None:
    """The version is the package's."""
    assert worldevents("version").out == f"worldevents {__version__}\n"
    assert worldevents("version", "--json").document == {"version": __version__}


def test_the_doctor_looks_at_a_server(worldevents: Run, postgres: PostgresServer) -> None:
    """On PostgreSQL there is no file, the rest is asked all the same."""
    with POSTGRES.empty(postgres) as url:
        assert worldevents("migrate", "--check", "--database", url).code == 2
        assert worldevents("events", "apply", "winter", "--database", url).code == 0
        said = worldevents("doctor", "--database", url, "--json")
    expected = dict.fromkeys(["python", "database", "schema", "owner", "clock", "sums"], "ok")
    assert (said.code, _statuses(said.document)) == (0, expected)
