"""What publishing an event over another changes, in lines; and which changes break a promise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.declared import events, metrics, rewards
from worldevents.catalog import changes, edit_complaints, load_event, with_window
from worldevents.errors import EventInvalid
from worldevents.model import (
    Audience,
    CommunityGoal,
    GoalState,
    Limits,
    Metric,
    OutlierRule,
    OverLimit,
    PersonalChallenge,
    Reward,
    SeasonalEvent,
    TierUnlock,
)

WINTER = load_event("winter")
FROST, KING, MARCH = WINTER.goals
DURING = datetime(2026, 12, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def with_goal(goal: CommunityGoal) -> SeasonalEvent:
    """The Winter Event with this instead of its first goal."""
    return replace(WINTER, goals=(goal, KING, MARCH))


def state_of(goal: CommunityGoal, *unlocked: int) -> GoalState:
    """What a goal stands at, with these tiers unlocked."""
    unlocks = (
        TierUnlock(goal_id=goal.id, threshold=Decimal(percent), unlocked_at=DURING, position=None)
        for percent in unlocked
    )
    return GoalState(goal=goal, total=0, pending=0, participants=0, unlocks=tuple(unlocks), epoch="1-a", seq=0)


# Changes.


def test_an_event_that_is_new_is_told_by_its_parts() -> None:
    """Without an earlier version everything is new."""
    assert changes(None, WINTER) == (
        "+ event winter-2026",
        "+ goal lift-the-frost",
        "+ goal slay-the-winter-king",
        "+ goal iron-march",
    )


def test_the_same_event_has_no_changes() -> None:
    """Publishing an event again changes nothing."""
    assert changes(WINTER, load_event("winter")) == ()


TIER = FROST.tiers[0]
METRIC = FROST.metric
LIMITS = "contribution 100000, user and day None, user None, hold"


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ("~ event winter-2026 name: Winter Event -> Frost", replace(WINTER, name="Frost")),
        (f"~ event winter-2026 description: {WINTER.description} -> ", replace(WINTER, description="")),
        ("~ event winter-2026 grace: 1 day, 0:00:00 -> 1:00:00", replace(WINTER, grace=HOUR)),
        (
            "~ event winter-2026 starts_at: 2026-12-01T00:00:00+00:00 -> 2026-12-01T01:00:00+00:00",
            replace(WINTER, starts_at=WINTER.starts_at + HOUR),
        ),
        (
            "~ event winter-2026 ends_at: 2027-01-01T00:00:00+00:00 -> 2027-01-01T01:00:00+00:00",
            replace(WINTER, ends_at=WINTER.ends_at + HOUR),
        ),
        ("+ event winter-2026 cancelled_at: 2026-12-10T00:00:00+00:00", replace(WINTER, cancelled_at=DURING)),
        ("- goal iron-march", replace(WINTER, goals=(FROST, KING))),
        ("+ goal hidden-one", replace(WINTER, goals=(*WINTER.goals, replace(MARCH, id="hidden-one")))),
        (
            (
                "~ order of goals: lift-the-frost, slay-the-winter-king, iron-march -> "
                "slay-the-winter-king, lift-the-frost, iron-march"
            ),
            replace(WINTER, goals=(KING, FROST, MARCH)),
        ),
        ("~ goal lift-the-frost name: Lift the Frost -> Thaw", with_goal(replace(FROST, name="Thaw"))),
        ("~ goal lift-the-frost target: 10000000 -> 9000000.5", with_goal(replace(FROST, target=9_000_000_500))),
        ("~ goal lift-the-frost hidden: False -> True", with_goal(replace(FROST, hidden=True))),
        ("~ goal lift-the-frost target_may_rise: False -> True", with_goal(replace(FROST, target_may_rise=True))),
        ("~ goal lift-the-frost players_contribute: False -> True", with_goal(replace(FROST, players_contribute=True))),
        (
            "+ goal lift-the-frost outliers: over 6 deviations, from 5 of one and 50 of all",
            with_goal(replace(FROST, outliers=OutlierRule())),
        ),
        ("~ goal lift-the-frost near_miss: 90 % -> 80.5 %", with_goal(replace(FROST, near_miss=Decimal("80.5")))),
        (
            '+ goal lift-the-frost consolation: from 25 %, crate "Snow Crate", quantity 1, contributors from 0',
            with_goal(replace(FROST, consolation=TIER)),
        ),
        (
            "~ goal lift-the-frost metric: totalVolume in kg with 3 decimals -> totalVolume in t with 3 decimals",
            with_goal(replace(FROST, metric=replace(METRIC, unit="t"))),
        ),
        (
            f"~ goal lift-the-frost limits: {LIMITS} -> contribution None, user and day None, user 5, refuse",
            with_goal(replace(FROST, metric=replace(METRIC, limits=Limits(per_user=5_000, over=OverLimit.REFUSE)))),
        ),
        (
            '- goal lift-the-frost tier 25 %: crate "Snow Crate", quantity 1, contributors from 0',
            with_goal(replace(FROST, tiers=FROST.tiers[1:])),
        ),
        (
            '+ goal lift-the-frost tier 33.33 %: crate "Snow Crate", quantity 1, contributors from 0',
            with_goal(replace(FROST, tiers=(replace(TIER, threshold=Decimal("33.33")), *FROST.tiers))),
        ),
        (
            (
                '~ goal lift-the-frost tier 25 %: crate "Snow Crate", quantity 1, contributors from 0 -> '
                'crate "Snow Crate", quantity 1, everyone from 1.5'
            ),
            with_goal(
                replace(FROST, tiers=(replace(TIER, audience=Audience.EVERYONE, minimum=1_500), *FROST.tiers[1:]))
            ),
        ),
    ],
)
def test_each_kind_of_change_has_its_line(line: str, new: SeasonalEvent) -> None:
    """One difference is one line, and says from what to what."""
    assert (line,) == changes(WINTER, new)


def test_a_text_in_a_reward_cannot_pass_for_a_field() -> None:
    """A mount named like a field differs from a mount with that field."""
    reward = MARCH.tiers[2].reward
    plain = replace(MARCH, tiers=(replace(MARCH.tiers[2], reward=replace(reward, fields={"stock": 5})),))
    named = replace(MARCH, tiers=(replace(MARCH.tiers[2], reward=replace(reward, name="Limited Mount, stock 5")),))
    assert len(changes(replace(WINTER, goals=(plain,)), replace(WINTER, goals=(named,)))) == 1


@settings(max_examples=25)
@given(events(), events())
def test_there_are_no_changes_exactly_where_two_events_are_equal(old: SeasonalEvent, new: SeasonalEvent) -> None:
    """Two events of one id differ if and only if there is a line that says so."""
    new = replace(new, id=old.id, goals=tuple(replace(goal, event_id=old.id) for goal in new.goals))
    assert changes(old, old) == ()
    assert (old == new) == (changes(old, new) == ())


@settings(max_examples=50)
@given(rewards(), rewards(), metrics(), st.permutations(WINTER.goals))
def test_a_small_change_is_never_overlooked(
    old: Reward, new: Reward, metric: Metric, order: list[CommunityGoal]
) -> None:
    """Another reward, metric or order is a line, an equal one is none."""

    def winter(reward: Reward) -> SeasonalEvent:
        return with_goal(replace(FROST, tiers=(replace(TIER, reward=reward),)))

    assert (old == new) == (changes(winter(old), winter(new)) == ())
    assert (metric == METRIC) == (changes(WINTER, with_goal(replace(FROST, metric=metric))) == ())
    assert (order == list(WINTER.goals)) == (changes(WINTER, replace(WINTER, goals=tuple(order))) == ())


# Promises.


def test_what_players_were_promised_is_told_with_the_goal() -> None:
    """A higher target, an unlocked tier gone and a goal gone: each is a complaint about its goal."""
    states = [state_of(FROST, 25), state_of(KING), state_of(MARCH)]
    new = replace(WINTER, goals=(replace(FROST, target=FROST.target + 1, tiers=()), MARCH))
    assert list(map(str, edit_complaints(WINTER, new, states, DURING))) == [
        "goals[0].target: may go down but not up after the start, unless target_may_rise was declared before",
        "goals[0].tiers: 25 % is unlocked and stays",
        "goals: slay-the-winter-king cannot be taken out after the start",
    ]


def test_before_the_start_goals_come_and_go() -> None:
    """An event that has not begun may become another."""
    states = [state_of(goal) for goal in WINTER.goals]
    before = WINTER.starts_at - HOUR
    assert edit_complaints(WINTER, replace(WINTER, goals=(MARCH,)), states, before) == []


@pytest.mark.parametrize(
    ("expected", "moved"),
    [
        (["event.starts_at"], {"starts_at": WINTER.starts_at + HOUR}),
        (["event.ends_at"], {"ends_at": DURING - HOUR}),
        ([], {"ends_at": DURING}),
        ([], {"ends_at": WINTER.ends_at + HOUR}),
        ([], {"grace": HOUR}),
    ],
)
def test_the_window_of_a_running_event(expected: list[str], moved: dict[str, Any]) -> None:
    """The start stays and the end moves anywhere but into the past; it is said once, not for each goal."""
    goals = tuple(replace(goal, **moved) for goal in WINTER.goals)
    found = edit_complaints(WINTER, replace(WINTER, goals=goals, **moved), map(state_of, WINTER.goals), DURING)
    assert expected == [complaint.field for complaint in found]


def test_the_first_instant_of_an_event_is_after_its_start() -> None:
    """With its first instant an event is running; before it everything may move."""
    later = replace(WINTER, starts_at=WINTER.starts_at + HOUR)
    assert len(edit_complaints(WINTER, later, [], WINTER.starts_at)) == 1
    assert edit_complaints(WINTER, later, [], WINTER.starts_at - HOUR) == []


def test_a_cancelled_event_stays_cancelled() -> None:
    """What was called off is not called on again."""
    cancelled = replace(WINTER, cancelled_at=DURING)
    assert list(map(str, edit_complaints(cancelled, WINTER, [], DURING))) == ["event: was cancelled and stays so"]
    assert edit_complaints(cancelled, cancelled, [], DURING) == []


def test_an_event_moves_with_its_goals() -> None:
    """Another window is that of the event and of each goal; nothing else changes."""
    moved = with_window(WINTER, DURING, DURING + HOUR)
    windows = {(goal.starts_at, goal.ends_at) for goal in moved.goals}
    assert windows == {(DURING, DURING + HOUR)} == {(moved.starts_at, moved.ends_at)}
    assert with_window(moved, WINTER.starts_at, WINTER.ends_at) == WINTER


@pytest.mark.parametrize("length", [timedelta(0), -HOUR])
def test_a_window_ends_after_it_starts(length: timedelta) -> None:
    """An empty window is refused."""
    with pytest.raises(EventInvalid) as refused:
        with_window(WINTER, DURING, DURING + length)
    assert refused.value.field == "event.ends_at"


OVER = WINTER.ends_at + WINTER.grace
CHALLENGE = PersonalChallenge(id="first", name="First", goal_id=FROST.id, target=1, reward=TIER.reward)


@pytest.mark.parametrize(
    ("expected", "edited"),
    [
        ([], replace(WINTER, name="Thaw", description="It is over.")),
        ([], with_goal(replace(FROST, name="Thaw", hidden=True, metric=replace(METRIC, unit="t")))),
        ([], with_goal(replace(FROST, tiers=(replace(TIER, reward=KING.tiers[0].reward), *FROST.tiers[1:])))),
        (["goals[0].target"], with_goal(replace(FROST, target=FROST.target - 1))),
        (["goals[0].tiers"], with_goal(replace(FROST, tiers=(replace(TIER, minimum=1), *FROST.tiers[1:])))),
        (["goals[0].tiers"], with_goal(replace(FROST, tiers=FROST.tiers[:-1]))),
        (["goals[0].metric"], with_goal(replace(FROST, metric=replace(METRIC, decimals=2)))),
        (["goals[0].near_miss"], with_goal(replace(FROST, near_miss=Decimal(1)))),
        (["goals[0].consolation"], with_goal(replace(FROST, consolation=TIER))),
        (["goals"], replace(WINTER, goals=(FROST, KING))),
        (["goals"], replace(WINTER, goals=(*WINTER.goals, replace(FROST, id="more")))),
        (["challenges"], replace(WINTER, challenges=(CHALLENGE,))),
        (["event.cancelled_at"], replace(WINTER, cancelled_at=OVER)),
        (["event.ends_at"], replace(WINTER, ends_at=OVER + HOUR)),
        (["event.grace"], replace(WINTER, grace=WINTER.grace + HOUR)),
    ],
)
def test_what_is_settled_stays(expected: list[str], edited: SeasonalEvent) -> None:
    """From the end of the grace on names and rewards may change, and nothing that a result rests on."""
    found = edit_complaints(WINTER, edited, map(state_of, WINTER.goals), OVER)
    assert expected == [complaint.field for complaint in found]
    # A moment before, it is an edit as any other.
    before = edit_complaints(WINTER, edited, map(state_of, WINTER.goals), OVER - timedelta(microseconds=1))
    assert not any("settled" in complaint.message for complaint in before)
