"""What comes in: contributions and actions as decoded JSON with nothing checked yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, Final, cast

from worldevents import problems
from worldevents.actions import Action, Activity, Boss, Challenge, Unit, Workout, WorkoutSet
from worldevents.codec import Json
from worldevents.engine import Offer
from worldevents.errors import BodyInvalid, IdInvalid

ACTION_KINDS: Final = ("workout", "challenge", "boss", "activity")

_OFFER_FIELDS: Final = frozenset({"contributionId", "userId", "amount", "occurredAt", "displayName"})
_OFFER_FIELDS_IN_BATCH: Final = _OFFER_FIELDS | {"goalId"}
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


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
