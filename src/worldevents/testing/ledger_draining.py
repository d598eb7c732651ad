"""Laws 9 to 12 of a ledger behind a store with an outbox: draining, repairs, dead letters, epochs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import cast

import pytest
import pytest_asyncio

from worldevents.errors import UnknownGoal
from worldevents.ledger.base import Drained, GoalTotals, Held, Ledger, OutboxLedger, Watermark
from worldevents.model import ContributionStatus, GoalContribution, OutboxEntry, Partition, Position, Repair, Unreadable
from worldevents.testing.builders import DURING, a_contribution
from worldevents.testing.opened import LedgerOpener, ledger_state

COUNTED, HELD, LATE = ContributionStatus.COUNTED, ContributionStatus.HELD, ContributionStatus.LATE
VOLUME = Partition("volume")
POISON = "\ud800"
"""Half of a character: no database takes it."""
MANY, NEW = 700, 600
"""More than go into one statement anywhere, and how many of them are no repeats."""


class Draining:
    """A ledger, one partition of a goal in it, and the epoch that it is in."""

    def __init__(self, ledger: OutboxLedger) -> None:
        self.ledger = ledger
        self.epoch = ""

    async def begin(self, reason: str = "test") -> Watermark:
        """Begin an epoch."""
        self.epoch = await self.ledger.begin_epoch("volume", [VOLUME], at=DURING, reason=reason)
        return await self.mark()

    async def mark(self) -> Watermark:
        """How far the partition is."""
        mark = await self.ledger.watermark(VOLUME)
        assert mark is not None
        return mark

    def entry(
        self, item: GoalContribution, seq: int, status: ContributionStatus = COUNTED, *, epoch: str | None = None
    ) -> OutboxEntry:
        """A contribution as it stands in the outbox."""
        return OutboxEntry(Position(epoch or self.epoch, seq), item, status, item.occurred_at or DURING, DURING)

    async def drain(self, *entries: OutboxEntry | Unreadable, run: str = "run") -> Drained | None:
        """Drain from the watermark as it is."""
        return await self.ledger.drain(await self.mark(), run, entries, at=DURING)

    async def totals(self) -> GoalTotals:
        """What the goal stands at."""
        return (await self.ledger.totals())["volume"]


class DrainingLaws:
    """Laws 9 to 12; `LedgerLaws` adds the fixtures."""

    @pytest_asyncio.fixture
    async def draining(self, ledger: Ledger) -> Draining:
        """A ledger with an outbox in front, in its first epoch."""
        draining = Draining(cast("OutboxLedger", ledger))
        assert await draining.ledger.watermark(VOLUME) is None
        await draining.begin()
        return draining

    # Law 9.

    async def test_law_9_entries_and_watermark_are_one(self, draining: Draining) -> None:
        """Law 9: what is drained is in all sums, and the watermark says so."""
        drained = await draining.drain(
            draining.entry(a_contribution("a", 300, display_name="Ann"), 1),
            draining.entry(a_contribution("b", 50, user="bob"), 2, HELD),
            draining.entry(a_contribution("c", 5, user="cid"), 3, LATE),
        )
        assert drained is not None
        assert drained.watermark == await draining.mark() == Watermark(VOLUME, draining.epoch, "run", 3, 3)
        assert (drained.kept, drained.repairs, drained.dead_letters) == (3, 0, 0)
        assert ([str(one.threshold) for one in drained.unlocks], dict(drained.names)) == (["25"], {"ann": "Ann"})
        standing = await draining.ledger.standing("volume")
        assert (standing.totals.total, standing.totals.pending, standing.participants) == (300, 50, 1)
        assert (list(standing.watermarks), standing.repairs) == ([drained.watermark], 0)
        assert all(one.agrees for one in await draining.ledger.audit())

    async def test_law_9_a_watermark_that_moved_drains_nothing(self, draining: Draining) -> None:
        """Law 9: of two who start from the same watermark one does it, and the other nothing at all."""
        mark = await draining.mark()
        first, second = draining.entry(a_contribution("a"), 1), draining.entry(a_contribution("b"), 1)
        assert await draining.ledger.drain(mark, "run", [first], at=DURING) is not None
        before = await ledger_state(draining.ledger)
        assert await draining.ledger.drain(mark, "run", [second], at=DURING) is None
        assert await draining.ledger.rewind(mark, "other", seq=0) is None
        assert await ledger_state(draining.ledger) == before

    async def test_law_9_two_at_once_are_one_after_the_other(self, draining: Draining) -> None:
        """Law 9: however many syncers drain the same entries at the same time, they are kept once."""
        entries = [draining.entry(a_contribution(f"c{seq}", 1), seq) for seq in range(1, 21)]
        mark = await draining.mark()
        told = await asyncio.gather(*(draining.ledger.drain(mark, "run", entries, at=DURING) for _ in range(4)))
        assert [one.kept for one in told if one is not None] == [20]
        assert (await draining.totals()).total == 20

    async def test_law_9_the_same_again_keeps_nothing(self, draining: Draining) -> None:
        """Law 9: after a rewind the same entries are looked at again, and nothing is new or amiss."""
        entries = [draining.entry(a_contribution(f"c{seq}", 1), seq) for seq in range(1, 4)]
        assert await draining.drain(*entries) is not None
        rewound = await draining.ledger.rewind(await draining.mark(), "another", seq=1)
        assert rewound == Watermark(VOLUME, draining.epoch, "another", 1, 3)
        assert (await draining.mark()).is_rewound
        before = await draining.totals()
        drained = await draining.drain(*entries[1:], draining.entry(a_contribution("new", 1), 4), run="another")
        assert drained is not None
        assert (drained.kept, drained.repairs, drained.watermark.seq, drained.watermark.reached) == (1, 0, 4, 4)
        assert (await draining.totals()).total == before.total + 1

    async def test_law_9_without_entries_the_run_is_noted(self, draining: Draining) -> None:
        """Law 9: a first look at an empty outbox says which process it was."""
        drained = await draining.drain(run="first")
        assert drained is not None
        assert drained.watermark == Watermark(VOLUME, draining.epoch, "first", 0, 0)

    async def test_law_9_many_are_drained_at_once(self, draining: Draining) -> None:
        """Law 9: as many as there are, new ones and repeats; and what was drained is there for good."""
        items = [a_contribution(f"c{n % NEW}", 2, user=f"u{n % NEW % 7}") for n in range(MANY)]
        drained = await draining.drain(*(draining.entry(item, seq) for seq, item in enumerate(items, 1)))
        assert drained is not None
        assert (drained.kept, drained.repairs) == (NEW, MANY - NEW)
        assert (await draining.totals()).total == 2 * NEW
        assert all(one.agrees for one in await draining.ledger.audit())

    async def test_law_9_days_and_what_was_received_are_told(self, draining: Draining) -> None:
        """What a restoration needs: counted amounts by day, and rows received since, page by page."""
        later = a_contribution("b", 7, occurred_at=DURING + timedelta(days=1))
        await draining.drain(
            draining.entry(a_contribution("a", 5), 1),
            draining.entry(later, 2),
            draining.entry(a_contribution("c", 9), 3, HELD),
            draining.entry(a_contribution("d", 1, user="bob"), 4),
        )
        days = await draining.ledger.user_days("volume", ["ann"])
        assert days == {("ann", DURING.date()): 5, ("ann", DURING.date() + timedelta(days=1)): 7}
        page, before = await draining.ledger.recent("volume", DURING, limit=3)
        rest, end = await draining.ledger.recent("volume", DURING, before=before, limit=3)
        assert [one.contribution_id for one in [*page, *rest]] == ["d", "c", "b", "a"]
        assert (rest[-1], end) == (Held("ann", "a", Position(draining.epoch, 1), 5, COUNTED), None)
        assert await draining.ledger.recent("volume", DURING + timedelta(seconds=1), limit=3) == ([], None)

    async def test_a_goal_that_nobody_knows_stands_nowhere(self, draining: Draining) -> None:
        """Its watermark is none, its standing an error."""
        assert await draining.ledger.watermark(Partition("none")) is None
        with pytest.raises(UnknownGoal):
            await draining.ledger.standing("none")

    # Law 10.

    async def test_law_10_what_was_there_already_is_a_repair(self, draining: Draining) -> None:
        """Law 10: the same id from another position is not kept, and remembered until it is done."""
        repeat = draining.entry(a_contribution("a", 5), 2)
        drained = await draining.drain(draining.entry(a_contribution("a", 5), 1), repeat)
        assert drained is not None
        assert (drained.kept, drained.repairs) == (1, 1)
        repairs = [Repair(VOLUME, repeat.position, "ann", 5, COUNTED)]
        assert await draining.ledger.repairs(VOLUME) == repairs
        assert (await draining.ledger.standing("volume")).repairs == 1
        await draining.ledger.repaired(repairs, at=DURING)
        assert await draining.ledger.repairs(VOLUME) == []
        assert (await draining.totals()).total == 5

    async def test_law_10_what_is_done_is_not_found_again(self, draining: Draining) -> None:
        """Law 10: after a rewind a repair that was done is none any more."""
        entries = [draining.entry(a_contribution("a", 5), 1), draining.entry(a_contribution("a", 5), 2)]
        await draining.drain(*entries)
        await draining.ledger.repaired(await draining.ledger.repairs(VOLUME), at=DURING)
        await draining.ledger.rewind(await draining.mark(), "another", seq=0)
        await draining.drain(*entries, run="another")
        assert await draining.ledger.repairs(VOLUME) == []

    async def test_law_10_another_amount_is_a_repair_too(self, draining: Draining) -> None:
        """Law 10: what the store had forgotten and took with another amount goes back as it was taken."""
        await draining.drain(draining.entry(a_contribution("a", 5), 1), draining.entry(a_contribution("a", 8), 2))
        assert [one.amount for one in await draining.ledger.repairs(VOLUME)] == [8]
        assert (await draining.totals()).total == 5

    async def test_law_10_what_was_appended_is_known(self, draining: Draining) -> None:
        """Law 10: an id that came in before there was an outbox is there already."""
        before = await ledger_state(draining.ledger)
        await draining.drain(draining.entry(a_contribution("a", 5), 1))
        await draining.begin()
        await draining.drain(draining.entry(a_contribution("a", 5), 1))
        assert [one.position for one in await draining.ledger.repairs(VOLUME)] == [Position(draining.epoch, 1)]
        assert before.totals["volume"].total + 5 == (await draining.totals()).total

    async def test_law_10_late_and_older_ones_are_nothing_to_repair(self, draining: Draining) -> None:
        """Law 10: what no sum has, and what was counted in a memory that is gone, is taken from nothing."""
        await draining.drain(draining.entry(a_contribution("a", 5), 1))
        drained = await draining.drain(
            draining.entry(a_contribution("a", 5), 2, LATE), draining.entry(a_contribution("a", 5), 9, epoch="0-old")
        )
        assert drained is not None
        assert (drained.repairs, drained.watermark.seq) == (0, 2)

    # Law 11.

    async def test_law_11_what_the_database_does_not_take_is_put_aside(self, draining: Draining) -> None:
        """Law 11: wherever it stands among the others, they are kept, and it is remembered with its reason."""
        entries = [draining.entry(a_contribution(f"c{seq}", 1), seq) for seq in range(1, 10)]
        for seq in (1, 5, 9):
            entries[seq - 1] = draining.entry(a_contribution(f"c{seq}{POISON}", 1), seq)
        drained = await draining.drain(*entries)
        assert drained is not None
        assert (drained.kept, drained.dead_letters, drained.repairs, drained.watermark.seq) == (6, 3, 3, 9)
        letters = await draining.ledger.dead_letters()
        assert sorted(one.position.seq for one in letters) == [1, 5, 9]
        assert all(one.reason and one.partition == VOLUME and one.at == DURING for one in letters)
        assert (await draining.totals()).total == 6

    async def test_law_11_what_nobody_can_read_is_put_aside(self, draining: Draining) -> None:
        """Law 11: of what is no entry any more nobody knows what the store counted for it."""
        drained = await draining.drain(
            Unreadable(Position(draining.epoch, 1), "{} \0 " + POISON), draining.entry(a_contribution("a", 1), 2)
        )
        assert drained is not None
        assert (drained.kept, drained.dead_letters, drained.repairs) == (1, 1, 0)
        (letter,) = await draining.ledger.dead_letters()
        assert (letter.position.seq, letter.reason) == (1, "it cannot be read")

    async def test_law_11_a_dead_letter_is_one_for_ever(self, draining: Draining) -> None:
        """Law 11: seen again after a rewind it is the same one."""
        entry = draining.entry(a_contribution(POISON, 1), 1)
        await draining.drain(entry)
        await draining.ledger.rewind(await draining.mark(), "another", seq=0)
        await draining.drain(entry, run="another")
        assert len(await draining.ledger.dead_letters()) == 1

    # Law 12.

    async def test_law_12_epochs_are_told_apart(self, draining: Draining) -> None:
        """Law 12: each has a higher generation, its watermark begins at nothing, and older repairs are void."""
        await draining.drain(draining.entry(a_contribution("a", 5), 1), draining.entry(a_contribution("a", 5), 2))
        first = draining.epoch
        mark = await draining.begin("the store has lost its memory")
        assert int(first.partition("-")[0]) < int(draining.epoch.partition("-")[0])
        assert mark == Watermark(VOLUME, draining.epoch, "", 0, 0)
        assert await draining.ledger.repairs(VOLUME) == []

    async def test_law_12_of_an_older_epoch_all_is_kept(self, draining: Draining) -> None:
        """Law 12: what an outbox of before still holds is kept as it stood there, and moves no watermark."""
        old = draining.epoch
        await draining.begin()
        drained = await draining.drain(draining.entry(a_contribution("a", 5), 7, epoch=old))
        assert drained is not None
        assert (drained.kept, drained.watermark.seq) == (1, 0)
        (held,) = await draining.ledger.look_up([a_contribution("a", 5)])
        assert held is not None
        assert held.position == Position(old, 7)

    async def test_law_12_all_of_it_outlives_a_restart(self, open_ledger: LedgerOpener, draining: Draining) -> None:
        """Laws 9 to 12: watermarks, repairs and dead letters are there when the ledger is opened again."""
        await draining.drain(
            draining.entry(a_contribution("a", 5), 1),
            draining.entry(a_contribution("a", 5), 2),
            draining.entry(a_contribution(POISON, 5), 3),
        )
        async with open_ledger() as again:
            reopened = cast("OutboxLedger", again)
            assert await reopened.watermark(VOLUME) == await draining.mark()
            assert await reopened.repairs(VOLUME) == await draining.ledger.repairs(VOLUME)
            assert await reopened.dead_letters() == await draining.ledger.dead_letters()
            assert await reopened.standing("volume") == await draining.ledger.standing("volume")
