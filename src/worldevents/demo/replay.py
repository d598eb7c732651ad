"""The replay of a real month: rows of meets sent through an engine, and what the engine answered, counted.

The report is made of receipts, refusals and what the goals then stand at; it never adds up the file itself, so that it
can be held against figures that were computed from the file by another program.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Literal

from worldevents import catalog
from worldevents.actions import parts
from worldevents.engine import Engine, Offer
from worldevents.errors import ContributionConflict, GoalNotOpen, WorldEventsError
from worldevents.importers import openpowerlifting
from worldevents.importers.openpowerlifting import Row
from worldevents.model import CommunityGoal, ContributionStatus, Metric, Receipt, SeasonalEvent

Door = Literal["contributions", "actions"]
"""By which of the engine's verbs the rows are told."""

Answer = Receipt | WorldEventsError
Goals = Mapping[str, CommunityGoal]
"""The event's goals by what they count."""

METRICS: Final = ("totalVolume", "totalWorkouts", "totalPRs", "bossesDefeated")
RECORDS_GOAL: Final = "personal-records"
"""The hidden goal that counts records: the shipped event has none."""
RECORDS_TARGET: Final = 1_000_000
GRACE: Final = timedelta(days=36_500)
"""Reaches far past today, and is the same at every run: a grace made from today would be another edit each day."""
ROWS_PER_CALL: Final = 250
"""About a thousand contributions."""
TOP: Final = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: rows sent, rows in all, and the day it has reached."""

    done: int
    rows: int
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricReport:
    """What became of one metric's contributions; amounts are in its unit."""

    metric: Metric
    total: int
    counted: int
    duplicates: int
    conflicts: int
    contributors: int
    target_met_on: date | None
    """The first day by whose end what this replay counted reaches the target."""
    top: tuple[tuple[str, int], ...]
    cumulative_by_day: tuple[tuple[date, int], ...]
    """Of what this replay counted, by the UTC day on which it occurred."""

    def document(self) -> dict[str, Any]:
        """As JSON: amounts as texts, in the metric's unit."""
        return {
            "total": self._text(self.total),
            "counted": self.counted,
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "contributors": self.contributors,
            "target_met_on": None if self.target_met_on is None else self.target_met_on.isoformat(),
            "top": [[user_id, self._text(amount)] for user_id, amount in self.top],
            "cumulative_by_day": {day.isoformat(): self._text(amount) for day, amount in self.cumulative_by_day},
        }

    def _text(self, amount: int) -> str:
        """The exact number without the zeros behind it, but for one where the unit has decimals."""
        whole, _, decimals = f"{self.metric.decimal(amount):f}".partition(".")
        return f"{whole}.{decimals.rstrip('0') or '0'}" if decimals else whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What a replay led to."""

    start: date
    end: date
    rows: int
    nameless: int
    """Rows that were not sent: nobody knows whose they are."""
    metrics: tuple[MetricReport, ...]
    refusals: tuple[tuple[str, int], ...]
    """Answers that are neither counted, repeats nor conflicts, by status or code: `late`, `held`, `goal_not_open`…"""

    def document(self) -> dict[str, Any]:
        """As JSON, by metric."""
        return {
            "window": [self.start.isoformat(), self.end.isoformat()],
            "rows": self.rows,
            "nameless": self.nameless,
            **{one.metric.key: one.document() for one in self.metrics},
        }


def load_rows(path: Path | None, start: date, end: date) -> list[Row]:
    """The rows of a file (None: the shipped one) from `start` to before `end`, in file order. Raises BodyInvalid."""
    return [row for row in openpowerlifting.rows(path) if start <= row.date < end]


def replay_event(start: date, end: date) -> SeasonalEvent:
    """The shipped event from `start` to before `end`, open to what is told long after, with a goal for records."""
    shipped = catalog.with_window(catalog.load_event("winter"), _midnight(start), _midnight(end))
    goals = tuple(replace(goal, grace=GRACE) for goal in shipped.goals)
    records = CommunityGoal(
        id=RECORDS_GOAL,
        event_id=shipped.id,
        name="Personal Records",
        metric=catalog.METRICS["totalPRs"],
        target=RECORDS_TARGET,
        starts_at=shipped.starts_at,
        ends_at=shipped.ends_at,
        grace=GRACE,
        hidden=True,
    )
    return replace(shipped, grace=GRACE, goals=(*goals, records))


async def prepare(engine: Engine, start: date, end: date) -> None:
    """Publish the event that a replay of this window needs; does nothing where it already stands so.

    Raises EventInvalid where the database has the event in another window that cannot be moved any more.
    """
    await engine.publish(replay_event(start, end), author="replay", reason="a replay of past meets")


async def replay(
    engine: Engine,
    rows: Sequence[Row],
    *,
    through: Door = "contributions",
    on_progress: Callable[[Progress], None] | None = None,
    speed: float | None = None,
) -> ReplayReport:
    """Tell the engine these rows, in their order, and report what it answered.

    `speed` is simulated time over real time, from the event's start on (None: as fast as it goes). A row is then sent
    in the afternoon of its day: everything occurred at noon, and nothing is told before it occurred.
    """
    event = engine.event(catalog.load_event("winter").id).event
    goals = {goal.metric.key: goal for goal in event.goals}
    tally = _Tally()
    done = 0
    async for chunk in _chunks(rows, event.starts_at, speed):
        if through == "actions":
            await _record(engine, chunk, goals, tally)
        else:
            await _contribute(engine, chunk, goals, tally)
        done += len(chunk)
        if on_progress is not None:
            on_progress(Progress(done, len(rows), chunk[-1].date))
    return ReplayReport(
        start=event.starts_at.date(),
        end=event.ends_at.date(),
        rows=len(rows),
        nameless=sum(row.is_nameless for row in rows),
        metrics=tuple([await _metric_report(engine, goals[key], tally) for key in METRICS]),
        refusals=tuple(sorted(tally.refusals.items())),
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


# Sending.


async def _chunks(rows: Sequence[Row], starts_at: datetime, speed: float | None) -> AsyncIterator[Sequence[Row]]:
    """The rows in their order, as many at once as one call takes; with a speed, those that are due."""
    due = None if speed is None else [(instant - starts_at).total_seconds() / speed for instant in _afternoons(rows)]
    loop = asyncio.get_running_loop()
    begun, sent = loop.time(), 0
    while sent < len(rows):
        until = min(sent + ROWS_PER_CALL, len(rows))
        if due is not None:
            await asyncio.sleep(max(0.0, begun + due[sent] - loop.time()))
            elapsed = loop.time() - begun
            until = next((index for index in range(sent + 1, until) if due[index] > elapsed), until)
        yield rows[sent:until]
        sent = until


def _afternoons(rows: Sequence[Row]) -> list[datetime]:
    """When each row is sent: those of one day evenly from its noon to its end."""
    sizes = Counter(row.date for row in rows)
    seen: Counter[date] = Counter()
    instants = []
    for row in rows:
        instants.append(row.occurred_at + timedelta(hours=12) * (seen[row.date] / sizes[row.date]))
        seen[row.date] += 1
    return instants


async def _contribute(engine: Engine, chunk: Sequence[Row], goals: Goals, tally: _Tally) -> None:
    offers = [
        Offer(goals[part.metric].id, row.lifter, part.amount, part.contribution_id, row.occurred_at)
        for row in chunk
        for part in row.parts()
    ]
    for offer, answer in zip(offers, await engine.contribute_many(offers), strict=True):
        tally.add(offer.goal_id, answer)


async def _record(engine: Engine, chunk: Sequence[Row], goals: Goals, tally: _Tally) -> None:
    told = [action for row in chunk for action in row.actions()]
    for action, answer in zip(told, await engine.record_many(told), strict=True):
        if isinstance(answer, WorldEventsError):
            tally.refusals[answer.code] += 1
            continue
        told_of = {(one.contribution.goal_id, one.contribution.contribution_id): one for one in answer.receipts}
        refused = {(one.goal_id, one.contribution_id): one.error for one in answer.problems}
        for part in parts(action):
            key = goals[part.metric].id, part.contribution_id
            # Of what it is not told, the goal was never asked: an action goes only to goals that take its instant.
            tally.add(key[0], told_of.get(key) or refused.get(key) or GoalNotOpen())


# Counting the answers.


class _Tally:
    """What the engine answered so far."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.duplicates: Counter[str] = Counter()
        self.conflicts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.by_day: defaultdict[str, Counter[date]] = defaultdict(Counter)

    def add(self, goal_id: str, answer: Answer) -> None:
        """One answer about one contribution to this goal."""
        if isinstance(answer, ContributionConflict):
            self.conflicts[goal_id] += 1
        elif isinstance(answer, WorldEventsError):
            self.refusals[answer.code] += 1
        elif answer.duplicate:
            self.duplicates[goal_id] += 1
        elif answer.status is ContributionStatus.COUNTED and answer.contribution.occurred_at is not None:
            self.counted[goal_id] += 1
            self.by_day[goal_id][answer.contribution.occurred_at.date()] += answer.contribution.amount
        else:
            self.refusals[answer.status.value] += 1


async def _metric_report(engine: Engine, goal: CommunityGoal, tally: _Tally) -> MetricReport:
    state = (await engine.progress(goal.id)).state
    board = await engine.leaderboard(goal.id, limit=TOP)
    days = sorted(tally.by_day[goal.id].items())
    cumulative = tuple(zip((day for day, _ in days), accumulate(amount for _, amount in days), strict=True))
    return MetricReport(
        metric=goal.metric,
        total=state.total,
        counted=tally.counted[goal.id],
        duplicates=tally.duplicates[goal.id],
        conflicts=tally.conflicts[goal.id],
        contributors=board.participants,
        target_met_on=next((day for day, amount in cumulative if amount >= goal.target), None),
        top=tuple((row.user_id, row.amount) for row in board.contributors),
        cumulative_by_day=cumulative,
    )
