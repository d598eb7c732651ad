"""Laws 21 and 22 of the ledger: an erasing has its place in a goal's order, and when it has ended nobody is named."""

from __future__ import annotations

from datetime import date, timedelta
from typing import cast

import pytest

from worldevents import movements
from worldevents.errors import UnknownGoal
from worldevents.ledger.base import Ledger, OutboxLedger, UserTotals
from worldevents.ledger.granted import DurableLedger
from worldevents.ledger.personal import KeptBan, KeptSums
from worldevents.model import ContributionStatus, GoalContribution, OutboxEntry
from worldevents.movements import Erasure
from worldevents.testing.builders import DURING, a_contribution
from worldevents.testing.ledger_counting import keep
from worldevents.testing.ledger_draining import Draining
from worldevents.testing.ledger_granting import FIRST
from worldevents.testing.ledger_moving import a_note
from worldevents.testing.opened import LedgerOpener, ledger_state

COUNTED, HELD, LATE = ContributionStatus.COUNTED, ContributionStatus.HELD, ContributionStatus.LATE
CORRECTED, RELEASED = ContributionStatus.CORRECTED, ContributionStatus.RELEASED
TOMBSTONE, OTHER = "erased#0123456789abcdef", "erased#ffffffffffffffff"
LATER = DURING + timedelta(hours=1)


async def begun(ledger: Ledger) -> Erasure:
    """Ann's erasing."""
    return await ledger.begin_erasing("ann", tombstone=TOMBSTONE, at=DURING)


async def finish(ledger: Ledger, erasure: Erasure) -> None:
    """The end of an erasing, after it was done in the goals."""
    await ledger.erase_rest(erasure, at=DURING)
    await ledger.end_erasing(erasure)


async def users(ledger: Ledger, goal_id: str = "volume") -> dict[str, tuple[int, int]]:
    """What everybody in a goal has, counted and held."""
    return {one.user_id: (one.amount, one.pending) for one in await ledger.users(goal_id)}


