"""Law 8 of the store: tiers unlock once and are told, and every update is a whole, newer state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import cast

from worldevents.model import CommunityGoal, GoalUpdate, Limits, Receipt, TierUnlock
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event, with_target
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import OpenStore

LATER = DURING + timedelta(hours=1)
SECONDS = 10.0
"""How long an update may take before a test gives up."""


async def following(updates: AsyncIterator[GoalUpdate]) -> GoalUpdate:
    """The next update."""
    return await asyncio.wait_for(anext(updates), SECONDS)


async def unlocked(opened: OpenStore) -> list[str]:
    """The unlocked tiers of `volume` by name."""
    return [str(unlock.threshold) for unlock in (await opened.store.state("volume")).unlocks]


async def edit(opened: OpenStore, goal: CommunityGoal) -> None:
    """Publish, later, the event with this goal in place of `volume`."""
    await opened.publish(an_event(goal, a_goal("workouts", percents=())), at=LATER)


class TellingLaws:
    """Law 8 and the tiers; `StoreLaws` adds the fixtures."""

    async def test_a_tier_unlocks_exactly_at_its_threshold(self, opened: OpenStore, clock: ManualClock) -> None:
        """One short of the threshold is short, exactly at it is enough; the unlock names the row and its instant."""
        await opened.tell(a_contribution("c1", 249))
        assert await unlocked(opened) == []
        clock.set(LATER)
        (answer,) = await opened.store.contribute([a_contribution("c2", 1)])
        position = cast("Receipt", answer).position
        unlock = TierUnlock(goal_id="volume", threshold=Decimal(25), unlocked_at=LATER, position=position)
        assert (await opened.store.state("volume")).unlocks == (unlock,)

    async def test_several_tiers_in_one_batch(self, opened: OpenStore) -> None:
        """Each tier's unlock names the very contribution that crossed its threshold."""
        batch = [a_contribution(f"c{index}", amount) for index, amount in enumerate([249, 1, 100, 700, 50])]
        answers = [cast("Receipt", answer).position for answer in await opened.store.contribute(batch)]
        unlocks = (await opened.store.state("volume")).unlocks
        named = [(str(unlock.threshold), unlock.position) for unlock in unlocks]
        assert named == [("25", answers[1]), ("50", answers[3]), ("100", answers[3])]

    async def test_counting_goes_on_past_the_target(self, opened: OpenStore) -> None:
        """After the last tier amounts still count, and no tier unlocks twice."""
        for index in range(3):
            await opened.tell(a_contribution(f"c{index}", 600))
        assert (await opened.store.state("volume")).total == 1_800
        assert await unlocked(opened) == ["25", "50", "100"]

    async def test_a_lowered_target_unlocks_at_once_and_once(self, opened: OpenStore) -> None:
        """Tiers that the total already reaches are unlocked by the edit, told once, and by no contribution."""
        await opened.tell(a_contribution("c1", 100))
        with opened.store.updates() as updates:
            await edit(opened, with_target(a_goal(), 200))
            update = await following(updates)
            told = [(str(one.threshold), one.position, one.unlocked_at) for one in update.unlocked]
            assert told == [("25", None, LATER), ("50", None, LATER)]
            assert update.state.goal.target == 200
            await opened.tell(a_contribution("c2", 1))
            assert [await self._unlocked_in(updates, "volume")] == [[]]
        assert await unlocked(opened) == ["25", "50"]

    async def _unlocked_in(self, updates: AsyncIterator[GoalUpdate], goal_id: str) -> list[str]:
        """The tiers that a goal's next update says are new."""
        while (update := await following(updates)).state.goal.id != goal_id:
            pass
        return [str(unlock.threshold) for unlock in update.unlocked]

    async def test_an_unlocked_tier_never_locks(self, opened: OpenStore) -> None:
        """A higher target locks nothing again, and the tier is not unlocked a second time on the way there."""
        await opened.tell(a_contribution("c1", 300))
        before = (await opened.store.state("volume")).unlocks
        await edit(opened, replace(with_target(a_goal(), 10_000), target_may_rise=True))
        await opened.tell(a_contribution("c2", 2_199))
        assert (await opened.store.state("volume")).unlocks == before
        await opened.tell(a_contribution("c3", 3_000))
        assert await unlocked(opened) == ["25", "50"]

    async def test_held_amounts_unlock_nothing(self, empty: OpenStore) -> None:
        """Amounts over a limit are no step towards a tier."""
        await empty.publish(an_event(a_goal(limits=Limits(per_contribution=240))))
        await empty.tell(a_contribution("c1", 240), a_contribution("c2", 900))
        assert await unlocked(empty) == []

    async def test_law_8_an_update_is_the_whole_state(self, opened: OpenStore) -> None:
        """Law 8: what is told is the state as asked, and the tiers newly reached."""
        with opened.store.updates() as updates:
            await opened.tell(a_contribution("c1", 300))
            state = await opened.store.state("volume")
            assert await following(updates) == GoalUpdate(state=state, unlocked=state.unlocks)
            await opened.tell(a_contribution("c2", 5, user="bob"))
            assert await following(updates) == GoalUpdate(state=await opened.store.state("volume"))

    async def test_law_8_seq_rises_with_every_update(self, opened: OpenStore) -> None:
        """Law 8: in one epoch each update of a goal is newer than the one before, whatever caused it."""
        seen = []
        with opened.store.updates() as updates:
            for target in (900, 800, 700):
                await opened.tell(a_contribution(f"c{target}", 200))
                seen.append((await following(updates)).state)
                await edit(opened, with_target(a_goal(), target))
                told = {update.state.goal.id: update.state for update in [await following(updates) for _ in range(2)]}
                seen.append(told["volume"])
        assert {state.epoch for state in seen} == {(await opened.store.state("volume")).epoch}
        seqs = [state.seq for state in seen]
        assert seqs == sorted(set(seqs))

    async def test_law_8_nothing_is_told_where_nothing_changed(self, empty: OpenStore) -> None:
        """Law 8: repeats, conflicts and refusals are no updates; held amounts are one."""
        await empty.publish(an_event(a_goal(limits=Limits(per_contribution=10))))
        await empty.tell(a_contribution("c1", 5))
        with empty.store.updates() as updates:
            await empty.tell(a_contribution("c1", 5), a_contribution("c1", 6), a_contribution("c2", goal="nowhere"))
            await empty.tell(a_contribution("c3", 11))
            assert (await following(updates)).state == await empty.store.state("volume")
        assert (await empty.store.state("volume")).pending == 11

    async def test_law_8_a_slow_reader_gets_the_newest_and_every_unlock(self, opened: OpenStore) -> None:
        """Law 8: of many unread changes one state is left, with all tiers that were reached meanwhile."""
        with opened.store.updates() as updates:
            for index in range(20):
                await opened.tell(a_contribution(f"c{index}", 30))
            update = await following(updates)
            assert update.state == await opened.store.state("volume")
            assert [str(unlock.threshold) for unlock in update.unlocked] == ["25", "50"]
            await opened.tell(a_contribution("c99", 1))
            assert (await following(updates)).unlocked == ()

    async def test_law_8_a_slow_reader_gets_every_goal(self, opened: OpenStore) -> None:
        """Law 8: one goal's changes do not push out another's."""
        with opened.store.updates() as updates:
            await opened.tell(a_contribution("c1", 1, goal="workouts"))
            for index in range(5):
                await opened.tell(a_contribution(f"c{index}", 1))
            told = [await following(updates) for _ in range(2)]
        assert {update.state.goal.id: update.state.total for update in told} == {"workouts": 1, "volume": 5}

    async def test_law_8_readers_do_not_share(self, opened: OpenStore) -> None:
        """Law 8: each reader is told everything since it began, whatever the others read."""
        with opened.store.updates() as early:
            await opened.tell(a_contribution("c1", 300))
            with opened.store.updates() as late:
                await opened.tell(a_contribution("c2", 300))
                from_start, from_then = await following(early), await following(late)
        assert from_start.state == from_then.state
        assert [str(unlock.threshold) for unlock in from_start.unlocked] == ["25", "50"]
        assert [str(unlock.threshold) for unlock in from_then.unlocked] == ["50"]

    async def test_law_8_a_new_event_is_told(self, empty: OpenStore) -> None:
        """Law 8: a goal that begins to exist is an update; one that is known again is not told its old unlocks."""
        with empty.store.updates() as updates:
            await empty.publish(an_event())
            assert (await following(updates)).state == await empty.store.state("volume")
            await empty.tell(a_contribution("c1", 300))
            await following(updates)
            await empty.store.announce("winter")
            assert await self._unlocked_in(updates, "volume") == []
