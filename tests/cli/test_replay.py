"""The replay of real meets at the command line; what it counts is held to in the acceptance tests."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run

pytestmark = pytest.mark.slow

# The last two days of December 2023 on which somebody lifted.
DAYS = ("--from", "2023-12-17", "--to", "2023-12-25")


@pytest.fixture
def anywhere(worldevents: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Name no database, and be where one would be noticed."""
    monkeypatch.delenv("WORLDEVENTS_DATABASE_URL")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return worldevents


def test_a_replay_leaves_nothing_behind(anywhere: Run, tmp_path: Path) -> None:
    """Its own database is gone afterwards; the report is one document."""
    said = anywhere("replay", *DAYS, "--json")
    assert said.code == 0
    assert said.document["window"] == ["2023-12-17", "2023-12-25"]
    assert list(said.document["totalVolume"]["cumulative_by_day"]) == ["2023-12-17", "2023-12-23", "2023-12-24"]
    assert said.err == ""
    assert list(tmp_path.iterdir()) == []


def test_both_doors_tell_the_same(anywhere: Run) -> None:
    """Told as contributions or as actions, the same rows make the same totals."""
    documents = [
        anywhere("replay", *DAYS, "--json", "--through", door).document for door in ("contributions", "actions")
    ]
    assert documents[0] == documents[1]


def test_a_replay_into_a_named_database_stays(worldevents: Run, database: Path) -> None:
    """The goals stand there afterwards, and a second replay counts nothing twice."""
    first = worldevents("replay", *DAYS, "--json").document
    assert database.exists()
    again = worldevents("replay", *DAYS, "--json").document
    assert (again["totalVolume"]["counted"], again["totalVolume"]["total"]) == (0, first["totalVolume"]["total"])
    assert len(worldevents("goals", "list", "--status", "all", "--json").document["goals"]) == 3


def test_people_get_a_table(anywhere: Run) -> None:
    """A row for each metric."""
    said = anywhere("replay", "--from", "2023-12-24", "--to", "2023-12-25")
    assert [line.split()[0] for line in said.out.splitlines()[3:]] == [
        "totalVolume",
        "totalWorkouts",
        "totalPRs",
        "bossesDefeated",
    ]


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "fast"])
def test_a_speed_is_a_number_or_max(anywhere: Run, speed: str) -> None:
    """Any other speed is a usage error."""
    assert anywhere("replay", "--speed", speed).code == 2


def test_a_missing_file_is_one_clear_line(anywhere: Run) -> None:
    """A file that is not there is refused without a traceback."""
    said = anywhere("replay", "none.csv")
    assert said.code == 1
    assert said.err.startswith("error body_invalid: ")
    assert len(said.err.splitlines()) == 1
