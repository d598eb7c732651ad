"""The store of one process: the ledger first, then memory.

A batch is one ledger transaction; rankings and totals in memory follow from what that transaction wrote, and are built
again from the ledger at the start. Only the process that owns the database (`ledger.owner`) may have this store open.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from worldevents import movements, rules
from worldevents.clock import Clock, MonotonicClock
from worldevents.errors import ContributionConflict, LedgerUnavailable, UnknownGoal
from worldevents.ledger.base import Appended, Ledger, Row
from worldevents.ledger.personal import Barred
from worldevents.model import (
    Broadcast,
    CommunityGoal,
    Contributor,
    EventVersion,
    GoalContribution,
    GoalProgress,
    GoalState,
    GoalStatus,
    GoalUpdate,
    Leaderboard,
    Position,
    Receipt,
    TierUnlock,
)
from worldevents.movements import Ban, Erasure, Movement
from worldevents.outliers import History
from worldevents.standing import Standing, minimums
from worldevents.store.base import Answer
from worldevents.store.feed import Feed, Voices
from worldevents.store.judging import Judge, LiveGoal, Mover
from worldevents.store.ranking import Ranking

T = TypeVar("T")


class EmbeddedStore:
    """A `Store` whose every acknowledgement is a commit of the ledger."""

    def __init__(self, ledger: Ledger, clock: Clock, epoch: str) -> None:
        self._ledger = ledger
        self._clock = MonotonicClock(clock)
        self._epoch = epoch
        self._events: dict[str, EventVersion] = {}
        self._goals: dict[str, LiveGoal] = {}
        self._names: dict[str, str] = {}
        self._hidden: frozenset[str] = frozenset()
        self._barred = Barred()
        self._feed = Feed()
        self._voices = Voices()
        self._writing = asyncio.Lock()
        self._in_doubt = True
        """Whether the ledger may hold more than memory does."""

    @classmethod
    async def open(cls, ledger: Ledger, clock: Clock) -> EmbeddedStore:
        """Build the memory from the ledger."""
        store = cls(ledger, clock, await ledger.epoch())
        await store._restore()
        return store

    async def _restore(self) -> None:
        # Waits for the writer's lock: what a lost connection may still be committing is then there to be read.
        await self._ledger.append((), lambda _: ())
        self._names = await self._ledger.display_names()
        self._hidden, self._barred = await self._ledger.hidden(), await self._ledger.barred()
        for version in await self._ledger.events():
            await self._take_over(version)
        self._in_doubt = False

    @property
    def events(self) -> Mapping[str, EventVersion]:
        return self._events

    def goal(self, goal_id: str) -> CommunityGoal:
        return self._live(goal_id).goal

    def _live(self, goal_id: str) -> LiveGoal:
        try:
            return self._goals[goal_id]
        except KeyError:
            raise _unknown(goal_id) from None

    # What the ledger decided.

    async def announce(self, event_id: str) -> None:
        async with self._writing:
            (version,) = [one for one in await self._ledger.events() if one.event.id == event_id]
            await _finish(self._take_over(version))

    async def _take_over(self, version: EventVersion) -> None:
        totals, unlocks = await self._ledger.totals(), await self._ledger.unlocks()
        lives = [await self._ready(goal) for goal in version.event.goals]
        banned = {one.user_id for one in await self._ledger.bans()}
        # From here on nothing waits: where the ledger failed, memory is as it was.
        old = self._events.get(version.event.id)
        self._events[version.event.id] = version
        for goal in old.event.goals if old else ():
            if goal.id not in {kept.id for kept in version.event.goals}:
                del self._goals[goal.id]
        for goal, live in zip(version.event.goals, lives, strict=True):
            kept, known = totals[goal.id], self._goals.get(goal.id)
            before = known.unlocks if known else ()
            live.goal, live.total, live.pending, live.seq = goal, kept.total, kept.pending, kept.seq
            live.unlocks = tuple(unlock for unlock in unlocks if unlock.goal_id == goal.id)
            live.banned, live.barred = banned.copy(), self._barred
            self._goals[goal.id] = live
            self._tell(live, [unlock for unlock in live.unlocks if unlock not in before])

    async def _ready(self, goal: CommunityGoal) -> LiveGoal:
        known = None if self._in_doubt else self._goals.get(goal.id)
        live = known or await self._load(goal)
        if live.days is None and goal.metric.limits.per_user_day is not None:
            live.days = Counter(await self._ledger.user_day_totals(goal.id))
        if live.history is None and goal.outliers is not None:
            live.history = History(await self._ledger.shapes(goal.id))
        return live

    async def _load(self, goal: CommunityGoal) -> LiveGoal:
        amounts: dict[str, int] = {}
        held: Counter[str] = Counter()
        page = await self._ledger.users(goal.id)
        while page:
            amounts |= {user.user_id: user.amount for user in page}
            held.update({user.user_id: user.pending for user in page if user.pending})
            page = await self._ledger.users(goal.id, after=page[-1].user_id)
        return LiveGoal(goal=goal, ranking=Ranking(amounts.items()), held=held, days=None)

    # Contributing.

    async def contribute(self, batch: Sequence[GoalContribution]) -> list[Answer]:
        async with self._writing:
            step = self._apply(batch)
            return await (step if self._ledger.at_once and not self._in_doubt else _finish(step))

    async def _apply(self, batch: Sequence[GoalContribution]) -> list[Answer]:
        if self._in_doubt:
            await self._restore()
        known = [item for item in batch if item.goal_id in self._goals]
        answers = await self._append(known) if known else []
        if len(known) == len(batch):
            return answers
        told = iter(answers)
        return [next(told) if item.goal_id in self._goals else _unknown(item.goal_id) for item in batch]

    async def _append(self, batch: Sequence[GoalContribution]) -> list[Answer]:
        judge = Judge(self._goals, batch, self._clock.now())
        appended = await self._kept(batch, judge)
        self._follow(judge, appended)
        return self._answers(batch, judge, appended)

    async def _kept(self, batch: Sequence[GoalContribution], decide: Judge | Mover) -> Appended:
        try:
            return await self._ledger.append(batch, decide)
        except LedgerUnavailable:
            # It may have committed, and only the answer was lost.
            self._in_doubt = True
            raise

    def _follow(self, judge: Judge | Mover, appended: Appended) -> None:
        self._names.update(judge.names)
        for case in judge.cases.values():
            live = case.live
            for user_id, amount in case.counted.items():
                live.ranking.add(user_id, amount)
            for user_id, amount in case.held.items():
                live.held[user_id] += amount
            if live.days is not None:
                for today, amount in case.days.items():
                    live.days[today] += amount
            if live.history is not None:
                live.history.take(case.history)
        for goal_id, totals in appended.totals.items():
            live = self._goals[goal_id]
            changed = totals.seq != live.seq
            unlocked = tuple(unlock for unlock in appended.unlocks if unlock.goal_id == goal_id)
            live.total, live.pending, live.seq = totals.total, totals.pending, totals.seq
            live.unlocks += unlocked
            if changed:
                self._tell(live, unlocked)

    def _answers(self, batch: Sequence[GoalContribution], judge: Judge, appended: Appended) -> list[Answer]:
        answers: list[Answer] = []
        for index, (item, row, entry) in enumerate(zip(batch, appended.rows, judge.entries, strict=True)):
            # A refused one may have a row all the same: of the same id, further on in the batch.
            if row is None or index in judge.refusals:
                answers.append(judge.refusals[index])
            elif row.amount != item.amount:
                answers.append(ContributionConflict(field="contributionId"))
            else:
                answers.append(self._receipt(judge.cases[item.goal_id].live, item, row, again=entry is None))
        return answers

    def _receipt(self, live: LiveGoal, item: GoalContribution, row: Row, *, again: bool) -> Receipt:
        own, position = live.ranking.amount(item.user_id), Position(self._epoch, row.position)
        return Receipt(item, live.goal.metric, row.status, again, live.total, own, position)

    # Moving.

    async def move(self, movements: Sequence[Movement]) -> list[Receipt]:
        goal_id = movements[0].contribution.goal_id
        async with self._writing:
            return await _finish(self._move(goal_id, lambda _: movements))

    async def ban(self, goal_id: str, ban: Ban) -> list[Receipt]:
        def taken(live: LiveGoal) -> Sequence[Movement]:
            live.banned.add(ban.user_id)
            if self._clock.now() - live.goal.ends_at >= live.goal.grace:
                return ()
            has = {"counted": live.ranking.amount(ban.user_id), "held": live.held[ban.user_id]}
            return movements.moved_out(goal_id, ban.user_id, ban.number, **has)

        async with self._writing:
            return await _finish(self._move(goal_id, taken, by_ban=True))

    async def unban(self, ban: Ban, movements: Sequence[Movement], *, goal_id: str) -> list[Receipt]:
        async with self._writing:
            receipts = await _finish(self._move(goal_id, lambda _: movements, by_ban=True))
            self._live(goal_id).banned.discard(ban.user_id)
            return receipts

    async def _move(
        self, goal_id: str, wanted: Callable[[LiveGoal], Sequence[Movement]], *, by_ban: bool = False
    ) -> list[Receipt]:
        if self._in_doubt:
            await self._restore()
        live = self._live(goal_id)
        mover = Mover(live, wanted(live), self._clock.now(), by_ban=by_ban)
        appended = await self._kept(mover.batch, mover)
        self._follow(mover, appended)
        told = zip(mover.batch, appended.rows, mover.entries, strict=True)
        return [self._receipt(live, item, row, again=entry is None) for item, row, entry in told if row is not None]

    async def hiding_changed(self) -> None:
        self._hidden, self._barred = await self._ledger.hidden(), await self._ledger.barred()
        for live in self._goals.values():
            live.barred = self._barred

    # Erasing.

    def tombstone(self, user_id: str) -> str:  # noqa: ARG002 - one place is like another here
        return movements.tombstone(secrets.token_hex(8))

    async def erase(self, goal_id: str, erasure: Erasure) -> Receipt:
        async with self._writing:
            return await _finish(self._erase(goal_id, erasure))

    async def _erase(self, goal_id: str, erasure: Erasure) -> Receipt:
        if self._in_doubt:
            await self._restore()
        live, wanted = self._live(goal_id), movements.erasing(goal_id, erasure)
        try:
            renamed = await self._ledger.erase(goal_id, erasure, at=self._clock.now())
        except LedgerUnavailable:
            self._in_doubt = True
            raise
        if renamed.is_new:
            live.rename(erasure.user_id, erasure.tombstone)
            live.seq = renamed.seq
            self._tell(live, ())
        row = Row(renamed.position, 0, wanted.status)
        return self._receipt(live, wanted.contribution, row, again=not renamed.is_new)

    async def forget(self, erasure: Erasure) -> None:
        async with self._writing:
            banned = {one.user_id for one in await self._ledger.bans()}
            for live in self._goals.values():
                live.banned = banned.copy()
            self._names.pop(erasure.user_id, None)
            await self.hiding_changed()

    async def closed(self, goal_id: str, *, version: int) -> bool:
        # Whoever writes has looked at the clock already; who comes later sees a later time.
        async with self._writing:
            goal = self._live(goal_id).goal
            known = self._events[goal.event_id].version
            return known == version and rules.status_at(goal, self._clock.now()) is GoalStatus.SETTLED

    # Reading.

    async def state(self, goal_id: str) -> GoalState:
        return self._live(goal_id).state(self._epoch)

    async def progress(self, goal_id: str, user_id: str | None) -> GoalProgress:
        live = self._live(goal_id)
        if user_id is None:
            return GoalProgress(state=live.state(self._epoch))
        return GoalProgress(
            state=live.state(self._epoch),
            user_contribution=live.ranking.amount(user_id),
            user_pending=live.held.get(user_id, 0),
            user_rank=live.ranking.rank(user_id),
        )

    async def standing(self, goal_id: str, user_id: str) -> Standing:
        live = self._live(goal_id)
        ranking, amount = live.ranking, live.ranking.amount(user_id)
        above, more = ranking.above(amount), ranking.next_above(amount)
        return Standing(
            state=live.state(self._epoch),
            amount=amount,
            pending=live.held.get(user_id, 0),
            above=above,
            tied=ranking.above(amount - 1) - above if amount else 0,
            next_amount=more,
            next_tied=0 if more is None else above - ranking.above(more),
            reached={asked: ranking.above(asked - 1) for asked in minimums(live.goal)},
        )

    async def leaderboard(
        self, goal_id: str, *, limit: int, around: str | None = None, user_id: str | None = None
    ) -> Leaderboard:
        live = self._live(goal_id)
        place = None if around is None else live.ranking.place(around)
        start = 0 if place is None else max(0, min(place - limit // 2, len(live.ranking) - limit))
        return Leaderboard(
            goal=live.goal,
            contributors=tuple(self._rows(live, start, limit)),
            participants=len(live.ranking),
            user=self._own_row(live, user_id),
        )

    def _rows(self, live: LiveGoal, start: int, limit: int) -> Iterator[Contributor]:
        found = live.ranking.rows(start, limit + len(self._hidden))
        return islice((self._row(*row) for row in found if row[1] not in self._hidden), limit)

    def _own_row(self, live: LiveGoal, user_id: str | None) -> Contributor | None:
        rank = None if user_id is None else live.ranking.rank(user_id)
        return None if user_id is None or rank is None else self._row(rank, user_id, live.ranking.amount(user_id))

    def _row(self, rank: int, user_id: str, amount: int) -> Contributor:
        return Contributor(rank=rank, user_id=user_id, amount=amount, display_name=self._names.get(user_id))

    # Telling.

    @contextmanager
    def updates(self) -> Iterator[AsyncIterator[GoalUpdate]]:
        with self._feed.reading() as updates:
            yield updates

    def _tell(self, live: LiveGoal, unlocked: Sequence[TierUnlock]) -> None:
        if self._feed.is_read:
            self._feed.tell(live.goal.id, partial(live.state, self._epoch), unlocked)

    async def mark_active(self, users: Sequence[tuple[str, date]]) -> None:
        await self._ledger.mark_active(users)

    # Speaking: there is no other process.

    async def broadcast(self, said: Sequence[Broadcast]) -> None:
        self._voices.say(said)

    @contextmanager
    def broadcasts(self) -> Iterator[AsyncIterator[Broadcast]]:
        with self._voices.reading() as said:
            yield said

    async def lead(self, role: str, *, token: str, ttl_s: float) -> bool:  # noqa: ARG002 - nobody else asks
        return True

    async def resign(self, role: str, *, token: str) -> None:
        """Nobody else asks."""


def _unknown(goal_id: str) -> UnknownGoal:
    # Anything may stand where an id should; only what could be one is said back.
    return UnknownGoal(f"no goal {goal_id}" if rules.is_slug(goal_id) else None, field="goalId")


async def _finish(step: Coroutine[Any, Any, T]) -> T:
    """Run a step to its end even when its caller is cancelled: memory must follow what the ledger has committed."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()  # looked at: the caller is gone, and a repeat will meet the same failure
        raise
