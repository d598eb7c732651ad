"""What is particular to the store of one process: its memory follows the ledger, also where an answer was lost."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio

from worldevents.errors import LedgerUnavailable
from worldevents.ledger import open_ledger
from worldevents.ledger.base import Appended, Decide
from worldevents.model import GoalContribution, Limits
from worldevents.store.embedded import EmbeddedStore
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event, with_target
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import OpenStore, store_state


@pytest_asyncio.fixture
async def opened(ledger_url: str) -> AsyncIterator[OpenStore]:
    """A store with one goal, whose target is 1000."""
    async with open_ledger(ledger_url, own=True) as ledger:
        opened = OpenStore(await EmbeddedStore.open(ledger, ManualClock(DURING)), ledger)
        await opened.publish(an_event(a_goal(limits=Limits(per_user_day=500))))
        yield opened


async def losing_the_answer(opened: OpenStore, monkeypatch: pytest.MonkeyPatch, *batch: GoalContribution) -> None:
    """The ledger commits this batch, but the connection drops before it can say so."""
    append = opened.ledger.append

    async def committed(batch: Sequence[GoalContribution], decide: Decide) -> Appended:
        await append(batch, decide)
        raise LedgerUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(opened.ledger, "append", committed)
        with pytest.raises(LedgerUnavailable):
            await opened.store.contribute(batch)


async def test_a_commit_whose_answer_was_lost_is_found(opened: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Laws 1, 2: the repeat is told that it was counted, and total, rank, limits and name follow the ledger."""
    lost = a_contribution("c1", 400, display_name="Ann")
    await losing_the_answer(opened, monkeypatch, lost)
    assert await opened.tell(lost, a_contribution("c2", 101), a_contribution("c3", 100)) == [
        "counted again",
        "held",
        "counted",
    ]
    progress = await opened.store.progress("volume", "ann")
    assert (progress.state.total, progress.user_contribution, progress.user_rank) == (500, 500, 1)
    reopened = await EmbeddedStore.open(opened.ledger, ManualClock(DURING))
    assert await store_state(reopened) == await store_state(opened.store)


async def test_an_unlock_whose_answer_was_lost_is_told_once(opened: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 8: readers get the tier that the lost answer named, with the next update, and not a second time."""
    await opened.tell(a_contribution("c0", 250))
    with opened.store.updates() as updates:
        await losing_the_answer(opened, monkeypatch, a_contribution("c1", 250, user="bob"))
        await opened.tell(a_contribution("c2", 1))
        update = await anext(updates)
        assert [str(unlock.threshold) for unlock in update.unlocked] == ["50"]
        assert update.state == await opened.store.state("volume")
        await opened.tell(a_contribution("c3", 1))
        assert (await anext(updates)).unlocked == ()


async def test_an_announcement_that_fails_changes_nothing(opened: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the ledger fails while an edit is taken over, the old version holds until it is announced again."""
    before = await store_state(opened.store)
    event = an_event(with_target(a_goal(limits=Limits(per_user_day=500)), 900), a_goal("workouts"))

    async def fails(*_: Any, **__: Any) -> Any:
        raise LedgerUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(opened.ledger, "users", fails)
        with pytest.raises(LedgerUnavailable):
            await opened.publish(event)
    assert await store_state(opened.store) == before
    await opened.store.announce("winter")
    assert opened.store.events["winter"].event == event
    assert (await opened.store.state("workouts")).total == 0
