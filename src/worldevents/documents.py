"""The system's verbs as JSON documents: what HTTP, the command line and a replay all take and give.

Items come in as decoded JSON with nothing checked yet; answers go out as `codec` writes them. A client of a running
server has the same verbs, so that whoever uses `Verbs` need not know where the system is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol, cast

from worldevents import codec, problems, rules, standing_documents
from worldevents.actions import Action, Activity, Boss, Challenge, Unit, Workout, WorkoutSet
from worldevents.engine import Engine, Offer, Published, Recorded
from worldevents.errors import BodyInvalid, IdInvalid, WorldEventsError
from worldevents.model import Ack, ContributionStatus, EventVersion, GoalStatus, Receipt, SeasonalEvent

Json = dict[str, Any]

ACTION_KINDS: Final = ("workout", "challenge", "boss", "activity")
STATUSES: Final = (*(status.value for status in GoalStatus), "all")

_OFFER_FIELDS: Final = frozenset({"contributionId", "userId", "amount", "occurredAt", "displayName"})
_OFFER_FIELDS_IN_BATCH: Final = _OFFER_FIELDS | {"goalId"}
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


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


# Reading items.


def offer(item: object, *, goal_id: str | None = None) -> Offer:
    """A contribution from its JSON, for `goal_id` or the goal that it names. Raises BodyInvalid, IdInvalid."""
    fields = _object(item, "items")
    only(fields, _OFFER_FIELDS_IN_BATCH if goal_id is None else _OFFER_FIELDS)
    told = fields.get("goalId") if goal_id is None else goal_id
    if not isinstance(told, str):
        raise IdInvalid("a goal's id is a text", field="goalId")
    # The engine checks the rest.
    get = cast("Callable[[str], Any]", fields.get)
    return Offer(
        told, get("userId"), get("amount"), get("contributionId"), instant(get("occurredAt")), get("displayName")
    )


def action(item: object) -> Action:
    """A game action from its JSON. Raises BodyInvalid naming the field; amounts and ids are checked by `actions`."""
    fields = _object(item, "items")
    read = _ACTIONS.get(fields.get("kind")) if isinstance(fields.get("kind"), str) else None
    if read is None:
        raise BodyInvalid(f"an action is one of {', '.join(ACTION_KINDS)}", field="kind")
    return read(fields)


def instant(value: object, field: str = "occurredAt") -> datetime | None:
    """An instant as RFC 3339 writes it, in UTC; or None. Raises BodyInvalid."""
    if value is None:
        return None
    try:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise BodyInvalid("an instant is written as 2026-12-01T18:00:00Z", field=field)


def _workout(fields: Json) -> Workout:
    only(fields, {"kind", "id", "userId", "sets", "volume", "prs", "occurredAt"})
    return Workout(
        id=fields.get("id"),  # type: ignore[arg-type] # checked with all other ids, by actions.parts
        user_id=fields.get("userId"),  # type: ignore[arg-type] # the same
        sets=[_set(one) for one in _list(fields, "sets")],
        volume=_object(fields["volume"], "volume") if fields.get("volume") is not None else {},
        prs=_list(fields, "prs"),
        occurred_at=instant(fields.get("occurredAt")),
    )


def _set(item: object) -> WorkoutSet:
    fields = _object(item, "sets")
    only(fields, {"exercise", "weight", "unit", "reps"}, inside="sets.")
    unit = fields.get("unit", "kg")
    if unit not in ("kg", "lb"):
        raise BodyInvalid("a weight is in kg or lb", field="sets.unit")
    return WorkoutSet(
        exercise=fields.get("exercise"),  # type: ignore[arg-type] # checked by actions.parts
        weight=fields.get("weight"),  # type: ignore[arg-type] # the same
        reps=fields.get("reps"),  # type: ignore[arg-type] # the same
        unit=Unit(unit),
    )


def _challenge(fields: Json) -> Challenge:
    only(fields, {"kind", "id", "userId", "workouts", "occurredAt"})
    if not _list(fields, "workouts"):
        raise BodyInvalid("a challenge names its workouts", field="workouts")
    return Challenge(
        id=fields.get("id"),  # type: ignore[arg-type] # checked by actions.parts
        user_id=fields.get("userId"),  # type: ignore[arg-type] # the same
        workouts=_list(fields, "workouts"),
        occurred_at=instant(fields.get("occurredAt")),
    )


def _boss(fields: Json) -> Boss:
    only(fields, {"kind", "id", "userId", "count", "occurredAt"})
    return Boss(
        id=fields.get("id"),  # type: ignore[arg-type] # checked by actions.parts
        user_id=fields.get("userId"),  # type: ignore[arg-type] # the same
        count=fields.get("count", 1),
        occurred_at=instant(fields.get("occurredAt")),
    )


def _activity(fields: Json) -> Activity:
    only(fields, {"kind", "userId", "occurredAt"})
    return Activity(
        user_id=fields.get("userId"),  # type: ignore[arg-type] # checked by actions.parts
        occurred_at=instant(fields.get("occurredAt")),
    )


_ACTIONS: Final[Mapping[object, Callable[[Json], Action]]] = dict(
    zip(ACTION_KINDS, (_workout, _challenge, _boss, _activity), strict=True)
)


def _object(value: object, field: str) -> Json:
    if not isinstance(value, dict):
        raise BodyInvalid("an object is wanted here", field=field)
    return value


def _list(fields: Json, name: str) -> list[Any]:
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BodyInvalid("a list is wanted here", field=name)
    return value


def only(fields: Json, known: AbstractSet[str], *, inside: str = "") -> None:
    """Take no unknown field: one with a typing error would be ignored, and its value lost. Raises BodyInvalid."""
    if fields.keys() <= known:
        return
    for name in fields:
        if name not in known:
            raise BodyInvalid("no such field here", field=problems.named(name, inside=inside))


# Writing answers.


def result(answer: Receipt | WorldEventsError) -> Json:
    """What became of one contribution of a batch."""
    if isinstance(answer, WorldEventsError):
        return refusal(answer)
    return {"status": receipt_status(answer), "receipt": codec.receipt(answer)}


def refusal(error: WorldEventsError) -> Json:
    """A contribution of a batch that was not kept."""
    return {"status": problems.status(error), "problem": problems.problem(error)}


def receipt_status(receipt: Receipt) -> int:
    """201 counted, 200 a repeat, 202 held or late."""
    if receipt.duplicate:
        return 200
    return 201 if receipt.status is ContributionStatus.COUNTED else 202


def recorded(told: Recorded | WorldEventsError) -> Json:
    """What an action led to; of a refused one, the problem alone."""
    if isinstance(told, WorldEventsError):
        return {"receipts": [], "problems": [problems.problem(told)]}
    return {
        "receipts": [codec.receipt(one) for one in told.receipts],
        "problems": [
            {**problems.problem(one.error), "goalId": one.goal_id, "contributionId": one.contribution_id}
            for one in told.problems
        ],
    }


def published(told: Published) -> Json:
    """The version that stands after a publish, and the changes that made it."""
    return {"eventId": told.version.event.id, **_version(told.version), "changes": list(told.changes)}


def _version(one: EventVersion) -> Json:
    return {
        "version": one.version,
        "author": one.author,
        "publishedAt": codec.instant(one.published_at),
        "reason": one.reason,
    }


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
        return standing_documents.standing(await self._engine.standing(goal_id, user_id), self._engine.now())

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
        return {"events": [codec.event(version, now) for version in self._engine.events()]}

    async def event(self, event_id: str, user_id: str | None = None) -> Json:
        version = self._engine.event(event_id)
        # The id is checked for an event without challenges too.
        user = None if user_id is None else rules.check_id(user_id, "userId")
        done = [] if user is None else await self._engine.challenges(event_id, user)
        return codec.event(version, self._engine.now(), done)

    async def inspect(self, event_id: str, user_id: str | None = None) -> Json:
        goals = [await self._engine.progress(goal.id) for goal in self._engine.event(event_id).event.goals]
        now = self._engine.now()
        return {
            **await self.event(event_id, user_id),
            "goals": [{**codec.goal(one.state, now), "hidden": one.state.goal.hidden} for one in goals],
            "versions": [_version(one) for one in await self._engine.history(event_id)],
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
