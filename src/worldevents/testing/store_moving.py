"""Laws 17 and 18 of the store: movements are done once and whole, a ban moves out what it moves back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from worldevents import movements
from worldevents.errors import BelowZero
from worldevents.model import ContributionStatus, GoalContribution, Limits, Receipt
from worldevents.movements import Movement
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, a_contribution, a_goal, an_event
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import OpenStore, store_state

CORRECTED, RELEASED = ContributionStatus.CORRECTED, ContributionStatus.RELEASED
REJECTED, WITHHELD = ContributionStatus.REJECTED, ContributionStatus.WITHHELD
LARGEST = 2**53 - 1
EPS = timedelta(milliseconds=1)


def corrected(amount: int, name: str = "k1", *, user: str = "ann") -> Movement:
    """A correction in `volume`."""
    return Movement(GoalContribution("volume", user, movements.correction(name), amount), CORRECTED)


def decided(held_id: str, amount: int, status: ContributionStatus, *, user: str = "ann") -> Movement:
    """What is held in `volume` under an id, released or rejected."""
    return Movement(GoalContribution("volume", user, movements.decision(held_id), amount), status)


def withheld(counted_id: str, amount: int) -> Movement:
    """What counts in `volume` under an id, held after all."""
    return Movement(GoalContribution("volume", "ann", movements.withholding(counted_id), amount), WITHHELD)


async def share(opened: OpenStore, user: str = "ann") -> tuple[int, int, int | None]:
    """What a user has in `volume`, counted and held, and the rank."""
    found = await opened.store.progress("volume", user)
    return found.user_contribution, found.user_pending, found.user_rank


async def sums(opened: OpenStore) -> tuple[int, int, int]:
    """Total, pending and contributors of `volume`; the ledger's rows add up to the same."""
    state = await opened.store.state("volume")
    assert all(one.agrees for one in await opened.ledger.audit())
    kept = (await opened.ledger.totals())["volume"]
    assert (kept.total, kept.pending) == (state.total, state.pending)
    return state.total, state.pending, state.participants


