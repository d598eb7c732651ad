"""Game actions -> contributions: what a workout, a challenge or a boss gives to which metric, and under which id.

Ids follow from the action's own id, so that an action reported again, or by two reporters, counts once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, TypeVar

from worldevents import rules
from worldevents.errors import AmountInvalid, BodyInvalid, IdInvalid

KILOGRAM_DECIMALS: Final = 3
POUND_GRAMS: Final = Fraction("453.59237")
"""Grams of an international avoirdupois pound: exact, by definition (1959)."""
NAMED_MAX: Final = 1_000
"""The most sets, exercises or workouts that one action may name."""
COUNT_MAX: Final = 1_000_000
"""The most repetitions of a set, or bosses of a fight."""

T = TypeVar("T")

_PLAIN_EXERCISE = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._@-]+")


class Unit(StrEnum):
    """The unit of a set's weight."""

    KG = "kg"
    LB = "lb"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkoutSet:
    """So many repetitions with one weight."""

    exercise: str
    weight: Decimal | int | str
    reps: int
    unit: Unit = Unit.KG


@dataclass(frozen=True, slots=True, kw_only=True)
class Workout:
    """A finished workout, told by its sets or by its volume in kg per exercise; `prs` names exercises with a record."""

    id: str
    user_id: str
    sets: Sequence[WorkoutSet] = ()
    volume: Mapping[str, Decimal | int | str] = field(default_factory=dict)
    prs: Sequence[str] = ()
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A finished challenge: the workouts it consisted of."""

    id: str
    user_id: str
    workouts: Sequence[str]
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Boss:
    """Bosses that a user defeated in one fight."""

    id: str
    user_id: str
    count: int = 1
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A sign that a user was there: counts for participation, contributes nothing."""

    user_id: str
    occurred_at: datetime | None = None


Action = Workout | Challenge | Boss | Activity


@dataclass(frozen=True, slots=True)
class Part:
    """What an action gives to one metric: an amount in the metric's unit, under an id of its own."""

    metric: str
    contribution_id: str
    amount: Decimal | int


def parts(action: Action) -> list[Part]:
    """Everything an action gives. Raises BodyInvalid, IdInvalid or AmountInvalid naming the action's field."""
    rules.check_id(action.user_id, "userId")
    rules.check_occurred_at(action.occurred_at)
    match action:
        case Workout():
            return _workout(action)
        case Challenge():
            rules.check_id(action.id, "id")
            workouts = _bounded(action.workouts, "workouts")
            return [Part("totalWorkouts", rules.check_id(one, "workouts"), 1) for one in workouts]
        case Boss():
            return [Part("bossesDefeated", rules.check_id(action.id, "id"), _count(action.count, "count"))]
        case Activity():
            return []


def _workout(action: Workout) -> list[Part]:
    rules.check_id(action.id, "id")
    if action.sets and action.volume:
        raise BodyInvalid("a workout is told by its sets or by its volume, not by both", field="volume")
    volume = _volume_of_sets(action.sets) if action.sets else _volume_as_told(action.volume)
    return [
        Part("totalWorkouts", action.id, 1),
        *(Part("totalVolume", _part_id(action.id, exercise), kilograms) for exercise, kilograms in volume.items()),
        *(
            Part("totalPRs", _part_id(action.id, name), 1)
            for name in dict.fromkeys(_exercise(name, "prs") for name in _bounded(action.prs, "prs"))
        ),
    ]


def _volume_as_told(volume: Mapping[str, Decimal | int | str]) -> dict[str, Decimal]:
    told = {}
    for name in _bounded(list(volume), "volume"):
        grams = rules.check_quantity(volume[name], KILOGRAM_DECIMALS, "volume")
        if grams:
            told[_exercise(name, "volume")] = Decimal(grams).scaleb(-KILOGRAM_DECIMALS)
    return told


def _volume_of_sets(sets: Sequence[WorkoutSet]) -> dict[str, Decimal]:
    """Kilograms per exercise: summed exactly, then pounds rounded half-even to grams, once per exercise.

    An exercise without weight adds no volume.
    """
    grams: dict[str, Fraction] = {}
    for one in _bounded(sets, "sets"):
        exercise = _exercise(one.exercise, "sets.exercise")
        reps = _count(one.reps, "sets.reps", least=0)
        grams[exercise] = grams.get(exercise, Fraction(0)) + _weight(one) * reps
    rounded = {exercise: round(total) for exercise, total in grams.items()}
    return {exercise: Decimal(total).scaleb(-KILOGRAM_DECIMALS) for exercise, total in rounded.items() if total}


def _weight(one: WorkoutSet) -> Fraction:
    """The weight of one set in grams, exact."""
    thousandths = rules.check_quantity(one.weight, KILOGRAM_DECIMALS, "sets.weight")
    if one.unit == Unit.KG:
        return Fraction(thousandths)
    if one.unit == Unit.LB:
        return thousandths * POUND_GRAMS / 1000
    raise BodyInvalid("a weight is in kg or lb", field="sets.unit")


def _count(value: object, field: str, *, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= COUNT_MAX:
        raise AmountInvalid(f"a whole number from {least} to {COUNT_MAX}", field=field)
    return value


def _bounded(items: Sequence[T], field: str) -> Sequence[T]:
    if isinstance(items, str):
        raise BodyInvalid("a list, not one text", field=field)
    if len(items) > NAMED_MAX:
        raise BodyInvalid(f"at most {NAMED_MAX} in one action", field=field)
    return items


def _exercise(name: object, field: str) -> str:
    """An exercise as part of an id: itself where its letters allow, else a readable form and a digest of the name."""
    if not isinstance(name, str) or not name.strip():
        raise BodyInvalid("an exercise has a name", field=field)
    if _PLAIN_EXERCISE.fullmatch(name):
        return name
    try:
        digest = hashlib.blake2b(name.encode(), digest_size=6).hexdigest()
    except UnicodeEncodeError:
        raise BodyInvalid("an exercise's name is not text", field=field) from None
    return f"{_NOT_PLAIN.sub('-', name)[:32].strip('-')}-{digest}"


def _part_id(action_id: str, exercise: str) -> str:
    try:
        return rules.check_id(f"{action_id}:{exercise}", "id")
    except IdInvalid:
        raise IdInvalid("the action's id and the exercise's name are too long together", field="id") from None
