"""Laws 3, 5 and 9 of the store: what the window takes, to the millisecond, and what the limits let through."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from worldevents.model import Limits, OverLimit
from worldevents.testing.builders import (
    DURING,
    ENDS_AT,
    GRACE,
    STARTS_AT,
    a_contribution,
    a_goal,
    an_event,
    cancelled,
    in_window,
)
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import OpenStore, store_state

INSTANT = timedelta(milliseconds=1)
CLOSES_AT = ENDS_AT + GRACE
HOLD, REFUSE = OverLimit.HOLD, OverLimit.REFUSE
LARGEST = 2**53 - 1


async def limited(empty: OpenStore, limits: Limits) -> None:
    """Publish the goal `volume` with these limits."""
    await empty.publish(an_event(a_goal(limits=limits)))


async def sums(opened: OpenStore) -> tuple[int, int]:
    """The goal's total and pending."""
    state = await opened.store.state("volume")
    return state.total, state.pending


class JudgingLaws:
    """Laws 3, 5 and 9; `StoreLaws` adds the fixtures."""

    @pytest.mark.parametrize(
        ("now", "told"),
        [
            (STARTS_AT - INSTANT, "goal_not_open"),
            (STARTS_AT, "counted"),
            (ENDS_AT - INSTANT, "counted"),
            (ENDS_AT, "goal_not_open"),
        ],
    )
    async def test_law_5_the_window_by_arrival(
        self, opened: OpenStore, clock: ManualClock, now: datetime, told: str
    ) -> None:
        """Law 5: without an own instant it is the arrival that has to be in [starts_at, ends_at)."""
        await self._at(opened, clock, now)
        assert await opened.tell(a_contribution()) == [told]

    async def _at(self, opened: OpenStore, clock: ManualClock, now: datetime) -> None:
        """Move the clock; where that is before the window, move the window instead, for time does not step back."""
        if now >= clock.now():
            clock.set(now)
            return
        shift = clock.now() - now
        await opened.publish(in_window(an_event(), STARTS_AT + shift, ENDS_AT + shift))

    @pytest.mark.parametrize(
        ("occurred_at", "told"),
        [
            (STARTS_AT - INSTANT, "goal_not_open"),
            (STARTS_AT, "counted"),
            (ENDS_AT - INSTANT, "counted"),
            (ENDS_AT, "goal_not_open"),
        ],
    )
    async def test_law_5_the_window_by_occurrence(
        self, opened: OpenStore, clock: ManualClock, occurred_at: datetime, told: str
    ) -> None:
        """Law 5: what brings its own instant is judged by that, while it arrives before the end of the grace."""
        clock.set(CLOSES_AT - INSTANT)
        assert await opened.tell(a_contribution(occurred_at=occurred_at)) == [told]

    @pytest.mark.parametrize(("now", "told"), [(CLOSES_AT - INSTANT, "counted"), (CLOSES_AT, "late")])
    async def test_law_5_the_end_of_the_grace(
        self, opened: OpenStore, clock: ManualClock, now: datetime, told: str
    ) -> None:
        """Law 5: what occurred in time counts if it arrives before ends_at + grace; from then on it is late."""
        clock.set(now)
        assert await opened.tell(a_contribution(occurred_at=ENDS_AT - INSTANT)) == [told]

    async def test_law_5_late_ones_are_kept_but_not_counted(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 5: a late contribution is in no total, no rank, and no version of the state."""
        await opened.tell(a_contribution("c1", 10))
        before = await store_state(opened.store)
        clock.set(CLOSES_AT)
        assert await opened.tell(a_contribution("c2", 900, occurred_at=STARTS_AT)) == ["late"]
        assert await store_state(opened.store) == before
        assert all(one.agrees for one in await opened.ledger.audit())

    @pytest.mark.parametrize(
        ("ahead", "told"), [(timedelta(seconds=60), "counted"), (timedelta(seconds=60) + INSTANT, "occurred_at_future")]
    )
    async def test_law_5_a_minute_ahead_is_forgiven(self, opened: OpenStore, ahead: timedelta, told: str) -> None:
        """Law 5: a trusted caller's clock may be 60 s ahead, no more."""
        assert await opened.tell(a_contribution(occurred_at=DURING + ahead)) == [told]

    async def test_law_5_a_clock_set_back_opens_nothing(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 5: a window that has closed stays closed when the machine's clock steps back."""
        clock.set(ENDS_AT)
        assert await opened.tell(a_contribution("c1")) == ["goal_not_open"]
        clock.set(DURING)
        assert await opened.tell(a_contribution("c1")) == ["goal_not_open"]

    async def test_law_5_a_cancelled_goal_takes_nothing(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 5: from the instant of its cancelling a goal refuses, and still answers repeats; before it, it counts."""
        off = DURING + timedelta(hours=1)
        await opened.publish(cancelled(an_event(), off))
        clock.set(off - INSTANT)
        assert await opened.tell(a_contribution("c1")) == ["counted"]
        clock.set(off)
        assert await opened.tell(a_contribution("c2"), a_contribution("c1")) == ["goal_not_open", "counted again"]
        assert await opened.tell(a_contribution("c3", occurred_at=DURING)) == ["goal_not_open"]

    async def test_law_5_a_moved_end_holds_at_once(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 5: the newest version's window is the one that counts."""
        clock.set(ENDS_AT)
        assert await opened.tell(a_contribution("c1")) == ["goal_not_open"]
        await opened.publish(in_window(an_event(), STARTS_AT, ENDS_AT + INSTANT))
        assert await opened.tell(a_contribution("c1")) == ["counted"]

    @pytest.mark.parametrize(("over", "told"), [(HOLD, "held"), (REFUSE, "limit_exceeded")])
    async def test_law_3_the_limit_of_one_contribution(self, empty: OpenStore, over: OverLimit, told: str) -> None:
        """Law 3: exactly the limit counts, one more is held or refused as the goal says."""
        await limited(empty, Limits(per_contribution=100, over=over))
        assert await empty.tell(a_contribution("c1", 100), a_contribution("c2", 101)) == ["counted", told]

    @pytest.mark.parametrize(("over", "told"), [(HOLD, "held"), (REFUSE, "limit_exceeded")])
    async def test_law_3_the_limit_of_a_user(self, empty: OpenStore, over: OverLimit, told: str) -> None:
        """Law 3: a user's counted amounts may reach the limit, in one batch as in several; others have their own."""
        await limited(empty, Limits(per_user=100, over=over))
        first = [a_contribution("c1", 60), a_contribution("c2", 41), a_contribution("c3", 39)]
        assert await empty.tell(*first, a_contribution("c4", 100, user="bob")) == [
            "counted",
            told,
            "counted",
            "counted",
        ]
        assert await empty.tell(a_contribution("c5", 2), a_contribution("c6", 1)) == [told, "counted"]

    @pytest.mark.parametrize(("over", "told"), [(HOLD, "held"), (REFUSE, "limit_exceeded")])
    async def test_law_3_the_limit_of_a_day(
        self, empty: OpenStore, clock: ManualClock, over: OverLimit, told: str
    ) -> None:
        """Law 3: a user's amounts of one UTC day of occurrence may reach the limit; the next day begins at zero."""
        await limited(empty, Limits(per_user_day=100, over=over))
        midnight = datetime.combine(DURING.date(), datetime.min.time(), DURING.tzinfo) + timedelta(days=1)
        batch = [a_contribution("c1", 60), a_contribution("c2", 41), a_contribution("c3", 100, user="bob")]
        assert await empty.tell(*batch) == ["counted", told, "counted"]
        clock.set(midnight)
        today, before = a_contribution("c4", 100), a_contribution("c5", 41, occurred_at=midnight - INSTANT)
        assert await empty.tell(today, before) == ["counted", told]
        assert await empty.tell(a_contribution("c6", 40, occurred_at=midnight - INSTANT)) == ["counted"]

    async def test_law_3_a_limit_by_day_knows_what_was_counted(self, empty: OpenStore) -> None:
        """Law 3: a limit by day that an edit brings holds for the day's earlier amounts too."""
        await limited(empty, Limits())
        await empty.tell(a_contribution("c1", 60))
        await limited(empty, Limits(per_user_day=100, over=REFUSE))
        assert await empty.tell(a_contribution("c2", 41), a_contribution("c3", 40)) == ["limit_exceeded", "counted"]

    async def test_law_3_held_amounts_wait_beside_the_total(self, empty: OpenStore) -> None:
        """Law 3: a held amount is pending for goal and user, in no total or rank, and unlocks nothing."""
        await limited(empty, Limits(per_contribution=500))
        await empty.tell(a_contribution("c1", 200), a_contribution("c2", 501))
        assert await sums(empty) == (200, 501)
        progress = await empty.store.progress("volume", "ann")
        assert (progress.user_contribution, progress.user_pending, progress.user_rank) == (200, 501, 1)
        assert progress.state.unlocks == ()
        assert progress.state.participants == 1
        assert all(one.agrees for one in await empty.ledger.audit())

    async def test_law_3_a_user_with_held_amounts_alone_has_no_rank(self, empty: OpenStore) -> None:
        """Law 3: who only has held amounts takes no part yet."""
        await limited(empty, Limits(per_contribution=500))
        await empty.tell(a_contribution("c1", 501))
        progress = await empty.store.progress("volume", "ann")
        assert (progress.user_contribution, progress.user_pending, progress.user_rank) == (0, 501, None)
        assert progress.state.participants == 0

    async def test_law_3_held_amounts_use_up_no_limit(self, empty: OpenStore) -> None:
        """Law 3: what is held leaves a user's room for what is counted."""
        await limited(empty, Limits(per_user=100, per_user_day=100))
        assert await empty.tell(a_contribution("c1", 101), a_contribution("c2", 100)) == ["held", "counted"]

    async def test_law_9_a_total_stays_below_two_to_the_53(self, empty: OpenStore) -> None:
        """Law 9: the largest total is 2^53 - 1, reached exactly, in one batch as in several."""
        await limited(empty, Limits())
        batch = [a_contribution("c1", LARGEST - 1), a_contribution("c2", 2), a_contribution("c3", 1)]
        assert await empty.tell(*batch) == ["counted", "limit_exceeded", "counted"]
        assert await empty.tell(a_contribution("c4", 1, user="bob")) == ["limit_exceeded"]
        assert await sums(empty) == (LARGEST, 0)
        assert (await empty.store.leaderboard("volume", limit=1)).contributors[0].amount == LARGEST

    async def test_law_9_held_amounts_have_to_fit_too(self, empty: OpenStore) -> None:
        """Law 9: total and pending together stay below 2^53, or a release would break the law."""
        await limited(empty, Limits(per_contribution=100))
        batch = [a_contribution("c1", LARGEST - 100), a_contribution("c2", 100), a_contribution("c3", 1)]
        assert await empty.tell(*batch) == ["held", "counted", "limit_exceeded"]
        assert await sums(empty) == (100, LARGEST - 100)