class MovingLaws:
    """Laws 17 and 18; `StoreLaws` adds the fixtures."""

    # Law 17.

    async def test_law_17_a_correction_moves_user_and_total(self, opened: OpenStore) -> None:
        """Law 17: up or down, it is in the user's amount, the rank and the total, and is answered with them."""
        await opened.tell(a_contribution("a", 100), a_contribution("b", 60, user="bob"))
        before = (await opened.store.state("volume")).seq
        (receipt,) = await opened.store.move([corrected(-50)])
        assert isinstance(receipt, Receipt)
        assert (receipt.status, receipt.duplicate, receipt.contribution.amount) == (CORRECTED, False, -50)
        assert (receipt.current_value, receipt.user_contribution) == (110, 50)
        assert (await share(opened), await share(opened, "bob")) == ((50, 0, 2), (60, 0, 1))
        assert await sums(opened) == (110, 0, 2)
        assert (await opened.store.state("volume")).seq > before
        assert await opened.moved(corrected(25, "k2")) == "moved"
        assert await share(opened) == (75, 0, 1)

    async def test_law_17_a_movement_is_done_once(self, opened: OpenStore) -> None:
        """Law 17: the same again is told as that; the same id for something else is a conflict; neither changes any."""
        await opened.tell(a_contribution("a", 100))
        (first,) = await opened.store.move([corrected(-50)])
        before = await store_state(opened.store)
        (again,) = await opened.store.move([corrected(-50)])
        assert (again.duplicate, again.position, again.user_contribution) == (True, first.position, 50)
        assert await opened.moved(corrected(-49)) == "contribution_conflict"
        assert await store_state(opened.store) == before

    async def test_law_17_nobody_has_less_than_nothing(self, opened: OpenStore) -> None:
        """Law 17: down to zero it goes, and who is there leaves the board; one more is refused, and changes nothing."""
        await opened.tell(a_contribution("a", 100), a_contribution("b", 60, user="bob"))
        before = await store_state(opened.store)
        with pytest.raises(BelowZero):
            await opened.store.move([corrected(-101)])
        assert await store_state(opened.store) == before
        assert await opened.moved(corrected(-100, "k2")) == "moved"
        assert (await share(opened), await sums(opened)) == ((0, 0, None), (60, 0, 1))
        assert await opened.moved(corrected(-101)) == "below_zero"

    async def test_law_17_a_total_stays_below_two_to_the_53(self, opened: OpenStore) -> None:
        """Law 17: a correction upwards fits, or is refused as a contribution would be."""
        await opened.tell(a_contribution("a", LARGEST - 5))
        assert await opened.moved(corrected(6, user="bob")) == "limit_exceeded"
        assert await opened.moved(corrected(5, user="bob")) == "moved"

    async def test_law_17_a_tier_stays_and_may_come(self, opened: OpenStore) -> None:
        """Law 17: what is unlocked stays so when the total falls; a movement that reaches a tier unlocks it."""
        await opened.tell(a_contribution("a", 260))
        assert await opened.moved(corrected(-200)) == "moved"
        assert [str(one.threshold) for one in (await opened.store.state("volume")).unlocks] == ["25"]
        assert await opened.moved(corrected(440, "k2")) == "moved"
        state = await opened.store.state("volume")
        assert (state.total, [str(one.threshold) for one in state.unlocks]) == (500, ["25", "50"])

    async def test_law_17_a_hold_is_released_or_rejected_once(self, empty: OpenStore) -> None:
        """Law 17: released it counts, and may unlock; rejected it is gone; the other is a conflict from then on."""
        await empty.publish(an_event(a_goal(limits=Limits(per_contribution=100))))
        assert await empty.tell(a_contribution("a", 300), a_contribution("b", 200)) == ["held", "held"]
        assert await empty.moved(decided("a", 300, RELEASED)) == "moved"
        assert (await share(empty), await sums(empty)) == ((300, 200, 1), (300, 200, 1))
        assert [str(one.threshold) for one in (await empty.store.state("volume")).unlocks] == ["25"]
        assert await empty.moved(decided("b", 200, REJECTED)) == "moved"
        assert (await share(empty), await sums(empty)) == ((300, 0, 1), (300, 0, 1))
        assert await empty.moved(decided("a", 300, RELEASED)) == "again"
        assert await empty.moved(decided("a", 300, REJECTED)) == "contribution_conflict"
        assert await empty.tell(a_contribution("a", 300)) == ["held again"]

    async def test_law_17_what_counts_can_be_withheld(self, opened: OpenStore) -> None:
        """Law 17: it waits beside the total then, until it is released or rejected like any other."""
        await opened.tell(a_contribution("a", 80), a_contribution("b", 20))
        assert await opened.moved(withheld("a", 80)) == "moved"
        assert (await share(opened), await sums(opened)) == ((20, 80, 1), (20, 80, 1))
        (hold,) = await opened.ledger.holds()
        assert (hold.goal_id, hold.user_id, hold.amount) == ("volume", "ann", 80)
        assert await opened.moved(decided(hold.contribution_id, 80, RELEASED)) == "moved"
        assert (await share(opened), await opened.ledger.holds()) == ((100, 0, 1), [])

    async def test_law_17_all_together_or_none(self, opened: OpenStore) -> None:
        """Law 17: of movements that are asked for together one refused refuses all."""
        await opened.tell(a_contribution("a", 50))
        assert await opened.moved(corrected(-40), corrected(-40, "k2")) == "below_zero"
        assert await share(opened) == (50, 0, 1)
        assert await opened.moved(corrected(-40), corrected(-10, "k2")) == "moved"
        assert await share(opened) == (0, 0, None)

    async def test_law_17_until_the_grace_is_over(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 17: to its last instant a goal can be corrected; then it is settled, and repeats are still told."""
        await opened.tell(a_contribution("a", 50))
        clock.set(ENDS_AT + GRACE - EPS)
        assert await opened.moved(corrected(-10)) == "moved"
        clock.set(ENDS_AT + GRACE)
        assert await opened.moved(corrected(-10, "k2")) == "goal_not_open"
        assert await opened.moved(corrected(-10)) == "again"

    async def test_law_17_movements_are_told(self, opened: OpenStore) -> None:
        """Law 17: who listens hears the whole state after each."""
        await opened.tell(a_contribution("a", 50))
        with opened.store.updates() as updates:
            await opened.store.move([corrected(-50)])
            update = await anext(updates)
        assert (update.state.total, update.state.participants) == (0, 0)

    # Law 18.

    async def test_law_18_a_ban_moves_out_and_refuses(self, empty: OpenStore) -> None:
        """Law 18: what counts and what is held of a user is gone, others are as they were; nothing new is taken."""
        await empty.publish(an_event(a_goal(limits=Limits(per_contribution=300)), a_goal("workouts")))
        await empty.tell(
            a_contribution("a", 260),
            a_contribution("b", 301),
            a_contribution("c", 50, user="bob"),
            a_contribution("d", 5, goal="workouts"),
        )
        await empty.ban("ann")
        assert (await share(empty), await share(empty, "bob")) == ((0, 0, None), (50, 0, 1))
        assert await sums(empty) == (50, 0, 1)
        assert (await empty.store.state("workouts")).total == 0
        assert [str(one.threshold) for one in (await empty.store.state("volume")).unlocks] == ["25"]
        told = await empty.tell(a_contribution("e", 1), a_contribution("a", 260), a_contribution("f", 1, user="bob"))
        assert told == ["user_banned", "counted again", "counted"]
        assert await empty.moved(corrected(1)) == "user_banned"
        assert await empty.moved(decided("b", 301, RELEASED)) == "user_banned"

    async def test_law_18_a_ban_is_done_once(self, opened: OpenStore) -> None:
        """Law 18: the same ban again moves nothing and has the same number."""
        await opened.tell(a_contribution("a", 60))
        first = await opened.ban("ann")
        before = await store_state(opened.store)
        assert await opened.ban("ann") == first
        assert await store_state(opened.store) == before

    async def test_law_18_lifted_it_moves_back_exactly_that(self, empty: OpenStore) -> None:
        """Law 18: every figure is as it was before, and the user is taken again; a second ban is another one."""
        await empty.publish(an_event(a_goal(limits=Limits(per_contribution=300))))
        await empty.tell(a_contribution("a", 260), a_contribution("b", 301), a_contribution("c", 50, user="bob"))
        before, board = await share(empty), await empty.store.leaderboard("volume", limit=9)
        first = await empty.ban("ann")
        assert await empty.unban("ann") == first
        assert (await share(empty), await sums(empty)) == (before, (310, 301, 2))
        assert await empty.store.leaderboard("volume", limit=9) == board
        assert await empty.tell(a_contribution("e", 1)) == ["counted"]
        assert await empty.moved(decided("b", 301, RELEASED)) == "moved"
        assert await empty.ban("ann") != first
        assert await share(empty) == (0, 0, None)

    async def test_law_18_a_goal_that_comes_later_refuses_too(self, opened: OpenStore) -> None:
        """Law 18: who is banned when a goal is published takes no part in it."""
        await opened.ban("ann")
        await opened.publish(an_event(a_goal(), a_goal("workouts", percents=()), a_goal("new")), at=DURING)
        assert await opened.tell(a_contribution("a", goal="new")) == ["user_banned"]
        await opened.unban("ann")
        assert await opened.tell(a_contribution("a", goal="new")) == ["counted"]

    async def test_law_18_after_the_grace_it_refuses_and_moves_nothing(
        self, opened: OpenStore, clock: ManualClock
    ) -> None:
        """Law 18: where nothing moves any more the user keeps what is there, and nothing is taken, not even as late."""
        await opened.tell(a_contribution("a", 60))
        clock.set(ENDS_AT + GRACE)
        before = await share(opened)
        await opened.ban("ann", at=clock.now())
        late = a_contribution("b", occurred_at=DURING)
        assert (await share(opened), await opened.tell(late)) == (before, ["user_banned"])
        await opened.unban("ann", at=clock.now())
        assert (await share(opened), await opened.tell(late)) == (before, ["late"])

    # Law 19.

    async def test_law_19_a_hidden_row_is_left_out(self, opened: OpenStore) -> None:
        """Law 19: ranks and counts are as if it were shown, the own row is told to who asks for it, all comes back."""
        amounts = {"ann": 50, "bob": 40, "cid": 40, "dan": 10}
        await opened.tell(*(a_contribution("a", amount, user=user) for user, amount in amounts.items()))
        shown = await opened.store.leaderboard("volume", limit=3)
        await opened.ledger.hide("bob", at=DURING)
        await opened.store.hiding_changed()
        found = await opened.store.leaderboard("volume", limit=3, user_id="bob")
        assert [(row.rank, row.user_id) for row in found.contributors] == [(1, "ann"), (2, "cid"), (4, "dan")]
        assert (found.participants, found.user and found.user.rank) == (4, 2)
        around = await opened.store.leaderboard("volume", limit=3, around="cid")
        assert [(row.rank, row.user_id) for row in around.contributors] == [(2, "cid"), (4, "dan")]
        assert await share(opened, "bob") == (40, 0, 2)
        assert await sums(opened) == (140, 0, 4)
        await opened.ledger.unhide("bob")
        await opened.store.hiding_changed()
        assert await opened.store.leaderboard("volume", limit=3) == shown
