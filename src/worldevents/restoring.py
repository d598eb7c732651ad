"""Building a store's memory again from the ledger: what survived is rescued first, what is wiped is in the ledger.

One goal is restored by one process at a time: the store holds others off by a token.
Until it is filled it takes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta

from worldevents.clock import Clock
from worldevents.ledger.base import Held, OutboxLedger, UserTotals, Watermark
from worldevents.model import Partition
from worldevents.store.base import Backlog, BufferedStore, KnownId, Restoration, UserRecord
from worldevents.telemetry import Telemetry

_log = logging.getLogger(__name__)


class Restorer:
    """Restores goals whose memory is lost, old, or not what the ledger says."""

    def __init__(
        self,
        store: BufferedStore,
        ledger: OutboxLedger,
        clock: Clock,
        telemetry: Telemetry,
        *,
        batch_max: int,
        window_s: float,
        token: str,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._telemetry = telemetry
        self._batch_max = batch_max
        self._window = timedelta(seconds=window_s)
        self._token = token

    async def restore(self, goal_id: str, *, seen: Mapping[Partition, str | None], reason: str) -> bool:
        """Shut a goal, rescue what its outbox still holds, fill it from the ledger, and open it in a new epoch.

        False where somebody else is at it, or where a partition is not in the epoch any more that the caller has
        `seen` it in: then the reason may be gone too.
        What fails on the way is begun again by whoever comes next.
        """
        partitions = self._store.partitions(goal_id)
        watermarks = {one: await self._ledger.watermark(one) for one in partitions}
        found = {one: await self._store.backlog(one, after=0, limit=1) for one in partitions}
        epochs = {partition: one.epoch for partition, one in found.items()}
        if not epochs.items() >= seen.items() or not await self._store.shut(epochs, token=self._token):
            return False
        # From here on all that the outboxes hold is of an older epoch: it is kept, and there is nothing to repair.
        epoch = await self._ledger.begin_epoch(goal_id, partitions, at=self._clock.now(), reason=reason)
        for partition in partitions:
            await self._rescue(partition, after=_place(watermarks[partition], found[partition]))
        restored = await self._store.restore(goal_id, await self._restoration(goal_id, epoch), token=self._token)
        if restored:
            self._telemetry.rebuilds.inc()
            # A goal that was never there is made in the same way, and is no news.
            level = logging.INFO if all(one is None for one in watermarks.values()) else logging.WARNING
            _log.log(level, "goal %s is restored from the ledger in epoch %s: %s", goal_id, epoch, reason)
        return restored

    async def _rescue(self, partition: Partition, *, after: int) -> None:
        """Take to the ledger what an outbox still holds."""
        while True:
            watermark = await self._ledger.watermark(partition)
            found = await self._store.backlog(partition, after=after, limit=self._batch_max)
            if watermark is None or not found.entries:
                return
            now = self._clock.now()
            if await self._ledger.drain(watermark, watermark.run_id, found.entries, at=now) is not None:
                after = found.entries[-1].position.seq

    async def _restoration(self, goal_id: str, epoch: str) -> Restoration:
        standing = await self._ledger.standing(goal_id)
        return Restoration(
            epoch=epoch,
            seq=standing.totals.seq,
            users=self._users(goal_id),
            ids=self._ids(goal_id),
            unlocks=[one for one in await self._ledger.unlocks() if one.goal_id == goal_id],
            bans=await self._ledger.bans(),
        )

    async def _users(self, goal_id: str) -> AsyncIterator[Sequence[UserRecord]]:
        goal = self._store.goal(goal_id)
        has_days, has_shapes = goal.metric.limits.per_user_day is not None, goal.outliers is not None
        page = await self._ledger.users(goal_id)
        while page:
            users = [one.user_id for one in page]
            days = await self._ledger.user_days(goal_id, users) if has_days else {}
            shapes = await self._ledger.shapes(goal_id, users) if has_shapes else {}
            yield _records(page, days, shapes)
            page = await self._ledger.users(goal_id, after=page[-1].user_id)

    async def _ids(self, goal_id: str) -> AsyncIterator[Sequence[KnownId]]:
        since = self._clock.now() - self._window
        page, before = await self._ledger.recent(goal_id, since)
        yield _known(page)
        while before is not None:
            page, before = await self._ledger.recent(goal_id, since, before=before)
            yield _known(page)


def _known(page: Sequence[Held]) -> list[KnownId]:
    return [
        KnownId(
            user_id=one.user_id,
            contribution_id=one.contribution_id,
            amount=one.amount,
            status=one.status,
            position=one.position,
        )
        for one in page
    ]


def _records(
    page: Sequence[UserTotals], days: dict[tuple[str, date], int], shapes: dict[str, dict[int, int]]
) -> list[UserRecord]:
    own: dict[str, list[tuple[date, int]]] = {one.user_id: [] for one in page}
    for (user_id, day), amount in days.items():
        own[user_id].append((day, amount))
    return [
        UserRecord(
            user_id=one.user_id,
            amount=one.amount,
            pending=one.pending,
            days=own[one.user_id],
            shape=shapes.get(one.user_id, {}),
        )
        for one in page
    ]


def _place(watermark: Watermark | None, found: Backlog) -> int:
    """Behind which position entries may not be in the ledger yet; of another memory than the watermark's, any."""
    if watermark is None or (watermark.epoch, watermark.run_id) != (found.epoch, found.run_id):
        return 0
    return watermark.seq
