"""Results at the command line: an event that was over while nobody ran is settled by a command."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from worldevents.runtime import open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import a_goal, a_tier, an_event, in_window

START, END = datetime(2024, 12, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture
def over(worldevents: Run, database: Path) -> Run:
    """Have an event in a database that ended a long time ago, and was never settled."""

    async def past() -> None:
        goal = replace(a_goal(percents=("25",)), consolation=a_tier("90", 1_000))
        event = in_window(an_event(goal, a_goal("workouts", percents=())), START, END)
        settings = Settings(database_url=f"sqlite:///{database}")
        async with open_runtime(settings, clock=ManualClock(START)) as runtime:
            await runtime.engine.publish(event, author="test")
            for user, amount, name in (("ann", 500, "Ann"), ("bob", 225, None), ("cid", 225, None)):
                told = {"contribution_id": "c", "display_name": name}
                await runtime.engine.contribute("volume", user, amount, **told)  # type: ignore[arg-type]

    asyncio.run(past())
    return worldevents


def test_an_event_is_settled_and_its_results_are_shown(over: Run) -> None:
    """Exit code 0 when all is settled; again it says the same."""
    first = over("events", "settle", "winter")
    assert 0 == first.code
    assert (
        "volume: near miss: 950 of 1,000 kg (95.00 %), 3 contributors, consolation given\n"
        "workouts: missed: 0 of 1,000 kg (0.00 %), 0 contributors\n"
    ) == first.out
    assert first == over("events", "settle", "winter")
    shown = over("goals", "result", "volume", "--limit", "2", "--user", "cid")
    assert (
        "Volume\n"
        "near miss: 950 of 1,000 kg (95.00 %), 3 contributors, consolation given\n"
        "25 % unlocked 2024-12-01 00:00 UTC\n"
        "\n"
        "RANK  USER       AMOUNT\n"
        "   1  Ann (ann)  500 kg\n"
        "   2  bob        225 kg\n"
        "   2  cid        225 kg\n"
    ) == shown.out
    page = over("goals", "result", "volume", "--after", "2", "--json").document
    assert [(3, 2, "cid")] == [(one["place"], one["rank"], one["userId"]) for one in page["contributors"]]
    grants = over("rewards", "list", "--json").document["grants"]
    assert [f"consolation~volume~{user}" for user in ("ann", "bob", "cid")] == sorted(
        one["id"] for one in grants if one["threshold"] is None
    )


def test_a_standing_explains_the_consolation(over: Run) -> None:
    """What it asks for, whether it is decided, and whose it is then."""
    undecided = over("standing", "volume", "ann", "--json").document["consolation"]
    assert {"threshold": 90, "qualifies": False, "whyNot": ["not_settled"], "others": 2}.items() <= undecided.items()
    assert "no: decided when the goal is settled" in over("standing", "volume", "ann").out
    over("events", "settle", "winter")
    assert "consolation  anything       2  yes" in over("standing", "volume", "ann").out
    missed = over("standing", "volume", "zoe", "--json").document["consolation"]
    assert (False, ["nothing_counted"], 1, 3) == tuple(
        missed[name] for name in ("qualifies", "whyNot", "missing", "others")
    )


def test_what_is_not_over_is_not_settled(running: Run) -> None:
    """Exit code 1, and each goal that waits is named; there is no result."""
    said = running("events", "settle", "winter-2026")
    assert (1, "", "iron-march is not settled.") == (said.code, said.out, said.err.splitlines()[-1])
    assert (1, "not_settled") == (
        (refused := running("goals", "result", "iron-march", "--json")).code,
        refused.problem["code"],
    )
    assert "unknown_event" == running("events", "settle", "nothing", "--json").problem["code"]
