"""The feed hands every reader the newest state of each goal and every unlock, and waits for none of them."""

import asyncio
from decimal import Decimal

import pytest

from worldevents.model import GoalState, GoalUpdate, TierUnlock
from worldevents.store.feed import Feed
from worldevents.testing.builders import DURING, a_goal

pytestmark = pytest.mark.usefixtures("no_leaks")


def update(seq: int, *percents: int, goal: str = "volume") -> GoalUpdate:
    """A goal's state at this version, and the tiers it newly reached."""
    state = GoalState(goal=a_goal(goal), total=seq, pending=0, participants=1, unlocks=(), epoch="1-x", seq=seq)
    unlocks = tuple(
        TierUnlock(goal_id=goal, threshold=Decimal(percent), unlocked_at=DURING, position=None) for percent in percents
    )
    return GoalUpdate(state=state, unlocked=unlocks)


def tell(feed: Feed, told: GoalUpdate) -> None:
    feed.tell(told.state.goal.id, lambda: told.state, told.unlocked)


async def test_a_reader_that_keeps_up_sees_each_update() -> None:
    """Read one by one, updates come as they were told."""
    feed = Feed()
    with feed.reading() as updates:
        for told in (update(1), update(2, 25), update(3)):
            tell(feed, told)
            assert await anext(updates) == told


async def test_a_slow_reader_sees_the_newest_with_all_unlocks() -> None:
    """Unread updates of a goal become one: the last state, all unlocks in their order."""
    feed = Feed()
    with feed.reading() as updates:
        for told in (update(1, 25), update(2), update(3, 50), update(4)):
            tell(feed, told)
        assert await anext(updates) == update(4, 25, 50)
        tell(feed, update(5))
        assert await anext(updates) == update(5)


async def test_what_a_goal_stands_at_is_asked_when_it_is_read() -> None:
    """However often a goal changes, its state is put together once for each reading, and is the newest then."""
    feed, asked, total = Feed(), 0, 0

    def state() -> GoalState:
        nonlocal asked
        asked += 1
        return update(total).state

    with feed.reading() as updates:
        for _ in range(999):
            total += 1
            feed.tell("volume", state)
        assert (await anext(updates)).state.total == 999
    assert asked == 1


async def test_goals_keep_apart_in_the_order_of_their_news() -> None:
    """The goal whose newest update is oldest comes first."""
    feed = Feed()
    with feed.reading() as updates:
        for told in (update(1), update(1, goal="workouts"), update(2)):
            tell(feed, told)
        assert [await anext(updates), await anext(updates)] == [update(1, goal="workouts"), update(2)]


async def test_a_mailbox_is_bounded_by_the_number_of_goals() -> None:
    """A reader that never reads costs one update per goal."""
    feed = Feed()
    with feed.reading():
        for seq in range(1_000):
            tell(feed, update(seq))
        (mailbox,) = feed._mailboxes
        assert len(mailbox._newest) == 1


async def test_a_reader_waits_for_news() -> None:
    """With nothing unread a reader waits, and goes on with the next update."""
    feed = Feed()
    with feed.reading() as updates:
        waiting = asyncio.ensure_future(anext(updates))
        await asyncio.sleep(0)
        assert not waiting.done()
        tell(feed, update(1))
        assert await waiting == update(1)


async def test_nobody_is_told_of_what_was_before_or_after() -> None:
    """A reader sees updates from its beginning on, and a closed one is forgotten."""
    feed = Feed()
    tell(feed, update(1))
    assert not feed.is_read
    with feed.reading() as updates:
        assert feed.is_read
        tell(feed, update(2))
        assert await anext(updates) == update(2)
    assert not feed.is_read
