"""A store and a ledger as one process sees them: of their contracts what the code under simulation calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final, TypeVar, TypeVarTuple

from worldevents.clock import Clock
from worldevents.errors import LedgerUnavailable, StoreLost, UnknownGoal, WorldEventsError
from worldevents.grants import RewardGrant
from worldevents.ledger.base import Drained, Held, Standing, UserTotals, Watermark
from worldevents.ledger.personal import Barred
from worldevents.model import (
    CommunityGoal,
    EventVersion,
    GoalContribution,
    GoalProgress,
    GoalState,
    OutboxEntry,
    Partition,
    Position,
    Receipt,
    Repair,
    SeasonalEvent,
    TierUnlock,
    Unreadable,
)
from worldevents.movements import Ban, Hold, Movement, Note, moved_out
from worldevents.store.base import Answer, Backlog, Restoration
from worldevents.testing.simulation import moving
from worldevents.testing.simulation.database import Database
from worldevents.testing.simulation.memory import Server
from worldevents.testing.simulation.moving import Wanted
from worldevents.testing.simulation.share import Known
from worldevents.testing.simulation.wire import Process, Wire

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)


class ModelLedger:
    """An `OutboxLedger` at the other end of a wire."""

    def __init__(self, process: Process, wire: Wire, database: Database) -> None:
        self._process = process
        self._wire = wire
        self._database = database

    def _call(self, function: Callable[[*Ts], T], *arguments: *Ts) -> Awaitable[T]:
        return self._wire.call(self._process, function, *arguments)

    def events(self) -> Awaitable[list[EventVersion]]:
        return self._call(self._database.events)

    async def publish(
        self, event: SeasonalEvent, *, based_on: int, author: str, published_at: datetime, reason: str
    ) -> EventVersion:
        version = EventVersion(
            event=event, version=based_on + 1, published_at=published_at, author=author, reason=reason
        )
        return await self._call(self._database.publish, version)

    async def unlocks(self) -> list[TierUnlock]:
        return await self._call(self._database.unlocks)

    def display_names(self) -> Awaitable[dict[str, str]]:
        return self._call(self._database.display_names)

    def look_up(self, items: Sequence[GoalContribution]) -> Awaitable[list[Held | None]]:
        return self._call(self._database.look_up, items)

    def watermark(self, partition: Partition) -> Awaitable[Watermark | None]:
        return self._call(self._database.watermark, partition)

    def standing(self, goal_id: str) -> Awaitable[Standing]:
        return self._call(self._database.standing, goal_id)

    def drain(
        self, watermark: Watermark, run_id: str, entries: Sequence[OutboxEntry | Unreadable], *, at: datetime
    ) -> Awaitable[Drained | None]:
        return self._call(self._database.drain, watermark, run_id, entries, at)

    def rewind(self, watermark: Watermark, run_id: str, *, seq: int) -> Awaitable[Watermark | None]:
        return self._call(self._database.rewind, watermark, run_id, seq)

    def begin_epoch(
        self, goal_id: str, partitions: Sequence[Partition], *, at: datetime, reason: str
    ) -> Awaitable[str]:
        return self._call(self._database.begin_epoch, goal_id, partitions, at, reason)

    def repairs(self, partition: Partition) -> Awaitable[list[Repair]]:
        return self._call(self._database.repairs, partition)

    def repaired(self, repairs: Sequence[Repair], *, at: datetime) -> Awaitable[None]:
        return self._call(self._database.repaired, repairs, at)

    def users(self, goal_id: str, *, after: str = "", limit: int = 10_000) -> Awaitable[list[UserTotals]]:
        return self._call(self._database.users, goal_id, after, limit)

    def user_days(self, goal_id: str, users: Sequence[str]) -> Awaitable[dict[tuple[str, date], int]]:
        return self._call(self._database.user_days, goal_id, users)

    def recent(
        self, goal_id: str, since: datetime, *, before: int | None = None, limit: int = 10_000
    ) -> Awaitable[tuple[list[Held], int | None]]:
        return self._call(self._database.recent, goal_id, since, before, limit)

    # What operators do.

    def note(self, told: Note) -> Awaitable[Note]:
        return self._call(self._database.note, told)

    def holds(self, *, goal_id: str | None = None, after: int = 0, limit: int = 100) -> Awaitable[list[Hold]]:
        return self._call(self._database.holds, goal_id, after, limit)

    def hold(self, hold_id: int) -> Awaitable[Hold]:
        return self._call(self._database.hold, hold_id)

    def ban_user(self, user_id: str, *, at: datetime, reason: str, author: str) -> Awaitable[Ban]:
        return self._call(self._database.ban_user, user_id, at, reason, author)

    def lift_ban(self, number: int, *, at: datetime) -> Awaitable[None]:
        return self._call(self._database.lift_ban, number, at)

    def bans(self) -> Awaitable[list[Ban]]:
        return self._call(self._database.bans)

    def ban_of(self, user_id: str) -> Awaitable[Ban | None]:
        return self._call(self._database.ban_of, user_id)

    async def grants_of(self, user_id: str) -> list[RewardGrant]:
        """Nothing is granted here."""
        del user_id
        return []

    async def barred(self) -> Barred:
        """Nobody is erased here."""
        return Barred()

    async def take_again(self, user_id: str) -> bool:
        """Nobody is erased here."""
        del user_id
        return False


class ModelStore:
    """A `BufferedStore` at the other end of a wire."""

    def __init__(self, process: Process, wire: Wire, server: Server, ledger: ModelLedger, clock: Clock) -> None:
        self._process = process
        self._wire = wire
        self._server = server
        self._ledger = ledger
        self._clock = clock
        self.events: dict[str, EventVersion] = {}

    can_flush = True

    def _call(self, function: Callable[[*Ts], T], *arguments: *Ts) -> Awaitable[T]:
        return self._wire.call(self._process, function, *arguments)

    async def refresh(self) -> None:
        """Take over what the ledger says about events."""
        for version in await self._ledger.events():
            known = self.events.get(version.event.id)
            if known is None or known.version < version.version:
                self.events[version.event.id] = version
                await self._call(self._server.configure, version)

    async def announce(self, event_id: str) -> None:
        await self.refresh()
        unlocks = await self._ledger.unlocks()
        for goal in self.events[event_id].event.goals:
            await self.decided(goal.id, unlocks=[one for one in unlocks if one.goal_id == goal.id], names={})

    def goal(self, goal_id: str) -> CommunityGoal:
        for version in self.events.values():
            for goal in version.event.goals:
                if goal.id == goal_id:
                    return goal
        raise UnknownGoal(field="goalId")

    def partitions(self, goal_id: str) -> Sequence[Partition]:
        return self._server.partitions(goal_id)

    # Contributing.

    async def contribute(self, batch: Sequence[GoalContribution]) -> list[Answer]:
        answers: dict[int, Answer] = {}
        held = await self._held_before(batch, answers)
        shares: dict[Partition, list[int]] = {}
        for place, item in enumerate(batch):
            if place not in answers:
                shares.setdefault(self._server.partition_of(item.goal_id, item.user_id), []).append(place)
        for partition, places in shares.items():
            own = [(batch[place], held.get(place)) for place in places]
            try:
                told = await self._contribute(partition, own)
            except WorldEventsError as error:
                told = [error] * len(places)
            answers.update(zip(places, told, strict=True))
        return [answers[place] for place in range(len(batch))]

    async def _contribute(
        self, partition: Partition, own: Sequence[tuple[GoalContribution, Known | None]]
    ) -> list[Answer]:
        return await self._call(self._server.contribute, partition, own)

    async def _held_before(self, batch: Sequence[GoalContribution], answers: dict[int, Answer]) -> dict[int, Known]:
        """What the ledger holds of contributions that are older than the store remembers."""
        least = self._clock.now() - self._server.bounds.window
        old = [place for place, item in enumerate(batch) if item.occurred_at is not None and item.occurred_at < least]
        try:
            found = await self._ledger.look_up([batch[place] for place in old]) if old else []
        except LedgerUnavailable as error:
            answers.update(dict.fromkeys(old, error))
            return {}
        known = zip(old, map(_known, found), strict=True)
        return {place: one for place, one in known if one is not None}

    # Moving.

    async def move(self, movements: Sequence[Movement]) -> list[Receipt]:
        goal_id, user_id = movements[0].contribution[:2]
        return await self._move(goal_id, user_id, movements)

    async def ban(self, goal_id: str, ban: Ban) -> list[Receipt]:
        all_of_it = moved_out(goal_id, ban.user_id, ban.number, counted=1, held=1)
        return await self._move(goal_id, ban.user_id, all_of_it, ban=str(ban.number))

    async def refuse(self, goal_id: str, ban: Ban) -> None:
        await self._move(goal_id, ban.user_id, (), ban=str(ban.number))

    async def unban(self, ban: Ban, movements: Sequence[Movement], *, goal_id: str) -> list[Receipt]:
        return await self._move(goal_id, ban.user_id, movements, ban=moving.LIFT)

    async def _move(self, goal_id: str, user_id: str, movements: Sequence[Movement], *, ban: str = "") -> list[Receipt]:
        goal, is_all = self.goal(goal_id), ban not in ("", moving.LIFT)
        found = [None] * len(movements) if is_all else await self._ledger.look_up([one[0] for one in movements])
        wanted = [Wanted(one, is_all, _known(held)) for one, held in zip(movements, found, strict=True)]
        partition = self._server.partition_of(goal_id, user_id)
        done = await self._call(self._server.move, partition, user_id, wanted, ban)
        return [
            Receipt(one.movement[0], goal.metric, one.movement.status, one.is_repeat, 0, 0, one.position)
            for one in done
        ]

    async def progress(self, goal_id: str, user_id: str | None) -> GoalProgress:
        goal = self.goal(goal_id)
        return await self._call(self._progress, goal, user_id or "")

    def _progress(self, goal: CommunityGoal, user_id: str) -> GoalProgress:
        state = self._state(goal)
        own = self._server.share(self._server.partition_of(goal.id, user_id)).users.get(user_id, (0, 0))
        return GoalProgress(state=state, user_contribution=own[0], user_pending=own[1])

    async def state(self, goal_id: str) -> GoalState:
        goal = self.goal(goal_id)
        return await self._call(self._state, goal)

    def _state(self, goal: CommunityGoal) -> GoalState:
        shares = [self._server.share(one) for one in self.partitions(goal.id)]
        if not all(one.is_open for one in shares):
            raise StoreLost
        return GoalState(
            goal=goal,
            total=sum(one.total for one in shares),
            pending=sum(one.pending for one in shares),
            participants=sum(one.participants for one in shares),
            unlocks=shares[0].unlocks,
            epoch=shares[0].epoch or "",
            seq=sum(one.seq for one in shares),
        )

    # The outbox.

    async def backlog(self, partition: Partition, *, after: int, limit: int) -> Backlog:
        return await self._call(self._server.backlog, partition, after, limit)

    def acknowledge(self, partition: Partition, position: Position) -> Awaitable[None]:
        return self._call(self._server.acknowledge, partition, position)

    async def take_back(self, repairs: Sequence[Repair]) -> None:
        for one in repairs:
            await self._call(self._server.take_back, one)

    async def decided(self, goal_id: str, *, unlocks: Sequence[TierUnlock], names: Mapping[str, str]) -> None:
        await self._call(self._server.decided, goal_id, unlocks, names)

    def sum_of_users(self, partition: Partition) -> Awaitable[int | None]:
        return self._call(self._server.sum_of_users, partition)

    def refused(self, partition: Partition) -> Awaitable[dict[str, int]]:
        return self._call(self._server.refused, partition)

    def flushed(self, goal_ids: Sequence[str]) -> Awaitable[None]:
        return self._call(self._server.flush, goal_ids)

    # Restoring.

    async def shut(self, seen: Mapping[Partition, str | None], *, token: str) -> bool:
        for one, epoch in sorted(seen.items()):
            if not await self._call(self._server.shut, one, token, epoch):
                return False
        return True

    async def restore(self, goal_id: str, restoration: Restoration, *, token: str) -> bool:
        await self._call(self._server.configure, *self.events.values())
        for one in self.partitions(goal_id):
            if not await self._call(self._server.wipe, one, token, restoration.epoch):
                return False
        if not await self._fill(goal_id, restoration, token):
            return False
        for one in self.partitions(goal_id):
            if not await self._call(self._server.reopen, one, token, restoration):
                return False
        return True

    async def _fill(self, goal_id: str, restoration: Restoration, token: str) -> bool:
        server, epoch = self._server, restoration.epoch
        async for users in restoration.users:
            for one in self.partitions(goal_id):
                own = [user for user in users if server.partition_of(goal_id, user.user_id) == one]
                if not await self._call(server.fill_users, one, token, epoch, own):
                    return False
        async for ids in restoration.ids:
            for one in self.partitions(goal_id):
                known = [held for held in ids if server.partition_of(goal_id, held.user_id) == one]
                if not await self._call(server.fill_ids, one, token, epoch, known):
                    return False
        return True


def _known(held: Held | None) -> Known | None:
    return None if held is None else Known(held.amount, held.status, held.position, _FOR_EVER)
