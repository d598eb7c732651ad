"""The client side of the function library: a `BufferedStore` that any number of processes may have open at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final

from worldevents.clock import Clock, MonotonicClock
from worldevents.errors import (
    GoalNotOpen,
    LedgerBehind,
    LedgerUnavailable,
    StoreLost,
    StoreUnavailable,
    UnknownGoal,
    UserBanned,
    WorldEventsError,
)
from worldevents.ledger.base import OutboxLedger
from worldevents.ledger.personal import Barred
from worldevents.model import (
    CommunityGoal,
    ContributionStatus,
    EventVersion,
    GoalContribution,
    GoalState,
    GoalUpdate,
    Partition,
    Position,
    Receipt,
    Repair,
    TierUnlock,
)
from worldevents.store.base import Answer, Backlog, Restoration
from worldevents.store.feed import Feed, Voices
from worldevents.store.keys import Keys, number_of
from worldevents.store.redis import words
from worldevents.store.redis.connection import Connection, connected, failing
from worldevents.store.redis.listening import Listener
from worldevents.store.redis.moving import OutboxBounds
from worldevents.store.redis.reading import unknown
from worldevents.store.redis.restoring import Refilling
from worldevents.store.redis.speaking import Speaking
from worldevents.store.redis.users import Users

ITEMS_MAX: Final = 100
"""Contributions in one call: more would hold up everybody else's."""
LEASE_MS: Final = 10_000
"""How long who restores a goal may be silent before somebody else takes over."""
REFRESH_S: Final = 1.0
"""How often the ledger is asked at most whether an unknown goal was published by another process."""
NAMES_PAGE: Final = 5_000
FLUSH_MS: Final = 5_000