class ErasingLaws:
    """Laws 21 and 22; `LedgerLaws` adds the fixtures."""

    def erasing(self, draining: Draining, erasure: Erasure, seq: int) -> OutboxEntry:
        """An erasing as it stands in an outbox."""
        row, status = movements.erasing("volume", erasure)
        return draining.entry(row, seq, status)

    async def test_law_22_an_erasing_is_begun_once(self, open_ledger: LedgerOpener, ledger: Ledger) -> None:
        """Law 22: until it has ended it is the same one, with the first tombstone; the next is another."""
        assert await ledger.erasing("ann") is None
        first = await begun(ledger)
        async with open_ledger() as reopened:
            again = await reopened.begin_erasing("ann", tombstone=OTHER, at=LATER)
            assert (again, await reopened.erasing("ann")) == (first, first)
            assert first == Erasure(first.number, "ann", TOMBSTONE)
        await finish(ledger, first)
        assert await ledger.erasing("ann") is None
        second = await ledger.begin_erasing("ann", tombstone=OTHER, at=LATER)
        assert (second.number > first.number, second.tombstone) == (True, OTHER)

    async def test_law_22_sums_and_ids_stay(self, ledger: Ledger) -> None:
        """Law 22: the tombstone has what the user had, the ids are known, the goal has a newer version."""
        batch = [a_contribution("a", 260), a_contribution("b", 40), a_contribution("c", 7, user="bob")]
        await ledger.append(batch, keep(COUNTED, HELD, COUNTED))
        totals, unlocks = (await ledger.totals())["volume"], await ledger.unlocks()
        erasure = await begun(ledger)
        renamed = await ledger.erase("volume", erasure, at=LATER)
        assert (renamed.is_new, renamed.seq) == (True, totals.seq + 1)
        assert await users(ledger) == {"bob": (7, 0), TOMBSTONE: (260, 40)}
        kept = (await ledger.totals())["volume"]
        assert (kept.total, kept.pending, await ledger.unlocks()) == (totals.total, totals.pending, unlocks)
        assert all(one.agrees for one in await ledger.audit())
        found = await ledger.look_up(batch)
        assert [one and (one.user_id, one.amount) for one in found] == [(TOMBSTONE, 260), (TOMBSTONE, 40), ("bob", 7)]
        assert [one and one.contribution_id for one in found][2] == "c"
        assert not {one.contribution_id for one in found if one} & {"a", "b"}
        appended = await ledger.append(batch[:1], keep(COUNTED))
        assert (appended.totals, await ledger.late("volume", "ann")) == ({}, 0)

    async def test_law_22_once_in_each_goal(self, ledger: Ledger) -> None:
        """Law 22: what comes after it is a new user's, however often it is asked for; other goals are as they were."""
        await ledger.append([a_contribution("a", 260), a_contribution("w", 1, goal="workouts")], keep(COUNTED, COUNTED))
        erasure = await begun(ledger)
        first = await ledger.erase("volume", erasure, at=LATER)
        await ledger.append([a_contribution("b", 5)], keep(COUNTED))
        before = await ledger_state(ledger)
        again = await ledger.erase("volume", erasure, at=LATER)
        assert (again.is_new, again.position) == (False, first.position)
        assert await ledger_state(ledger) == before
        assert await users(ledger) == {"ann": (5, 0), TOMBSTONE: (260, 0)}
        assert await users(ledger, "workouts") == {"ann": (1, 0)}
        with pytest.raises(UnknownGoal):
            await ledger.erase("nowhere", erasure, at=LATER)

    async def test_law_22_what_is_left_is_done_at_the_end_and_once(self, ledger: Ledger) -> None:
        """Law 22: goals that were passed over are done with the rest; what comes after that is a new user's."""
        await ledger.append([a_contribution("a", 260), a_contribution("w", 1, goal="workouts")], keep(COUNTED, COUNTED))
        erasure = await begun(ledger)
        await ledger.erase("volume", erasure, at=LATER)
        await ledger.append([a_contribution("b", 5)], keep(COUNTED))
        await ledger.erase_rest(erasure, at=LATER)
        assert (await users(ledger), await users(ledger, "workouts")) == (
            {"ann": (5, 0), TOMBSTONE: (260, 0)},
            {TOMBSTONE: (1, 0)},
        )
        await ledger.append([a_contribution("x", 2, goal="workouts", display_name="New")], keep(COUNTED))
        await ledger.hide("ann", at=LATER)
        await ledger.erase_rest(erasure, at=LATER)
        await ledger.end_erasing(erasure)
        assert await users(ledger, "workouts") == {"ann": (2, 0), TOMBSTONE: (1, 0)}
        assert await ledger.display_names() == {"ann": "New"}
        assert await ledger.hidden() == {"ann"}

    # In an outbox.

    async def test_law_22_in_a_drain_it_has_its_place(self, draining: Draining) -> None:
        """Law 22: what stands before it in the same batch is the tombstone's, what stands behind it a new user's."""
        erasure = await begun(draining.ledger)
        drained = await draining.drain(
            draining.entry(a_contribution("a", 260, display_name="Ann"), 1),
            draining.entry(a_contribution("b", 7, user="bob", display_name="Bob"), 2),
            self.erasing(draining, erasure, 3),
            draining.entry(a_contribution("c", 5), 4),
            draining.entry(a_contribution("a", 260), 5),
        )
        assert drained is not None
        assert (drained.kept, drained.repairs, drained.watermark.seq) == (4, 1, 5)
        assert drained.names == {"bob": "Bob"}
        assert await users(draining.ledger) == {"ann": (5, 0), "bob": (7, 0), TOMBSTONE: (260, 0)}
        assert [one.user_id for one in await draining.ledger.repairs(drained.watermark.partition)] == ["ann"]

    async def test_law_22_a_rewind_does_it_no_second_time(self, draining: Draining) -> None:
        """Law 22: carried again from the beginning, nothing is another, nor of what has come since."""
        erasure = await begun(draining.ledger)
        entries = [
            draining.entry(a_contribution("a", 260), 1),
            draining.entry(GoalContribution("volume", "ann", movements.decision("h"), 0), 2, RELEASED),
            self.erasing(draining, erasure, 3),
            draining.entry(a_contribution("c", 5), 4),
        ]
        await draining.drain(*entries)
        await draining.drain(draining.entry(a_contribution("d", 6), 5))
        before = await users(draining.ledger)
        assert before == {"ann": (11, 0), TOMBSTONE: (260, 0)}
        for first, has_ended in ((0, False), (2, False), (0, True), (2, True)):
            if has_ended:
                await finish(draining.ledger, erasure)
            mark = await draining.mark()
            assert await draining.ledger.rewind(mark, "another", seq=first) is not None
            drained = await draining.drain(*entries[first:], run="another")
            assert drained is not None
            assert (drained.kept, drained.repairs) == (0, 0)
            assert await users(draining.ledger) == before

    async def test_law_22_what_was_counted_twice_is_the_tombstones(self, draining: Draining) -> None:
        """Law 22: of the drain before and of the same one, what the store is to take back names the tombstone."""
        await draining.drain(draining.entry(a_contribution("a", 10), 1), draining.entry(a_contribution("a", 10), 2))
        erasure = await begun(draining.ledger)
        drained = await draining.drain(
            draining.entry(a_contribution("a", 10), 3),
            draining.entry(GoalContribution("volume", "ann", "correct#k", -11), 4, CORRECTED),
            self.erasing(draining, erasure, 5),
        )
        assert drained is not None
        found = await draining.ledger.repairs(drained.watermark.partition)
        assert [(one.user_id, one.position.seq) for one in found] == [(TOMBSTONE, 2), (TOMBSTONE, 3), (TOMBSTONE, 4)]
        (dead,) = await draining.ledger.dead_letters()
        assert ("ann" in dead.payload, TOMBSTONE in dead.payload) == (False, True)

    async def test_law_22_an_erasing_that_nobody_knows_renames_nobody(self, draining: Draining) -> None:
        """Law 22: to a ledger that was restored from before it began, the entry says nothing; a repeat asks again."""
        unknown = Erasure(7, "ann", "erased#7777777777777777")
        await draining.drain(draining.entry(a_contribution("a", 260), 1), self.erasing(draining, unknown, 2))
        assert await users(draining.ledger) == {"ann": (260, 0)}
        erasure = await begun(draining.ledger)
        await draining.drain(self.erasing(draining, erasure, 3))
        assert await users(draining.ledger) == {TOMBSTONE: (260, 0)}

    # Rewards.

    async def test_law_22_grants_stay_and_nobody_is_missed(self, ledger: Ledger) -> None:
        """Law 22: a grant is the tombstone's, by another id; a job that was under way passes nobody over."""
        rewards = cast("DurableLedger", ledger)
        batch = [a_contribution(one, 100, user=one) for one in ("ann", "mia", "zed")]
        await ledger.append(batch, keep(COUNTED, COUNTED, COUNTED))
        for _ in range(2):
            await rewards.grant_page(DURING, size=1)
        assert [one.id for one in await rewards.grants()] == [f"{FIRST}~ann", f"{FIRST}~mia"]
        # By its id this one comes before whom the job has reached.
        last = await ledger.begin_erasing("zed", tombstone=OTHER, at=DURING)
        for erasure in (await begun(ledger), last):
            await ledger.erase("volume", erasure, at=LATER)
        while (page := await rewards.grant_page(LATER, size=1)) is not None and not page.is_done:
            continue
        found = await rewards.grants()
        assert [one.id for one in found] == [f"{FIRST}~{one}" for one in (TOMBSTONE, "mia", OTHER)]
        assert [one.granted_at for one in found] == [DURING, DURING, LATER]
        assert (await rewards.grants_of("ann"), len(await rewards.grants_of(TOMBSTONE))) == ([], 1)
        revoked = await rewards.revoke(found[0].id, LATER, reason="x", author="ops")
        assert (revoked.user_id, revoked.reason) == (TOMBSTONE, "x")

    # What is kept about one.

    async def test_law_23_all_that_is_kept_is_told_and_then_gone(self, ledger: Ledger) -> None:
        """Law 23: what there was of the user is the tombstone's; of the user nothing is known any more."""
        empty = await ledger.about("ann")
        assert (empty.is_empty, empty.rows, await ledger.rows_of("ann")) == (True, 0, [])
        batch = [a_contribution("a", 300, display_name="Ann"), a_contribution("b", 2, goal="workouts")]
        await ledger.append([*batch, a_contribution("c", 4)], keep(COUNTED, COUNTED, LATE))
        await ledger.mark_active([("ann", date(2026, 12, 9)), ("bob", date(2026, 12, 9))])
        await ledger.hide("ann", at=DURING)
        ban = await ledger.ban_user("ann", at=DURING, reason="ann cheats", author="ops")
        await ledger.note(a_note("ann", "about ann"))
        about = await ledger.about("ann")
        assert about.sums == [KeptSums("volume", 300, 0), KeptSums("workouts", 2, 0)]
        assert (about.display_name, about.days, about.hidden_since) == ("Ann", [date(2026, 12, 9)], DURING)
        assert about.bans == [KeptBan(DURING, "ann cheats", "ops", None)]
        assert (about.rows, about.notes, about.is_empty) == (3, 1, False)
        rows = await ledger.rows_of("ann")
        assert [(one.contribution_id, one.amount, one.status) for one in rows] == [
            ("a", 300, COUNTED),
            ("b", 2, COUNTED),
            ("c", 4, LATE),
        ]
        assert await ledger.rows_of("ann", after=rows[0].id, limit=1) == rows[1:2]
        erasure = await begun(ledger)
        await ledger.erase("volume", erasure, at=LATER)
        await finish(ledger, erasure)
        assert (await ledger.about("ann")).is_empty
        left = await ledger.about(TOMBSTONE)
        assert (left.sums, left.display_name, left.hidden_since) == (about.sums, None, DURING)
        assert (left.days, left.notes, left.rows) == (about.days, 1, 3)
        assert left.bans == [KeptBan(DURING, f"{TOMBSTONE} cheats", "ops", None)]
        (note,) = await ledger.notes(subject=TOMBSTONE)
        assert note.reason == f"about {TOMBSTONE}"
        barred = await ledger.barred()
        assert ("ann" in barred, "bob" in barred, [one.number for one in await ledger.bans()]) == (
            True,
            False,
            [ban.number],
        )
        assert await cast("OutboxLedger", ledger).users("volume") == [UserTotals(TOMBSTONE, 300, 0)]
