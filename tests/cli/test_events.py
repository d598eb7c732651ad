"""Event files at the command line: what is wrong with them, what they would change, what they changed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import Run, window

BROKEN = """\
[event]
id = "spring"
name = "Spring"
starts_at = 2027-03-01T00:00:00Z
ends_at = 2027-04-01T00:00:00Z

[[goals]]
id = "bloom"
name = "Bloom"
metric = "flowers"
target = 10

[[goals]]
id = "bloom"
name = "Bloom again"
metric = "totalWorkouts"
target = -1
"""
CHALLENGED = """\
[event]
id = "spring"
name = "Spring"
starts_at = 2020-03-01T00:00:00Z
ends_at = 2120-04-01T00:00:00Z

[[challenges]]
id = "first-ton"
name = "First Ton"
metric = "totalVolume"
target = 1000
reward = { kind = "currency", name = "Gold", amount = 50 }

[[goals]]
id = "bloom"
name = "Bloom"
metric = "totalVolume"
target = 100000
"""
WINTER_GOALS = ["lift-the-frost", "slay-the-winter-king", "iron-march"]
NEW_WINTER = ["+ event winter-2026", *(f"+ goal {goal}" for goal in WINTER_GOALS)]


def test_the_shipped_event_is_valid(worldevents: Run) -> None:
    """`winter` stands for the shipped file."""
    assert worldevents("events", "validate", "winter").out == "winter-2026 is valid: 3 goals, 0 challenges\n"
    expected = {"id": "winter-2026", "goals": WINTER_GOALS, "challenges": []}
    assert worldevents("events", "validate", "winter", "--json").document == expected


def test_every_complaint_has_its_line_and_field(worldevents: Run, tmp_path: Path) -> None:
    """A broken file is refused with a line for each complaint, on stderr."""
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN)
    said = worldevents("events", "validate", str(path))
    assert (said.code, said.out) == (1, "")
    head, *complaints = said.err.splitlines()
    assert head == "error event_invalid: 3 complaints"
    places = [complaint.strip().rsplit(": ", 1)[0].split(": ")[:2] for complaint in complaints]
    assert ["line 10", "goals[0].metric"] in places
    assert ["line 14", "goals[1].id"] in places
    assert ["line 17", "goals[1].target"] in places


def test_complaints_are_a_list_in_json(worldevents: Run, tmp_path: Path) -> None:
    """With --json the complaints stand beside code and detail, and stdout stays empty."""
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN)
    said = worldevents("events", "plan", str(path), "--json")
    assert (said.code, said.out) == (1, "")
    assert said.problem["code"] == "event_invalid"
    assert said.problem["retryable"] is False
    places = [(one["line"], one["field"]) for one in said.problem["complaints"]]
    assert sorted(places) == [(10, "goals[0].metric"), (14, "goals[1].id"), (17, "goals[1].target")]


def test_a_missing_file_is_one_clear_line(worldevents: Run, tmp_path: Path) -> None:
    """A file that is not there is named."""
    path = tmp_path / "none.toml"
    assert worldevents("events", "apply", str(path)).err == f"error event_invalid: {path}: No such file or directory\n"


def test_plan_apply_plan(worldevents: Run) -> None:
    """What is planned is pending until it is applied; applying it again changes nothing and makes no version."""
    planned = worldevents("events", "plan", "winter", "--json")
    assert (planned.code, planned.document) == (2, {"eventId": "winter-2026", "version": 0, "changes": NEW_WINTER})

    applied = worldevents("events", "apply", "winter", "--author", "ada", "--reason", "a start", "--json")
    assert applied.code == 0
    assert applied.document["changes"] == NEW_WINTER
    assert [applied.document[name] for name in ("version", "author", "reason")] == [1, "ada", "a start"]

    again = worldevents("events", "plan", "winter", "--json")
    assert (again.code, again.document) == (0, {"eventId": "winter-2026", "version": 1, "changes": []})
    repeated = worldevents("events", "apply", "winter", "--author", "bob", "--json")
    assert repeated.code == 0
    assert [repeated.document[name] for name in ("version", "author", "changes")] == [1, "ada", []]


def test_a_moved_window_is_a_change(worldevents: Run) -> None:
    """--from and --to move the window of the event and of each goal, the end exclusive."""
    worldevents("events", "apply", "winter")
    said = worldevents("events", "plan", "winter", "--to", "2027-02-01")
    assert said.code == 2
    assert said.out == "~ event winter-2026 ends_at: 2027-01-01T00:00:00+00:00 -> 2027-02-01T00:00:00+00:00\n"
    assert said.err == "winter-2026 stands at version 1; 1 change pending.\n"
    worldevents("events", "apply", "winter", "--to", "2027-02-01")
    (event,) = worldevents("events", "list", "--json").document["events"]
    assert (event["startsAt"], event["endsAt"]) == ("2026-12-01T00:00:00Z", "2027-02-01T00:00:00Z")


@pytest.mark.parametrize("day", ["2026-13-01", "yesterday", "2026-12-01T00:00:00Z"])
def test_a_day_is_year_month_and_day(worldevents: Run, day: str) -> None:
    """Anything else is a usage error that names the option."""
    said = worldevents("events", "plan", "winter", "--from", day)
    assert said.code == 2
    assert f"'--from': '{day}' is not a day" in said.err


def test_the_list_can_be_of_one_status(running: Run) -> None:
    """Events are listed with all statuses or one."""
    assert [event["id"] for event in running("events", "list", "--json").document["events"]] == ["winter-2026"]
    assert running("events", "list", "--status", "active").out.splitlines()[1].split()[:2] == ["winter-2026", "active"]
    assert running("events", "list", "--status", "settled", "--json").document == {"events": []}


def test_show_tells_who_changed_what_when(running: Run) -> None:
    """Every version is shown with author, time and reason."""
    end = (datetime.now(UTC) + timedelta(days=60)).replace(microsecond=0)
    done = running(
        "events", "extend", "winter-2026", "--to", end.isoformat(), "--reason", "more snow", "--author", "eve"
    )
    assert done.code == 0
    shown = running("events", "show", "winter-2026", "--json").document
    assert datetime.fromisoformat(shown["endsAt"]) == end
    assert [goal["id"] for goal in shown["goals"]] == WINTER_GOALS
    versions = [(one["version"], one["author"], one["reason"]) for one in shown["versions"]]
    assert versions[1:] == [(2, "eve", "more snow")]
    assert running("events", "show", "winter-2026").out.splitlines()[-1].split()[-4:] == ["UTC", "eve", "more", "snow"]


def test_show_tells_a_users_challenges(worldevents: Run, tmp_path: Path) -> None:
    """With --user each personal challenge has that user's progress."""
    path = tmp_path / "spring.toml"
    path.write_text(CHALLENGED)
    worldevents("events", "apply", str(path))
    worldevents("contribute", "bloom", "ada", "1_250.5", "--id", "w1")
    (done,) = worldevents("events", "show", "spring", "--user", "ada", "--json").document["challenges"]
    assert (done["userContribution"], done["completed"]) == (1250.5, True)
    (not_asked,) = worldevents("events", "show", "spring", "--json").document["challenges"]
    assert "completed" not in not_asked
    assert "first-ton  1,000 kg  Gold    yes" in worldevents("events", "show", "spring", "--user", "ada").out