class RedisStore(Users, Speaking):
    """Goals in Redis, in front of a ledger."""

    def __init__(
        self,
        connection: Connection,
        ledger: OutboxLedger,
        *,
        prefix: str,
        dedupe_window_s: int,
        outbox: OutboxBounds,
        clock: Clock | None,
        partitions: int,
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._keys = Keys(prefix)
        self._window = timedelta(seconds=dedupe_window_s)
        self._outbox = outbox
        self._clock = None if clock is None else MonotonicClock(clock)
        self._partitions = partitions
        self._events: dict[str, EventVersion] = {}
        self._goals: dict[str, CommunityGoal] = {}
        self._told: dict[str, GoalState] = {}
        """What this process has told last about each goal."""
        self._hidden: frozenset[str] = frozenset()
        self._barred = Barred()
        self._feed = Feed()
        self._voices = Voices()
        self._refreshed_at = 0.0
        self._listener = Listener(connection, channels=self._channels, hear=self._hear, look=self._look_again)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        ledger: OutboxLedger,
        *,
        prefix: str = "we",
        dedupe_window_s: int = 7_200,
        outbox: OutboxBounds | None = None,
        clock: Clock | None = None,
        partitions: int = 1,
    ) -> AsyncIterator[RedisStore]:
        """The store until the context ends; without a clock of the caller's, Redis tells the time.

        Raises ConfigurationInvalid, StoreUnavailable, LedgerUnavailable.
        """
        async with connected(url) as connection:
            store = cls(
                connection,
                ledger,
                prefix=prefix,
                dedupe_window_s=dedupe_window_s,
                outbox=outbox or OutboxBounds(),
                clock=clock,
                partitions=partitions,
            )
            await store._refresh()
            yield store

    async def run(self) -> None:
        await self._listener.run()

    @property
    def can_flush(self) -> bool:
        """Whether `flushed` can be promised."""
        return self._connection.flushes_always or self._connection.can_wait

    # Events.

    @property
    def events(self) -> Mapping[str, EventVersion]:
        return self._events

    async def announce(self, event_id: str) -> None:
        await self._refresh(again=event_id)
        unlocks = await self._ledger.unlocks()
        for goal in self._events[event_id].event.goals:
            await self.decided(goal.id, unlocks=[one for one in unlocks if one.goal_id == goal.id], names={})
        with failing():
            await self._connection.client.spublish(self._keys.events, event_id)
        await self._look()

    async def _refresh(self, *, again: str | None = None) -> None:
        """Take over what the ledger says about events and users, and see to it that Redis judges by it."""
        await self._look_at_users()
        for version in await self._ledger.events():
            known = self._events.get(version.event.id)
            if known is not None and known.version >= version.version and version.event.id != again:
                continue
            for goal in version.event.goals:
                for partition in self.partitions(goal.id):
                    await self._configure(partition, goal, version, again=version.event.id == again)
            for goal in known.event.goals if known else ():
                self._goals.pop(goal.id, None)
            self._goals |= {goal.id: goal for goal in version.event.goals}
            self._events[version.event.id] = version

    async def _configure(
        self, partition: Partition, goal: CommunityGoal, version: EventVersion, *, again: bool = False
    ) -> None:
        await self._call("configure", partition, *words.configuration(goal, version.version, again=again))

    # Contributing.

    async def contribute(self, batch: Sequence[GoalContribution]) -> list[Answer]:
        await self._know_goals(batch)
        answers: list[Answer | None] = [None] * len(batch)
        held = await self._held_before(batch, answers)
        shares: dict[Partition, list[int]] = {}
        for index, item in enumerate(batch):
            if item.goal_id not in self._goals:
                answers[index] = unknown(item.goal_id)
            elif answers[index] is None:
                number = number_of(item.user_id, self._partitions)
                shares.setdefault(Partition(item.goal_id, number), []).append(index)
        await asyncio.gather(*(self._apply(own, batch, held, answers, part) for part, own in shares.items()))
        await self._look_up_refused(batch, answers)
        return [answer for answer in answers if answer is not None]

    async def _know_goals(self, batch: Sequence[GoalContribution]) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._refreshed_at >= REFRESH_S and any(item.goal_id not in self._goals for item in batch):
            self._refreshed_at = now
            await self._refresh()

    async def _held_before(self, batch: Sequence[GoalContribution], answers: list[Answer | None]) -> dict[int, str]:
        """What the ledger holds of what Redis does not know: contributions that are older, users who are barred."""
        least = (self._clock.now() if self._clock else datetime.now(UTC)) - self._window
        barred = {place for place, item in enumerate(batch) if item.user_id in self._barred}
        old = [place for place, item in enumerate(batch) if item.occurred_at is not None and item.occurred_at < least]
        old += sorted(barred.difference(old))
        if not old:
            return {}
        try:
            found = await self._ledger.look_up([batch[place] for place in old])
        except LedgerUnavailable as error:
            for place in old:
                answers[place] = error
            return {}
        for place, one in zip(old, found, strict=True):
            if one is None and place in barred:
                answers[place] = UserBanned(field="userId")
        return {
            place: words.known(one.amount, one.status, one.position)
            for place, one in zip(old, found, strict=True)
            if one is not None
        }

    async def _apply(
        self,
        own: Sequence[int],
        batch: Sequence[GoalContribution],
        held: Mapping[int, str],
        answers: list[Answer | None],
        partition: Partition,
    ) -> None:
        for start in range(0, len(own), ITEMS_MAX):
            places = own[start : start + ITEMS_MAX]
            try:
                told = await self._contribute(partition, [(batch[place], held.get(place, "")) for place in places])
            except WorldEventsError as error:
                told = [error] * len(places)
            for place, answer in zip(places, told, strict=True):
                answers[place] = answer

    async def _contribute(self, partition: Partition, items: Sequence[tuple[GoalContribution, str]]) -> list[Answer]:
        """One call of the function: all of it is applied, or none."""
        arguments: list[str | bytes] = [*self._bounds()]
        for contribution, held in items:
            arguments += words.item(contribution, held)
        verdict, *rest = await self._call("contribute", partition, *arguments)
        if verdict != b"OK":
            raise StoreLost if verdict == b"LOST" else LedgerBehind
        total, told = rest
        current = int(total) if self._partitions == 1 else (await self.state(partition.goal_id)).total
        metric = self.goal(partition.goal_id).metric
        answers: list[Answer] = []
        for (contribution, _), answer in zip(items, told, strict=True):
            status = answer[0].decode()
            if status.startswith("!"):
                answers.append(words.refusal(status))
                continue
            position = Position(answer[2].decode(), int(answer[3]))
            kept, again = ContributionStatus(status), answer[1] == b"1"
            answers.append(Receipt(contribution, metric, kept, again, current, int(answer[4]), position))
        return answers

    async def _look_up_refused(self, batch: Sequence[GoalContribution], answers: list[Answer | None]) -> None:
        """Whoever lost the answer still gets it when the goal takes nothing any more."""
        refused = [place for place, answer in enumerate(answers) if isinstance(answer, GoalNotOpen)]
        if not refused:
            return
        try:
            found = await self._ledger.look_up([batch[place] for place in refused])
        except LedgerUnavailable as error:
            found = []
            for place in refused:
                answers[place] = error
        for place, one in zip(refused, found, strict=False):
            if one is not None:
                item = batch[place]
                partition = Partition(item.goal_id, number_of(item.user_id, self._partitions))
                told = words.known(one.amount, one.status, one.position)
                (answers[place],) = await self._contribute(partition, [(item, told)])

    async def mark_active(self, users: Sequence[tuple[str, date]]) -> None:
        await self._ledger.mark_active(users)

    # The outbox.

    async def backlog(self, partition: Partition, *, after: int, limit: int) -> Backlog:
        told = await self._call("backlog", partition, str(after), str(limit))
        epoch = told[0].decode() or None
        return Backlog(
            epoch=epoch,
            is_open=told[1] == b"1",
            is_shut=told[1] == b"0",
            run_id=told[2].decode(),
            last=int(told[3]),
            entries=words.entries(partition, epoch or "", told[7]),
            total=int(told[4]),
            pending=int(told[5]),
            participants=int(told[6]),
        )

    async def acknowledge(self, partition: Partition, position: Position) -> None:
        bounds = self._outbox
        kept_for = str(bounds.kept_s * 1_000_000)
        window = str(self._window // timedelta(microseconds=1))
        arguments = position.epoch, str(position.seq), str(bounds.kept_max), kept_for, window
        await self._call("acknowledge", partition, self._now(), *arguments)

    async def take_back(self, repairs: Sequence[Repair]) -> None:
        for one in repairs:
            epoch, seq = one.position
            await self._call("take_back", one.partition, epoch, str(seq), one.user_id, str(one.amount), one.status)

    async def refused(self, partition: Partition) -> dict[str, int]:
        with failing():
            found = await self._connection.client.hgetall(f"{self._keys.partition(partition)}:banned")
        return {user.decode(): int(number) for user, number in found.items()}

    async def decided(self, goal_id: str, *, unlocks: Sequence[TierUnlock], names: Mapping[str, str]) -> None:
        await self._name(names)
        await self._call("decide", self.partitions(goal_id)[0], words.unlocks_told(unlocks), str(len(unlocks)))

    async def _name(self, names: Mapping[str, str]) -> None:
        users = sorted(names)
        for start in range(0, len(users), NAMES_PAGE):
            with failing():
                some = {user: names[user] for user in users[start : start + NAMES_PAGE]}
                await self._connection.client.hset(self._keys.names, mapping=some)

    # Restoring.

    async def shut(self, seen: Mapping[Partition, str | None], *, token: str) -> bool:
        for partition, epoch in sorted(seen.items()):
            # In one order and no further than the first refusal: two of them never hold half of a goal each.
            if not await self._call("shut", partition, token, epoch or "", str(LEASE_MS)):
                return False
        return True

    async def restore(self, goal_id: str, restoration: Restoration, *, token: str) -> bool:
        version = next(one for one in self._events.values() if goal_id in {g.id for g in one.event.goals})
        for partition in self.partitions(goal_id):
            await self._configure(partition, self.goal(goal_id), version)
        refilling = Refilling(self._connection, self._keys, token=token, epoch=restoration.epoch, now=self._now)
        return await refilling.refill(self.partitions(goal_id), restoration)

    async def flushed(self, goal_ids: Sequence[str]) -> None:
        if self._connection.flushes_always:
            return
        for partition in [one for goal_id in goal_ids for one in self.partitions(goal_id)]:
            with failing():
                pipeline = self._connection.client.pipeline(transaction=False)
                pipeline.set(f"{self._keys.partition(partition)}:flush", "1")
                pipeline.execute_command("WAITAOF", 1, 0, FLUSH_MS)
                _, (local, _) = await pipeline.execute()
            if not local:
                raise StoreUnavailable("the disk of Redis takes too long")

    # Telling.

    @contextmanager
    def updates(self) -> Iterator[AsyncIterator[GoalUpdate]]:
        with self._feed.reading() as updates:
            yield updates

    def _channels(self) -> Collection[str]:
        goals = [self._keys.updates(one) for goal_id in self._goals for one in self.partitions(goal_id)]
        return [self._keys.events, self._keys.said, *goals]

    async def _hear(self, channel: str, data: bytes) -> None:
        if channel == self._keys.said:
            self._hear_said(data)
            return
        if channel == self._keys.events:
            await self._refresh()
            await self._look()
            return
        goal_id = channel.partition("{")[2].partition(":")[0]
        if goal_id in self._goals and self._partitions == 1:
            self._tell(words.state(self._goals[goal_id], [json.loads(data)]))
        elif goal_id in self._goals:
            self._tell(await self.state(goal_id))

    async def _look_again(self) -> None:
        """Look at everything after nothing could be heard for a while."""
        with suppress(LedgerUnavailable):
            await self._look_at_users()
        await self._look()

    async def _look(self) -> None:
        """Tell whatever is newer than what was told: a message may have been lost."""
        for goal_id in list(self._goals):
            try:
                self._tell(await self.state(goal_id))
            except (StoreLost, UnknownGoal):
                continue

    def _tell(self, state: GoalState) -> None:
        known = self._told.get(state.goal.id)
        if known is not None and not _is_newer(state, known):
            return
        self._told[state.goal.id] = state
        before = {one.threshold for one in known.unlocks} if known else set()
        unlocked = tuple(one for one in state.unlocks if one.threshold not in before)
        self._feed.tell(state.goal.id, lambda: state, unlocked if known else ())


def _is_newer(state: GoalState, known: GoalState) -> bool:
    if state.epoch == known.epoch:
        return state.seq > known.seq or state.goal != known.goal
    generations = [int(one.epoch.partition("-")[0]) for one in (state, known)]
    return generations[0] > generations[1]
