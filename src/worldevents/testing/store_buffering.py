"""Laws 11 to 14 of a store in front of a ledger: the outbox, what is taken back, restoring, and the bounds.

Subclass `BufferLaws` and say, in a fixture `open_buffered`, how yours is opened.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import cast

import pytest
import pytest_asyncio

from worldevents.clock import Clock
from worldevents.errors import LedgerBehind, StoreLost
from worldevents.ledger.base import OutboxLedger
from worldevents.model import (
    ContributionStatus,
    GoalContribution,
    Limits,
    OutboxEntry,
    Partition,
    Position,
    Receipt,
    Repair,
    SeasonalEvent,
    TierUnlock,
)
from worldevents.movements import Ban, Movement, correction
from worldevents.restoring import Restorer
from worldevents.store.base import BufferedStore, KnownId, Restoration, UserRecord
from worldevents.telemetry import Telemetry
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event
from worldevents.testing.clock import ManualClock
from worldevents.testing.opened import word

COUNTED, HELD = ContributionStatus.COUNTED, ContributionStatus.HELD
CORRECTED = ContributionStatus.CORRECTED
A_BAN = Ban("cid", 3, DURING, "cheats", "ops")
WINDOW_S = 7_200.0
PER_DAY = 100
VOLUME = Partition("volume")
OWN, ANOTHER = "own", "another"
"""Who restores."""
OTHER = "9-other"
"""An epoch that no goal is in."""


@dataclass(frozen=True, slots=True)
class OpenBuffered:
    """A store, its ledger, and what builds it from there."""

    store: BufferedStore
    ledger: OutboxLedger
    restorer: Restorer

    async def publish(self, event: SeasonalEvent) -> None:
        """Publish an event and build its goals."""
        await self.ledger.publish(event, based_on=0, author="test", published_at=DURING, reason="")
        await self.store.announce(event.id)
        for goal in event.goals:
            seen = dict.fromkeys(self.store.partitions(goal.id))
            assert await self.restorer.restore(goal.id, seen=seen, reason="it is new")

    async def tell(self, *batch: GoalContribution) -> list[str]:
        """Contribute a batch, and what became of each, as words."""
        return [word(answer) for answer in await self.store.contribute(batch)]

    async def count(self, *batch: GoalContribution) -> list[Position]:
        """Contribute a batch that is taken, and where each entry is."""
        return [cast("Receipt", answer).position for answer in await self.store.contribute(batch)]

    async def waiting(self, after: int = 0) -> list[tuple[Position, str, int, ContributionStatus]]:
        """What the outbox of `volume` holds."""
        found = await self.store.backlog(VOLUME, after=after, limit=100)
        return [
            (one.position, one.contribution.contribution_id, one.contribution.amount, one.status)
            for one in found.entries
            if isinstance(one, OutboxEntry)
        ]

    async def sums(self) -> tuple[int, int, int]:
        """Total, pending and contributors of `volume`."""
        state = await self.store.state("volume")
        return state.total, state.pending, state.participants

    async def epoch(self) -> str:
        """The epoch of `volume`."""
        return (await self.store.state("volume")).epoch


BufferOpener = Callable[[Clock, int], AbstractAsyncContextManager[tuple[BufferedStore, OutboxLedger]]]
"""Opens a store with one partition for each goal, empty, in which so many entries may wait."""


class BufferLaws:
    """Laws 11 to 14 of the store."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The time by which the store judges."""
        return ManualClock(DURING)

    @pytest_asyncio.fixture
    async def opened(self, open_buffered: BufferOpener, clock: ManualClock) -> AsyncIterator[OpenBuffered]:
        """A store of which three entries may wait, with a goal `volume` of a hundred a day."""
        async with open_buffered(clock, 3) as (store, ledger):
            restorer = Restorer(store, ledger, clock, Telemetry(), batch_max=100, window_s=WINDOW_S, token=OWN)
            opened = OpenBuffered(store, ledger, restorer)
            await opened.publish(an_event(a_goal(limits=Limits(per_user_day=PER_DAY))))
            yield opened

    # Law 11.

    async def test_law_11_what_is_answered_is_in_the_outbox(self, opened: OpenBuffered) -> None:
        """Law 11: counted or held, in its order, with the position that the receipt names; with who and what."""
        positions = await opened.count(a_contribution("a", 60, display_name="Ann"), a_contribution("b", 50))
        assert await opened.waiting() == [(positions[0], "a", 60, COUNTED), (positions[1], "b", 50, HELD)]
        (first, _) = (await opened.store.backlog(VOLUME, after=0, limit=9)).entries
        assert isinstance(first, OutboxEntry)
        assert (first.contribution.user_id, first.contribution.display_name) == ("ann", "Ann")
        assert (first.occurred_at, first.received_at) == (DURING, DURING)

    async def test_law_11_a_repeat_and_a_refusal_are_not_in_the_outbox(self, opened: OpenBuffered) -> None:
        """Law 11: what changes nothing is not carried."""
        await opened.count(a_contribution("a", 10))
        told = await opened.tell(
            a_contribution("a", 10), a_contribution("a", 11), a_contribution("b", occurred_at=DURING.replace(year=2020))
        )
        assert told == ["counted again", "contribution_conflict", "goal_not_open"]
        assert len(await opened.waiting()) == 1

    async def test_law_11_a_backlog_goes_on_where_it_is_asked_to(self, opened: OpenBuffered) -> None:
        """Law 11: the entries behind a position, no more than asked for, and the sums of all that is there."""
        first, second, third = await opened.count(*(a_contribution(one, 5) for one in "abc"))
        found = await opened.store.backlog(VOLUME, after=first.seq, limit=1)
        assert [one.position for one in found.entries] == [second]
        assert (found.last, found.total, found.participants) == (third.seq, 15, 1)
        assert not (await opened.store.backlog(VOLUME, after=third.seq, limit=1)).entries
        assert not (await opened.store.backlog(VOLUME, after=0, limit=0)).entries

    async def test_law_11_an_entry_stays_until_it_is_acknowledged(self, opened: OpenBuffered) -> None:
        """Law 11: what was not acknowledged is there, whatever was acknowledged before it."""
        first, second, third = await opened.count(*(a_contribution(one, 5) for one in "abc"))
        await opened.store.acknowledge(VOLUME, first)
        assert [one[0] for one in await opened.waiting(first.seq)] == [second, third]

    async def test_law_11_a_movement_is_in_the_outbox_too(self, opened: OpenBuffered) -> None:
        """Law 11: in its order, with its sign and what it does; what a ban moves out is an entry too."""
        await opened.count(a_contribution("a", 30))
        await opened.store.move([corrected(-10)])
        assert (await opened.waiting())[1][1:] == ("correct#k1", -10, CORRECTED)
        await opened.store.acknowledge(VOLUME, Position(await opened.epoch(), 2))
        await opened.store.ban("volume", A_BAN._replace(user_id="ann"))
        assert [one[1:] for one in await opened.waiting(2)] == [("ban#3", -20, CORRECTED)]
        assert await opened.sums() == (0, 0, 0)

    # Law 12.

    async def test_law_12_a_movement_is_taken_back(self, opened: OpenBuffered) -> None:
        """Law 12: what it did is undone, either way; between two of them a user may have less than nothing."""
        first, second = await opened.count(a_contribution("a", 30), a_contribution("b", 10))
        (moved,) = await opened.store.move([corrected(-35)])
        await opened.store.take_back([Repair(VOLUME, second, "ann", 10, COUNTED)])
        await opened.store.take_back([Repair(VOLUME, moved.position, "ann", -35, CORRECTED)])
        assert await opened.sums() == (30, 0, 1)
        await opened.store.take_back([Repair(VOLUME, first, "ann", 30, COUNTED)])
        assert await opened.sums() == (0, 0, 0)

    async def test_law_12_a_position_is_taken_back_once(self, opened: OpenBuffered) -> None:
        """Law 12: the amount goes from the total, the user and the board, the first time only."""
        first, second = await opened.count(a_contribution("a", 40), a_contribution("b", 30))
        repair = Repair(VOLUME, second, "ann", 30, COUNTED)
        for _ in range(2):
            await opened.store.take_back([repair])
            assert await opened.sums() == (40, 0, 1)
        await opened.store.take_back([Repair(VOLUME, first, "ann", 40, COUNTED)])
        assert await opened.sums() == (0, 0, 0)
        assert (await opened.store.progress("volume", "ann")).user_rank is None

    async def test_law_12_what_was_held_is_taken_back_too(self, opened: OpenBuffered) -> None:
        """Law 12: a held amount goes from what is pending."""
        _, second = await opened.count(a_contribution("a", 60), a_contribution("b", 50))
        await opened.store.take_back([Repair(VOLUME, second, "ann", 50, HELD)])
        assert await opened.sums() == (60, 0, 1)
        assert (await opened.store.progress("volume", "ann")).user_pending == 0

    async def test_law_12_of_another_epoch_nothing_is_taken_back(self, opened: OpenBuffered) -> None:
        """Law 12: a position is one of an epoch: the same number of another one was never counted here."""
        await opened.count(a_contribution("a", 40))
        await opened.store.take_back([Repair(VOLUME, Position(OTHER, 1), "ann", 40, COUNTED)])
        assert await opened.sums() == (40, 0, 1)

    # Law 13.

    async def test_law_13_what_is_shut_takes_and_tells_nothing(self, opened: OpenBuffered) -> None:
        """Law 13: from the moment on in which it is shut, a goal is lost to all but who restores it."""
        await opened.count(a_contribution("a", 40))
        assert await opened.store.shut({VOLUME: await opened.epoch()}, token=OWN)
        assert await opened.tell(a_contribution("b", 1)) == ["store_lost"]
        with pytest.raises(StoreLost):
            await opened.store.state("volume")
        assert [one[1] for one in await opened.waiting()] == ["a"]
        found = await opened.store.backlog(VOLUME, after=0, limit=0)
        assert (found.is_open, found.is_shut) == (False, True)

    async def test_law_13_one_at_a_time(self, opened: OpenBuffered) -> None:
        """Law 13: nobody else may shut what somebody has shut; who has it may again."""
        seen = {VOLUME: await opened.epoch()}
        assert await opened.store.shut(seen, token=OWN)
        assert not await opened.store.shut(seen, token=ANOTHER)
        assert await opened.store.shut(seen, token=OWN)

    async def test_law_13_what_has_changed_is_not_shut(self, opened: OpenBuffered) -> None:
        """Law 13: who has seen another epoch would restore what somebody else restored already."""
        assert not await opened.store.shut({VOLUME: OTHER}, token=OWN)
        assert not await opened.store.shut({VOLUME: None}, token=OWN)
        assert await opened.tell(a_contribution("a", 1)) == ["counted"]

    async def test_law_13_nothing_is_restored_that_was_not_shut(self, opened: OpenBuffered) -> None:
        """Law 13: without holding the goal nobody wipes it."""
        await opened.count(a_contribution("a", 40))
        assert not await opened.store.restore("volume", restoration("8-new"), token=OWN)
        assert await opened.sums() == (40, 0, 1)

    async def test_law_13_what_is_restored_is_there(self, opened: OpenBuffered) -> None:
        """Law 13: sums, days, ids and unlocks are the ones that were told, and nothing of before is left."""
        await opened.count(a_contribution("gone", 40))
        await restored(opened)
        assert await opened.sums() == (70, 5, 2)
        state = await opened.store.state("volume")
        assert (state.epoch, [str(one.threshold) for one in state.unlocks]) == ("8-new", ["5"])
        assert [
            (one.user_id, one.amount) for one in (await opened.store.leaderboard("volume", limit=9)).contributors
        ] == [
            ("bob", 40),
            ("ann", 30),
        ]
        assert not await opened.waiting()
        assert await opened.tell(
            a_contribution("known", 10), a_contribution("known", 11), a_contribution("gone", 40, user="bob")
        ) == ["counted again", "contribution_conflict", "counted"]

    async def test_law_13_a_day_goes_on_where_it_was(self, opened: OpenBuffered) -> None:
        """Law 13: what counted on a day counts against its limit."""
        await restored(opened)
        assert await opened.tell(a_contribution("a", 61, user="bob"), a_contribution("b", 60, user="bob")) == [
            "held",
            "counted",
        ]

    async def test_law_13_the_new_epoch_begins_at_one(self, opened: OpenBuffered) -> None:
        """Law 13: positions of the new epoch are told from all before by its name."""
        await opened.count(a_contribution("a", 1), a_contribution("b", 1))
        await restored(opened)
        assert await opened.count(a_contribution("c", 1)) == [Position("8-new", 1)]

    async def test_law_13_nobody_sees_half_of_it(self, opened: OpenBuffered) -> None:
        """Law 13: until it is opened, it is as lost as before; a decision meanwhile is no update."""
        seen = []

        async def looking() -> AsyncIterator[Sequence[UserRecord]]:
            yield [UserRecord(user_id="ann", amount=30, pending=0)]
            await opened.store.decided("volume", unlocks=[unlock("5")], names={})
            found = await opened.store.backlog(VOLUME, after=0, limit=9)
            seen.append((found.is_open, found.is_shut, found.epoch, await opened.tell(a_contribution("b", 1))))

        await restored(opened, users=looking())
        assert seen == [(False, True, None, ["store_lost"])]
        assert await opened.sums() == (30, 0, 1)
        found = await opened.store.backlog(VOLUME, after=0, limit=0)
        assert (found.is_open, found.is_shut) == (True, False)

    async def test_law_13_of_the_epoch_before_nothing_is_let_go(self, opened: OpenBuffered) -> None:
        """Law 13: an acknowledgement that comes late says nothing about what waits now."""
        (before, *_) = await opened.count(*(a_contribution(one, 1) for one in "abc"))
        await restored(opened)
        await opened.count(*(a_contribution(one, 1) for one in "def"))
        await opened.store.acknowledge(VOLUME, before._replace(seq=3))
        assert await opened.tell(a_contribution("g", 1)) == ["ledger_behind"]

    async def test_law_13_bans_and_movements_are_restored(self, opened: OpenBuffered) -> None:
        """Law 13: who is banned is refused, what was moved is known again, and a ban that is lifted takes a user."""
        await restored(opened)
        assert await opened.tell(a_contribution("a", 1, user="cid"), a_contribution("b", 1)) == [
            "user_banned",
            "counted",
        ]
        (again,) = await opened.store.move([corrected(-5, "known")])
        assert (again.duplicate, again.position, again.user_contribution) == (True, Position("7-old", 4), 31)
        await opened.store.unban(A_BAN, [], goal_id="volume")
        assert await opened.tell(a_contribution("a", 1, user="cid")) == ["counted"]

    # Law 14.

    async def test_law_14_beyond_its_bound_nothing_is_moved(self, opened: OpenBuffered) -> None:
        """Law 14: a movement waits like everybody else."""
        await opened.count(*(a_contribution(one, 5) for one in "abc"))
        with pytest.raises(LedgerBehind):
            await opened.store.move([corrected(-5)])
        assert await opened.sums() == (15, 0, 1)

    async def test_law_14_beyond_its_bound_the_outbox_takes_nothing(self, opened: OpenBuffered) -> None:
        """Law 14: who comes too late changes nothing, and what waits stays; when it is carried there is room."""
        *_, third = await opened.count(*(a_contribution(one, 5) for one in "abc"))
        assert await opened.tell(a_contribution("d", 5)) == ["ledger_behind"]
        assert (await opened.sums(), len(await opened.waiting())) == ((15, 0, 1), 3)
        await opened.store.acknowledge(VOLUME, third)
        assert await opened.tell(a_contribution("d", 5)) == ["counted"]

    async def test_contributors_add_up(self, opened: OpenBuffered) -> None:
        """Counted again, the contributors are the total."""
        await opened.count(a_contribution("a", 5), a_contribution("b", 6, user="bob"))
        assert await opened.store.sum_of_users(VOLUME) == 11

    async def test_a_decision_is_told_once(self, opened: OpenBuffered) -> None:
        """Unlocks and names of the ledger are taken over; the same again is no change."""
        for _ in range(2):
            await opened.store.decided("volume", unlocks=[unlock("25")], names={"ann": "Ann"})
            state = await opened.store.state("volume")
            assert [str(one.threshold) for one in state.unlocks] == ["25"]
        seq = (await opened.store.state("volume")).seq
        await opened.store.decided("volume", unlocks=[unlock("25"), unlock("50")], names={})
        assert (await opened.store.state("volume")).seq == seq + 1


