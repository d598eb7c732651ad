"""An event file -> a SeasonalEvent, or every complaint about it with its line and field."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from worldevents import rules
from worldevents.catalog.form import (
    REWARD_KINDS,
    ChallengeForm,
    ConsolationForm,
    EventForm,
    GoalForm,
    MetricForm,
    RewardForm,
    TierForm,
)
from worldevents.catalog.lines import line_of, lines_of
from worldevents.errors import AmountInvalid, Complaint, EventInvalid, WorldEventsError
from worldevents.model import (
    Audience,
    CommunityGoal,
    GoalTier,
    Limits,
    Metric,
    OutlierRule,
    OverLimit,
    PersonalChallenge,
    Reward,
    SeasonalEvent,
)

FILE_BYTES_MAX: Final = 1_000_000
COUNT_LIMIT: Final = 10_000
"""The default limit of one contribution to a metric that counts things."""
METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        "totalVolume": Metric(key="totalVolume", unit="kg", decimals=3, limits=Limits(per_contribution=100_000_000)),
        "totalWorkouts": Metric(key="totalWorkouts", unit="workouts", limits=Limits(per_contribution=COUNT_LIMIT)),
        "totalPRs": Metric(key="totalPRs", unit="records", limits=Limits(per_contribution=COUNT_LIMIT)),
        "bossesDefeated": Metric(key="bossesDefeated", unit="bosses", limits=Limits(per_contribution=COUNT_LIMIT)),
    }
)
"""The spec's metrics, with the default limits: 100,000 kg, and so many of what is counted."""

THRESHOLD_DECIMALS: Final = 4
DOTS_MAX: Final = 2_100
"""How many dots a line may have: a description has up to 2,000 letters, a key has few."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bool_type": "has to be true or false",
        "datetime_type": "has to be an instant, as 2026-12-01T00:00:00Z",
        "dict_type": "has to be a table",
        "extra_forbidden": "there is no such field",
        "int_type": "has to be a whole number",
        "list_type": "has to be a list",
        "missing": "is missing",
        "model_type": "has to be a table",
        "string_type": "has to be text",
    }
)
"""What pydantic's commonest complaints are called here."""
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

Loc = tuple[str | int, ...]
Kinds = Mapping[str, type[RewardForm]]


def load_event(source: str | Path, *, kinds: Kinds = REWARD_KINDS) -> SeasonalEvent:
    """The event in a file, or `winter`, the one that is shipped. Raises EventInvalid with every complaint."""
    return read_event(_text(source), kinds=kinds)


def located(error: EventInvalid, source: str | Path) -> EventInvalid:
    """The same complaints with their lines in this file: of edits that the file alone does not show to be wrong."""
    lines = lines_of(_text(source))
    return EventInvalid(*(replace(one, line=one.line or line_of(lines, one.path)) for one in error.complaints))


