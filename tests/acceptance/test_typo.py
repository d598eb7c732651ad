"""A real slip of the finger, 56.25 lb for 877,777 repetitions, does not finish Lift the Frost by any door.

The row is in a public export of a training log. It comes to 22.4 million kilograms, twice the goal; the limit that the
metric has by itself holds it, and an operator looks at it.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.api.door import Door
from tests.cli.conftest import Run, database, running, worldevents
from tests.servers import RedisServer
from worldevents.actions import Unit, Workout, WorkoutSet
from worldevents.api.app import create_app
from worldevents.catalog import load_event
from worldevents.engine import Offer
from worldevents.model import ContributionStatus, GoalProgress, Limits, OutlierRule
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing.builders import DURING, in_window
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import word

__all__ = ["database", "running", "worldevents"]

LIFT = "lift-the-frost"
KILOGRAMS = Decimal("22396103.424")
SLIP = {"exercise": "Pull Up (Assisted)", "weight": 56.25, "unit": "lb", "reps": 877_777}
HONEST = {"exercise": "Squat", "weight": 100, "unit": "kg", "reps": 5}


@pytest_asyncio.fixture(params=["embedded", "redis"])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
    """The winter event under way, on each store."""
    settings: dict[str, Any] = {"database_url": f"sqlite:///{tmp_path}/ledger.db"}
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        settings |= {"redis_url": server.url, "redis_prefix": uuid.uuid4().hex[:8]}
    async with open_runtime(Settings.load(**settings), clock=ManualClock(DURING)) as runtime:
        event = in_window(load_event("winter"), DURING - timedelta(days=9), DURING + timedelta(days=21))
        await runtime.engine.publish(event, author="test")
        yield runtime


async def check(runtime: Runtime, *, counted: Decimal | int = 0) -> GoalProgress:
    """The slip is pending, nothing of it counts, and no tier is unlocked."""
    told = await runtime.engine.progress(LIFT, "ann")
    metric = told.state.goal.metric
    assert (counted, KILOGRAMS) == (metric.decimal(told.state.total), metric.decimal(told.state.pending))
    assert (counted, KILOGRAMS) == (metric.decimal(told.user_contribution), metric.decimal(told.user_pending))
    assert () == told.state.unlocks
    return told


async def test_in_the_library(runtime: Runtime) -> None:
    """As an amount and as a workout, whose other exercise counts; told again it is held again, once."""
    engine = runtime.engine
    receipt = await engine.contribute(LIFT, "ann", KILOGRAMS, contribution_id="w1:Pull-Up")
    assert ContributionStatus.HELD is receipt.status
    again = await engine.contribute(LIFT, "ann", KILOGRAMS, contribution_id="w1:Pull-Up")
    assert (ContributionStatus.HELD, True) == (again.status, again.duplicate)
    await check(runtime)


async def test_in_a_workout(runtime: Runtime) -> None:
    """The exercise with the slip is held, and the honest one of the same workout counts."""
    sets = [
        WorkoutSet(exercise="Squat", weight=100, reps=5),
        WorkoutSet(exercise="Pull Up (Assisted)", weight="56.25", unit=Unit.LB, reps=877_777),
    ]
    recorded = await runtime.engine.record(Workout(id="w1", user_id="ann", sets=sets))
    statuses = {one.contribution.contribution_id.partition(":")[2][:5]: one.status for one in recorded.receipts}
    assert {"": "counted", "Squat": "counted", "Pull-": "held"} == statuses
    await check(runtime, counted=500)


async def test_without_a_limit_it_is_out_of_line(runtime: Runtime) -> None:
    """With the limit lifted, a goal that holds outliers holds it: nobody ever lifted so much."""
    event = runtime.engine.event("winter-2026").event
    metric = replace(event.goals[0].metric, limits=Limits())
    goal = replace(event.goals[0], metric=metric, outliers=OutlierRule(everyones_least=20))
    await runtime.engine.publish(replace(event, goals=(goal, *event.goals[1:])), author="test")
    honest = [Offer(LIFT, user, 300 + 10 * n, f"w{n}") for user in ("ann", "bob", "cid", "dan") for n in range(5)]
    assert {"counted"} == {word(one) for one in await runtime.engine.contribute_many(honest)}
    receipt = await runtime.engine.contribute(LIFT, "ann", KILOGRAMS, contribution_id="w9:Pull-Up")
    assert ContributionStatus.HELD is receipt.status
    assert () == (await runtime.engine.progress(LIFT)).state.unlocks


async def test_over_http(runtime: Runtime) -> None:
    """As an action, as a contribution and in a batch: 202, and pending beside the total."""
    door = Door(runtime, create_app(runtime), ManualClock(DURING))
    workout = {"kind": "workout", "id": "w1", "userId": "ann", "sets": [SLIP, HONEST]}
    (told,) = (await door.post("/v1/actions", {"items": [workout]})).json["results"]
    held = [one for one in told["receipts"] if one["status"] == "held"]
    assert [float(KILOGRAMS)] == [one["amount"] for one in held]
    item = {"contributionId": held[0]["contributionId"], "userId": "ann", "amount": str(KILOGRAMS)}
    again = await door.post(f"/v1/goals/{LIFT}/contributions", item)
    assert (200, "held", True) == (again.status, again.json["status"], again.json["duplicate"])
    (batched,) = (await door.post("/v1/contributions", {"items": [{**item, "goalId": LIFT}]})).json["results"]
    assert (200, "held") == (batched["status"], batched["receipt"]["status"])
    first = await door.post("/v1/goals/slay-the-winter-king/contributions", {**item, "amount": 877_777})
    assert (202, "held") == (first.status, first.json["status"])
    await check(runtime, counted=500)


def test_at_the_command_line(running: Run) -> None:
    """It says that it is held, and the goal shows it as pending."""
    said = running("contribute", LIFT, "ann", str(KILOGRAMS), "--id", "w1")
    assert (0, True) == (said.code, "held for an operator to release" in said.out)
    goal = running("goals", "show", LIFT, "--json").document["goal"]
    assert (0, float(KILOGRAMS), 0) == (goal["currentValue"], goal["pendingValue"], goal["percent"])
    assert [False] * 3 == [tier["unlocked"] for tier in goal["rewardTiers"]]


@pytest.mark.parametrize("door", ["contributions", "actions"])
def test_in_a_file_that_is_replayed(worldevents: Run, tmp_path: Path, door: str) -> None:
    """No cell of a file of meets can hold so much; what one can is held, and the other lifts of its row count."""
    refused = worldevents("replay", str(a_file(tmp_path, f"{KILOGRAMS}")), "--through", door)
    assert (1, True) == (refused.code, "b1 is kilograms" in refused.err)
    said = worldevents("replay", str(a_file(tmp_path, "100000", "100000", "99999.999")), "--through", door, "--json")
    assert 0 == said.code
    told = said.document["totalVolume"]
    assert (250, 2, None) == (float(told["total"]), told["counted"], told["target_met_on"])
    goals = worldevents("goals", "list", "--status", "all", "--json").document["goals"]
    assert [299_999.999] == [one["pendingValue"] for one in goals if one["id"] == LIFT]


def a_file(folder: Path, *bench: str) -> Path:
    """A file of one meet: three honest lifts but for these attempts on the bench."""
    attempts = [*bench, "", ""][:3]
    cells = ["2023-12-09", "7", "42", "100", "", "", *attempts, "150", "", "", "100", bench[0], "150"]
    file = folder / "meets.csv"
    file.write_text(f"date,meet_id,lifter,s1,s2,s3,b1,b2,b3,d1,d2,d3,best_s,best_b,best_d\n{','.join(cells)}\n")
    return file


def test_the_day_is_not_over_with_it(running: Run) -> None:
    """What is held stays no part of the user's day: the honest contributions after it count."""
    today = datetime.now(UTC).isoformat(timespec="seconds")
    running("contribute", LIFT, "ann", str(KILOGRAMS), "--id", "w1")
    assert "counted" in running("contribute", LIFT, "ann", "500", "--id", "w2", "--occurred-at", today).out
