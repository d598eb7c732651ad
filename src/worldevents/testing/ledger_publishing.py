"""Laws 5 to 7 of the ledger: tiers that unlock once, versions of an event, and the version of a goal's state."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from worldevents.errors import EventConflict, EventInvalid
from worldevents.ledger.base import Appended, Ledger
from worldevents.model import CommunityGoal, EventVersion, Position, SeasonalEvent, TierUnlock
from worldevents.testing.builders import DURING, a_contribution, a_goal, a_tier, an_event, with_target
from worldevents.testing.ledger_counting import COUNTED, HELD, LATE, keep
from worldevents.testing.opened import LedgerOpener, ledger_state

LATER = DURING + timedelta(hours=1)


async def publish(ledger: Ledger, event: SeasonalEvent, based_on: int, *, author: str = "test") -> EventVersion:
    """Publish at LATER, for the reason "test"."""
    return await ledger.publish(event, based_on=based_on, author=author, published_at=LATER, reason="test")


async def edit(ledger: Ledger, goal: CommunityGoal, based_on: int = 1) -> EventVersion:
    """Publish the event with this goal in place of `volume`."""
    return await publish(ledger, an_event(goal, a_goal("workouts", percents=())), based_on)


def percents(unlocks: list[TierUnlock]) -> list[str]:
    """The unlocked tiers by name."""
    return [str(unlock.threshold) for unlock in unlocks]


class PublishingLaws:
    """Laws 5 to 7; `LedgerLaws` adds the fixtures."""

    async def test_law_5_exactly_at_the_threshold_unlocks(self, ledger: Ledger) -> None:
        """Law 5: one short of the threshold is short; exactly at it is enough."""
        short = await ledger.append([a_contribution("c1", 249)], keep())
        assert (list(short.unlocks), await ledger.unlocks()) == ([], [])
        reached = await ledger.append([a_contribution("c2", 1)], keep(at=LATER))
        assert list(reached.unlocks) == [self._unlock("25", reached, 0, await ledger.epoch())]
        assert await ledger.unlocks() == list(reached.unlocks)

    def _unlock(self, percent: str, appended: Appended, index: int, epoch: str) -> TierUnlock:
        row = appended.rows[index]
        assert row is not None
        position = Position(epoch, row.position)
        return TierUnlock(goal_id="volume", threshold=Decimal(percent), unlocked_at=LATER, position=position)

    async def test_law_5_each_tier_names_the_row_that_reached_it(self, ledger: Ledger) -> None:
        """Law 5: in one append over three tiers, each unlock is by the very row that crossed its threshold."""
        amounts = [249, 1, 100, 700, 50]
        batch = [a_contribution(f"c{index}", amount) for index, amount in enumerate(amounts)]
        appended = await ledger.append(batch, keep(at=LATER))
        epoch = await ledger.epoch()
        expected = [self._unlock(*one, epoch=epoch) for one in [("25", appended, 1), ("50", appended, 3)]]
        assert list(appended.unlocks) == [*expected, self._unlock("100", appended, 3, epoch)]
        assert await ledger.unlocks() == list(appended.unlocks)

    async def test_law_5_unlocks_are_told_in_the_order_they_happened(self, empty: Ledger) -> None:
        """Law 5: tiers reached together come lowest first, however their percents are spelled."""
        await publish(empty, an_event(a_goal(percents=("100", "5", "33.33", "120"))), 0)
        await empty.append([a_contribution("c1", 2_000)], keep())
        assert percents(await empty.unlocks()) == ["5", "33.33", "100", "120"]

    async def test_law_5_each_goal_reaches_its_own_tiers(self, empty: Ledger) -> None:
        """Law 5: what one goal has unlocked does not unlock, nor keep locked, a tier of another one."""
        await publish(empty, an_event(a_goal(), a_goal("workouts")), 0)
        first = await empty.append([a_contribution("c1", 300)], keep())
        other = await empty.append([a_contribution("c2", 600, goal="workouts")], keep())
        both = [a_contribution("c3", 700), a_contribution("c4", 400, goal="workouts")]
        last = await empty.append(both, keep())
        reached = [[(one.goal_id, f"{one.threshold}") for one in done.unlocks] for done in (first, other, last)]
        assert reached[:2] == [[("volume", "25")], [("workouts", "25"), ("workouts", "50")]]
        assert sorted(reached[2]) == [("volume", "100"), ("volume", "50"), ("workouts", "100")]

    async def test_law_5_a_fraction_of_a_unit_is_rounded_up(self, empty: Ledger) -> None:
        """Law 5: 33.33 % of 1000 is 334."""
        await publish(empty, an_event(a_goal(percents=("33.33",))), 0)
        assert not (await empty.append([a_contribution("c1", 333)], keep())).unlocks
        assert len((await empty.append([a_contribution("c2", 1)], keep())).unlocks) == 1

    async def test_law_5_held_and_late_rows_reach_nothing(self, ledger: Ledger) -> None:
        """Law 5: only what is counted unlocks, in the append and in the next."""
        await ledger.append([a_contribution("c1", 900), a_contribution("c2", 900)], keep(HELD, LATE))
        appended = await ledger.append([a_contribution("c3", 249), a_contribution("c4", 1)], keep(COUNTED, HELD))
        assert (list(appended.unlocks), await ledger.unlocks()) == ([], [])

    async def test_law_5_a_tier_unlocks_once(self, ledger: Ledger) -> None:
        """Law 5: later rows above the threshold do not unlock again."""
        first = await ledger.append([a_contribution("c1", 300)], keep())
        later = await ledger.append([a_contribution("c2", 100)], keep())
        assert (list(later.unlocks), await ledger.unlocks()) == ([], list(first.unlocks))

    async def test_law_5_a_lowered_target_unlocks_at_once(self, ledger: Ledger) -> None:
        """Law 5: tiers that the total already reaches are unlocked by the publish, and by no row."""
        await ledger.append([a_contribution("c1", 100)], keep())
        await edit(ledger, with_target(a_goal(), 200))
        by_edit = [
            TierUnlock(goal_id="volume", threshold=Decimal(percent), unlocked_at=LATER, position=None)
            for percent in ("25", "50")
        ]
        assert await ledger.unlocks() == by_edit
        await ledger.append([a_contribution("c2", 1)], keep())
        await edit(ledger, with_target(a_goal(), 199), 2)
        assert await ledger.unlocks() == by_edit

    async def test_law_5_a_higher_target_locks_nothing(self, ledger: Ledger) -> None:
        """Law 5: what was unlocked stays so when the target goes up, and is not unlocked again on the way there."""
        first = await ledger.append([a_contribution("c1", 300)], keep())
        await edit(ledger, with_target(a_goal(), 10_000))
        later = await ledger.append([a_contribution("c2", 2_200)], keep())
        assert (list(later.unlocks), await ledger.unlocks()) == ([], list(first.unlocks))

    async def test_law_5_an_unlocked_tier_cannot_be_taken_out(self, ledger: Ledger) -> None:
        """Law 5: an edit without it is refused and changes nothing; one without a locked tier is not."""
        await ledger.append([a_contribution("c1", 300)], keep())
        before = await ledger_state(ledger)
        with pytest.raises(EventConflict):
            await edit(ledger, a_goal(percents=("50", "100")))
        assert await ledger_state(ledger) == before
        await edit(ledger, a_goal(percents=("25", "100")))
        assert percents(list((await ledger.append([a_contribution("c2", 300)], keep())).unlocks)) == []

    async def test_law_5_a_new_tier_below_the_total_unlocks_at_once(self, ledger: Ledger) -> None:
        """Law 5: a tier that an edit adds where the total has already been is reached."""
        await ledger.append([a_contribution("c1", 300)], keep())
        goal = a_goal()
        await edit(ledger, replace(goal, tiers=(a_tier("10", goal.target), *goal.tiers)))
        assert percents(await ledger.unlocks()) == ["25", "10"]

    async def test_law_6_versions_are_kept(self, open_ledger: LedgerOpener, ledger: Ledger) -> None:
        """Law 6: every version with its author, time and reason, oldest first; the newest is the one that holds."""
        changed = an_event(with_target(a_goal(), 900), a_goal("workouts", percents=()))
        written = await ledger.publish(changed, based_on=1, author="eve", published_at=LATER, reason="too hard")
        expected = EventVersion(event=changed, version=2, author="eve", published_at=LATER, reason="too hard")
        first = EventVersion(
            event=an_event(a_goal(), a_goal("workouts", percents=())), version=1, author="test", published_at=DURING
        )
        assert written == expected
        async with open_ledger() as reopened:
            assert await reopened.history("winter") == [first, expected]
            assert await reopened.events() == [expected]

    @pytest.mark.parametrize("based_on", [0, 2])
    async def test_law_6_another_base_is_a_conflict(self, ledger: Ledger, based_on: int) -> None:
        """Law 6: a change made from another version than the latest is refused and changes nothing."""
        await ledger.append([a_contribution("c1", 300)], keep())
        before = await ledger_state(ledger)
        with pytest.raises(EventConflict):
            await edit(ledger, with_target(a_goal(), 100), based_on)
        assert await ledger_state(ledger) == before

    async def test_law_6_of_two_changes_at_once_one_stands(self, ledger: Ledger) -> None:
        """Law 6: two authors publish from the same version; one is told that the other was first."""
        events = [
            an_event(with_target(a_goal(), target), a_goal("workouts", percents=())) for target in range(900, 905)
        ]
        told = await asyncio.gather(*(publish(ledger, event, 1) for event in events), return_exceptions=True)
        won = [one for one in told if isinstance(one, EventVersion)]
        assert [type(one) for one in told].count(EventConflict) == 4
        assert await ledger.events() == won

    async def test_law_6_a_goal_belongs_to_one_event(self, ledger: Ledger) -> None:
        """Law 6: an event with a goal of another one is refused and changes nothing."""
        before = await ledger_state(ledger)
        with pytest.raises(EventInvalid):
            await publish(ledger, an_event(a_goal("new"), a_goal("volume"), event_id="spring"), 0)
        assert await ledger_state(ledger) == before

    async def test_law_6_events_come_by_start_and_id(self, empty: Ledger) -> None:
        """Law 6: each event has versions of its own; they are listed by start, then id."""
        one, two, three = (an_event(a_goal(name), event_id=name) for name in ("zeta", "beta", "alpha"))
        for event in (replace(one, starts_at=one.starts_at - timedelta(days=1)), two, three):
            assert (await publish(empty, event, 0)).version == 1
        assert [one.event.id for one in await empty.events()] == ["zeta", "alpha", "beta"]
        assert await empty.history("unknown") == []

    async def test_law_7_seq_rises_with_what_can_be_seen(self, ledger: Ledger) -> None:
        """Law 7: counted, held, unlocking and publishing raise `seq`; late rows and repeats do not."""
        seen = [await self._seq(ledger)]
        for index, status in enumerate([COUNTED, HELD]):
            await ledger.append([a_contribution(f"c{index}", 10)], keep(status))
            seen.append(await self._seq(ledger))
        await ledger.append([a_contribution("c8", 300)], keep())
        seen.append(await self._seq(ledger))
        await edit(ledger, with_target(a_goal(), 900))
        seen.append(await self._seq(ledger))
        assert seen == sorted(set(seen))
        await ledger.append([a_contribution("c9", 10), a_contribution("c8", 300)], keep(LATE, COUNTED))
        assert await self._seq(ledger) == seen[-1]

    async def test_law_7_seq_is_one_goals_own(self, ledger: Ledger) -> None:
        """Law 7: what happens to one goal does not show in another."""
        before = (await ledger.totals())["workouts"]
        await ledger.append([a_contribution("c1", 300)], keep())
        assert (await ledger.totals())["workouts"] == before

    async def test_law_7_totals_of_an_append_are_the_last(self, ledger: Ledger) -> None:
        """Law 7: an append answers the totals and the `seq` that stand after its unlocks."""
        appended = await ledger.append([a_contribution("c1", 600)], keep())
        assert dict(appended.totals) == {"volume": (await ledger.totals())["volume"]}

    async def _seq(self, ledger: Ledger) -> int:
        return (await ledger.totals())["volume"].seq