@pytest.mark.parametrize("command", ["close", "cancel"])
def test_what_cannot_be_taken_back_needs_a_yes(running: Run, command: str) -> None:
    """Where nobody can be asked, --yes is a must, and without it nothing changes."""
    said = running("events", command, "winter-2026", "--reason", "thaw")
    assert said.code == 2
    assert "--yes" in said.err
    assert running("events", "list", "--json").document["events"][0]["version"] == 1


@pytest.mark.parametrize(("command", "status"), [("close", "grace"), ("cancel", "cancelled")])
def test_an_event_ends_early(running: Run, command: str, status: str) -> None:
    """Closing begins the grace, cancelling is the end; doing it again changes nothing."""
    said = running("events", command, "winter-2026", "--reason", "thaw", "--yes", "--json")
    assert (said.code, said.document["version"], said.document["reason"]) == (0, 2, "thaw")
    assert running("events", "show", "winter-2026", "--json").document["status"] == status
    again = running("events", command, "winter-2026", "--reason", "thaw", "--yes", "--json")
    assert (again.code, again.document["version"], again.document["changes"]) == (0, 2, [])


def test_an_edit_that_breaks_a_promise_is_refused(running: Run) -> None:
    """The start of a running event cannot move."""
    said = running("events", "plan", "winter", "--from", "2020-01-01", "--to", window()[-1])
    assert said.code == 1
    assert said.err.startswith("error event_invalid: line ")
    assert said.err.endswith(": event.starts_at: cannot move after the start\n")


@pytest.mark.parametrize("command", ["show", "extend"])
def test_an_unknown_event_is_said_so(running: Run, command: str) -> None:
    """The error has its code and field."""
    more = ["--to", "2030-01-01", "--reason", "x"] if command == "extend" else []
    said = running("events", command, "nope", *more)
    assert (said.code, said.err) == (1, "error unknown_event: no event nope (eventId)\n")


@pytest.mark.parametrize(
    "command",
    [("goals", "list"), ("events", "list"), ("leaderboard", "x"), ("contribute", "x", "ada", "1", "--id", "i")],
)
def test_a_mistyped_database_is_not_an_empty_one(worldevents: Run, database: Path, command: tuple[str, ...]) -> None:
    """Only publishing and replaying make a database; every other command says that there is none."""
    said = worldevents(*command)
    assert (said.code, said.err.split(":")[0]) == (1, "error configuration_invalid")
    assert not database.exists()


def test_a_plan_without_a_database_tells_everything_as_new(worldevents: Run, database: Path) -> None:
    """Planning makes nothing, not even the database."""
    said = worldevents("events", "plan", "winter", "--json")
    assert (said.code, said.document["changes"][0]) == (2, "+ event winter-2026")
    assert not database.exists()


def test_an_instant_carries_its_offset(worldevents: Run) -> None:
    """An instant without an offset from UTC is refused: nobody knows when it is."""
    said = worldevents("events", "extend", "x", "--to", "2030-01-01T00:00:00", "--reason", "x")
    assert said.code == 2
    assert "needs its offset from UTC" in said.err
