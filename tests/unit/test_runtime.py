"""Opening the system and closing it: everything is let go, and whatever goes wrong is heard."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from worldevents.errors import Closed, ConfigurationInvalid, DatabaseOwned
from worldevents.ledger.ledger import SqlLedger
from worldevents.live.messages import Message
from worldevents.model import GoalContribution
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.store.embedded import EmbeddedStore
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, a_goal, an_event, in_window
from worldevents.testing.clock import ManualClock

pytestmark = pytest.mark.usefixtures("no_leaks")


class BodyError(Exception):
    """What a host's own code raises."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(DURING)


@pytest.fixture
def settings(ledger_url: str) -> Settings:
    return Settings.load(database_url=ledger_url)


async def begun(runtime: Runtime) -> None:
    await runtime.engine.publish(an_event(), author="test")
    await runtime.engine.contribute("volume", "ann", 10, contribution_id="c1")


async def test_what_was_counted_is_there_when_it_opens_again(settings: Settings, clock: ManualClock) -> None:
    """A runtime counts, closes, and another one goes on from there."""
    async with open_runtime(settings, clock=clock) as runtime:
        await begun(runtime)
    async with open_runtime(settings, clock=clock) as runtime:
        again = await runtime.engine.contribute("volume", "ann", 10, contribution_id="c1")
        assert (again.duplicate, again.current_value) == (True, 10)


async def test_the_bodys_own_error_comes_out_as_itself(settings: Settings, clock: ManualClock) -> None:
    """What the body raises is not wrapped into a group, and everything is closed."""
    with pytest.raises(BodyError, match="mine"):
        async with open_runtime(settings, clock=clock):
            raise BodyError("mine")
    async with open_runtime(settings, clock=clock):
        pass


async def test_a_cancelled_body_closes_everything(settings: Settings, clock: ManualClock) -> None:
    """A host that is cancelled stays cancelled, and the database is free."""
    opened = asyncio.Event()

    async def host() -> None:
        async with open_runtime(settings, clock=clock) as runtime:
            await begun(runtime)
            opened.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(host())
    await opened.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with open_runtime(settings, clock=clock) as runtime:
        assert (await runtime.engine.progress("volume")).state.total == 10


async def test_accepted_callers_are_answered_while_it_closes(settings: Settings, clock: ManualClock) -> None:
    """Callers still waiting when the body ends get their receipts, later ones Closed."""
    async with open_runtime(settings, clock=clock) as runtime:
        await begun(runtime)
        contribute = runtime.engine.contribute
        waiting = [
            asyncio.create_task(contribute("volume", "bob", 1, contribution_id=f"c{number}")) for number in range(5)
        ]
        await asyncio.sleep(0)
    receipts = [await task for task in waiting]
    assert max(receipt.current_value for receipt in receipts) == 15
    with pytest.raises(Closed):
        await contribute("volume", "bob", 1, contribution_id="late")


async def test_many_callers_at_once(settings: Settings, clock: ManualClock) -> None:
    """Hundreds of concurrent callers, some repeating each other, are counted exactly once each."""
    async with open_runtime(settings, clock=clock) as runtime:
        await runtime.engine.publish(an_event(), author="test")
        calls = [
            runtime.engine.contribute("volume", f"u{number % 10}", 1, contribution_id=f"c{number % 200}")
            for number in range(400)
        ]
        receipts = await asyncio.gather(*calls)
        assert sum(not receipt.duplicate for receipt in receipts) == 200
        assert (await runtime.engine.progress("volume")).state.total == 200
        assert all(one.agrees for one in await runtime.ledger.audit())


async def test_a_dead_background_task_is_loud(
    settings: Settings, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A surprise in the background fails the waiting caller, ends the body and is raised."""

    async def surprise(_store: EmbeddedStore, _batch: Sequence[GoalContribution]) -> None:
        raise ZeroDivisionError

    told: list[type[Exception]] = []
    with pytest.RaisesGroup(ZeroDivisionError):
        async with open_runtime(settings, clock=clock) as runtime:
            await begun(runtime)
            monkeypatch.setattr(EmbeddedStore, "contribute", surprise)
            try:
                await runtime.engine.contribute("volume", "ann", 1, contribution_id="c2")
            except Closed as error:
                told.append(type(error))
            await asyncio.Event().wait()
    assert told == [Closed]
    monkeypatch.undo()
    async with open_runtime(settings, clock=clock):
        pass


async def test_an_opening_that_fails_leaves_nothing(
    settings: Settings, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the store cannot be built the ledger is closed again, and the database is free."""

    async def refuse(_ledger: SqlLedger) -> str:
        raise BodyError

    with monkeypatch.context() as patched:
        patched.setattr(SqlLedger, "epoch", refuse)
        with pytest.raises(BodyError):
            async with open_runtime(settings, clock=clock):
                pass
    async with open_runtime(settings, clock=clock):
        pass


async def test_a_setting_that_cannot_be_used_comes_out_as_itself(settings: Settings, clock: ManualClock) -> None:
    """What is found wrong when all but the tasks is open is not wrapped, and the database is free."""
    short = Settings.load(database_url=settings.database_url, jwt_secret="short")  # noqa: S106 - it opens nothing
    with pytest.raises(ConfigurationInvalid):
        async with open_runtime(short, clock=clock):
            pass
    async with open_runtime(settings, clock=clock):
        pass


async def test_what_is_counted_is_told(settings: Settings, clock: ManualClock) -> None:
    """Goals that were there before, changes, and goals that come and go all reach the hub."""
    async with open_runtime(settings, clock=clock) as runtime:
        await begun(runtime)
    async with open_runtime(settings, clock=clock) as runtime:
        with runtime.hub.subscribe() as subscriber:
            assert ("goal_update", "volume") == seen(await anext(subscriber))
            await runtime.engine.contribute("volume", "ann", 300, contribution_id="c2")
            assert ("goal_update", "volume") == seen(await anext(subscriber))
            assert ("goal_tier_unlocked", "volume") == seen(await anext(subscriber))
            later = in_window(an_event(a_goal("one"), a_goal("two"), event_id="spring"), ENDS_AT, ENDS_AT + GRACE)
            await runtime.engine.publish(later, author="test")
            assert {("goal_update", "one"), ("goal_update", "two")} == {
                seen(await anext(subscriber)) for _ in later.goals
            }
            await runtime.engine.publish(replace(later, goals=later.goals[:1]), author="test")
            while ("goal_ended", "two") != seen(await anext(subscriber)):
                pass
            assert (True, False) == (runtime.hub.knows("one"), runtime.hub.knows("two"))


def seen(message: Message) -> tuple[str, str | None]:
    return message.event, message.goal_id


async def test_one_runtime_per_database(settings: Settings, clock: ManualClock) -> None:
    """A second runtime on the same database is refused and disturbs nobody."""
    async with open_runtime(settings, clock=clock) as runtime:
        with pytest.raises(DatabaseOwned):
            async with open_runtime(settings, clock=clock):
                pass
        await begun(runtime)


async def test_settings_come_from_the_environment(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without settings of its own a runtime reads WORLDEVENTS_DATABASE_URL."""
    monkeypatch.setenv("WORLDEVENTS_DATABASE_URL", f"sqlite:///{tmp_path}/own.db")
    async with open_runtime(clock=clock) as runtime:
        assert runtime.settings.database_url.endswith("/own.db")


async def test_an_address_that_cannot_be_one(clock: ManualClock) -> None:
    """A mistake in the settings comes out as what it is."""
    with pytest.raises(ConfigurationInvalid):
        async with open_runtime(Settings.load(database_url="mysql://host/name"), clock=clock):
            pass
