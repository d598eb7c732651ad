"""Settling: when a goal's grace is over, what it came to is written down for ever; and what may be asked about that.

Nothing is remembered here that matters: how far a goal has settled is in the ledger. So this may be killed anywhere,
run in several processes at once, and begin days late. No timer decides: it looks at what is over by the store's time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Final

from worldevents import rules
from worldevents.clock import Clock
from worldevents.comparing import Comparer
from worldevents.errors import BodyInvalid, NotSettled, UnknownEvent, WorldEventsError
from worldevents.ledger.base import OutboxLedger
from worldevents.ledger.settled import ResultLedger
from worldevents.model import CommunityGoal, GoalStatus, Partition, Position
from worldevents.results import FinalBoard, GoalResult
from worldevents.rewards import Rewards
from worldevents.store.base import BufferedStore, Store

LOOK_S: Final = 1.0
"""How often it is looked whether a goal is over."""
WAIT_S: Final = 5.0
"""How long who asks for an event to be settled waits for what is on its way to the ledger, and how often it looks."""
WAIT_LOOK_S: Final = 0.05
READ: Final = 20_000
"""Contributors that are put in order at once: each time the whole board is looked through, beside those who count."""
PAGE: Final = 2_000
"""Final ranks in one transaction: counting waits for it to end."""
REST: Final = 4.0
"""Between two pages the ledger is left to counting, this many times as long as a page took, and no less than..."""
REST_LEAST_S: Final = 0.005
LIST_MAX: Final = 1_000
"""The most rows of a final board in one answer."""

_log = logging.getLogger(__name__)


class Arrivals:
    """Whether what a store in front of its ledger had applied to a closed goal is in the ledger."""

    def __init__(self, store: BufferedStore, ledger: OutboxLedger, *, batch_max: int) -> None:
        self._store = store
        self._ledger = ledger
        self._comparer = Comparer(store, ledger, batch_max=batch_max)
        self._last: dict[tuple[Partition, int], Position] = {}
        """The newest position of each partition at the first look after a version of its goal was closed."""

    async def are_in(self, goal_id: str, *, version: int) -> bool:
        """Whether the ledger is past what was seen first of a closed goal, owes no repair, and has the same sums.

        What came after that look is late and moves nothing: it is not waited for.
        """
        marks = {one.partition: one for one in (await self._ledger.standing(goal_id)).watermarks}
        for partition in self._store.partitions(goal_id):
            last = self._last.get((partition, version)) or await self._look(partition, version)
            mark = marks.get(partition)
            if mark is None or mark.epoch != last.epoch:
                # It was restored since, or is about to be.
                del self._last[partition, version]
                return False
            if mark.seq < last.seq:
                return False
        finding = await self._comparer.find(goal_id)
        return finding is not None and finding.agrees

    async def _look(self, partition: Partition, version: int) -> Position:
        found = await self._store.backlog(partition, after=0, limit=0)
        last = self._last[partition, version] = Position(found.epoch or "", found.last)
        return last


class Settling:
    """What becomes of goals that are over. Made by `worldevents.open_runtime`."""

    def __init__(
        self,
        store: Store,
        ledger: ResultLedger,
        rewards: Rewards,
        clock: Clock,
        *,
        arrivals: Arrivals | None = None,
        read: int = READ,
        page: int = PAGE,
    ) -> None:
        """Without `arrivals` what a store has applied is in the ledger already."""
        self._store = store
        self._ledger = ledger
        self._rewards = rewards
        self._clock = clock
        self._arrivals = arrivals
        self._read = read
        self._page = page
        self._turn = asyncio.Lock()
        self._done: set[str] = set()
        """Goals whose result was seen: it stays."""

    # What anybody may ask.

    async def result(self, goal_id: str) -> GoalResult:
        """What a settled goal came to. Raises UnknownGoal, NotSettled."""
        goal = self._store.goal(goal_id)
        for one in await self._ledger.results(goal.event_id):
            if one.goal.id == goal_id:
                return one
        raise NotSettled(_why_not(goal, rules.status_at(goal, self._clock.now())), field="goalId")

    async def board(self, goal_id: str, *, after: int = 0, limit: int = 10, user_id: str | None = None) -> FinalBoard:
        """A settled goal with a page of its contributors, those after a place, and one user's own row.

        Raises UnknownGoal, NotSettled, BodyInvalid, IdInvalid.
        """
        if not 1 <= limit <= LIST_MAX:
            raise BodyInvalid(f"from 1 to {LIST_MAX}", field="limit")
        if not 0 <= after < rules.TOTAL_BOUND:
            raise BodyInvalid("the place of the last row that was seen, or 0", field="after")
        user = None if user_id is None else rules.check_id(user_id, "userId")
        found = await self.result(goal_id)
        rows = await self._ledger.final_rows(goal_id, after=after, limit=limit)
        own = None if user is None else await self._ledger.final_row(goal_id, user)
        return FinalBoard(result=found, rows=tuple(rows), user=own)

    # What operators do.

    async def settle(self, event_id: str) -> list[GoalResult]:
        """Settle an event now, where its grace is over: the results of its goals, in the order of settling.

        There are fewer than goals where it is not over, was called off, or contributions are still on their way to the
        ledger after WAIT_S. Raises UnknownEvent.
        """
        if event_id not in self._store.events:
            raise UnknownEvent(f"no event {event_id}" if rules.is_slug(event_id) else None, field="eventId")
        until = time.monotonic() + WAIT_S
        waiting = await self._settle_all(event_id)
        while waiting and time.monotonic() < until:
            await asyncio.sleep(WAIT_LOOK_S)
            waiting = await self._settle_all(event_id)
        if waiting:
            _log.info("event %s: %d goals wait for the ledger", event_id, waiting)
        return list(await self._ledger.results(event_id))

    # The task.

    async def run(self) -> None:
        """Settle whatever is over, until cancelled."""
        is_behind = False
        while True:
            try:
                await self._settle_all()
            except WorldEventsError as error:
                if not is_behind:
                    _log.warning("settling waits: %s", error.detail)
                is_behind = True
            else:
                is_behind = False
            await asyncio.sleep(LOOK_S)

    async def _settle_all(self, event_id: str | None = None) -> int:
        """One turn: says how many goals are over and not settled yet."""
        async with self._turn:
            waiting = 0
            for goal, version in list(self._over(event_id)):
                if await self._settle(goal, version):
                    self._done.add(goal.id)
                else:
                    waiting += 1
            return waiting

    def _over(self, event_id: str | None) -> Iterator[tuple[CommunityGoal, int]]:
        now = self._clock.now()
        for published in self._store.events.values():
            for goal in published.event.goals if event_id in (None, published.event.id) else ():
                if goal.id not in self._done and rules.status_at(goal, now) is GoalStatus.SETTLED:
                    yield goal, published.version

    async def _settle(self, goal: CommunityGoal, version: int) -> bool:
        """Take one goal as far as it goes; whether it is settled."""
        if any(one.goal.id == goal.id for one in await self._ledger.results(goal.event_id)):
            return True
        if not await self._store.closed(goal.id, version=version):
            return False
        if self._arrivals is not None and not await self._arrivals.are_in(goal.id, version=version):
            return False
        if not await self._ledger.begin_settling(goal.id, version=version, at=self._clock.now()):
            return False
        await self._rewards.work_off()
        await self._rank(goal.id)
        settled = await self._ledger.finish_settling(goal.id, at=self._clock.now())
        if settled:
            _log.info("goal %s is settled", goal.id)
        return settled

    async def _rank(self, goal_id: str) -> None:
        """Write final ranks down, page by page, with time for counting between the pages."""
        while rows := await self._ledger.unranked(goal_id, limit=self._read):
            for start in range(0, len(rows), self._page):
                begun = time.perf_counter()
                await self._ledger.keep_ranks(goal_id, rows[start : start + self._page])
                await asyncio.sleep(max(REST_LEAST_S, REST * (time.perf_counter() - begun)))


def _why_not(goal: CommunityGoal, status: GoalStatus) -> str:
    match status:
        case GoalStatus.CANCELLED:
            return f"{goal.id} was called off: it has no result"
        case GoalStatus.SETTLED:
            return f"{goal.id} is being settled"
        case _:
            return f"{goal.id} settles when its grace is over"
