"""What publishing an event over another would change, and which of those changes would break a promise."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from worldevents import rules
from worldevents.errors import Complaint, EventInvalid
from worldevents.model import (
    CommunityGoal,
    GoalState,
    GoalStatus,
    GoalTier,
    Metric,
    OutlierRule,
    PersonalChallenge,
    Reward,
    Scalar,
    SeasonalEvent,
)

Fields = dict[str, str]
"""What is declared of one thing, by name, as text."""


def with_window(event: SeasonalEvent, starts_at: datetime, ends_at: datetime) -> SeasonalEvent:
    """The same event at another time. Raises EventInvalid for a window without offsets from UTC, or without length."""
    for name, told in (("starts_at", starts_at), ("ends_at", ends_at)):
        if told.utcoffset() is None:
            raise EventInvalid(Complaint("an instant needs its offset from UTC", ("event", name)))
    if ends_at <= starts_at:
        raise EventInvalid(Complaint("has to be after starts_at", ("event", "ends_at")))
    goals = tuple(replace(goal, starts_at=starts_at, ends_at=ends_at) for goal in event.goals)
    return replace(event, starts_at=starts_at, ends_at=ends_at, goals=goals)


def edit_complaints(
    old: SeasonalEvent, new: SeasonalEvent, states: Iterable[GoalState], now: datetime
) -> list[Complaint]:
    """Why this edit would break a promise to players; empty where it does not. `states` are those of the old goals."""
    if rules.status_at(old, now) is GoalStatus.SETTLED:
        return rules.settled_edit_complaints(old, new)
    complaints = rules.window_edit_complaints(old, new, now)
    places = {goal.id: place for place, goal in enumerate(new.goals)}
    for state in states:
        goal = state.goal
        if goal.id in places:
            place = places[goal.id]
            unlocked = [unlock.threshold for unlock in state.unlocks]
            found = rules.goal_edit_complaints(goal, new.goals[place], now=now, unlocked=unlocked)
            complaints += [replace(one, path=("goals", place, *one.path)) for one in found]
        elif old.starts_at <= now:
            complaints.append(Complaint(f"{goal.id} cannot be taken out after the start", ("goals",)))
    return complaints


def changes(old: SeasonalEvent | None, new: SeasonalEvent) -> tuple[str, ...]:
    """Every difference, a line each: `+` new, `-` gone, `~` changed from and to; empty where the two are equal."""
    if old is None:
        return (f"+ event {new.id}", *(f"+ goal {goal.id}" for goal in new.goals), *_new(new.challenges))
    found = _fields(f"event {new.id}", _event_row(old), _event_row(new))
    found += _listed("goal", _goal_rows(old), _goal_rows(new))
    found += _listed("challenge", _challenge_rows(old), _challenge_rows(new))
    return tuple(found)


def _new(challenges: Sequence[PersonalChallenge]) -> list[str]:
    return [f"+ challenge {challenge.id}" for challenge in challenges]


def _listed(word: str, old: Mapping[str, Fields], new: Mapping[str, Fields]) -> list[str]:
    found = [f"- {word} {one}" for one in old if one not in new]
    for one, fields in new.items():
        found += _fields(f"{word} {one}", old[one], fields) if one in old else [f"+ {word} {one}"]
    return found + _order(word, list(old), list(new))


def _order(word: str, old: Sequence[str], new: Sequence[str]) -> list[str]:
    """A line where those that stay stand in another order."""
    before, after = [one for one in old if one in new], [one for one in new if one in old]
    return [] if before == after else [f"~ order of {word}s: {', '.join(before)} -> {', '.join(after)}"]


def _fields(what: str, old: Fields, new: Fields) -> list[str]:
    names = dict.fromkeys([*old, *new])
    found = []
    for name in names:
        match old.get(name), new.get(name):
            case before, after if before == after:
                continue
            case None, after:
                found.append(f"+ {what} {name}: {after}")
            case before, None:
                found.append(f"- {what} {name}: {before}")
            case before, after:
                found.append(f"~ {what} {name}: {before} -> {after}")
    return found


def _event_row(event: SeasonalEvent) -> Fields:
    return {
        "name": event.name,
        "description": event.description,
        "starts_at": event.starts_at.isoformat(),
        "ends_at": event.ends_at.isoformat(),
        "grace": str(event.grace),
        **({} if event.cancelled_at is None else {"cancelled_at": event.cancelled_at.isoformat()}),
    }


def _goal_rows(event: SeasonalEvent) -> dict[str, Fields]:
    return {goal.id: _goal_row(goal) for goal in event.goals}


def _goal_row(goal: CommunityGoal) -> Fields:
    metric, limits = goal.metric, goal.metric.limits
    bounds = (limits.per_contribution, limits.per_user_day, limits.per_user)
    shown = [None if bound is None else _shown(metric.decimal(bound)) for bound in bounds]
    return {
        "name": goal.name,
        "description": goal.description,
        "metric": f"{metric.key} in {metric.unit} with {metric.decimals} decimals",
        "limits": f"contribution {shown[0]}, user and day {shown[1]}, user {shown[2]}, {limits.over}",
        "target": _shown(metric.decimal(goal.target)),
        "hidden": str(goal.hidden),
        "target_may_rise": str(goal.target_may_rise),
        "players_contribute": str(goal.players_contribute),
        **({} if goal.outliers is None else {"outliers": _rule(goal.outliers)}),
        "near_miss": f"{goal.near_miss:f} %",
        **{f"tier {tier.threshold:f} %": _tier(tier, metric) for tier in goal.tiers},
        **_consolation(goal),
    }


def _consolation(goal: CommunityGoal) -> Fields:
    tier = goal.consolation
    return {} if tier is None else {"consolation": f"from {tier.threshold:f} %, {_tier(tier, goal.metric)}"}


def _tier(tier: GoalTier, metric: Metric) -> str:
    asked = f"{tier.audience} from {_shown(metric.decimal(tier.minimum))}"
    return f"{_reward(tier.reward)}, {asked}{_claimed_within(tier.claim_within)}"


def _rule(rule: OutlierRule) -> str:
    return f"over {rule.deviations} deviations, from {rule.own_least} of one and {rule.everyones_least} of all"


def _challenge_rows(event: SeasonalEvent) -> dict[str, Fields]:
    metrics = {goal.id: goal.metric for goal in event.goals}
    return {
        challenge.id: {
            "name": challenge.name,
            "description": challenge.description,
            "goal": challenge.goal_id,
            "target": _shown(metrics[challenge.goal_id].decimal(challenge.target)),
            "reward": f"{_reward(challenge.reward)}{_claimed_within(challenge.claim_within)}",
        }
        for challenge in event.challenges
    }


def _claimed_within(told: timedelta | None) -> str:
    return "" if told is None else f", claimed by itself after {told}"


def _reward(reward: Reward) -> str:
    fields = "".join(f", {name} {_shown(value)}" for name, value in reward.fields.items())
    return f"{reward.kind} {_shown(reward.name)}{fields}"


def _shown(value: Scalar | tuple[str, ...]) -> str:
    """A field so that equal ones look the same and others do not: text in quotes, 2.0 as 2."""
    match value:
        case str() | tuple():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            whole, _, decimals = f"{value:f}".partition(".")
            return f"{whole}.{decimals}".rstrip("0").rstrip(".")
        case _:
            return str(value)