def _text(source: str | Path) -> str:
    if source == "winter":
        return resources.files("worldevents.demo").joinpath("winter.toml").read_text("utf-8")
    path = Path(source)
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise EventInvalid(f"{path}: {error.strerror}") from error
    except ValueError:
        raise EventInvalid("a file's name has no NUL character") from None
    if len(content) > FILE_BYTES_MAX:
        raise EventInvalid(f"{path}: an event file has at most {FILE_BYTES_MAX:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EventInvalid(f"{path}: not UTF-8 text") from None


def read_event(text: str, *, kinds: Kinds = REWARD_KINDS) -> SeasonalEvent:
    """The event that a TOML text declares. Raises EventInvalid with every complaint, each naming line and field."""
    # Reading a key takes the square of its names: one of 64 kB takes half a minute.
    if any(line.count(".") > DOTS_MAX for line in text.split("\n")):
        raise EventInvalid("not an event file: a key in it has too many names")
    try:
        table = tomllib.loads(text, parse_float=Decimal)
        lines = lines_of(text)
    except tomllib.TOMLDecodeError as error:
        raise EventInvalid(f"not TOML: {error}") from None
    except (ValueError, ArithmeticError):
        raise EventInvalid("not an event file: a number in it has too many digits") from None
    except RecursionError:
        raise EventInvalid("not an event file: its tables or arrays are nested too deeply") from None
    return event_from_table(table, lines=lines, kinds=kinds)


def event_from_table(
    table: Mapping[str, Any], *, lines: Mapping[Loc, int] = MappingProxyType({}), kinds: Kinds = REWARD_KINDS
) -> SeasonalEvent:
    """The event that an already decoded file declares; without `lines` complaints name the field alone."""
    reader = _Reader(lines, kinds)
    with reader.complaining(()):
        form = EventForm.model_validate(table)
        event = reader.event(form)
    if reader.complaints:
        raise EventInvalid(*reader.complaints)
    return event


class _Reader:
    def __init__(self, lines: Mapping[Loc, int], kinds: Kinds) -> None:
        self._lines = lines
        self._kinds = kinds
        self.complaints: list[Complaint] = []

    def complain(self, loc: Loc, message: str) -> None:
        path = tuple(part if isinstance(part, int) else _key(part) for part in loc)
        self.complaints.append(Complaint(message, path, line_of(self._lines, loc)))

    @contextmanager
    def complaining(self, loc: Loc) -> Iterator[None]:
        """Turns what is raised inside into complaints about this place."""
        try:
            yield
        except ValidationError as error:
            for one in error.errors(include_url=False, include_context=False, include_input=False):
                self.complain(loc + one["loc"], _WORDS.get(one["type"], one["msg"]))
        except WorldEventsError as error:
            self.complain(loc, error.detail)

    def event(self, form: EventForm) -> SeasonalEvent:
        window = form.event
        starts_at = self._instant(window.starts_at, ("event", "starts_at"))
        ends_at = self._instant(window.ends_at, ("event", "ends_at"))
        if ends_at <= starts_at:
            self.complain(("event", "ends_at"), "has to be after starts_at")
        grace = _duration(window.grace)
        metrics = self._metrics(form.metrics)
        self._refuse_repeats("goals", "id", [goal.id for goal in form.goals])
        self._refuse_repeats("challenges", "id", [challenge.id for challenge in form.challenges])
        goals = [
            self._goal(
                goal,
                index,
                metrics,
                {"starts_at": starts_at, "ends_at": ends_at, "grace": grace, "event_id": window.id},
            )
            for index, goal in enumerate(form.goals)
        ]
        known = tuple(goal for goal in goals if goal is not None)
        challenges = [self._challenge(one, index, known) for index, one in enumerate(form.challenges)]
        return SeasonalEvent(
            id=window.id,
            name=window.name,
            description=window.description,
            starts_at=starts_at,
            ends_at=ends_at,
            grace=grace,
            goals=known,
            challenges=tuple(challenge for challenge in challenges if challenge is not None),
        )

    def _instant(self, value: datetime, loc: Loc) -> datetime:
        if value.tzinfo is None:
            self.complain(loc, "an instant needs its offset from UTC, as in 2026-12-01T00:00:00Z")
            return value.replace(tzinfo=UTC)
        try:
            return value.astimezone(UTC)
        except OverflowError:
            self.complain(loc, "is out of range in UTC")
            return value.replace(tzinfo=UTC)

    def _refuse_repeats(self, name: str, field: str, ids: list[str]) -> None:
        for index, one in enumerate(ids):
            if one in ids[:index]:
                self.complain((name, index, field), f"{one} stands twice")

    def _metrics(self, forms: list[MetricForm]) -> dict[str, Metric]:
        metrics = dict(METRICS)
        self._refuse_repeats("metrics", "key", [form.key for form in forms])
        for index, form in enumerate(forms):
            loc: Loc = ("metrics", index)
            known = METRICS.get(form.key)
            if known is None and form.unit is None:
                self.complain((*loc, "unit"), f"{form.key} is not a metric of the system: say its unit")
            for name in ("unit", "decimals"):
                told = getattr(form, name)
                if known is not None and told not in (None, getattr(known, name)):
                    self.complain((*loc, name), f"of {form.key} is {getattr(known, name)}")
            base = known or Metric(key=form.key, unit=form.unit or form.key, decimals=form.decimals or 0)
            metrics[form.key] = Metric(
                key=base.key, unit=base.unit, decimals=base.decimals, limits=self._limits(form, base, loc)
            )
        return metrics

    def _limits(self, form: MetricForm, metric: Metric, loc: Loc) -> Limits:
        told: dict[str, int] = {}
        for name in ("max_per_contribution", "max_per_user_day", "max_per_user"):
            value = getattr(form, name)
            if value is not None:
                told[name] = self._amount(value, metric, (*loc, name))
        return Limits(
            per_contribution=told.get("max_per_contribution", metric.limits.per_contribution),
            per_user_day=told.get("max_per_user_day"),
            per_user=told.get("max_per_user"),
            over=OverLimit(form.over_limit),
        )

    def _amount(self, value: object, metric: Metric, loc: Loc) -> int:
        with self.complaining(loc):
            return rules.check_amount(value, metric)
        return 1

    def _goal(
        self, form: GoalForm, index: int, metrics: Mapping[str, Metric], window: Mapping[str, Any]
    ) -> CommunityGoal | None:
        loc: Loc = ("goals", index)
        metric = metrics.get(form.metric)
        if metric is None:
            self.complain(
                (*loc, "metric"), f"no metric {form.metric}: one of {', '.join(metrics)}, or declare it in [[metrics]]"
            )
            return None
        target = self._amount(form.target, metric, (*loc, "target"))
        tiers = [self._tier(tier, metric, target, (*loc, "tiers", place)) for place, tier in enumerate(form.tiers)]
        near_miss = self._threshold(form.near_miss, (*loc, "near_miss"))
        seen = Counter(tier.threshold for tier in tiers if tier.threshold)
        for place, declared in enumerate(tiers):
            if seen[declared.threshold] > 1:
                self.complain((*loc, "tiers", place, "threshold"), "two tiers have the same threshold")
        return CommunityGoal(
            id=form.id,
            name=form.name,
            description=form.description,
            metric=metric,
            target=target,
            tiers=tuple(sorted(tiers, key=lambda tier: tier.threshold)),
            hidden=form.hidden,
            target_may_rise=form.target_may_rise,
            players_contribute=form.players_contribute,
            outliers=None if form.outliers is None else OutlierRule(**form.outliers.model_dump()),
            near_miss=near_miss,
            consolation=None
            if form.consolation is None
            else self._tier(form.consolation, metric, target, (*loc, "consolation"), default=near_miss),
            **window,
        )

    def _tier(
        self, form: TierForm | ConsolationForm, metric: Metric, target: int, loc: Loc, *, default: Decimal = Decimal(0)
    ) -> GoalTier:
        """A tier, or a consolation, whose threshold is the default where it does not say one."""
        told = form.threshold
        threshold = default if told is None else self._threshold(told, (*loc, "threshold"))
        return GoalTier(
            threshold=threshold,
            threshold_value=rules.threshold_value(target, threshold),
            reward=self._reward(form.reward, (*loc, "reward")),
            audience=Audience(form.audience),
            minimum=0 if form.minimum is None else self._amount(form.minimum, metric, (*loc, "minimum")),
            claim_within=None if form.claim_within is None else _duration(form.claim_within),
        )

    def _threshold(self, told: int | Decimal, loc: Loc) -> Decimal:
        """The percentage in its one spelling, so that 33.30 and 33.3 are one tier; 0 where there is a complaint."""
        try:
            parts = rules.check_quantity(told, THRESHOLD_DECIMALS, "threshold")
        except AmountInvalid:
            self.complain(loc, f"a percentage has at most {THRESHOLD_DECIMALS} decimals")
            return Decimal(0)
        return Decimal(f"{Decimal(parts).scaleb(-THRESHOLD_DECIMALS).normalize():f}")

    def _challenge(self, form: ChallengeForm, index: int, goals: tuple[CommunityGoal, ...]) -> PersonalChallenge | None:
        loc: Loc = ("challenges", index)
        measured_by = next((goal for goal in goals if goal.metric.key == form.metric), None)
        if measured_by is None:
            self.complain((*loc, "metric"), f"no goal of this event counts {form.metric}; a hidden one will do")
            return None
        return PersonalChallenge(
            id=form.id,
            name=form.name,
            description=form.description,
            goal_id=measured_by.id,
            target=self._amount(form.target, measured_by.metric, (*loc, "target")),
            reward=self._reward(form.reward, (*loc, "reward")),
            claim_within=None if form.claim_within is None else _duration(form.claim_within),
        )

    def _reward(self, table: Mapping[str, object], loc: Loc) -> Reward:
        kind = table.get("kind")
        form = self._kinds.get(kind) if isinstance(kind, str) else None
        if form is None:
            self.complain((*loc, "kind"), f"a reward is one of {', '.join(self._kinds)}")
        else:
            with self.complaining(loc):
                told = form.model_validate(table)
                own = told.model_dump(exclude={"kind", "name"}, exclude_none=True)
                fields = {name: tuple(value) if isinstance(value, list) else value for name, value in own.items()}
                return Reward(kind=told.kind, name=told.name, nature=form.nature, fields=MappingProxyType(fields))
        return Reward(kind="", name="", nature=RewardForm.nature)


def _duration(told: str) -> timedelta:
    return timedelta(**{_UNITS[told[-1]]: int(told[:-1])})


def _key(name: str) -> str:
    """A key as TOML writes it: a file's own characters never reach a terminal or a log as they are."""
    return name if _BARE_KEY.fullmatch(name) else json.dumps(name[:64])
