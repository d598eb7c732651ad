"""The syncer: carries what a store has applied to the ledger, in order, and sees to it that both say the same.

Any number of syncers may run at once. None of them remembers anything that matters: what is done is in the ledger, with
the watermark that says so. It decides nothing about contributions.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

from worldevents import bans
from worldevents.clock import Clock
from worldevents.comparing import Comparer, Finding
from worldevents.errors import UnknownGoal, WorldEventsError
from worldevents.ledger.base import Drained, OutboxLedger, Watermark
from worldevents.model import OutboxEntry, Partition, Position
from worldevents.restoring import Restorer
from worldevents.store.base import Backlog, BufferedStore
from worldevents.telemetry import Telemetry

COMPARE_S: Final = 60.0
"""How often a goal is compared with the ledger, though nothing made it look amiss."""
PAUSES_MAX: Final = 8
"""How many intervals a syncer waits at most where the store or the ledger does not answer."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

_log = logging.getLogger(__name__)


class Turn(IntEnum):
    """How a turn ended, the most urgent last."""

    DONE = 0
    """Nothing waits."""
    BLOCKED = 1
    """Somebody else is restoring the goal, or something does not answer: later."""
    MORE = 2
    """Something was done, and there may be more: at once."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A partition at the last look."""

    epoch: str | None
    done: int
    waiting: int
    oldest: datetime | None


