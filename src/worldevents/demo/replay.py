"""The replay of a real month: rows of meets sent through the system, and what the system answered, counted.

The report is made of receipts, refusals and what the goals then stand at; it never adds up the file itself, so that it
can be held against figures that were computed from the file by another program. It speaks in documents, so that it is
the same in this process and through a server.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Literal

from worldevents import catalog
from worldevents.actions import Action, Boss, Workout, parts
from worldevents.demo.pace import Pace
from worldevents.documents import Json, Verbs
from worldevents.errors import ContributionConflict, GoalNotOpen
from worldevents.importers import openpowerlifting
from worldevents.importers.openpowerlifting import Row
from worldevents.model import CommunityGoal, ContributionStatus, Metric, SeasonalEvent

Door = Literal["contributions", "actions"]
"""By which of the verbs the rows are told."""

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
PAUSES_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10)
"""Before what may succeed later is told again; what then still may not is counted among the refusals."""
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
    shipped = catalog.with_window(catalog.load_event("winter"), midnight(start), midnight(end))
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


async def prepare(verbs: Verbs, start: date, end: date) -> None:
    """Publish the event that a replay of this window needs; does nothing where it already stands so.

    Raises EventInvalid where the database has the event in another window that cannot be moved any more.
    """
    await verbs.publish(replay_event(start, end), author="replay", reason="a replay of past meets")


async def replay(
    verbs: Verbs,
    rows: Sequence[Row],
    *,
    through: Door = "contributions",
    on_progress: Callable[[Progress], None] | None = None,
    pace: Pace | None = None,
) -> ReplayReport:
    """Tell the system these rows, in their order, and report what it answered. The event is there: see `prepare`.

    With a pace (None: as fast as it goes) a row is sent in the afternoon of its day: everything occurred at noon, and
    nothing is told before it occurred.
    """
    event = await verbs.event(catalog.load_event("winter").id)
    start, end = (datetime.fromisoformat(event[name]) for name in ("startsAt", "endsAt"))
    goals = {goal.metric.key: goal for goal in replay_event(start.date(), end.date()).goals}
    tally = _Tally()
    done = 0
    async for chunk in _chunks(rows, pace):
        if through == "actions":
            await _record(verbs, chunk, goals, tally)
        else:
            await _contribute(verbs, chunk, goals, tally)
        done += len(chunk)
        if on_progress is not None:
            on_progress(Progress(done, len(rows), chunk[-1].date))
    return ReplayReport(
        start=start.date(),
        end=end.date(),
        rows=len(rows),
        nameless=sum(row.is_nameless for row in rows),
        metrics=tuple([await _metric_report(verbs, goals[key], tally) for key in METRICS]),
        refusals=tuple(sorted(tally.refusals.items())),
    )


def midnight(day: date) -> datetime:
    """The instant at which a day begins in UTC."""
    return datetime.combine(day, time(), UTC)


# Sending.


async def _chunks(rows: Sequence[Row], pace: Pace | None) -> AsyncIterator[Sequence[Row]]:
    """The rows in their order, as many at once as one call takes; with a pace, those that are due."""
    due = [] if pace is None else _afternoons(rows)
    sent = 0
    while sent < len(rows):
        until = min(sent + ROWS_PER_CALL, len(rows))
        if pace is not None:
            until = sent + await pace(due[sent:until])
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


async def _contribute(verbs: Verbs, chunk: Sequence[Row], goals: Goals, tally: _Tally) -> None:
    told = [(row, goals[part.metric], part) for row in chunk for part in row.parts()]
    items = [
        {
            "goalId": goal.id,
            "contributionId": part.contribution_id,
            "userId": row.lifter,
            "amount": str(part.amount),
            "occurredAt": _instant(row.occurred_at),
        }
        for row, goal, part in told
    ]
    for (row, goal, _), answer in zip(told, await _told(verbs.contribute_many, items), strict=True):
        if "problem" in answer:
            tally.refuse(goal, answer["problem"]["code"])
        else:
            tally.keep(goal, row.date, answer["receipt"])


async def _record(verbs: Verbs, chunk: Sequence[Row], goals: Goals, tally: _Tally) -> None:
    told = [(row, action) for row in chunk for action in row.actions()]
    answers = await _told(verbs.record_many, [_item(action) for _, action in told])
    for (row, action), answer in zip(told, answers, strict=True):
        receipts = {(one["goalId"], one["contributionId"]): one for one in answer["receipts"]}
        refused = {(one.get("goalId"), one.get("contributionId")): one["code"] for one in answer["problems"]}
        if (None, None) in refused:
            # The action as a whole: none of its parts was looked at.
            tally.refusals[refused[None, None]] += 1
            continue
        for part in parts(action):
            goal = goals[part.metric]
            key = goal.id, part.contribution_id
            if key in receipts:
                tally.keep(goal, row.date, receipts[key])
            else:
                # Of what it is not told, the goal was never asked: an action goes only to goals that take its instant.
                tally.refuse(goal, refused.get(key, GoalNotOpen.code))


async def _told(call: Callable[[Sequence[Json]], Awaitable[list[Json]]], items: Sequence[Json]) -> list[Json]:
    """What is answered to each of these items; what may succeed later is told again."""
    answers = await call(items)
    for pause_s in PAUSES_S:
        again = [number for number, answer in enumerate(answers) if _may_succeed_later(answer)]
        if not again:
            break
        await asyncio.sleep(pause_s)
        for number, answer in zip(again, await call([items[number] for number in again]), strict=True):
            answers[number] = answer
    return answers


def _may_succeed_later(answer: Json) -> bool:
    return any(problem["retryable"] for problem in (*answer.get("problems", ()), answer.get("problem")) if problem)


def _item(action: Action) -> Json:
    match action:
        case Workout():
            own: Json = {
                "kind": "workout",
                "volume": {name: str(kilograms) for name, kilograms in action.volume.items()},
                "prs": list(action.prs),
            }
        case Boss():
            own = {"kind": "boss", "count": action.count}
        case _:
            raise TypeError(f"no row tells of a {type(action).__name__}")
    occurred = {} if action.occurred_at is None else {"occurredAt": _instant(action.occurred_at)}
    return {**own, "id": action.id, "userId": action.user_id, **occurred}


def _instant(value: datetime) -> str:
    return value.isoformat()


# Counting the answers.


class _Tally:
    """What the system answered so far."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.duplicates: Counter[str] = Counter()
        self.conflicts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.by_day: defaultdict[str, Counter[date]] = defaultdict(Counter)

    def keep(self, goal: CommunityGoal, day: date, receipt: Json) -> None:
        """The receipt of a contribution to this goal, of what happened on this day."""
        if receipt["duplicate"]:
            self.duplicates[goal.id] += 1
        elif receipt["status"] == ContributionStatus.COUNTED:
            self.counted[goal.id] += 1
            self.by_day[goal.id][day] += _smallest(receipt["amount"], goal.metric)
        else:
            self.refusals[receipt["status"]] += 1

    def refuse(self, goal: CommunityGoal, code: str) -> None:
        """The code of a contribution to this goal that was not kept."""
        if code == ContributionConflict.code:
            self.conflicts[goal.id] += 1
        else:
            self.refusals[code] += 1


async def _metric_report(verbs: Verbs, goal: CommunityGoal, tally: _Tally) -> MetricReport:
    told = (await verbs.progress(goal.id))["goal"]
    board = await verbs.leaderboard(goal.id, limit=TOP)
    metric, target = goal.metric, _smallest(told["targetValue"], goal.metric)
    days = sorted(tally.by_day[goal.id].items())
    cumulative = tuple(zip((day for day, _ in days), accumulate(amount for _, amount in days), strict=True))
    return MetricReport(
        metric=metric,
        total=_smallest(told["currentValue"], metric),
        counted=tally.counted[goal.id],
        duplicates=tally.duplicates[goal.id],
        conflicts=tally.conflicts[goal.id],
        contributors=board["participantCount"],
        target_met_on=next((day for day, amount in cumulative if amount >= target), None),
        top=tuple((row["userId"], _smallest(row["amount"], metric)) for row in board["contributors"]),
        cumulative_by_day=cumulative,
    )


def _smallest(number: float, metric: Metric) -> int:
    """A document's number in smallest units, exactly: a float prints as the decimal that it stands for."""
    return int(Decimal(str(number)).scaleb(metric.decimals))
