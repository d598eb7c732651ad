"""Settling in a running system: by itself when the grace is over, whenever it is next up; and on demand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from worldevents import settling
from worldevents.errors import BodyInvalid, EventInvalid, IdInvalid, NotSettled, UnknownEvent, UnknownGoal
from worldevents.ledger.granted import DurableLedger
from worldevents.results import Outcome
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, a_goal, a_tier, an_event

pytestmark = pytest.mark.usefixtures("no_leaks")

OVER = ENDS_AT + GRACE
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(DURING)


@pytest.fixture
def settings(ledger_url: str) -> Settings:
    return Settings.load(database_url=ledger_url)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "LOOK_S", 0.01)


async def begun(runtime: Runtime) -> None:
    """An event with a goal that is nearly met, and gives a consolation; and one that is missed."""
    near = replace(a_goal(), consolation=a_tier("90", 1_000))
    await runtime.engine.publish(an_event(near, a_goal("workouts", percents=())), author="test")
    for user, amount in (("ann", 500), ("bob", 225), ("cid", 225)):
        await runtime.engine.contribute("volume", user, amount, contribution_id="c1")


async def settled(runtime: Runtime) -> None:
    """Return when the system has settled the event by itself."""
    ledger: DurableLedger = runtime.ledger  # type: ignore[assignment]
    async with asyncio.timeout(20):
        while len(await ledger.results()) < 2:  # noqa: ASYNC110 - it is the system that acts
            await asyncio.sleep(0.01)


async def announced(runtime: Runtime) -> list[Any]:
    """What was told of events that are settled."""
    ledger: DurableLedger = runtime.ledger  # type: ignore[assignment]
    return [one for one in await ledger.announcements() if one.kind == "event.settled"]


async def test_a_running_system_settles_by_itself(settings: Settings, clock: ManualClock) -> None:
    """When the grace is over there is a result, the consolation is granted, and the event is announced, once."""
    async with open_runtime(settings, clock=clock) as runtime:
        await begun(runtime)
        clock.set(OVER - MOMENT)
        with pytest.raises(NotSettled):
            await runtime.settling.result("volume")
        clock.set(OVER)
        await settled(runtime)
        result = await runtime.settling.result("volume")
        assert (Outcome.NEAR_MISSED, 950, 3, True) == (
            result.outcome,
            result.total,
            result.participants,
            result.consoled,
        )
        board = await runtime.settling.board("volume", limit=2, user_id="cid")
        assert [(1, "ann"), (2, "bob")] == [(one.rank, one.user_id) for one in board.rows]
        assert board.user is not None
        assert (3, 2, 225) == (board.user.place, board.user.rank, board.user.amount)
        assert {"consolation~volume~ann", "consolation~volume~bob", "consolation~volume~cid"} == {
            one.id for one in await runtime.rewards.grants() if one.threshold is None
        }
        assert ["winter"] == [one.document["eventId"] for one in await announced(runtime)]
        late = await runtime.engine.contribute("volume", "dee", 9, contribution_id="c2", occurred_at=DURING)
        assert ("late", result) == (late.status, await runtime.settling.result("volume"))


async def test_what_was_down_settles_at_the_next_start(settings: Settings, clock: ManualClock) -> None:
    """No timer has to run at the moment: a month later the result is the same."""
    async with open_runtime(settings, clock=clock) as runtime:
        await begun(runtime)
    clock.set(OVER + timedelta(days=31))
    async with open_runtime(settings, clock=clock) as runtime:
        await settled(runtime)
        assert 950 == (await runtime.settling.result("volume")).total
    async with open_runtime(settings, clock=clock) as runtime:
        assert 2 == len(await runtime.settling.settle("winter"))
        assert 1 == len(await announced(runtime))


async def test_what_was_accepted_before_the_close_is_in_the_result(settings: Settings, clock: ManualClock) -> None:
    """Contributions and settling at the same moment: whatever was counted is in the total, and nothing else."""
    async with open_runtime(settings, clock=clock) as runtime:
        await begun(runtime)
        clock.set(OVER - MOMENT)

        async def contribute(number: int) -> int:
            if number == 50:
                clock.set(OVER)
            receipt = await runtime.engine.contribute(
                "volume", "eve", 1, contribution_id=f"n{number}", occurred_at=DURING
            )
            return int(receipt.status == "counted")

        counted = sum(await asyncio.gather(*(contribute(number) for number in range(100))))
        await settled(runtime)
        assert 950 + counted == (await runtime.settling.result("volume")).total
        assert (await runtime.ledger.totals())["volume"].total == 950 + counted
        assert 100 - counted == await runtime.ledger.late("volume", "eve")


async def test_what_was_called_off_has_no_result(settings: Settings, clock: ManualClock) -> None:
    """Nothing settles, nothing is announced, and who asks is told why."""
    async with open_runtime(settings, clock=clock) as runtime:
        await begun(runtime)
        await runtime.engine.cancel("winter", author="test", reason="test")
        clock.set(OVER)
        assert [] == await runtime.settling.settle("winter") == await announced(runtime)
        with pytest.raises(NotSettled, match="called off"):
            await runtime.settling.result("volume")


async def test_a_settled_event_is_not_reopened(settings: Settings, clock: ManualClock) -> None:
    """It is neither extended nor called off."""
    async with open_runtime(settings, clock=clock) as runtime:
        await begun(runtime)
        clock.set(OVER)
        with pytest.raises(EventInvalid, match="ends_at"):
            await runtime.engine.extend("winter", OVER + GRACE, author="test", reason="test")
        with pytest.raises(EventInvalid, match="cancelled_at"):
            await runtime.engine.cancel("winter", author="test", reason="test")


async def test_what_is_asked_is_checked(settings: Settings, clock: ManualClock) -> None:
    """Goals and events by their ids, pages within their bounds."""
    async with open_runtime(settings, clock=clock) as runtime:
        await begun(runtime)
        with pytest.raises(UnknownEvent):
            await runtime.settling.settle("summer")
        with pytest.raises(UnknownGoal):
            await runtime.settling.result("nothing")
        for limit in (0, 1_001):
            with pytest.raises(BodyInvalid, match="1000"):
                await runtime.settling.board("volume", limit=limit)
        with pytest.raises(BodyInvalid, match="place"):
            await runtime.settling.board("volume", after=-1)
        with pytest.raises(IdInvalid):
            await runtime.settling.board("volume", user_id="a b")