class Syncer:
    """Takes entries from a store's outbox to the ledger until cancelled."""

    def __init__(
        self,
        store: BufferedStore,
        ledger: OutboxLedger,
        clock: Clock,
        telemetry: Telemetry,
        *,
        interval_s: float,
        batch_max: int,
        window_s: float,
        token: str | None = None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._telemetry = telemetry
        self._interval_s = interval_s
        self._batch_max = batch_max
        self._comparer = Comparer(store, ledger, batch_max=batch_max)
        self._restorer = Restorer(
            store,
            ledger,
            clock,
            telemetry,
            batch_max=batch_max,
            window_s=window_s,
            token=token or secrets.token_hex(8),
        )
        self._nudged = asyncio.Event()
        self._ahead: dict[Partition, tuple[int, Backlog]] = {}
        """What comes behind the batch that the ledger took last, and behind which position that is."""
        self._watermarks: dict[Partition, Watermark] = {}
        """As they were read last: a drain from one that has moved does nothing, and then it is read again."""
        self._seen: dict[Partition, _Seen] = {}
        self._compare_at: dict[str, datetime] = {}
        """When a goal is compared again, though nothing waits for it and nothing is amiss."""
        self._changed: set[str] = set()
        """Goals where something was done since they were compared: they are compared when they come to rest."""
        self._is_named = False
        telemetry.outbox_waiting.set_function(lambda: self.waiting)
        telemetry.outbox_lag.set_function(lambda: self.lag_s)

    @property
    def waiting(self) -> int:
        """Contributions that waited for the ledger at the last look."""
        return sum(one.waiting for one in self._seen.values())

    @property
    def lag_s(self) -> float:
        """For how long the oldest of them waits, in seconds."""
        oldest = [one.oldest for one in self._seen.values() if one.oldest is not None]
        return max(0.0, (self._clock.now() - min(oldest)).total_seconds()) if oldest else 0.0

    def nudge(self) -> None:
        """Somebody waits for the ledger: look at once."""
        self._nudged.set()

    async def run(self) -> None:
        """Carry, for ever: at every interval, when nudged, and without a pause while there is more."""
        pauses = 1
        while True:
            self._nudged.clear()
            turn = await self._turn()
            if turn is Turn.MORE:
                pauses = 1
                continue
            pauses = 1 if turn is Turn.DONE else min(PAUSES_MAX, 2 * pauses)
            await self._pause(self._interval_s * pauses)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        except TimeoutError:
            return

    async def once(self) -> bool:
        """Carry until nothing waits and both sides agree; False where somebody has to be waited for."""
        while (turn := await self._turn()) is Turn.MORE:
            continue
        return turn is Turn.DONE

    def _goals(self) -> list[str]:
        return [goal.id for version in self._store.events.values() for goal in version.event.goals]

    async def _turn(self) -> Turn:
        """One batch of each partition."""
        turns = [Turn.DONE]
        for goal_id in self._goals():
            try:
                turns.append(await self._look_after(goal_id))
            except UnknownGoal:
                # The event's newest version does not name it any more.
                continue
            except WorldEventsError as error:
                _log.warning("goal %s could not be synced: %s", goal_id, error.code)
                turns.append(Turn.BLOCKED)
                self._changed.add(goal_id)
                await self._look_only(goal_id)
        return max(turns)

    async def _look_after(self, goal_id: str) -> Turn:
        turn = max([await self._carry(partition) for partition in self._store.partitions(goal_id)])
        if turn is not Turn.DONE:
            self._changed.add(goal_id)
        is_settled = turn is Turn.DONE and goal_id in self._changed
        is_due = self._compare_at.get(goal_id, _LONG_AGO) <= self._clock.now() and self._is_near(goal_id)
        if is_settled or is_due:
            turn = max(turn, await self._compare(goal_id))
        return turn

    def _is_near(self, goal_id: str) -> bool:
        """Whether the ledger is near enough for a comparison: while a backlog is carried, nothing can be told."""
        waiting = sum(one.waiting for partition, one in self._seen.items() if partition.goal_id == goal_id)
        return waiting < self._batch_max

    # Carrying.

    async def _carry(self, partition: Partition) -> Turn:
        """Take one batch to the ledger."""
        watermark = self._watermarks.pop(partition, None) or await self._ledger.watermark(partition)
        found = await self._next(partition, watermark.seq if watermark else 0)
        self._tell_loss(partition, found)
        self._note(partition, watermark, found)
        if watermark is None or found.epoch != watermark.epoch or not found.is_open:
            return await self._restore_if(partition, found)
        if found.last < watermark.reached:
            reason = "its memory is older than the ledger"
            return await self._restore(partition.goal_id, {partition: found.epoch}, reason)
        if watermark.run_id not in ("", found.run_id):
            return await self._look_again(partition, watermark)
        if not found.entries and watermark.run_id:
            self._watermarks[partition] = watermark
            return Turn.DONE
        drained = await self._drain(watermark, found)
        if drained is not None:
            await self._check_gap(partition, watermark, found)
            await self._follow(partition, drained, found)
        return Turn.MORE

    async def _drain(self, watermark: Watermark, found: Backlog) -> Drained | None:
        """Have the ledger take a batch; of a long backlog the next one is fetched meanwhile."""
        draining = self._ledger.drain(watermark, found.run_id, found.entries, at=self._clock.now())
        if len(found.entries) < self._batch_max:
            return await draining
        partition, last = watermark.partition, found.entries[-1].position.seq
        ahead = asyncio.create_task(self._store.backlog(partition, after=last, limit=self._batch_max))
        try:
            drained = await draining
            with suppress(WorldEventsError):
                self._ahead[partition] = last, await ahead
            return drained
        finally:
            # Where the ledger failed, nobody asks for it any more, or for what it failed of.
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _next(self, partition: Partition, after: int) -> Backlog:
        last, found = self._ahead.pop(partition, (None, None))
        if found is not None and last == after:
            return found
        return await self._store.backlog(partition, after=after, limit=self._batch_max)

    async def _look_again(self, partition: Partition, watermark: Watermark) -> Turn:
        """Another process answers: what it has under positions that we know may be something else."""
        found = await self._store.backlog(partition, after=0, limit=1)
        before = found.entries[0].position.seq - 1 if found.entries else found.last
        await self._ledger.rewind(watermark, found.run_id, seq=before)
        return Turn.MORE

    async def _restore_if(self, partition: Partition, found: Backlog) -> Turn:
        """Restore what was found, unless somebody else did between the two looks at it."""
        # Whoever does: the names may have gone with the memory.
        self._is_named = False
        found = await self._store.backlog(partition, after=found.last, limit=1)
        watermark = await self._ledger.watermark(partition)
        if watermark is not None and watermark.epoch == found.epoch and found.is_open:
            return Turn.MORE
        return await self._restore(partition.goal_id, {partition: found.epoch}, _why(watermark, found))

    async def _restore(self, goal_id: str, seen: Mapping[Partition, str | None], reason: str) -> Turn:
        restored = await self._restorer.restore(goal_id, seen=seen, reason=reason)
        return Turn.MORE if restored else Turn.BLOCKED

    async def _check_gap(self, partition: Partition, watermark: Watermark, found: Backlog) -> None:
        first = found.entries[0].position.seq if found.entries else found.last + 1
        if not watermark.seq or first <= watermark.seq + 1:
            return
        oldest = (await self._store.backlog(partition, after=0, limit=1)).entries
        if not oldest or oldest[0].position.seq >= first:
            # The ledger went further back than the outbox keeps what it had acknowledged.
            _log.critical(
                "goal %s: positions %d to %d are neither in the ledger nor in the outbox",
                partition.goal_id,
                watermark.seq + 1,
                first - 1,
            )

    async def _follow(self, partition: Partition, drained: Drained, found: Backlog) -> None:
        """The store takes over what the ledger decided about a batch; what is missed here a comparison finds."""
        self._telemetry.drained.inc(drained.kept)
        self._telemetry.dead_letters.inc(drained.dead_letters)
        self._note(partition, drained.watermark, found)
        if drained.repairs:
            await self._repair(partition)
        if drained.unlocks or drained.names:
            unlocks = [one for one in await self._ledger.unlocks() if one.goal_id == partition.goal_id]
            await self._store.decided(partition.goal_id, unlocks=unlocks, names=drained.names)
        await self._store.acknowledge(partition, Position(drained.watermark.epoch, drained.watermark.seq))
        self._watermarks[partition] = drained.watermark

    async def _repair(self, partition: Partition) -> None:
        """Have the store take back what the ledger did not keep; until the ledger is told, it is asked for again."""
        repairs = await self._ledger.repairs(partition)
        if repairs:
            await self._store.take_back(repairs)
            await self._ledger.repaired(repairs, at=self._clock.now())
            self._telemetry.repairs.inc(len(repairs))
            _log.warning("goal %s: %d contributions are taken back", partition.goal_id, len(repairs))

    # Comparing.

    async def _compare(self, goal_id: str) -> Turn:
        """See whether both sides have the same sums; where they do not, the store is built again."""
        finding = await self._comparer.find(goal_id)
        if finding is None or finding.store is None:
            # Too much is under way; what is lost, the next turn sees.
            self._compare_at[goal_id] = self._clock.now() + timedelta(seconds=self._interval_s)
            return Turn.MORE
        if finding.repairs:
            for partition in self._store.partitions(goal_id):
                await self._repair(partition)
            return Turn.MORE
        if not finding.agrees:
            _log.error("the store differs from the ledger: %s", finding)
            self._telemetry.differences.inc()
            return await self._restore(goal_id, finding.seen, "it differed from the ledger")
        if await self._tell_again(goal_id):
            return Turn.MORE
        self._compare_at[goal_id] = self._clock.now() + timedelta(seconds=COMPARE_S)
        self._changed.discard(goal_id)
        return Turn.DONE

    async def _tell_again(self, goal_id: str) -> bool:
        """What the store missed where somebody died after the ledger had decided; whether that may have moved sums."""
        for mark in (await self._ledger.standing(goal_id)).watermarks:
            await self._store.acknowledge(mark.partition, Position(mark.epoch, mark.seq))
        names = {} if self._is_named else await self._ledger.display_names()
        unlocks = [one for one in await self._ledger.unlocks() if one.goal_id == goal_id]
        known = (await self._store.state(goal_id)).unlocks
        if names or {one.threshold for one in unlocks} != {one.threshold for one in known}:
            await self._store.decided(goal_id, unlocks=unlocks, names=names)
        self._is_named = True
        return await bans.told_again(self._store, self._ledger, self._comparer, goal_id, at=self._clock.now())

    async def reconcile(self, *, fix: bool) -> list[Finding]:
        """Every goal compared, its contributors counted again; with `fix`, what differs is built from the ledger."""
        findings = []
        for goal_id in self._goals():
            finding = await self._settled(goal_id)
            if fix and not finding.agrees:
                await self._restore(goal_id, finding.seen, "an operator asked for it")
                after = await self._settled(goal_id)
                finding = replace(after, mended=after.agrees)
            findings.append(finding)
        return findings

    async def _settled(self, goal_id: str) -> Finding:
        """A goal compared, as soon as it holds still for a moment."""
        while (finding := await self._comparer.find(goal_id, recount=True)) is None:
            await self._turn()
        return finding

    # What is seen from outside.

    def _tell_loss(self, partition: Partition, found: Backlog) -> None:
        """Say how much the store alone had, at most, where its memory is gone or older than it was at the last look."""
        seen = self._seen.get(partition)
        if seen is None or found.is_shut or found.epoch not in (None, seen.epoch):
            return
        lost = min(seen.waiting, seen.done + seen.waiting - found.last)
        if lost > 0:
            self._telemetry.lost_at_most.inc(lost)
            _log.error(
                "goal %s: the store's memory is gone or older than it was; %d contributions waited for the ledger when"
                " it was last seen, and at most these are lost",
                partition.goal_id,
                lost,
            )

    def _note(self, partition: Partition, watermark: Watermark | None, found: Backlog) -> None:
        done = watermark.seq if watermark and watermark.epoch == found.epoch else 0
        self._seen[partition] = _Seen(found.epoch, done, max(0, found.last - done), _oldest(found, done))

    async def _look_only(self, goal_id: str) -> None:
        """Where the ledger does not answer, what waits for it grows, and is to be seen."""
        for partition in self._store.partitions(goal_id):
            known = self._seen.get(partition)
            if known is None:
                continue
            try:
                found = await self._store.backlog(partition, after=known.done, limit=1)
            except WorldEventsError:
                continue
            self._seen[partition] = replace(
                known, waiting=max(0, found.last - known.done), oldest=_oldest(found, known.done)
            )


def _oldest(found: Backlog, done: int) -> datetime | None:
    first = next((one for one in found.entries if one.position.seq > done), None)
    return first.received_at if isinstance(first, OutboxEntry) else None


def _why(watermark: Watermark | None, found: Backlog) -> str:
    if watermark is None:
        return "it is new"
    if found.epoch is None and not found.is_shut:
        return "the store has lost its memory"
    if found.epoch not in (None, watermark.epoch):
        return "the store is in another epoch"
    return "a restoration was not finished"
