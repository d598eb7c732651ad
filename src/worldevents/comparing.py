"""A goal as the store and the ledger have it, side by side, at one watermark. It only looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from worldevents.ledger.base import OutboxLedger, Standing
from worldevents.model import OutboxEntry, Partition
from worldevents.movements import effect
from worldevents.store.base import Backlog, BufferedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What one side has, in smallest units; `participants` is None where it cannot be told."""

    total: int
    pending: int
    participants: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One goal, compared."""

    goal_id: str
    seen: Mapping[Partition, str | None]
    """The epochs that the store's partitions were in."""
    ledger: Sums
    store: Sums | None
    """Without what still waits for the ledger; None where the memory is lost, or another than the watermark's."""
    sum_of_users: int | None
    """The store's contributors, counted again, with all that waits; None where that was not asked, or they changed."""
    waiting: int
    """Contributions that are not in the ledger yet."""
    repairs: int
    """Contributions that the store counted twice and has not taken back yet."""
    agrees: bool
    mended: bool = False
    """Whether it was built again from the ledger, and agrees since."""


class Comparer:
    """Compares goals; both sides may be at work meanwhile."""

    def __init__(self, store: BufferedStore, ledger: OutboxLedger, *, batch_max: int) -> None:
        self._store = store
        self._ledger = ledger
        self._batch_max = batch_max

    async def find(self, goal_id: str, *, recount: bool = False) -> Finding | None:
        """Both sides at one watermark; None where too much is under way to tell. Raises UnknownGoal."""
        standing = await self._ledger.standing(goal_id)
        if any(one.is_rewound for one in standing.watermarks):
            return None
        found = [
            await self._store.backlog(one.partition, after=one.seq, limit=self._batch_max)
            for one in standing.watermarks
        ]
        waiting = sum(max(0, one.last - mark.seq) for one, mark in zip(found, standing.watermarks, strict=True))
        if waiting > sum(len(one.entries) for one in found):
            return None
        store = _at_watermark(found) if _is_same_memory(standing, found) else None
        users = await self._recounted(standing) if recount and store is not None else None
        finding = Finding(
            goal_id=goal_id,
            seen={mark.partition: one.epoch for one, mark in zip(found, standing.watermarks, strict=True)},
            ledger=Sums(
                total=standing.totals.total,
                pending=standing.totals.pending,
                participants=None if waiting else standing.participants,
            ),
            store=store,
            sum_of_users=users,
            waiting=waiting,
            repairs=standing.repairs,
            agrees=False,
        )
        if _agrees(finding, total=sum(one.total for one in found)):
            return replace(finding, agrees=True)
        # What another syncer drained and had taken back between the two looks is no difference.
        return finding if await self._ledger.standing(goal_id) == standing else None

    async def _recounted(self, standing: Standing) -> int | None:
        sums = [await self._store.sum_of_users(one.partition) for one in standing.watermarks]
        return None if None in sums else sum(one for one in sums if one is not None)


def _is_same_memory(standing: Standing, found: Sequence[Backlog]) -> bool:
    """Whether the store is the one that the watermarks speak of."""
    return bool(found) and all(
        one.is_open and one.epoch == mark.epoch and mark.run_id in ("", one.run_id) and one.last >= mark.seq
        for one, mark in zip(found, standing.watermarks, strict=True)
    )


def _at_watermark(found: Sequence[Backlog]) -> Sums:
    waiting = [entry for one in found for entry in one.entries]
    moved = [effect(one.status, one.contribution.amount) for one in waiting if isinstance(one, OutboxEntry)]
    return Sums(
        total=sum(one.total for one in found) - sum(counted for counted, _ in moved),
        pending=sum(one.pending for one in found) - sum(held for _, held in moved),
        participants=None if waiting else sum(one.participants for one in found),
    )


def _agrees(finding: Finding, *, total: int) -> bool:
    """Whether nothing is amiss: the sums are equal, and the store's contributors add up to its total."""
    return not finding.repairs and finding.store == finding.ledger and finding.sum_of_users in (None, total)
