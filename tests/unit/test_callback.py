"""A host's callback: told every grant in its order, again after a failure, and on from there by whoever comes next."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from worldevents import callback, rewards
from worldevents.callback import Callback, OnGrant
from worldevents.grants import GrantStatus, RewardGrant
from worldevents.ledger import open_ledger
from worldevents.ledger.outward import FullLedger
from worldevents.runtime import open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING, a_goal, an_event
from worldevents.testing.ledger_granting import FIRST, Granting

pytestmark = pytest.mark.usefixtures("no_leaks")
USERS = ("ann", "bob", "cid", "dot")
GUIDE = Path(__file__).parents[2] / "docs" / "rewards.md"


@dataclass
class Host:
    """A host that writes down what it is told, and does with it as it is asked to."""

    does: Callable[[RewardGrant], bool | None] = lambda _: None
    told: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_grant(self, grant: RewardGrant) -> bool | None:
        self.told.append(grant.user_id or "")
        self.news.set()
        return self.does(grant)

    async def hears(self, *users: str) -> None:
        """Wait until it was told these, one after the other."""
        async with asyncio.timeout(20):
            while len(self.told) < len(users):
                self.news.clear()
                await self.news.wait()
        assert [*users] == self.told


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no real time."""
    monkeypatch.setattr(callback, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(callback, "LONGEST_WAIT_S", 0.02)


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[FullLedger]:
    """Give a ledger with a grant for each user."""
    async with open_ledger(f"sqlite:///{tmp_path}/x.db") as opened:
        granting = Granting(opened)
        await granting.publish(an_event(a_goal(percents=("25",))))
        await granting.count(*((user, 100) for user in USERS))
        assert 4 == await granting.work()
        yield opened


@asynccontextmanager
async def telling(ledger: FullLedger, on_grant: OnGrant) -> AsyncIterator[None]:
    """Tell a host while the context is open."""
    chance = random.Random()  # noqa: S311 - nothing is secret here
    told = Callback(ledger, ManualClock(DURING), on_grant, chance=chance, look_s=0.01)
    task = asyncio.create_task(told.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_every_grant_is_told_in_its_order(ledger: FullLedger) -> None:
    """Once, where nothing fails; the next life goes on behind them, and hears what is new."""
    host = Host()
    async with telling(ledger, host.on_grant):
        await host.hears(*USERS)
    later = Host()
    async with telling(ledger, later.on_grant):
        await ledger.give(f"{FIRST}~eve", DURING, reason="why", author="who")
        await later.hears("eve")
    assert [GrantStatus.CLAIMABLE] * 5 == [one.status for one in await ledger.grants()]


async def test_true_alone_says_that_the_player_has_it(ledger: FullLedger) -> None:
    """Then it is delivered; for whatever else is returned it is not."""
    answers: dict[str | None, object] = {"ann": True, "bob": None, "cid": 1, "dot": False}
    host = Host(lambda one: answers[one.user_id])  # type: ignore[return-value,arg-type] # a host may return anything
    async with telling(ledger, host.on_grant):
        await host.hears(*USERS)
    told = {one.user_id: one.status.value for one in await ledger.grants()}
    assert {"ann": "delivered", "bob": "claimable", "cid": "claimable", "dot": "claimable"} == told


async def test_what_fails_is_told_again_before_all_others(ledger: FullLedger, caplog: pytest.LogCaptureFixture) -> None:
    """However often: none is passed over and none lost, and the log says which one fails."""
    host = Host()

    def refuse(one: RewardGrant) -> None:
        if one.user_id == "bob" and host.told.count("bob") < 4:
            raise RuntimeError("the game is down")

    host.does = refuse
    with caplog.at_level(logging.ERROR):
        async with telling(ledger, host.on_grant):
            await host.hears("ann", "bob", "bob", "bob", "bob", "cid", "dot")
    assert 3 == caplog.text.count(f"on_grant has failed for grant {FIRST}~bob")
    assert "the game is down" in caplog.text


async def test_what_was_told_before_a_failure_is_not_told_again(ledger: FullLedger) -> None:
    """The cursor is behind what was told, though the next one fails for ever."""
    host = Host()

    def refuse(one: RewardGrant) -> None:
        if one.user_id == "cid":
            raise RuntimeError

    host.does = refuse
    async with telling(ledger, host.on_grant):
        await host.hears("ann", "bob", "cid", "cid")
    later = Host()
    async with telling(ledger, later.on_grant):
        await later.hears("cid", "dot")


async def test_a_call_that_hangs_has_failed(ledger: FullLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cancelled after its time, and made again; so is one that is cancelled inside."""
    monkeypatch.setattr(callback, "CALL_S", 0.05)
    calls: list[str | None] = []
    is_done = asyncio.Event()

    async def on_grant(one: RewardGrant) -> None:
        calls.append(one.user_id)
        if calls == ["ann"]:
            await asyncio.Event().wait()
        if calls == ["ann", "ann"]:
            raise asyncio.CancelledError
        if one.user_id == "dot":
            is_done.set()

    async with telling(ledger, on_grant), asyncio.timeout(20):
        await is_done.wait()
    assert ["ann", "ann", "ann", "bob", "cid", "dot"] == calls


async def test_two_processes_tell_one_at_a_time(ledger: FullLedger, tmp_path: Path) -> None:
    """Who has the turn keeps it while it lives; when it leaves, the other goes on at once, from there."""
    first, second = Host(), Host()
    async with open_ledger(f"sqlite:///{tmp_path}/x.db") as other, telling(other, second.on_grant):
        # The turn is taken by who asks first.
        await second.hears(*USERS)
        async with telling(ledger, first.on_grant):
            await ledger.give(f"{FIRST}~eve", DURING, reason="why", author="who")
            await second.hears(*USERS, "eve")
            assert [] == first.told
    async with telling(ledger, first.on_grant):
        await ledger.give(f"{FIRST}~fay", DURING, reason="why", author="who")
        await first.hears("fay")


async def test_who_was_killed_is_followed(ledger: FullLedger) -> None:
    """When the lease of a process that is no more ends, another tells."""
    await ledger.callback.hold("killed", now=DURING, until=DURING)
    await ledger.callback.told(2, [], at=DURING)
    host = Host()
    async with telling(ledger, host.on_grant):
        await host.hears("bob", "cid", "dot")


async def test_a_runtime_tells_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the contribution on nobody has to ask; and what the host says is delivered is so."""
    monkeypatch.setattr(rewards, "LOOK_S", 0.01)
    host = Host(lambda _: True)
    settings = Settings(database_url=f"sqlite:///{tmp_path}/test.db")
    async with open_runtime(settings, clock=ManualClock(DURING), on_grant=host.on_grant) as runtime:
        await runtime.engine.publish(an_event(a_goal(percents=("25",))), author="test")
        await runtime.engine.contribute("volume", "ann", 250, contribution_id="c1")
        await host.hears("ann")
        await runtime.engine.contribute("volume", "bob", 1, contribution_id="c2")
        await host.hears("ann", "bob")
    async with open_runtime(settings, clock=ManualClock(DURING)) as runtime:
        assert ["delivered"] * 2 == [one.status.value for one in await runtime.rewards.grants()]
        assert 0 == (await runtime.rewards.report()).owed


async def test_the_guides_example_is_told(ledger: FullLedger) -> None:
    """The callback of the page about rewards keeps every grant by its id, and says that the player has it."""
    (program, *_) = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - our own page
    host = Host()

    async def on_grant(one: RewardGrant) -> bool | None:
        answer: bool = await names["on_grant"](one)
        await host.on_grant(one)
        return answer

    async with telling(ledger, on_grant):
        await host.hears(*USERS)
    assert {f"{FIRST}~{user}": "Reached 25 %" for user in USERS} == names["inbox"]
    assert 0 == (await ledger.report()).owed
