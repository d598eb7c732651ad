"""What a store's server holds in memory, and what each of its verbs does to it in one step.

Plain dictionaries. Nothing here waits or fails: the way to it does that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from worldevents import rules
from worldevents.clock import Clock
from worldevents.errors import ContributionConflict, LedgerBehind, StoreLost, UserBanned, WorldEventsError
from worldevents.model import (
    CommunityGoal,
    ContributionStatus,
    EventVersion,
    GoalContribution,
    Partition,
    Position,
    Receipt,
    Repair,
    TierUnlock,
)
from worldevents.store.base import Answer, Backlog, KnownId, Restoration, UserRecord
from worldevents.testing.simulation import moving
from worldevents.testing.simulation.moving import Done, Wanted
from worldevents.testing.simulation.share import Bounds, Known, Share

COUNTED = ContributionStatus.COUNTED


class Server:
    """All goals, as one server process holds them."""

    def __init__(self, bounds: Bounds, clock: Clock, on_acknowledge: Callable[[Partition, Position], None]) -> None:
        self.bounds = bounds
        self._clock = clock
        self.shares: dict[Partition, Share] = {}
        self._partitions: dict[str, list[Partition]] = {}
        self.goals: dict[str, CommunityGoal] = {}
        """What contributions are judged by."""
        self.versions: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.runs = 1
        self.shut_open = 0
        """How often an open partition was shut."""
        self._on_acknowledge = on_acknowledge

    @property
    def run_id(self) -> str:
        """Another one for each process."""
        return f"run{self.runs}"

    def share(self, partition: Partition) -> Share:
        """A partition; one that was never heard of is a lost one."""
        known = self.shares.get(partition)
        if known is None:
            known = self.shares[partition] = Share()
        return known

    def partition_of(self, goal_id: str, user_id: str) -> Partition:
        """Where a user's contributions to a goal are."""
        return Partition(goal_id, sum(user_id.encode()) % self.bounds.partitions)

    def partitions(self, goal_id: str) -> Sequence[Partition]:
        """All of a goal."""
        known = self._partitions.get(goal_id)
        if known is None:
            known = [Partition(goal_id, number) for number in range(self.bounds.partitions)]
            self._partitions[goal_id] = known
        return known

    def copy(self) -> dict[Partition, Share]:
        """All that it holds, apart."""
        return {partition: one.copy() for partition, one in self.shares.items()}

    def configure(self, *versions: EventVersion) -> None:
        """Judge by these, unless a newer one is known."""
        for version in versions:
            known = self.versions.get(version.event.id, 0)
            if version.version >= known:
                self.versions[version.event.id] = version.version
                self.goals |= {goal.id: goal for goal in version.event.goals}

    # Contributing.

    def contribute(self, partition: Partition, items: Sequence[tuple[GoalContribution, Known | None]]) -> list[Answer]:
        """Apply items of one partition, each with what the ledger holds of it if that was asked."""
        share, goal = self._taking(partition)
        return [self._contribute(goal, share, item, held) for item, held in items]

    def _taking(self, partition: Partition) -> tuple[Share, CommunityGoal]:
        share, goal = self.share(partition), self.goals.get(partition.goal_id)
        if not share.is_open or share.epoch is None or goal is None:
            raise StoreLost
        if share.last - share.acknowledged >= self.bounds.outbox_max:
            raise LedgerBehind
        return share, goal

    def move(self, partition: Partition, user_id: str, wanted: Sequence[Wanted], ban: str) -> list[Done]:
        """Do movements of one user, all of them or none; with a `ban`, or LIFT, the user is banned or taken again."""
        share, goal = self._taking(partition)
        return moving.move(share, goal, user_id, wanted, ban=ban, now=self._clock.now(), window=self.bounds.window)

    def _contribute(self, goal: CommunityGoal, share: Share, item: GoalContribution, known: Known | None) -> Answer:
        now = self._clock.now()
        known = known or share.ids.get((item.user_id, item.contribution_id))
        is_known = known is not None and known.until > now
        if is_known and known is not None and known.amount != item.amount:
            return ContributionConflict(field="contributionId")
        if not is_known or known is None:
            if item.user_id in share.banned:
                return UserBanned(field="userId")
            try:
                status = self._judge(goal, share, item, now)
            except WorldEventsError as refusal:
                return refusal
            known = self._keep(share, item, status, now)
        own = share.counted(item.user_id)
        return Receipt(item, goal.metric, known.status, is_known, self.total(goal.id), own, known.position)

    def _judge(self, goal: CommunityGoal, share: Share, item: GoalContribution, now: datetime) -> ContributionStatus:
        status = rules.judge(goal, item.occurred_at, now)
        if status is not COUNTED:
            return status
        return rules.judge_amount(
            goal,
            item,
            total=share.total + share.pending,
            user_today=share.days[item.user_id, (item.occurred_at or now).date()],
            user_total=share.counted(item.user_id),
        )

    def _keep(self, share: Share, item: GoalContribution, status: ContributionStatus, now: datetime) -> Known:
        instant = item.occurred_at or now
        position = share.keep(item, status, at=instant, now=now)
        if status is COUNTED:
            share.days[item.user_id, instant.date()] += item.amount
        known = Known(item.amount, status, position, now + self.bounds.window)
        share.ids[item.user_id, item.contribution_id] = known
        return known

    def total(self, goal_id: str) -> int:
        """What counts for a goal."""
        return sum(self.share(one).total for one in self.partitions(goal_id))

    # The outbox.

    def backlog(self, partition: Partition, after: int, limit: int) -> Backlog:
        """What waits behind a position, and the sums of that moment."""
        share = self.share(partition)
        waiting = [one for one in share.outbox if one.position.seq > after] if share.last > after else []
        return Backlog(
            epoch=share.epoch,
            is_open=share.is_open,
            is_shut=share.token is not None,
            run_id=self.run_id,
            last=share.last,
            entries=waiting[:limit],
            total=share.total,
            pending=share.pending,
            participants=share.participants,
        )

    def acknowledge(self, partition: Partition, position: Position) -> None:
        """Let go of what is in the ledger, but for the newest of it."""
        share = self.share(partition)
        if position.epoch == share.epoch and position.seq > share.acknowledged:
            self._on_acknowledge(partition, position)
            share.acknowledged = position.seq
            floor = share.acknowledged - self.bounds.kept
            share.outbox = [one for one in share.outbox if one.position.seq > floor]

    def take_back(self, repair: Repair) -> None:
        """Undo one entry, once."""
        share = self.share(repair.partition)
        if repair.position.epoch == share.epoch and repair.position not in share.undone:
            share.undone.add(repair.position)
            share.add(repair.user_id, -repair.amount, repair.status)
            share.seq += 1

    def decided(self, goal_id: str, unlocks: Sequence[TierUnlock], names: Mapping[str, str]) -> None:
        """Take over what the ledger decided."""
        self.names |= names
        share = self.share(self.partitions(goal_id)[0])
        if share.epoch is not None and share.unlocks != tuple(unlocks):
            share.unlocks = tuple(unlocks)
            share.seq += 1

    def sum_of_users(self, partition: Partition) -> int:
        """What counts, counted again."""
        return sum(counted for counted, _ in self.share(partition).users.values())

    def refused(self, partition: Partition) -> dict[str, int]:
        """Who is banned, and by which ban's number."""
        return dict(self.share(partition).banned)

    def flush(self, goal_ids: Sequence[str]) -> None:
        """All is on the disk: a server that starts again with all it had always has it there."""

    # Restoring.

    def shut(self, partition: Partition, token: str, seen: str | None) -> bool:
        """Take nothing more, for one who restores it."""
        share, now = self.share(partition), self._clock.now()
        is_leased = share.leased_until is not None and share.leased_until > now
        if share.epoch != seen or (share.token not in (None, token) and is_leased):
            return False
        self.shut_open += share.is_open
        share.is_open, share.token, share.filling = False, token, None
        share.leased_until = now + self.bounds.lease
        return True

    def wipe(self, partition: Partition, token: str, epoch: str) -> bool:
        """Forget all, but for who restores it and to what."""
        if not self._holds(partition, token, None):
            return False
        self.shares[partition] = Share(filling=epoch, token=token, leased_until=self._clock.now() + self.bounds.lease)
        return True

    def _holds(self, partition: Partition, token: str, epoch: str | None) -> bool:
        share = self.share(partition)
        if share.token != token or epoch not in (None, share.filling):
            return False
        share.leased_until = self._clock.now() + self.bounds.lease
        return True

    def fill_users(self, partition: Partition, token: str, epoch: str, page: Sequence[UserRecord]) -> bool:
        """Put back what users have."""
        if not self._holds(partition, token, epoch):
            return False
        share = self.share(partition)
        for record in page:
            share.users[record.user_id] = record.amount, record.pending
            share.days.update({(record.user_id, day): amount for day, amount in record.days})
        return True

    def fill_ids(self, partition: Partition, token: str, epoch: str, page: Sequence[KnownId]) -> bool:
        """Put back which ids are known."""
        if not self._holds(partition, token, epoch):
            return False
        until = self._clock.now() + self.bounds.window
        share = self.share(partition)
        for one in page:
            share.ids[one.user_id, one.contribution_id] = Known(one.amount, one.status, one.position, until)
        return True

    def reopen(self, partition: Partition, token: str, restoration: Restoration) -> bool:
        """Take contributions again, in the new epoch."""
        if not self._holds(partition, token, restoration.epoch):
            return False
        share = self.share(partition)
        share.total = sum(counted for counted, _ in share.users.values())
        share.pending = sum(held for _, held in share.users.values())
        share.seq, share.unlocks = restoration.seq, tuple(restoration.unlocks)
        own = [one for one in restoration.bans if self.partition_of(partition.goal_id, one.user_id) == partition]
        share.banned = {one.user_id: one.number for one in own}
        share.epoch, share.is_open, share.token, share.filling = restoration.epoch, True, None, None
        return True
