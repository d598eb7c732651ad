"""A receipt comes when it is as safe as its caller asked: real rows of a real ledger, and a store whose disk waits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from worldevents.acks import Acks
from worldevents.errors import BodyInvalid, Closed, GoalNotOpen, LedgerUnavailable, StoreUnavailable, WorldEventsError
from worldevents.ledger import open_ledger
from worldevents.ledger.base import Held, OutboxLedger
from worldevents.model import (
    Ack,
    ContributionStatus,
    GoalContribution,
    OutboxEntry,
    Partition,
    Position,
    Receipt,
)
from worldevents.store.base import Answer, BufferedStore
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event

pytestmark = pytest.mark.usefixtures("no_leaks")

Wait = Callable[..., Awaitable[list[Answer]]]


class SlowDisk:
    """A store's `flushed`, which a test lets through call by call."""

    def __init__(self) -> None:
        self.can_flush = True
        self.flushes: list[list[str]] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Semaphore(0)

    async def flushed(self, goal_ids: Sequence[str]) -> None:
        self.flushes.append(list(goal_ids))
        await self.gate.acquire()
        if self.failure is not None:
            raise self.failure


class Watched:
    """A real ledger that remembers how many were looked up together, and that can be away."""

    def __init__(self, ledger: OutboxLedger) -> None:
        self.ledger = ledger
        self.looks: list[int] = []
        self.is_away = False
        self.looked = asyncio.Semaphore(0)

    async def look_up(self, items: Sequence[GoalContribution]) -> list[Held | None]:
        self.looks.append(len(items))
        self.looked.release()
        if self.is_away:
            raise LedgerUnavailable
        return await self.ledger.look_up(items)

    async def look(self, times: int = 1) -> None:
        """Wait for so many more looks."""
        for _ in range(times):
            await self.looked.acquire()


class Waiting:
    """Acks at work."""

    def __init__(self, ledger: OutboxLedger, *, default: Ack, timeout_s: float) -> None:
        self.disk = SlowDisk()
        self.ledger = Watched(ledger)
        self.nudges = 0
        self.acks = Acks(
            cast("BufferedStore", self.disk),
            cast("OutboxLedger", self.ledger),
            default=default,
            timeout_s=timeout_s,
            nudge=self._nudge,
        )
        self.task = asyncio.create_task(self.acks.run())

    def _nudge(self) -> None:
        self.nudges += 1

    def begin(self, *answers: Answer, ack: Ack | None = Ack.LEDGER) -> asyncio.Task[list[Answer]]:
        return asyncio.create_task(self.acks.wait(answers, ack))


@pytest_asyncio.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[OutboxLedger]:
    """A real ledger with one goal whose outbox is in a new epoch."""
    async with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        await opened.publish(an_event(), based_on=0, author="test", published_at=DURING, reason="")
        await opened.begin_epoch("volume", [Partition("volume")], at=DURING, reason="")
        yield opened


@asynccontextmanager
async def acks(ledger: OutboxLedger, *, default: Ack = Ack.APPLIED, timeout_s: float = 20.0) -> AsyncIterator[Waiting]:
    one = Waiting(ledger, default=default, timeout_s=timeout_s)
    try:
        yield one
    finally:
        one.task.cancel()
        with suppress(asyncio.CancelledError):
            await one.task


async def drain(ledger: OutboxLedger, *receipts: Receipt) -> None:
    """Have the ledger hold these, as a syncer does."""
    mark = await ledger.watermark(Partition("volume"))
    assert mark is not None
    entries = [
        OutboxEntry(one.position._replace(epoch=mark.epoch), one.contribution, one.status, DURING, DURING)
        for one in receipts
    ]
    assert await ledger.drain(mark, "run", entries, at=DURING) is not None


async def counted(ledger: OutboxLedger, contribution_id: str, seq: int, amount: int = 10) -> Receipt:
    """What a store answers that counted this at its next position."""
    mark = await ledger.watermark(Partition("volume"))
    assert mark is not None
    return Receipt(
        contribution=a_contribution(contribution_id, amount),
        metric=a_goal().metric,
        status=ContributionStatus.COUNTED,
        duplicate=False,
        current_value=amount,
        user_contribution=amount,
        position=Position(mark.epoch, seq),
    )


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def word(answer: Answer) -> str:
    if isinstance(answer, WorldEventsError):
        return answer.code
    return "duplicate" if answer.duplicate else "counted"


async def test_applied_waits_for_nothing(ledger: OutboxLedger) -> None:
    """Who asks for no more than the store's memory is answered at once."""
    async with acks(ledger) as it:
        receipt = await counted(ledger, "a", 1)
        assert [receipt] == await it.acks.wait([receipt], None)
        assert ([], []) == (it.disk.flushes, it.ledger.looks)


async def test_refusals_wait_for_nothing(ledger: OutboxLedger) -> None:
    """A refusal has changed nothing: there is nothing to be safe."""
    async with acks(ledger) as it:
        refusal = GoalNotOpen()
        assert [refusal] == await it.acks.wait([refusal], Ack.LEDGER)
        assert [] == it.ledger.looks


async def test_what_is_left_out_is_as_the_settings_say(ledger: OutboxLedger) -> None:
    """Without a wish of the caller's own the setting is what is waited for."""
    async with acks(ledger, default=Ack.FSYNCED) as it:
        assert (Ack.FSYNCED, Ack.APPLIED) == (it.acks.level(None), it.acks.level(Ack.APPLIED))
        waiting = it.begin(await counted(ledger, "a", 1), ack=None)
        await settle()
        assert [["volume"]] == it.disk.flushes
        it.disk.gate.release()
        assert ["counted"] == [word(one) for one in await waiting]