def unlock(threshold: str) -> TierUnlock:
    """A tier that was reached."""
    (tier,) = a_goal(percents=(threshold,)).tiers
    return TierUnlock(goal_id="volume", threshold=tier.threshold, unlocked_at=DURING, position=None)


def restoration(epoch: str, users: AsyncIterator[Sequence[UserRecord]] | None = None) -> Restoration:
    """A goal of two users, one with a held amount; an id and a movement are known, and a third user is banned."""
    return Restoration(epoch=epoch, seq=7, users=users or _users(), ids=_ids(), unlocks=[unlock("5")], bans=[A_BAN])


async def restored(opened: OpenBuffered, users: AsyncIterator[Sequence[UserRecord]] | None = None) -> None:
    """Restore `volume` as that."""
    assert await opened.store.shut({VOLUME: await opened.epoch()}, token=OWN)
    assert await opened.store.restore("volume", restoration("8-new", users), token=OWN)


def corrected(amount: int, name: str = "k1") -> Movement:
    """A correction of Ann's amount."""
    return Movement(a_contribution(correction(name), amount), CORRECTED)


async def _users() -> AsyncIterator[Sequence[UserRecord]]:
    yield [UserRecord(user_id="ann", amount=30, pending=5)]
    yield [UserRecord(user_id="bob", amount=40, pending=0, days=[(DURING.date(), 40)])]


async def _ids() -> AsyncIterator[Sequence[KnownId]]:
    yield [
        KnownId(user_id="ann", contribution_id="known", amount=10, status=COUNTED, position=Position("7-old", 3)),
        KnownId(
            user_id="ann",
            contribution_id=correction("known"),
            amount=-5,
            status=CORRECTED,
            position=Position("7-old", 4),
        ),
    ]
