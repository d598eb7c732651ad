"""Law 21 of the store: an erased user is the tombstone, every figure stays, and what comes later is a new user's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from worldevents.model import ContributionStatus, Limits, OutlierRule
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, a_contribution, a_goal, an_event
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import OpenStore
from worldevents.testing.store_moving import corrected, decided, share, sums

COUNTED, RELEASED = ContributionStatus.COUNTED, ContributionStatus.RELEASED


async def board(opened: OpenStore, goal_id: str = "volume") -> list[tuple[int, str, int, str | None]]:
    """Ranks, users, amounts and names."""
    found = await opened.store.leaderboard(goal_id, limit=10)
    return [(one.rank, one.user_id, one.amount, one.display_name) for one in found.contributors]


class ErasingLaws:
    """Law 21; `StoreLaws` adds the fixtures."""

    async def test_law_21_the_tombstone_takes_the_place(self, empty: OpenStore) -> None:
        """Law 21: same rank, same amount, no name; total, pending, count and the others are as they were."""
        await empty.publish(an_event(a_goal(limits=Limits(per_contribution=300)), a_goal("workouts")))
        await empty.tell(
            a_contribution("a", 260, display_name="Ann A."),
            a_contribution("b", 301),
            a_contribution("c", 300, user="bob", display_name="Bob"),
            a_contribution("d", 5, goal="workouts"),
        )
        before = await sums(empty)
        unlocks = (await empty.store.state("volume")).unlocks
        tombstone = await empty.erase("ann")
        assert await board(empty) == [(1, "bob", 300, "Bob"), (2, tombstone, 260, None)]
        assert await board(empty, "workouts") == [(1, tombstone, 5, None)]
        assert (await share(empty, tombstone), await share(empty)) == ((260, 301, 2), (0, 0, None))
        assert await sums(empty) == before
        assert (await empty.store.state("volume")).unlocks == unlocks

    async def test_law_21_an_old_id_is_known_for_ever(self, opened: OpenStore) -> None:
        """Law 21: sent again under the user's id it is a repeat, with another amount a conflict; nobody has more."""
        await opened.tell(a_contribution("a", 260))
        tombstone = await opened.erase("ann")
        assert await opened.tell(a_contribution("a", 260), a_contribution("a", 261)) == [
            "counted again",
            "contribution_conflict",
        ]
        assert await board(opened) == [(1, tombstone, 260, None)]

    async def test_law_21_what_comes_later_is_a_new_users(self, opened: OpenStore) -> None:
        """Law 21: the same id begins at nothing; erased again, it leaves another tombstone."""
        await opened.tell(a_contribution("a", 260))
        first = await opened.erase("ann")
        assert await opened.tell(a_contribution("b", 10)) == ["counted"]
        assert await board(opened) == [(1, first, 260, None), (2, "ann", 10, None)]
        second = await opened.erase("ann")
        assert first != second
        assert await board(opened) == [(1, first, 260, None), (2, second, 10, None)]
        assert await sums(opened) == (270, 0, 2)

    async def test_law_21_it_is_done_once(self, opened: OpenStore) -> None:
        """Law 21: asked for again before it has ended, it leaves alone what has come since."""
        await opened.tell(a_contribution("a", 260))
        tombstone = opened.store.tombstone("ann")
        erasure = await opened.ledger.begin_erasing("ann", tombstone=tombstone, at=DURING)
        first = await opened.store.erase("volume", erasure)
        await opened.tell(a_contribution("b", 10))
        again = await opened.store.erase("volume", erasure)
        assert (first.duplicate, again.duplicate, again.position) == (False, True, first.position)
        assert await board(opened) == [(1, tombstone, 260, None), (2, "ann", 10, None)]

    async def test_law_21_limits_begin_anew(self, empty: OpenStore) -> None:
        """Law 21: what the user had on that day, or at all, is the tombstone's."""
        limits = Limits(per_user_day=100, per_user=150)
        await empty.publish(an_event(a_goal(limits=limits)))
        assert await empty.tell(a_contribution("a", 100), a_contribution("b", 1)) == ["counted", "held"]
        await empty.erase("ann")
        assert await empty.tell(a_contribution("c", 100), a_contribution("d", 1)) == ["counted", "held"]

    async def test_law_21_histories_begin_anew(self, empty: OpenStore) -> None:
        """Law 21: what the user usually did is the tombstone's; everyone's history has it still."""
        rule = OutlierRule(deviations=5, own_least=3, everyones_least=3)
        await empty.publish(an_event(replace(a_goal(target=10**9), outliers=rule)))
        await empty.tell(*(a_contribution(f"a{one}", 10) for one in range(5)))
        assert await empty.tell(a_contribution("b", 100_000)) == ["held"]
        await empty.erase("ann")
        assert await empty.tell(a_contribution("c", 100_000)) == ["counted"]
        assert await empty.tell(*(a_contribution(f"d{one}", 10, user="bob") for one in range(5))) == ["counted"] * 5
        assert await empty.tell(a_contribution("e", 100_000, user="bob")) == ["held"]

    async def test_law_21_a_tombstone_can_be_moved(self, empty: OpenStore) -> None:
        """Law 21: operators correct it, and decide about what it has held, once, as for any user."""
        await empty.publish(an_event(a_goal(limits=Limits(per_contribution=300))))
        await empty.tell(a_contribution("a", 260), a_contribution("b", 301), a_contribution("c", 302))
        assert await empty.moved(decided("c", 302, RELEASED)) == "moved"
        tombstone = await empty.erase("ann")
        (hold,) = await empty.ledger.holds()
        assert (hold.user_id, hold.amount) == (tombstone, 301)
        assert await empty.moved(decided(hold.contribution_id, 301, RELEASED, user=tombstone)) == "moved"
        assert await empty.moved(corrected(-60, user=tombstone)) == "moved"
        assert (await share(empty, tombstone), await empty.ledger.holds()) == ((803, 0, 1), [])
        assert await empty.moved(corrected(-1)) == "below_zero", "the user has nothing"

    async def test_law_21_a_settled_goal_is_renamed_too(self, opened: OpenStore, clock: ManualClock) -> None:
        """Law 21: after the grace nothing moves, and an erased user is the tombstone all the same."""
        await opened.tell(a_contribution("a", 260))
        clock.set(ENDS_AT + GRACE + timedelta(days=1))
        tombstone = await opened.erase("ann")
        assert (await board(opened), await sums(opened)) == ([(1, tombstone, 260, None)], (260, 0, 1))

    async def test_law_21_who_is_hidden_stays_so(self, opened: OpenStore) -> None:
        """Law 21: the tombstone of a hidden user is left out of boards."""
        await opened.tell(a_contribution("a", 260), a_contribution("b", 20, user="bob"))
        await opened.ledger.hide("ann", at=DURING)
        await opened.store.hiding_changed()
        tombstone = await opened.erase("ann")
        assert await board(opened) == [(2, "bob", 20, None)]
        assert await opened.ledger.hidden() == {tombstone}

    async def test_law_21_a_ban_outlives_the_name(self, opened: OpenStore) -> None:
        """Law 21 and 18: nothing new is taken of who was banned; repeats are told; it ends when it is taken back."""
        await opened.tell(a_contribution("a", 260), a_contribution("b", 20, user="bob"))
        number = await opened.ban("ann")
        tombstone = await opened.erase("ann")
        assert [(one.user_id, one.number) for one in await opened.ledger.bans()] == [(tombstone, number)]
        assert await opened.tell(
            a_contribution("c", 1), a_contribution("d", 1, user="bob"), a_contribution("a", 260)
        ) == [
            "user_banned",
            "counted",
            "counted again",
        ]
        assert await opened.ledger.take_again("ann")
        assert not await opened.ledger.take_again("ann")
        await opened.store.hiding_changed()
        assert await opened.tell(a_contribution("c", 1)) == ["counted"]
        assert await opened.unban(tombstone) == number
        assert (await share(opened, tombstone), await share(opened)) == ((260, 0, 1), (1, 0, 3))

    async def test_law_21_a_ban_has_no_gap(self, opened: OpenStore) -> None:
        """Law 21 and 18: nothing new is taken at any step of the erasing of who is banned."""
        await opened.tell(a_contribution("a", 260))
        await opened.ban("ann")
        erasure = await opened.ledger.begin_erasing("ann", tombstone=opened.store.tombstone("ann"), at=DURING)
        await opened.store.erase("volume", erasure)
        assert await opened.tell(a_contribution("b", 1)) == ["user_banned"]
        await opened.ledger.erase_rest(erasure, at=DURING)
        assert await opened.tell(a_contribution("b", 1)) == ["user_banned"]
        await opened.store.forget(erasure)
        assert await opened.tell(a_contribution("b", 1)) == ["user_banned"]

    async def test_law_21_it_is_told(self, opened: OpenStore) -> None:
        """Law 21: who listens hears a newer state with the same figures."""
        await opened.tell(a_contribution("a", 50))
        before = await opened.store.state("volume")
        with opened.store.updates() as updates:
            await opened.erase("ann")
            update = await anext(updates)
        assert (update.state.total, update.state.participants, update.state.seq) == (50, 1, before.seq + 1)

    async def test_law_21_nobody_has_nothing_to_leave(self, opened: OpenStore) -> None:
        """Law 21: who never contributed leaves nothing on any board."""
        await opened.tell(a_contribution("b", 20, user="bob"))
        await opened.erase("ann")
        assert (await board(opened), await sums(opened)) == ([(1, "bob", 20, None)], (20, 0, 1))