async def test_a_disk_that_cannot_be_asked_is_not_promised(ledger: OutboxLedger) -> None:
    """Where the store cannot say when its disk has it, nobody is told that it has."""
    async with acks(ledger) as it:
        it.disk.can_flush = False
        with pytest.raises(BodyInvalid) as raised:
            it.acks.level(Ack.FSYNCED)
        assert ("ack", Ack.LEDGER) == (raised.value.field, it.acks.level(Ack.LEDGER))


async def test_all_who_wait_share_the_next_flush(ledger: OutboxLedger) -> None:
    """Who comes during a flush may have written after it began: all of these are in the next one, together."""
    async with acks(ledger) as it:
        first = it.begin(await counted(ledger, "a", 1), ack=Ack.FSYNCED)
        await settle()
        others = [it.begin(await counted(ledger, one, 2), ack=Ack.FSYNCED) for one in ("b", "c")]
        await settle()
        assert [["volume"]] == it.disk.flushes
        it.disk.gate.release()
        await first
        await settle()
        assert ([["volume"], ["volume"]], [False, False]) == (it.disk.flushes, [one.done() for one in others])
        it.disk.gate.release()
        assert [["counted"], ["counted"]] == [[word(one) for one in await other] for other in others]


async def test_a_flush_that_fails_is_told_to_each(ledger: OutboxLedger) -> None:
    """Where the server goes away meanwhile nobody hears that it is on its disk; refusals stay what they are."""
    async with acks(ledger) as it:
        it.disk.failure = StoreUnavailable()
        it.disk.gate.release()
        receipt = await counted(ledger, "a", 1)
        told = await it.acks.wait([receipt, GoalNotOpen(), receipt], Ack.FSYNCED)
        assert ["store_unavailable", "goal_not_open", "store_unavailable"] == [word(one) for one in told]


async def test_a_row_is_waited_for_until_it_is_there(ledger: OutboxLedger) -> None:
    """The syncer is told that somebody waits, and the answer comes when the ledger holds the row itself."""
    async with acks(ledger) as it:
        receipt = await counted(ledger, "a", 1)
        waiting = it.begin(receipt)
        await it.ledger.look(2)
        assert (1, False) == (it.nudges, waiting.done())
        await drain(ledger, receipt)
        assert [receipt] == await waiting


async def test_all_who_wait_share_a_look(ledger: OutboxLedger) -> None:
    """Everybody's contributions are looked up in one query."""
    async with acks(ledger) as it:
        receipts = [await counted(ledger, one, seq) for seq, one in enumerate("abc", 1)]
        waiting = [it.begin(*receipts[:2]), it.begin(receipts[2])]
        await it.ledger.look(3)
        assert 3 == it.ledger.looks[-1]
        await drain(ledger, *receipts)
        assert [receipts[:2], receipts[2:]] == [await one for one in waiting]


async def test_who_waits_too_long_is_told_to_repeat(ledger: OutboxLedger) -> None:
    """What is not in the ledger in time is behind, and nothing else; what is there is answered."""
    async with acks(ledger, timeout_s=0.05) as it:
        there, behind = await counted(ledger, "a", 1), await counted(ledger, "b", 2)
        await drain(ledger, there)
        told = await it.acks.wait([behind, there], Ack.LEDGER)
        assert ["ledger_behind", "counted"] == [word(one) for one in told]
        assert isinstance(told[0], WorldEventsError)
        assert told[0].retryable


async def test_a_ledger_that_comes_back_is_asked_again(ledger: OutboxLedger) -> None:
    """A ledger that is away for a moment is no failure of those who wait."""
    async with acks(ledger) as it:
        receipt = await counted(ledger, "a", 1)
        await drain(ledger, receipt)
        it.ledger.is_away = True
        waiting = it.begin(receipt)
        await it.ledger.look(2)
        it.ledger.is_away = False
        assert [receipt] == await waiting


async def test_what_the_ledger_held_before_is_a_repeat(ledger: OutboxLedger) -> None:
    """An id that the store had forgotten and counted again is told as what it is: a repeat, or a conflict."""
    async with acks(ledger) as it:
        first = await counted(ledger, "a", 1)
        await drain(ledger, first)
        again, other = await counted(ledger, "a", 2), await counted(ledger, "a", 3, amount=11)
        told = await it.acks.wait([again, other], Ack.LEDGER)
        assert ["duplicate", "contribution_conflict"] == [word(one) for one in told]
        assert isinstance(told[0], Receipt)
        assert first.position == told[0].position


@pytest.mark.parametrize("ack", [Ack.FSYNCED, Ack.LEDGER])
async def test_a_shutdown_leaves_nobody_waiting(ledger: OutboxLedger, ack: Ack) -> None:
    """Who waits while the system is closed is told so, and so is who comes after."""
    async with acks(ledger) as it:
        receipt = await counted(ledger, "a", 1)
        waiting = it.begin(receipt, ack=ack)
        await settle()
        it.task.cancel()
        assert [Closed] == [type(one) for one in await waiting]
        assert [Closed] == [type(one) for one in await it.acks.wait([receipt], ack)]


async def test_who_goes_away_disturbs_nobody(ledger: OutboxLedger) -> None:
    """A caller that is cancelled is waited for no longer; the others are answered."""
    async with acks(ledger) as it:
        receipt = await counted(ledger, "a", 1)
        gone, stays = it.begin(receipt), it.begin(receipt)
        await it.ledger.look(1)
        gone.cancel()
        await it.ledger.look(2)
        assert 1 == it.ledger.looks[-1]
        await drain(ledger, receipt)
        assert [receipt] == await stays
