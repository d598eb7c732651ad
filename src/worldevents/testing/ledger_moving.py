"""Laws 2, 17 and 18 of the ledger: what movements do to its sums, and what it keeps of what operators did."""

from __future__ import annotations

from datetime import timedelta

import pytest

from worldevents import movements
from worldevents.errors import BelowZero, UnknownHold
from worldevents.ledger.base import GoalTotals, Ledger, UserTotals
from worldevents.model import ContributionStatus
from worldevents.movements import Note
from worldevents.testing.builders import DURING, a_contribution
from worldevents.testing.ledger_counting import keep
from worldevents.testing.ledger_draining import Draining
from worldevents.testing.opened import LedgerOpener, ledger_state

COUNTED, HELD, LATE = ContributionStatus.COUNTED, ContributionStatus.HELD, ContributionStatus.LATE
CORRECTED, RELEASED = ContributionStatus.CORRECTED, ContributionStatus.RELEASED
REJECTED, WITHHELD = ContributionStatus.REJECTED, ContributionStatus.WITHHELD
LATER = DURING + timedelta(hours=1)


def a_note(subject: str = "ann", reason: str = "why") -> Note:
    """What an operator did."""
    return Note(at=DURING, author="ops", action="ban", subject=subject, reason=reason, detail={"before": [1, 2.5]})


