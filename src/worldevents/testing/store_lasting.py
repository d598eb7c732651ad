"""Laws 6 and 7 of the store: the order of application, and what is there again when a store is opened again."""

from __future__ import annotations

from typing import cast

import pytest

from worldevents.errors import UnknownGoal
from worldevents.model import Limits, OverLimit, Receipt, SeasonalEvent
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event, with_target
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import OpenStore, StoreOpener, store_state

LIMITS = Limits(per_user_day=500, over=OverLimit.HOLD)


def story(target: int = 1_000) -> SeasonalEvent:
    """An event with a limit by day, and a goal beside."""
    return an_event(with_target(a_goal(limits=LIMITS), target), a_goal("workouts", percents=()))


async def live(opened: OpenStore) -> None:
    """Something of everything: users, names, tiers, a held amount, an edit that unlocks."""
    await opened.publish(story())
    await opened.tell(a_contribution("c1", 260, display_name="Ann"), a_contribution("c2", 499))
    await opened.tell(a_contribution("c3", 30, user="bob"), a_contribution("c4", 3, goal="workouts"))
    await opened.publish(story(target=300), at=DURING.replace(hour=19))


class LastingLaws:
    """Laws 6 and 7; `StoreLaws` adds the fixtures."""

    async def test_law_6_positions_rise_in_the_order_of_application(self, opened: OpenStore) -> None:
        """Law 6: in a batch and from batch to batch, a goal's positions rise within the ledger's epoch."""
        positions = []
        for number in range(3):
            batch = [a_contribution(f"c{number}-{index}", user=f"u{index}") for index in range(4)]
            positions += [cast("Receipt", answer).position for answer in await opened.store.contribute(batch)]
        assert positions == sorted(set(positions))
        assert {position.epoch for position in positions} == {(await opened.store.state("volume")).epoch}

    async def test_law_6_positions_and_seq_go_on_after_a_restart(
        self, open_store: StoreOpener, clock: ManualClock
    ) -> None:
        """Law 6: a store that is opened again is in the same epoch, and what follows comes after what was."""
        seen = []
        for number in range(3):
            async with open_store(clock) as opened:
                if number == 0:
                    await opened.publish(an_event())
                (answer,) = await opened.store.contribute([a_contribution(f"c{number}", 1)])
                state = await opened.store.state("volume")
                seen.append((cast("Receipt", answer).position, (state.epoch, state.seq)))
        for column in zip(*seen, strict=True):
            assert list(column) == sorted(set(column))
        assert len({position.epoch for position, _ in seen}) == 1

    async def test_law_7_a_store_is_the_same_when_it_is_opened_again(
        self, open_store: StoreOpener, clock: ManualClock
    ) -> None:
        """Law 7: everything the store answers is answered alike after a restart."""
        async with open_store(clock) as opened:
            await live(opened)
            before = await store_state(opened.store)
            assert {name: (one.total, one.pending) for name, one in before.goals.items()} == {
                "volume": (290, 499),
                "workouts": (3, 0),
            }
            assert [str(one.threshold) for one in before.goals["volume"].unlocks] == ["25", "50"]
        async with open_store(clock) as reopened:
            assert await store_state(reopened.store) == before
            assert all(one.agrees for one in await reopened.ledger.audit())

    async def test_law_7_repeats_and_limits_outlive_a_restart(
        self, open_store: StoreOpener, clock: ManualClock
    ) -> None:
        """Law 7: after a restart an id is known, and a user's day goes on where it was."""
        async with open_store(clock) as opened:
            await live(opened)
        async with open_store(clock) as reopened:
            told = await reopened.tell(
                a_contribution("c1", 260),
                a_contribution("c1", 261),
                a_contribution("c2", 499),
                a_contribution("c5", 241),
                a_contribution("c6", 240),
            )
            assert told == ["counted again", "contribution_conflict", "held again", "held", "counted"]

    async def test_law_7_a_tier_does_not_unlock_again_after_a_restart(
        self, open_store: StoreOpener, clock: ManualClock
    ) -> None:
        """Law 7: what was unlocked before a restart is neither lost nor told again."""
        async with open_store(clock) as opened:
            await live(opened)
            before = (await opened.store.state("volume")).unlocks
        async with open_store(clock) as reopened:
            with reopened.store.updates() as updates:
                await reopened.tell(a_contribution("c7", 1, user="bob"))
                assert (await anext(updates)).unlocked == ()
            assert (await reopened.store.state("volume")).unlocks == before

    async def test_a_goal_may_be_taken_out_and_put_back(self, opened: OpenStore) -> None:
        """A goal that the newest version does not name is unknown; named again, it stands where it was."""
        await opened.tell(a_contribution("c1", 10))
        before = await opened.store.leaderboard("volume", limit=10)
        await opened.publish(an_event(a_goal("workouts", percents=())))
        assert await opened.tell(a_contribution("c2", 1)) == ["unknown_goal"]
        with pytest.raises(UnknownGoal):
            await opened.store.state("volume")
        await opened.publish(an_event(a_goal(), a_goal("workouts", percents=())))
        assert await opened.store.leaderboard("volume", limit=10) == before
        assert await opened.tell(a_contribution("c1", 10)) == ["counted again"]
