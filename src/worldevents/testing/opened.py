"""What the suites hold in their hands: an open store with its ledger, answers as words, and whole states to compare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from worldevents import bans
from worldevents.clock import Clock
from worldevents.errors import WorldEventsError
from worldevents.ledger.base import GoalAudit, GoalTotals, Ledger, UserTotals
from worldevents.model import (
    EventVersion,
    GoalContribution,
    GoalProgress,
    GoalState,
    Leaderboard,
    Receipt,
    SeasonalEvent,
    TierUnlock,
)
from worldevents.movements import Movement
from worldevents.store.base import Answer, Store
from worldevents.testing.builders import DURING

MANY = 1_000
"""More rows than any test writes."""


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store and the ledger behind it."""

    store: Store
    ledger: Ledger

    async def publish(self, event: SeasonalEvent, *, at: datetime = DURING) -> EventVersion:
        """Make this the event's newest version and have the store take it over."""
        current = self.store.events.get(event.id)
        version = await self.ledger.publish(
            event, based_on=current.version if current else 0, author="test", published_at=at, reason=""
        )
        await self.store.announce(event.id)
        return version

    async def tell(self, *batch: GoalContribution) -> list[str]:
        """Contribute a batch, and what became of each, as words."""
        return [word(answer) for answer in await self.store.contribute(batch)]

    async def moved(self, *wanted: Movement) -> str:
        """Do movements, and say what became of them: `moved`, `again` or a refusal's code."""
        try:
            receipts = await self.store.move(wanted)
        except WorldEventsError as refusal:
            return refusal.code
        return "again" if all(one.duplicate for one in receipts) else "moved"

    async def ban(self, user_id: str, *, at: datetime = DURING) -> int:
        """Ban a user in all goals: the number of the ban."""
        ban = await self.ledger.ban_user(user_id, at=at, reason="test", author="test")
        for version in self.store.events.values():
            for goal in version.event.goals:
                await self.store.ban(goal.id, ban)
        return ban.number

    async def unban(self, user_id: str, *, at: datetime = DURING) -> int:
        """Take a user again in all goals, with all that the ban had moved out: the number of that ban."""
        (ban,) = [one for one in await self.ledger.bans() if one.user_id == user_id]
        for version in self.store.events.values():
            for goal in version.event.goals:
                back = await bans.moved_back(self.ledger, goal.id, user_id, ban.number)
                await self.store.unban(ban, back, goal_id=goal.id)
        await self.ledger.lift_ban(ban.number, at=at)
        # Until now the ledger had the ban, and a syncer may have told the store so.
        for version in self.store.events.values():
            for goal in version.event.goals:
                await self.store.unban(ban, (), goal_id=goal.id)
        return ban.number

    async def erase(self, user_id: str, *, at: datetime = DURING) -> str:
        """Erase a user everywhere: the tombstone that is left."""
        tombstone = self.store.tombstone(user_id)
        erasure = await self.ledger.begin_erasing(user_id, tombstone=tombstone, at=at)
        for version in self.store.events.values():
            for goal in version.event.goals:
                await self.store.erase(goal.id, erasure)
        await self.ledger.erase_rest(erasure, at=at)
        await self.store.forget(erasure)
        await self.ledger.end_erasing(erasure)
        return erasure.tombstone


LedgerOpener = Callable[[], AbstractAsyncContextManager[Ledger]]
"""Opens one database, the same one at every call and empty at the first."""
StoreOpener = Callable[[Clock], AbstractAsyncContextManager[OpenStore]]
"""Opens a store over one database, the same one at every call and empty at the first."""


def word(answer: Answer) -> str:
    """`counted`, `held` or `late`, with `again` for a repeat; or a refusal's code."""
    if not isinstance(answer, Receipt):
        return answer.code
    return f"{answer.status} again" if answer.duplicate else str(answer.status)


@dataclass(frozen=True, slots=True)
class LedgerState:
    """All that a ledger answers, to be compared with what it answers later."""

    epoch: str
    events: list[EventVersion]
    history: Mapping[str, list[EventVersion]]
    totals: Mapping[str, GoalTotals]
    unlocks: list[TierUnlock]
    users: Mapping[str, list[UserTotals]]
    names: Mapping[str, str]
    audit: list[GoalAudit]


async def ledger_state(ledger: Ledger) -> LedgerState:
    """Ask a ledger everything."""
    events, totals = await ledger.events(), await ledger.totals()
    return LedgerState(
        epoch=await ledger.epoch(),
        events=events,
        history={one.event.id: await ledger.history(one.event.id) for one in events},
        totals=totals,
        unlocks=await ledger.unlocks(),
        users={goal_id: await ledger.users(goal_id) for goal_id in totals},
        names=await ledger.display_names(),
        audit=await ledger.audit(),
    )


@dataclass(frozen=True, slots=True)
class StoreState:
    """All that a store answers, to be compared with what it answers later."""

    events: Mapping[str, EventVersion]
    goals: Mapping[str, GoalState]
    boards: Mapping[str, Leaderboard]
    progress: Mapping[tuple[str, str], GoalProgress]


async def store_state(store: Store, users: Iterable[str] = ("ann", "bob", "cid")) -> StoreState:
    """Ask a store everything about its goals and these users."""
    goals = [goal.id for version in store.events.values() for goal in version.event.goals]
    return StoreState(
        events=dict(store.events),
        goals={goal_id: await store.state(goal_id) for goal_id in goals},
        boards={goal_id: await store.leaderboard(goal_id, limit=MANY) for goal_id in goals},
        progress={(goal_id, user): await store.progress(goal_id, user) for goal_id in goals for user in users},
    )