class MovingLaws:
    """Laws 2, 17 and 18; `LedgerLaws` adds the fixtures."""

    @pytest.mark.parametrize(
        ("status", "amount", "left"),
        [
            (CORRECTED, 5, (105, 50)),
            (CORRECTED, -100, (0, 50)),
            (RELEASED, 50, (150, 0)),
            (REJECTED, 50, (100, 0)),
            (REJECTED, -7, (100, 57)),
            (WITHHELD, 40, (60, 90)),
        ],
    )
    async def test_law_2_movements_are_in_the_sums(
        self, ledger: Ledger, status: ContributionStatus, amount: int, left: tuple[int, int]
    ) -> None:
        """Law 2: each moves what counts and what is held, of user and goal, as its status says; seq rises."""
        batch = [a_contribution("a", 100), a_contribution("b", 50)]
        before = (await ledger.append(batch, keep(COUNTED, HELD))).totals["volume"]
        appended = await ledger.append([a_contribution("m#1", amount)], keep(status))
        assert appended.totals["volume"] == GoalTotals(*left, before.seq + 1)
        assert await ledger.users("volume") == [UserTotals("ann", *left)]
        assert all(one.agrees for one in await ledger.audit())

    async def test_law_2_a_tier_that_was_reached_on_the_way_is_unlocked(self, ledger: Ledger) -> None:
        """Law 2 and 5: the row that reached it counts, though a later one of the same append went back again."""
        batch = [a_contribution("a", 260), a_contribution("m#1", -100)]
        appended = await ledger.append(batch, keep(COUNTED, CORRECTED))
        assert (appended.totals["volume"].total, [str(one.threshold) for one in appended.unlocks]) == (160, ["25"])
        first, _ = appended.rows
        assert first is not None
        assert [one.position and one.position.seq for one in appended.unlocks] == [first.position]

    @pytest.mark.parametrize(("status", "amount"), [(CORRECTED, -101), (WITHHELD, 101), (RELEASED, 51), (REJECTED, 51)])
    async def test_law_17_nobody_has_less_than_nothing(
        self, ledger: Ledger, status: ContributionStatus, amount: int
    ) -> None:
        """Law 17: an append that would leave a user below zero, counted or held, is nothing at all."""
        await ledger.append([a_contribution("a", 100), a_contribution("b", 50)], keep(COUNTED, HELD))
        before = await ledger_state(ledger)
        with pytest.raises(BelowZero):
            await ledger.append(
                [a_contribution("c", 1, user="bob"), a_contribution("m#1", amount)], keep(COUNTED, status)
            )
        assert await ledger_state(ledger) == before

    async def test_law_17_in_a_drain_it_is_a_repair(self, draining: Draining) -> None:
        """Law 17: what a store moved on the strength of a contribution that it counted twice is taken back too."""
        await draining.drain(draining.entry(a_contribution("a", 10), 1))
        drained = await draining.drain(
            draining.entry(a_contribution("a", 10), 2),
            draining.entry(a_contribution("m#1", -15), 3, CORRECTED),
            draining.entry(a_contribution("b", 3), 4),
        )
        assert drained is not None
        assert (drained.kept, drained.repairs, drained.dead_letters) == (1, 2, 1)
        repairs = await draining.ledger.repairs(drained.watermark.partition)
        assert [(one.position.seq, one.amount, one.status) for one in repairs] == [
            (2, 10, COUNTED),
            (3, -15, CORRECTED),
        ]
        assert (await draining.totals()).total == 13
        assert [one.reason for one in await draining.ledger.dead_letters()] == ["BelowZero"]

    async def test_law_18_what_was_done_is_kept_in_its_order(self, open_ledger: LedgerOpener, ledger: Ledger) -> None:
        """Law 18: newest first, page by page, of one subject or all; whoever opens the ledger next has it too."""
        assert await ledger.notes() == []
        kept = [await ledger.note(a_note(subject)) for subject in ("ann", "bob", "ann")]
        assert [one.number for one in kept] == sorted({one.number for one in kept})
        async with open_ledger() as reopened:
            assert await reopened.notes() == kept[::-1]
            assert await reopened.notes(limit=2) == kept[:0:-1]
            assert await reopened.notes(before=kept[1].number) == kept[:1]
            assert await reopened.notes(subject="bob") == [kept[1]]

    async def test_law_18_a_user_has_one_ban_at_a_time(self, ledger: Ledger) -> None:
        """Law 18: asked again it is the same one; after it is lifted, the next has another number."""
        first = await ledger.ban_user("ann", at=DURING, reason="cheats", author="ops")
        assert (first.user_id, first.at, first.reason, first.author) == ("ann", DURING, "cheats", "ops")
        assert await ledger.ban_user("ann", at=LATER, reason="again", author="else") == first
        other = await ledger.ban_user("bob", at=LATER, reason="too", author="ops")
        assert await ledger.bans() == [first, other]
        assert [await ledger.ban_of(user) for user in ("ann", "bob", "cid")] == [first, other, None]
        await ledger.lift_ban(first.number, at=LATER)
        await ledger.lift_ban(first.number, at=LATER)
        assert await ledger.bans() == [other]
        assert await ledger.ban_of("ann") is None
        assert (await ledger.ban_user("ann", at=LATER, reason="more", author="ops")).number > other.number

    async def test_law_18_who_is_hidden_is_known(self, open_ledger: LedgerOpener, ledger: Ledger) -> None:
        """Law 18: hiding and showing again may be repeated, and is there for whoever opens the ledger next."""
        for user in ("ann", "ann", "bob"):
            await ledger.hide(user, at=DURING)
        await ledger.unhide("bob")
        await ledger.unhide("cid")
        async with open_ledger() as reopened:
            assert await reopened.hidden() == {"ann"}

    async def test_law_18_holds_are_listed_until_they_are_decided(self, ledger: Ledger) -> None:
        """Law 18: oldest first, page by page, of one goal or all; what is decided is known by its id for ever."""
        batch = [a_contribution(one, 10) for one in ("a", "b", "c")] + [a_contribution("d", 10, goal="workouts")]
        await ledger.append(batch, keep(HELD, COUNTED, HELD, HELD))
        await ledger.append([a_contribution(movements.withholding("b"), 10)], keep(WITHHELD))
        found = await ledger.holds()
        assert [(one.goal_id, one.contribution_id) for one in found] == [
            ("volume", "a"),
            ("volume", "c"),
            ("workouts", "d"),
            ("volume", "withhold#b"),
        ]
        assert await ledger.holds(goal_id="workouts") == found[2:3]
        assert await ledger.holds(after=found[0].id, limit=2) == found[1:3]
        decided = [a_contribution(movements.decision(one.contribution_id), 10) for one in found[:1] + found[3:]]
        await ledger.append(decided, keep(RELEASED, REJECTED))
        assert await ledger.holds(goal_id="volume") == found[1:2]
        assert await ledger.hold(found[0].id) == found[0]
        for none in (0, found[-1].id + 1):
            with pytest.raises(UnknownHold):
                await ledger.hold(none)
