"""Law 20 of the store: when a goal is closed, and that nothing moves it from then on."""

from __future__ import annotations

from datetime import timedelta

from worldevents import movements
from worldevents.model import ContributionStatus
from worldevents.movements import Movement
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, a_contribution, a_goal, an_event, cancelled, in_window
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import OpenStore

OVER = ENDS_AT + GRACE
MOMENT = timedelta(microseconds=1)


class ClosingLaws:
    """Law 20; `StoreLaws` adds the fixtures."""

    async def test_law_20_a_goal_is_closed_when_its_grace_is_over(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 20: by the store's time, and not a moment before."""
        for at, closed in ((DURING, False), (ENDS_AT, False), (OVER - MOMENT, False), (OVER, True)):
            clock.set(at)
            assert closed == await opened.store.closed("volume", version=1)

    async def test_law_20_closed_is_said_of_one_version(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 20: of another than the store judges by it is not true; of the one that ends later, later."""
        event = an_event(a_goal(), a_goal("workouts", percents=()))
        await opened.publish(in_window(event, event.starts_at, ENDS_AT + GRACE))
        clock.set(OVER)
        assert [False] * 2 == [await opened.store.closed("volume", version=one) for one in (1, 2)]
        clock.set(OVER + GRACE)
        assert [False, True] == [await opened.store.closed("volume", version=one) for one in (1, 2)]

    async def test_law_20_what_was_called_off_is_never_closed(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 20: there is nothing to settle."""
        await opened.publish(cancelled(an_event(a_goal(), a_goal("workouts", percents=())), DURING))
        clock.set(OVER)
        assert not await opened.store.closed("volume", version=2)

    async def test_law_20_nothing_moves_what_is_closed(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 20: late rows are taken and move nothing; what an operator does is refused."""
        assert ["counted"] == await opened.tell(a_contribution("c1", 10))
        clock.set(OVER)
        assert await opened.store.closed("volume", version=1)
        fix = Movement(a_contribution(movements.correction("fix"), -5), ContributionStatus.CORRECTED)
        before = await opened.store.state("volume")
        assert ["late", "goal_not_open"] == await opened.tell(
            a_contribution("c2", 5, occurred_at=DURING), a_contribution("c3", 5)
        )
        assert "goal_not_open" == await opened.moved(fix)
        after = await opened.store.state("volume")
        assert (before.total, before.pending, before.participants) == (after.total, after.pending, after.participants)
