"""OpenPowerlifting's performances -> rows: what a lifter did at a meet, as contributions or as game actions.

A row stands for one performance; who was in several divisions has several at one meet, and repeats lifts in them. Ids
follow from meet, lifter and lift, so that a repeat is told as one: nothing is left out here for looking like it.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import IO, Final

from worldevents.actions import Action, Boss, Part, Workout
from worldevents.errors import BodyInvalid

SHIPPED: Final = "opl_winter_2023.csv.gz"
"""The winter of 2023, in worldevents/demo/data."""
LIFTS: Final = ("s", "b", "d")
"""Squat, bench press, deadlift, as the columns name them."""
NAMELESS: Final = "0"
"""The lifter's number where the name is not known: nobody in particular, so nothing is counted."""
NOON: Final = time(12, tzinfo=UTC)
"""Files give days; everything on a day is taken to have happened at noon UTC."""

_NEEDED: Final = (
    "date",
    "meet_id",
    "lifter",
    *(f"{lift}{number}" for lift in LIFTS for number in (1, 2, 3)),
    *(f"best_{lift}" for lift in LIFTS),
)
_KILOGRAMS = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,3})?")
_NUMBER = re.compile(r"[A-Za-z0-9._@-]{1,60}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """One discipline of a performance, in kilograms."""

    name: str
    attempts: tuple[Decimal, ...]
    """As recorded: a missed attempt is negative; empty where only the best is known."""
    best: Decimal | None
    earlier: Decimal | None
    """The heaviest before that day; None where there is none or the file does not know."""

    @property
    def volume(self) -> Decimal:
        """The kilograms of all good attempts, or of the best where no attempt is recorded."""
        counted = self.attempts or (() if self.best is None else (self.best,))
        return sum((kilograms for kilograms in counted if kilograms > 0), Decimal(0))

    @property
    def is_record(self) -> bool:
        """Whether the best is over an earlier one; a first best is none."""
        return self.best is not None and self.earlier is not None and self.best > self.earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One performance: a lifter's attempts at a meet."""

    date: date
    meet: str
    lifter: str
    lifts: tuple[Lift, ...]

    @property
    def is_nameless(self) -> bool:
        """Whether nobody knows who this was."""
        return self.lifter == NAMELESS

    @property
    def id(self) -> str:
        """The performance as an id, the same for every row of this lifter at this meet."""
        return f"{self.meet}:{self.lifter}"

    @property
    def occurred_at(self) -> datetime:
        """The instant it is taken to have happened."""
        return datetime.combine(self.date, NOON)

    @property
    def records(self) -> tuple[str, ...]:
        """The lifts with a personal record."""
        return tuple(lift.name for lift in self.lifts if lift.is_record)

    @property
    def defeats_boss(self) -> bool:
        """Whether there was a record in all three lifts."""
        return self.records == LIFTS

    @property
    def volumes(self) -> dict[str, Decimal]:
        """Kilograms by lift, of the lifts that have any."""
        return {lift.name: kilograms for lift in self.lifts if (kilograms := lift.volume)}

    def parts(self) -> list[Part]:
        """What the row gives to which metric, under which id; nothing where it is nameless."""
        if self.is_nameless:
            return []
        return [
            Part("totalWorkouts", self.id, 1),
            *(Part("totalVolume", f"{self.id}:{name}", kilograms) for name, kilograms in self.volumes.items()),
            *(Part("totalPRs", f"{self.id}:{name}", 1) for name in self.records),
            *([Part("bossesDefeated", self.id, 1)] if self.defeats_boss else []),
        ]

    def actions(self) -> list[Action]:
        """The same as game actions: a workout, and a boss for a record in all three lifts."""
        if self.is_nameless:
            return []
        workout = Workout(
            id=self.id,
            user_id=self.lifter,
            volume=self.volumes,
            prs=self.records,
            occurred_at=self.occurred_at,
        )
        boss = Boss(id=self.id, user_id=self.lifter, occurred_at=self.occurred_at)
        return [workout, boss] if self.defeats_boss else [workout]


def rows(path: Path | None = None) -> Iterator[Row]:
    """The rows of a file, `.csv` or `.csv.gz`, in its order; without a path, of the one that is shipped.

    Raises BodyInvalid, naming file and line, for a file that cannot be read or is broken. Columns are found by name;
    files without `pb_*` give no records.
    """
    name = SHIPPED if path is None else str(path)
    try:
        with _text(path) as text:
            yield from _rows(text, name)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "broken gzip data"
        raise BodyInvalid(f"{name}: {reason}") from error
    except UnicodeDecodeError as error:
        raise BodyInvalid(f"{name}: not UTF-8 text") from error


@contextmanager
def _text(path: Path | None) -> Iterator[IO[str]]:
    shipped = resources.files("worldevents.demo").joinpath("data", SHIPPED)
    with shipped.open("rb") if path is None else path.open("rb") as file:
        packed = path is None or path.suffix == ".gz"
        # Real files start with a byte order mark now and then.
        yield io.TextIOWrapper(gzip.GzipFile(fileobj=file) if packed else file, encoding="utf-8-sig", newline="")


def _rows(text: IO[str], name: str) -> Iterator[Row]:
    reader = csv.reader(text)
    try:
        header = next(reader, [])
        columns = _columns(header)
        for fields in reader:
            if fields:
                yield _row(fields, columns, width=len(header))
    except (csv.Error, BodyInvalid) as error:
        field = error.field if isinstance(error, BodyInvalid) else None
        raise BodyInvalid(f"{name}, line {max(reader.line_num, 1)}: {error}", field=field) from error


def _columns(header: Sequence[str]) -> dict[str, int]:
    columns = {column.strip(): index for index, column in enumerate(header)}
    for column in _NEEDED:
        if column not in columns:
            raise BodyInvalid(f"no column {column}", field=column)
    return columns


def _row(fields: Sequence[str], columns: Mapping[str, int], *, width: int) -> Row:
    if len(fields) != width:
        raise BodyInvalid(f"{len(fields)} fields, but {width} columns")
    return Row(
        date=_day(fields[columns["date"]]),
        meet=_number(fields, columns, "meet_id"),
        lifter=_number(fields, columns, "lifter"),
        lifts=tuple(_lift(fields, columns, lift) for lift in LIFTS),
    )


def _lift(fields: Sequence[str], columns: Mapping[str, int], lift: str) -> Lift:
    attempts = (_kilograms(fields, columns, f"{lift}{number}") for number in (1, 2, 3))
    return Lift(
        name=lift,
        attempts=tuple(attempt for attempt in attempts if attempt is not None),
        best=_kilograms(fields, columns, f"best_{lift}"),
        earlier=_kilograms(fields, columns, f"pb_{lift}"),
    )


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BodyInvalid(f"date is a day such as 2023-12-09, not {text[:40]!r}", field="date")


def _number(fields: Sequence[str], columns: Mapping[str, int], column: str) -> str:
    text = fields[columns[column]]
    if _NUMBER.fullmatch(text) is None:
        raise BodyInvalid(f"{column} is 1 to 60 letters, digits or . _ @ -, not {text[:40]!r}", field=column)
    return text


def _kilograms(fields: Sequence[str], columns: Mapping[str, int], column: str) -> Decimal | None:
    """A cell in kilograms, exact; None where it is empty or the file has no such column."""
    text = fields[columns[column]] if column in columns else ""
    if not text:
        return None
    if _KILOGRAMS.fullmatch(text) is None:
        raise BodyInvalid(f"{column} is kilograms with at most 3 decimals, not {text[:40]!r}", field=column)
    return Decimal(text)
