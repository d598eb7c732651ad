"""Events written as tables: what is read back is the same event, to the last decimal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import declared
from worldevents.catalog import METRICS, REWARD_KINDS, event_from_table, load_event, table, table_json
from worldevents.demo.replay import replay_event
from worldevents.errors import EventInvalid
from worldevents.model import CommunityGoal, GoalTier, Limits, Metric, PersonalChallenge, Reward, SeasonalEvent
from worldevents.testing.builders import ENDS_AT, STARTS_AT, a_goal, an_event, cancelled

EXAMPLES = Path(__file__).parents[2] / "examples" / "events"
LETTERS = st.characters(categories=("L", "N", "P", "S"))
names = st.text(LETTERS, min_size=1, max_size=20)
keys = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,12}", fullmatch=True)
numbers = st.integers(2, 1_000) | st.decimals("1.001", 1_000, places=3)
own_fields: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "crate": {"quantity": declared.amounts, "table": names},
    "item_set": {"pieces": st.lists(names, max_size=3)},
    "boost": {"multiplier": numbers, "minutes": declared.amounts, "scope": st.sampled_from(["world", "personal"])},
    "currency": {"amount": declared.amounts},
    "mount": {"stock": declared.amounts},
    "item": {"quantity": declared.amounts},
}
needed: dict[str, set[str]] = {"boost": {"multiplier", "minutes"}, "currency": {"amount"}}


def read_back(told: dict[str, Any]) -> SeasonalEvent:
    """The event of a table that has gone through JSON."""
    decoded = json.loads(table_json(told), parse_float=Decimal)
    for name in ("starts_at", "ends_at"):
        decoded["event"][name] = datetime.fromisoformat(decoded["event"][name])
    return event_from_table(decoded)


@st.composite
def rewards(draw: st.DrawFn) -> Reward:
    """A reward with the fields of its kind, as a file's reader makes it."""
    kind = draw(st.sampled_from(sorted(REWARD_KINDS)))
    fields, must = own_fields.get(kind, {}), needed.get(kind, set())
    chosen = draw(
        st.fixed_dictionaries(
            {name: one for name, one in fields.items() if name in must},
            optional={name: one for name, one in fields.items() if name not in must},
        )
    )
    return _read_reward({"kind": kind, "name": draw(names), **chosen})


def _read_reward(reward: dict[str, Any]) -> Reward:
    window = {"id": "e", "name": "E", "starts_at": STARTS_AT, "ends_at": ENDS_AT}
    goal = {"id": "g", "name": "G", "metric": "totalVolume", "target": 1, "tiers": [{"threshold": 1, "reward": reward}]}
    return event_from_table({"event": window, "goals": [goal]}).goals[0].tiers[0].reward


@st.composite
def metrics(draw: st.DrawFn) -> Metric:
    """A metric of the system with other limits, or one of an event's own."""
    base = draw(st.sampled_from(sorted(METRICS.values(), key=lambda one: one.key)) | st.none())
    told = draw(declared.metrics())
    if base is None:
        return replace(told, key=draw(keys.filter(lambda key: key not in METRICS)), unit=draw(names))
    # A file can move the system's limit of one contribution, and not take it away.
    bound = told.limits.per_contribution or base.limits.per_contribution
    return replace(base, limits=replace(told.limits, per_contribution=bound))


@st.composite
def events(draw: st.DrawFn) -> SeasonalEvent:
    """Any event that a file can declare."""
    told = draw(declared.events())
    shared = {one.key: one for one in draw(st.lists(metrics(), min_size=1, max_size=3))}
    goals = [_legal(goal, draw(st.sampled_from(sorted(shared.values(), key=str))), draw) for goal in told.goals]
    firsts = {goal.metric.key: goal.id for goal in reversed(goals)}
    challenges = [_measured(one, draw(st.sampled_from(sorted(firsts.values()))), draw) for one in told.challenges]
    return replace(
        told,
        name=draw(names),
        cancelled_at=None,
        goals=tuple(goals),
        challenges=tuple(challenges),
    )


def _legal(goal: CommunityGoal, metric: Metric, draw: st.DrawFn) -> CommunityGoal:
    tiers = tuple(_rewarded(tier, draw) for tier in goal.tiers)
    consolation = None if goal.consolation is None else _rewarded(goal.consolation, draw)
    return replace(goal, name=draw(names), metric=metric, tiers=tiers, consolation=consolation, cancelled_at=None)


def _rewarded(tier: GoalTier, draw: st.DrawFn) -> GoalTier:
    return replace(tier, reward=draw(rewards()))


def _measured(challenge: PersonalChallenge, goal_id: str, draw: st.DrawFn) -> PersonalChallenge:
    return replace(challenge, name=draw(names), goal_id=goal_id, reward=draw(rewards()))


@given(events())
def test_what_is_written_is_read_back(event: SeasonalEvent) -> None:
    """Through JSON and back the event is equal: instants to the microsecond, amounts to the last decimal."""
    assert event == read_back(table(event))


@given(declared.events())
def test_a_table_is_exact_or_refused(event: SeasonalEvent) -> None:
    """An event that no file can declare has no table; there is none that says something else."""
    try:
        told = table(event)
    except EventInvalid:
        return
    assert event == read_back(told)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_can_be_written(path: Path) -> None:
    """Every event file of the examples survives being written."""
    assert load_event(path) == read_back(table(load_event(path)))


def test_the_shipped_event_needs_no_metrics() -> None:
    """What the system knows by itself is not said again."""
    told = table(load_event("winter"))
    assert [] == told["metrics"]
    assert {"id", "name", "description", "starts_at", "ends_at", "grace"} == told["event"].keys()
    assert ("1d", "2026-12-01T00:00:00Z") == (told["event"]["grace"], told["event"]["starts_at"])


def test_the_event_of_a_replay_can_be_written() -> None:
    """Its hidden goal and its hundred years of grace are as sayable as anything."""
    event = replay_event(date(2023, 12, 1), date(2024, 1, 1))
    assert event == read_back(table(event))


def test_the_largest_amount_is_written_out() -> None:
    """Where a float would be off by one smallest unit, the digits are still those of the amount."""
    metric = Metric(key="steps", unit="steps", decimals=6, limits=Limits())
    goal = replace(a_goal("walk", target=2**53 - 1), metric=metric)
    assert '"target":9007199254.740991' in table_json(table(an_event(goal)))


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (cancelled(an_event(), datetime(2026, 12, 2, tzinfo=UTC)), "event winter cancelled_at"),
        (replace(an_event(), grace=timedelta(seconds=90)), "event winter grace"),
        (an_event(), "goal volume metric"),
    ],
    ids=["called off", "grace of seconds", "a unit that the system's metric does not have"],
)
def test_what_no_file_says_is_refused_by_its_name(event: SeasonalEvent, told: str) -> None:
    """The refusal names the difference."""
    with pytest.raises(EventInvalid, match=told):
        table(event)
