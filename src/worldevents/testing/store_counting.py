"""Laws 1, 2, 3 and 10 of the store: an id counts once, refusals leave no trace, a batch answers item by item."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from typing import cast

import pytest

from worldevents.errors import UnknownGoal
from worldevents.model import CommunityGoal, ContributionStatus, Limits, OverLimit, Position, Receipt
from worldevents.testing.builders import ENDS_AT, GRACE, STARTS_AT, a_contribution, a_goal, an_event
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import OpenStore, store_state


async def receipt(opened: OpenStore, contribution_id: str = "c1", amount: int = 10, *, user: str = "ann") -> Receipt:
    """The receipt of one contribution."""
    (answer,) = await opened.store.contribute([a_contribution(contribution_id, amount, user=user)])
    return cast("Receipt", answer)


class CountingLaws:
    """Laws 1, 2, 3 and 10; `StoreLaws` adds the fixtures."""

    async def test_law_1_a_receipt_says_what_was_counted(self, opened: OpenStore) -> None:
        """Law 1: the first of an id is counted and answered with the totals it left."""
        await receipt(opened, "c0", 5, user="bob")
        item = a_contribution("c1", 10)
        (answer,) = await opened.store.contribute([item])
        assert answer == Receipt(
            contribution=item,
            metric=a_goal().metric,
            status=ContributionStatus.COUNTED,
            duplicate=False,
            current_value=15,
            user_contribution=10,
            position=Position((await opened.store.state("volume")).epoch, cast("Receipt", answer).position.seq),
        )

    async def test_law_1_a_repeat_changes_nothing(self, opened: OpenStore) -> None:
        """Law 1: the same id and amount again is a repeat of the first, with today's totals."""
        first = await receipt(opened, "c1", 10)
        await receipt(opened, "c2", 5)
        before = await store_state(opened.store)
        again = await receipt(opened, "c1", 10)
        assert (again.duplicate, again.status, again.position) == (True, ContributionStatus.COUNTED, first.position)
        assert (again.current_value, again.user_contribution) == (15, 15)
        assert await store_state(opened.store) == before

    async def test_law_1_another_amount_is_a_conflict(self, opened: OpenStore) -> None:
        """Law 1: the same id with another amount is refused, and the first stands."""
        await receipt(opened, "c1", 10)
        before = await store_state(opened.store)
        assert await opened.tell(a_contribution("c1", 11)) == ["contribution_conflict"]
        assert await store_state(opened.store) == before
        assert await opened.tell(a_contribution("c1", 10)) == ["counted again"]

    async def test_law_1_repeats_inside_a_batch(self, opened: OpenStore) -> None:
        """Law 1: an id three times in one batch is counted once, and with another amount it is a conflict."""
        batch = [a_contribution("c1", amount) for amount in (10, 10, 11, 10)]
        assert await opened.tell(*batch) == ["counted", "counted again", "contribution_conflict", "counted again"]
        assert (await opened.store.state("volume")).total == 10

    async def test_law_1_repeats_in_a_batch_name_the_same_place(self, opened: OpenStore) -> None:
        """Law 1: a repeat in the same batch carries the first one's position and its own contribution."""
        batch = [a_contribution("c1", 10), a_contribution("c1", 10, display_name="Ann")]
        first, again = (cast("Receipt", one) for one in await opened.store.contribute(batch))
        assert (first.position, first.contribution) == (again.position, batch[0])
        assert again.contribution == batch[1]

    async def test_law_1_repeats_of_held_and_late_ones(self, empty: OpenStore, clock: ManualClock) -> None:
        """Law 1: a repeat is told the status that was stored, also when it would be judged otherwise today."""
        await empty.publish(an_event(self._limited()))
        assert await empty.tell(a_contribution("c1", 101), a_contribution("c1", 101)) == ["held", "held again"]
        await empty.publish(an_event(a_goal()))
        assert await empty.tell(a_contribution("c1", 101)) == ["held again"]
        clock.set(ENDS_AT + GRACE)
        late = a_contribution("c2", 5, occurred_at=STARTS_AT)
        assert await empty.tell(late, late) == ["late", "late again"]
        assert await empty.tell(late, a_contribution("c2", 6)) == ["late again", "contribution_conflict"]

    async def test_law_1_a_repeat_is_answered_after_the_goal_closed(
        self, opened: OpenStore, clock: ManualClock
    ) -> None:
        """Law 1: whoever lost the answer still gets it when the goal takes nothing any more."""
        first = await receipt(opened, "c1", 10)
        clock.set(ENDS_AT + GRACE)
        assert await receipt(opened, "c1", 10) == self._as_repeat(first)
        assert await opened.tell(a_contribution("c1", 11)) == ["contribution_conflict"]

    def _as_repeat(self, first: Receipt) -> Receipt:
        return Receipt(
            contribution=first.contribution,
            metric=first.metric,
            status=first.status,
            duplicate=True,
            current_value=first.current_value,
            user_contribution=first.user_contribution,
            position=first.position,
        )

    async def test_law_1_an_id_belongs_to_a_goal_and_a_user(self, opened: OpenStore) -> None:
        """Law 1: nobody can use up another user's id, nor one of another goal."""
        batch = [a_contribution("c1", 1), a_contribution("c1", 2, user="bob"), a_contribution("c1", 4, goal="workouts")]
        assert await opened.tell(*batch) == ["counted"] * 3
        assert [(await opened.store.state(goal)).total for goal in ("volume", "workouts")] == [3, 4]

    async def test_law_1_many_callers_at_once(self, opened: OpenStore) -> None:
        """Law 1: one id from many callers at the same time is counted for one of them."""
        told = await asyncio.gather(*(opened.tell(a_contribution("c1", 10)) for _ in range(20)))
        assert sorted(words[0] for words in told) == ["counted", *["counted again"] * 19]
        assert (await opened.store.state("volume")).total == 10

    async def test_law_1_a_refused_id_is_free(self, opened: OpenStore) -> None:
        """Law 1: an id that was refused may come again and count, with any amount, also inside one batch."""
        early = a_contribution("c1", 10, occurred_at=STARTS_AT.replace(year=2025))
        assert await opened.tell(early) == ["goal_not_open"]
        told = await opened.tell(early, early, a_contribution("c1", 7), a_contribution("c1", 7), early)
        assert told == ["goal_not_open", "goal_not_open", "counted", "counted again", "contribution_conflict"]
        assert (await opened.store.state("volume")).total == 7

    async def test_law_2_the_total_is_the_sum(self, opened: OpenStore) -> None:
        """Law 2: total, contributors' amounts, user's share and ledger are one sum; no goal has another's."""
        await opened.tell(a_contribution("c1", 1), a_contribution("c2", 2, user="bob"), a_contribution("c3", 4))
        await opened.tell(a_contribution("c4", 8, goal="workouts"))
        board = await opened.store.leaderboard("volume", limit=10)
        assert {row.user_id: row.amount for row in board.contributors} == {"ann": 5, "bob": 2}
        assert (await opened.store.progress("volume", "ann")).user_contribution == 5
        totals = await opened.ledger.totals()
        for goal_id, total in (("volume", 7), ("workouts", 8)):
            assert (await opened.store.state(goal_id)).total == totals[goal_id].total == total
        assert all(one.agrees for one in await opened.ledger.audit())

    async def test_law_2_a_user_without_contribution_has_nothing(self, opened: OpenStore) -> None:
        """Law 2: who gave nothing has the amount 0 and no rank; without a user there is the state alone."""
        await receipt(opened, "c1", 10)
        progress = await opened.store.progress("volume", "bob")
        assert (progress.user_contribution, progress.user_pending, progress.user_rank) == (0, 0, None)
        assert (await opened.store.progress("volume", None)).state == await opened.store.state("volume")

    async def test_law_3_a_refusal_changes_nothing(self, opened: OpenStore) -> None:
        """Law 3: after refusals of every kind the store and its ledger are as they were, `seq` included."""
        await receipt(opened, "c1", 300)
        before, totals = await store_state(opened.store), await opened.ledger.totals()
        told = await opened.tell(
            a_contribution("c1", 301, display_name="A"),
            a_contribution("c2", goal="nowhere", display_name="B"),
            a_contribution("c3", occurred_at=STARTS_AT.replace(year=2027), display_name="C"),
            a_contribution("c4", occurred_at=STARTS_AT.replace(year=2025), display_name="D"),
            a_contribution("c5", 2**53 - 300, display_name="E"),
        )
        expected = ["contribution_conflict", "unknown_goal", "occurred_at_future", "goal_not_open", "limit_exceeded"]
        assert told == expected
        assert (await store_state(opened.store), await opened.ledger.totals()) == (before, totals)
        assert await opened.ledger.display_names() == {}

    async def test_law_10_answers_come_item_by_item(self, opened: OpenStore) -> None:
        """Law 10: good and bad ones in one batch each get their own answer, in order, and the good ones count."""
        await receipt(opened, "c0", 1)
        told = await opened.tell(
            a_contribution("c1", 2),
            a_contribution("c2", goal="nowhere"),
            a_contribution("c0", 1),
            a_contribution("c3", 4, user="bob"),
            a_contribution("c0", 9),
            a_contribution("c4", 8, goal="workouts"),
        )
        assert told == ["counted", "unknown_goal", "counted again", "counted", "contribution_conflict", "counted"]
        assert [(await opened.store.state(goal)).total for goal in ("volume", "workouts")] == [7, 8]

    async def test_law_10_a_batch_of_bad_ones(self, opened: OpenStore) -> None:
        """Law 10: a batch may be bad throughout, or empty."""
        assert await opened.tell(*[a_contribution("c1", goal="nowhere")] * 3) == ["unknown_goal"] * 3
        assert await opened.tell() == []

    async def test_law_10_a_batch_is_applied_in_its_order(self, empty: OpenStore) -> None:
        """Law 10: an id that was refused and comes again is judged in its place, before what stands behind it."""
        await empty.publish(an_event(self._limited(refuse_over_user=100)))
        told = await empty.tell(
            a_contribution("c1", 101), a_contribution("c1", 60), a_contribution("c2", 60), a_contribution("c3", 40)
        )
        assert told == ["limit_exceeded", "counted", "limit_exceeded", "counted"]

    def _limited(self, *, refuse_over_user: int | None = None) -> CommunityGoal:
        over = OverLimit.HOLD if refuse_over_user is None else OverLimit.REFUSE
        return a_goal(limits=Limits(per_contribution=100, per_user=refuse_over_user, over=over))

    @pytest.mark.parametrize("verb", ["state", "progress", "standing", "leaderboard"])
    async def test_no_such_goal(self, opened: OpenStore, verb: str) -> None:
        """Every verb about one goal raises UnknownGoal where there is none."""
        store = opened.store
        asked: dict[str, Callable[[str], Awaitable[object]]] = {
            "state": store.state,
            "progress": lambda goal_id: store.progress(goal_id, "ann"),
            "standing": lambda goal_id: store.standing(goal_id, "ann"),
            "leaderboard": lambda goal_id: store.leaderboard(goal_id, limit=1),
        }
        with pytest.raises(UnknownGoal):
            await asked[verb]("nowhere")
        with pytest.raises(UnknownGoal):
            store.goal("nowhere")

    async def test_activity_may_be_told_again(self, opened: OpenStore) -> None:
        """Being there is not contributing, and being there twice in a day is once."""
        before = await store_state(opened.store)
        for _ in range(2):
            await opened.store.mark_active([("ann", date(2026, 12, 1)), ("ann", date(2026, 12, 1))])
        assert await store_state(opened.store) == before

    async def test_a_cancelled_caller_leaves_no_half(self, opened: OpenStore) -> None:
        """Law 3: whether a cancelled call was applied or not, memory and ledger tell the same, and a repeat is told."""
        call = asyncio.create_task(opened.tell(a_contribution("c1", 300)))
        await asyncio.sleep(0)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call
        total = (await opened.store.state("volume")).total
        assert (await opened.ledger.totals())["volume"].total == total
        assert await opened.tell(a_contribution("c1", 300)) == ["counted again" if total else "counted"]
        assert (await opened.store.state("volume")).total == 300
