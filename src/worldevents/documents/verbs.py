"""The verbs of goals and events, as a protocol and of an engine in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from worldevents import codec, rules
from worldevents.actions import Action
from worldevents.codec import Json, standings
from worldevents.documents.answers import published, recorded, result, version
from worldevents.documents.items import action, offer
from worldevents.engine import Engine, Offer, Recorded
from worldevents.errors import BodyInvalid, WorldEventsError
from worldevents.model import Ack, GoalStatus, Receipt, SeasonalEvent

STATUSES: Final = (*(status.value for status in GoalStatus), "all")


class Verbs(Protocol):
    """What can be asked of the system, here or behind a URL; every verb raises WorldEventsError."""

    async def goals(self, status: str = "active", *, event_id: str | None = None) -> Json:
        """`{goals}` of one status, or of `all`."""
        ...

    async def progress(self, goal_id: str, user_id: str | None = None) -> Json:
        """A goal and one user's share of it."""
        ...

    async def standing(self, goal_id: str, user_id: str) -> Json:
        """Where one user stands in a goal, and why."""
        ...

    async def leaderboard(
        self, goal_id: str, *, limit: int = 10, around: str | None = None, user_id: str | None = None
    ) -> Json:
        """Rows of a goal's ranking."""
        ...

    async def contribute(self, goal_id: str, item: Json, *, ack: Ack | None = None) -> Json:
        """The receipt of one contribution, once it is as safe as that; None is what the settings say."""
        ...

    async def contribute_many(self, items: Sequence[Json]) -> list[Json]:
        """A `{status, receipt}` or `{status, problem}` for each item, in order."""
        ...

    async def record_many(self, items: Sequence[Json]) -> list[Json]:
        """`{receipts, problems}` for each action, in order."""
        ...

    async def events(self) -> Json:
        """`{events}`, the newest version of each."""
        ...

    async def event(self, event_id: str, user_id: str | None = None) -> Json:
        """One event; with a user, that user's progress in its personal challenges."""
        ...

    async def inspect(self, event_id: str, user_id: str | None = None) -> Json:
        """One event as its operators see it: with `goals`, hidden ones too, and its `versions`, oldest first."""
        ...

    async def plan(self, event: SeasonalEvent) -> Json:
        """`{eventId, version, changes}`: the version that stands (0: none), and what publishing this would change."""
        ...

    async def publish(self, event: SeasonalEvent, *, author: str, reason: str = "") -> Json:
        """Make this the event's newest version."""
        ...

    async def extend(self, event_id: str, ends_at: datetime, *, author: str, reason: str) -> Json:
        """Move an event's end."""
        ...

    async def close(self, event_id: str, *, author: str, reason: str) -> Json:
        """End an event now."""
        ...

    async def cancel(self, event_id: str, *, author: str, reason: str) -> Json:
        """Call an event off."""
        ...


class Local:
    """`Verbs` of an engine in this process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def goals(self, status: str = "active", *, event_id: str | None = None) -> Json:
        if status not in STATUSES:
            raise BodyInvalid(f"one of {', '.join(STATUSES)}", field="status")
        states = await self._engine.goals(None if status == "all" else GoalStatus(status), event_id=event_id)
        now = self._engine.now()
        return {"goals": [codec.goal(state, now) for state in states]}

    async def progress(self, goal_id: str, user_id: str | None = None) -> Json:
        return codec.progress(await self._engine.progress(goal_id, user_id), self._engine.now())

    async def standing(self, goal_id: str, user_id: str) -> Json:
        return standings.standing(await self._engine.standing(goal_id, user_id), self._engine.now())

    async def leaderboard(
        self, goal_id: str, *, limit: int = 10, around: str | None = None, user_id: str | None = None
    ) -> Json:
        return codec.leaderboard(await self._engine.leaderboard(goal_id, limit=limit, around=around, user_id=user_id))

    async def contribute(self, goal_id: str, item: Json, *, ack: Ack | None = None) -> Json:
        (answer,) = await self._engine.contribute_many([offer(item, goal_id=goal_id)], ack=ack)
        if isinstance(answer, WorldEventsError):
            raise answer
        return codec.receipt(answer)

    async def contribute_many(self, items: Sequence[Json]) -> list[Json]:
        return [result(answer) for answer in await contribute_many(self._engine, items, offer)]

    async def record_many(self, items: Sequence[Json]) -> list[Json]:
        return [recorded(one) for one in await record_many(self._engine, items, action)]

    async def events(self) -> Json:
        now = self._engine.now()
        return {"events": [codec.event(one, now) for one in self._engine.events()]}

    async def event(self, event_id: str, user_id: str | None = None) -> Json:
        newest = self._engine.event(event_id)
        # The id is checked for an event without challenges too.
        user = None if user_id is None else rules.check_id(user_id, "userId")
        done = [] if user is None else await self._engine.challenges(event_id, user)
        return codec.event(newest, self._engine.now(), done)

    async def inspect(self, event_id: str, user_id: str | None = None) -> Json:
        goals = [await self._engine.progress(goal.id) for goal in self._engine.event(event_id).event.goals]
        now = self._engine.now()
        return {
            **await self.event(event_id, user_id),
            "goals": [{**codec.goal(one.state, now), "hidden": one.state.goal.hidden} for one in goals],
            "versions": [version(one) for one in await self._engine.history(event_id)],
        }

    async def plan(self, event: SeasonalEvent) -> Json:
        changes = await self._engine.plan(event)
        standing = next((one.version for one in self._engine.events() if one.event.id == event.id), 0)
        return {"eventId": event.id, "version": standing, "changes": list(changes)}

    async def publish(self, event: SeasonalEvent, *, author: str, reason: str = "") -> Json:
        return published(await self._engine.publish(event, author=author, reason=reason))

    async def extend(self, event_id: str, ends_at: datetime, *, author: str, reason: str) -> Json:
        return published(await self._engine.extend(event_id, ends_at, author=author, reason=reason))

    async def close(self, event_id: str, *, author: str, reason: str) -> Json:
        return published(await self._engine.close(event_id, author=author, reason=reason))

    async def cancel(self, event_id: str, *, author: str, reason: str) -> Json:
        return published(await self._engine.cancel(event_id, author=author, reason=reason))


async def contribute_many(
    engine: Engine, items: Sequence[object], read: Callable[[object], Offer], *, ack: Ack | None = None
) -> list[Receipt | WorldEventsError]:
    """Every item's answer, in order; an item that cannot be read is refused in its place."""
    return await _each(items, read, partial(engine.contribute_many, ack=ack))


async def record_many(
    engine: Engine, items: Sequence[object], read: Callable[[object], Action], *, ack: Ack | None = None
) -> list[Recorded | WorldEventsError]:
    """Every action's answer, in order; one that cannot be read is refused in its place."""
    return await _each(items, read, partial(engine.record_many, ack=ack))


async def _each(items: Sequence[object], read: Callable[[object], Any], verb: Callable[[list[Any]], Any]) -> list[Any]:
    told: list[Any] = []
    for item in items:
        try:
            told.append(read(item))
        except WorldEventsError as refused:
            told.append(refused)
    answers = iter(await verb([one for one in told if not isinstance(one, WorldEventsError)]))
    return [one if isinstance(one, WorldEventsError) else next(answers) for one in told]
