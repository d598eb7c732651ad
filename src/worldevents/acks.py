"""How safe a contribution is before its caller hears of it: the waiting between the store's answer and the receipt.

Everybody who waits at the same time waits together: one flush, one look into the ledger, whoever asked. It applies
nothing and decides nothing about contributions; what it says of one is what the ledger holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from worldevents.errors import (
    BodyInvalid,
    Closed,
    ContributionConflict,
    LedgerBehind,
    LedgerUnavailable,
    WorldEventsError,
)
from worldevents.ledger.base import Held, OutboxLedger, Watermark
from worldevents.model import Ack, Position, Receipt
from worldevents.store.base import Answer, BufferedStore

LOOK_FIRST_S: Final = 0.005
LOOK_LAST_S: Final = 0.1
"""How long between two looks into the ledger: from the first, twice as long each time, to the last."""
LOOK_MAX: Final = 1_000
"""The most contributions that are looked up in one query."""


class _Flush(NamedTuple):
    goals: frozenset[str]
    done: asyncio.Future[None]


class _Look(NamedTuple):
    receipt: Receipt
    found: asyncio.Future[Held]


class Acks:
    """Waits for as much safety as a caller asks for; `run` is its one background task."""

    def __init__(
        self,
        store: BufferedStore,
        ledger: OutboxLedger,
        *,
        default: Ack,
        timeout_s: float,
        nudge: Callable[[], None] | None = None,
    ) -> None:
        """`nudge` tells a syncer in this process that somebody waits; None where it runs elsewhere."""
        self._store = store
        self._ledger = ledger
        self._default = default
        self._timeout_s = timeout_s
        self._nudge = nudge
        self._flushes: list[_Flush] = []
        self._looks: dict[int, _Look] = {}
        self._asked_to_flush = asyncio.Event()
        self._asked_to_look = asyncio.Event()
        self._closed = False

    def level(self, asked: Ack | None) -> Ack:
        """What a caller gets who asks for this. Raises BodyInvalid where the store cannot promise its disk."""
        level = self._default if asked is None else asked
        if level is Ack.FSYNCED and not self._store.can_flush:
            raise BodyInvalid("the store cannot say when its disk has it: applied or ledger", field="ack")
        return level

    async def wait(self, answers: Sequence[Answer], asked: Ack | None) -> list[Answer]:
        """The same answers, once they are as safe as that; an error in the place of each that did not become so.

        Refusals are answered as they are: they wait for nothing.
        """
        level = self.level(asked)
        waiting = [one for one in answers if isinstance(one, Receipt)]
        if level is Ack.APPLIED or not waiting:
            return list(answers)
        if self._closed:
            told: list[Answer] = [Closed() for _ in waiting]
        elif level is Ack.FSYNCED:
            told = await self._flushed(waiting)
        else:
            told = await self._in_ledger(waiting)
        rest = iter(told)
        return [next(rest) if isinstance(one, Receipt) else one for one in answers]

    async def caught_up(self, goal_ids: Sequence[str]) -> None:
        """Return when the ledger has all that these goals' outboxes have now. Raises LedgerBehind, StoreUnavailable."""
        wanted = {
            one: Position(found.epoch or "", found.last)
            for goal_id in goal_ids
            for one in self._store.partitions(goal_id)
            if (found := await self._store.backlog(one, after=0, limit=0)).last
        }
        if self._nudge is not None:
            self._nudge()
        try:
            async with asyncio.timeout(self._timeout_s):
                for partition, position in wanted.items():
                    while not _is_past(await self._ledger.watermark(partition), position):  # noqa: ASYNC110 - a syncer anywhere moves it
                        await asyncio.sleep(LOOK_LAST_S)
        except TimeoutError:
            raise LedgerBehind from None

    async def run(self) -> None:
        """Serve those who wait, until cancelled; then they are told Closed."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._flush())
                tasks.create_task(self._look())
        finally:
            self._closed = True
            for flush in self._flushes:
                _refuse(flush.done, Closed())
            for look in self._looks.values():
                _refuse(look.found, Closed())

    # On the disk of the store's server.

    async def _flushed(self, receipts: Sequence[Receipt]) -> list[Answer]:
        goals = frozenset(one.contribution.goal_id for one in receipts)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._flushes.append(_Flush(goals, done))
        self._asked_to_flush.set()
        try:
            await done
        except WorldEventsError as error:
            return [error] * len(receipts)
        return list(receipts)

    async def _flush(self) -> None:
        """One flush at a time: who asks while it is under way may have written after it began, and is in the next."""
        while True:
            await self._asked_to_flush.wait()
            self._asked_to_flush.clear()
            together, self._flushes = self._flushes, []
            try:
                await self._store.flushed(sorted(frozenset[str]().union(*(one.goals for one in together))))
            except WorldEventsError as error:
                for one in together:
                    _refuse(one.done, error)
            except BaseException:
                self._flushes += together
                raise
            else:
                for one in together:
                    if not one.done.done():
                        one.done.set_result(None)

    # In the ledger.

    async def _in_ledger(self, receipts: Sequence[Receipt]) -> list[Answer]:
        loop = asyncio.get_running_loop()
        looks = [_Look(one, loop.create_future()) for one in receipts]
        self._looks.update((id(one.found), one) for one in looks)
        self._asked_to_look.set()
        if self._nudge is not None:
            self._nudge()
        try:
            await asyncio.wait([one.found for one in looks], timeout=self._timeout_s)
            return [_settled(one) for one in looks]
        finally:
            for one in looks:
                self._looks.pop(id(one.found), None)
                one.found.cancel()

    async def _look(self) -> None:
        """Look for what everybody waits for, again and again, quickly at first."""
        while True:
            await self._asked_to_look.wait()
            self._asked_to_look.clear()
            pause_s = LOOK_FIRST_S
            while self._looks:
                if await self._found_some():
                    pause_s = LOOK_FIRST_S
                await self._pause(pause_s)
                pause_s = min(LOOK_LAST_S, 2 * pause_s)

    async def _pause(self, seconds: float) -> None:
        """Wait for so long, or until somebody new waits."""
        try:
            async with asyncio.timeout(seconds):
                await self._asked_to_look.wait()
        except TimeoutError:
            return
        # Who came was too late for the look before, and too early for one at once: the syncer has to have its turn.
        self._asked_to_look.clear()
        await asyncio.sleep(LOOK_FIRST_S)

    async def _found_some(self) -> bool:
        waiting = list(self._looks.values())
        some = False
        for start in range(0, len(waiting), LOOK_MAX):
            together = waiting[start : start + LOOK_MAX]
            try:
                held = await self._ledger.look_up([one.receipt.contribution for one in together])
            except LedgerUnavailable:
                # It may be back before those who wait have waited too long.
                return some
            for look, found in zip(together, held, strict=True):
                if found is not None and not look.found.done():
                    look.found.set_result(found)
                    self._looks.pop(id(look.found), None)
                    some = True
        return some


def _is_past(mark: Watermark | None, position: Position) -> bool:
    return mark is not None and mark.epoch == position.epoch and mark.seq >= position.seq


def _refuse(future: asyncio.Future[None] | asyncio.Future[Held], error: WorldEventsError) -> None:
    if not future.done():
        future.set_exception(error)


def _settled(look: _Look) -> Answer:
    """What the ledger makes of a receipt: what it does not hold yet is behind, what it held before is a repeat."""
    if not look.found.done():
        return LedgerBehind()
    error = look.found.exception()
    if isinstance(error, WorldEventsError):
        return error
    receipt, held = look.receipt, look.found.result()
    if held.amount != receipt.contribution.amount:
        return ContributionConflict()
    if held.position == receipt.position:
        return receipt
    # The store had forgotten the id and counted it again; the syncer has that taken back.
    return receipt._replace(duplicate=True, status=held.status, position=held.position)
