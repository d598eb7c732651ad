"""The rewards of a running system: granted in the background, claimed by themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from worldevents import rewards
from worldevents.errors import BodyInvalid, IdInvalid
from worldevents.grants import GrantStatus
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING, a_goal, an_event

WEEK = timedelta(days=7)
ANN = "tier~volume~25~ann"


async def until(runtime: Runtime, status: GrantStatus | None) -> None:
    """Wait for the background to have brought Ann's grant this far."""
    async with asyncio.timeout(20):
        while [status] != [one.status for one in await runtime.rewards.of_user("ann")]:  # noqa: ASYNC110 - it is the system that acts
            await asyncio.sleep(0.01)


async def test_a_running_system_grants_and_claims_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an unlock nobody has to ask; and after `claim_within` nobody has to claim."""
    monkeypatch.setattr(rewards, "LOOK_S", 0.01)
    goal = a_goal(percents=("25",))
    goal = replace(goal, tiers=(replace(goal.tiers[0], claim_within=WEEK),))
    clock = ManualClock(DURING)
    async with open_runtime(Settings(database_url=f"sqlite:///{tmp_path}/test.db"), clock=clock) as runtime:
        await runtime.engine.publish(an_event(goal), author="test")
        await runtime.engine.contribute("volume", "ann", Decimal(250), contribution_id="c1")
        await until(runtime, GrantStatus.CLAIMABLE)
        await runtime.engine.contribute("volume", "bob", 1, contribution_id="c2")
        assert ["ann", "bob"] == [one.user_id for one in await runtime.rewards.grants()]
        clock.move(WEEK)
        await until(runtime, GrantStatus.CLAIMED)
        assert DURING + WEEK == (await runtime.rewards.grant(ANN)).claimed_at
        assert 0 == await runtime.rewards.sweep("volume")


async def test_what_is_asked_is_checked(tmp_path: Path) -> None:
    """Pages have their bounds, and users are named by ids."""
    async with open_runtime(Settings(database_url=f"sqlite:///{tmp_path}/test.db")) as runtime:
        for limit in (0, 1_001):
            with pytest.raises(BodyInvalid, match="1000"):
                await runtime.rewards.grants(limit=limit)
        with pytest.raises(BodyInvalid):
            await runtime.rewards.grants(after=-1)
        with pytest.raises(IdInvalid):
            await runtime.rewards.of_user("a b")
