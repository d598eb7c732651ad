"""What outsiders read: exactly the fields of the contract, exact numbers, instants in UTC."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldevents import codec
from worldevents.catalog import load_event
from worldevents.model import (
    ChallengeProgress,
    CommunityGoal,
    ContributionStatus,
    Contributor,
    EventVersion,
    GoalProgress,
    GoalState,
    Leaderboard,
    Metric,
    PersonalChallenge,
    Position,
    Receipt,
    TierUnlock,
)
from worldevents.testing.builders import a_contribution

WINTER = load_event("winter")
FROST = WINTER.goals[0]
NOW = datetime(2026, 12, 10, 18, 30, tzinfo=UTC)
UNLOCKED = datetime(2026, 12, 9, 7, 0, 0, 120_000, tzinfo=UTC)
BEYOND_FLOATS = 2**52


def a_state(goal: CommunityGoal = FROST, total: int = 2_500_000_123) -> GoalState:
    """Lift the Frost a little over its first tier."""
    unlock = TierUnlock(goal_id=goal.id, threshold=Decimal(25), unlocked_at=UNLOCKED, position=None)
    return GoalState(goal=goal, total=total, pending=500, participants=17, unlocks=(unlock,), epoch="1-a", seq=42)


def a_receipt(*, duplicate: bool = False) -> Receipt:
    """82.5 kg of Ann's, counted."""
    return Receipt(
        contribution=a_contribution("w1:Squat", 82_500, goal=FROST.id),
        metric=FROST.metric,
        status=ContributionStatus.COUNTED,
        duplicate=duplicate,
        current_value=1_000_001,
        user_contribution=165_000,
        position=Position("1-a", 7),
    )


# The contract's shapes.


def test_a_goal_has_exactly_the_fields_of_the_contract() -> None:
    """The CommunityGoal of the contract, field by field."""
    told = codec.goal(a_state(), NOW)
    tiers = told.pop("rewardTiers")
    assert told == {
        "id": "lift-the-frost",
        "eventId": "winter-2026",
        "name": "Lift the Frost",
        "description": "Lift ten million kilograms together and the frost will break.",
        "metric": "totalVolume",
        "unit": "kg",
        "targetValue": 10_000_000,
        "currentValue": 2_500_000.123,
        "pendingValue": 0.5,
        "percent": 25.0,
        "nearMiss": 90,
        "consolation": None,
        "startsAt": "2026-12-01T00:00:00Z",
        "endsAt": "2027-01-01T00:00:00Z",
        "status": "active",
        "participantCount": 17,
        "epoch": "1-a",
        "seq": 42,
        "serverTime": "2026-12-10T18:30:00Z",
    }
    assert [25, 50, 100] == [tier["threshold"] for tier in tiers]


def test_a_tier_tells_its_threshold_its_reward_and_when_it_unlocked() -> None:
    """An unlocked tier has its instant, a locked one has none."""
    first, second, last = codec.goal(a_state(), NOW)["rewardTiers"]
    assert first == {
        "threshold": 25,
        "thresholdValue": 2_500_000,
        "reward": {"kind": "crate", "name": "Snow Crate", "quantity": 1},
        "audience": "contributors",
        "minimum": 0,
        "unlocked": True,
        "unlockedAt": "2026-12-09T07:00:00.120Z",
    }
    assert (second["unlocked"], second["unlockedAt"]) == (False, None)
    promised = codec.goal(a_state(replace(FROST, consolation=FROST.tiers[0])), NOW)["consolation"]
    assert promised == {name: first[name] for name in first if not name.startswith("unlocked")}
    assert last["reward"]["pieces"] == ["Helm", "Cuirass", "Gauntlets", "Greaves"]


def test_a_live_update_is_the_whole_state_in_one_flat_object() -> None:
    """What a change tells, field by field: nothing has to be known from before."""
    assert codec.update(a_state(), NOW, snapshot=False) == {
        "goalId": "lift-the-frost",
        "eventId": "winter-2026",
        "name": "Lift the Frost",
        "metric": "totalVolume",
        "newValue": 2_500_000.123,
        "targetValue": 10_000_000,
        "percent": 25.0,
        "nextTier": {"index": 1, "threshold": 50, "remaining": 2_499_999.877},
        "tiersUnlocked": [25],
        "contributors": 17,
        "startsAt": "2026-12-01T00:00:00Z",
        "endsAt": "2027-01-01T00:00:00Z",
        "status": "active",
        "serverTime": "2026-12-10T18:30:00Z",
        "epoch": "1-a",
        "seq": 42,
        "snapshot": False,
    }
    assert codec.update(a_state(), NOW, snapshot=True)["snapshot"] is True


def test_the_next_tier_is_the_nearest_locked_one() -> None:
    """A tier that the total has reached but the ledger not yet unlocked lacks nothing; past the last there is none."""
    unlocked = tuple(
        TierUnlock(goal_id=FROST.id, threshold=tier.threshold, unlocked_at=UNLOCKED, position=None)
        for tier in FROST.tiers
    )
    reached = replace(a_state(total=5_000_000_000), unlocks=unlocked[:1])
    assert codec.update(reached, NOW, snapshot=False)["nextTier"] == {"index": 1, "threshold": 50, "remaining": 0}
    done = codec.update(replace(reached, unlocks=unlocked), NOW, snapshot=False)
    assert (done["nextTier"], done["tiersUnlocked"]) == (None, [25, 50, 100])


def test_an_unlocked_tier_is_told_with_its_place_and_reward() -> None:
    """What a reached tier tells, field by field."""
    state = a_state()
    assert codec.tier_unlocked(state, state.unlocks[0]) == {
        "goalId": "lift-the-frost",
        "eventId": "winter-2026",
        "name": "Lift the Frost",
        "index": 0,
        "threshold": 25,
        "thresholdValue": 2_500_000,
        "reward": {"kind": "crate", "name": "Snow Crate", "quantity": 1},
        "unlockedAt": "2026-12-09T07:00:00.120Z",
        "epoch": "1-a",
        "seq": 42,
    }


def test_a_receipt_has_exactly_the_fields_of_the_contract() -> None:
    """The Receipt of the contract, field by field."""
    assert codec.receipt(a_receipt()) == {
        "contributionId": "w1:Squat",
        "goalId": "lift-the-frost",
        "userId": "ann",
        "amount": 82.5,
        "status": "counted",
        "duplicate": False,
        "currentValue": 1_000.001,
        "userContribution": 165,
        "position": "1-a:7",
    }
    assert codec.receipt(a_receipt(duplicate=True))["duplicate"] is True


def test_progress_is_the_goal_and_ones_own_share() -> None:
    """Without a contribution the amount is 0 and the rank null."""
    told = codec.progress(GoalProgress(state=a_state()), NOW)
    assert told.pop("goal") == codec.goal(a_state(), NOW)
    assert told == {"userContribution": 0, "userPending": 0, "userRank": None, "participantCount": 17}


def test_a_leaderboard_has_rows_a_count_and_the_own_row() -> None:
    """Rows carry rank, user, name and amount; the own row is null where it was not asked for."""
    row = Contributor(rank=1, user_id="ann", amount=82_500, display_name="Ann")
    bare = Contributor(rank=2, user_id="bob", amount=1)
    ann = {"rank": 1, "userId": "ann", "displayName": "Ann", "amount": 82.5}
    bob = {"rank": 2, "userId": "bob", "displayName": None, "amount": 0.001}
    board = Leaderboard(goal=FROST, contributors=(row, bare), participants=17, user=bare)
    assert codec.leaderboard(board) == {"contributors": [ann, bob], "participantCount": 17, "user": bob}
    assert codec.leaderboard(replace(board, user=None))["user"] is None


def test_an_event_lists_the_goals_that_players_are_shown() -> None:
    """A hidden goal is not listed; a personal challenge is measured by its goal's metric."""
    challenge = PersonalChallenge(
        id="first-ton", name="First Ton", goal_id=FROST.id, target=1_000_000, reward=FROST.tiers[1].reward
    )
    hidden = replace(WINTER.goals[2], hidden=True)
    event = replace(WINTER, goals=(*WINTER.goals[:2], hidden), challenges=(challenge,))
    version = EventVersion(event=event, version=3, author="kim", published_at=NOW)
    done = ChallengeProgress(challenge=challenge, metric=FROST.metric, amount=1_000_001, completed=True)
    told, personal = codec.event(version, NOW), codec.event(version, NOW, [done])
    assert told["goalIds"] == ["lift-the-frost", "slay-the-winter-king"]
    assert (told["version"], told["author"], told["graceSeconds"], told["status"]) == (3, "kim", 86_400, "active")
    (row,) = told["challenges"]
    assert (row["metric"], row["unit"], row["targetValue"]) == ("totalVolume", "kg", 1_000)
    assert personal["challenges"] == [row | {"userContribution": 1_000.001, "completed": True}]


@pytest.mark.parametrize(
    ("expected", "now"),
    [
        ("upcoming", WINTER.starts_at - timedelta(seconds=1)),
        ("active", NOW),
        ("grace", WINTER.ends_at),
        ("settled", WINTER.ends_at + timedelta(days=1)),
    ],
)
def test_a_status_is_that_of_the_moment(expected: str, now: datetime) -> None:
    """The same state has another status at another time."""
    assert codec.goal(a_state(), now)["status"] == expected


def test_everything_is_plain_json() -> None:
    """No value needs a coder of its own, and none is NaN."""
    told = [codec.goal(a_state(), NOW), codec.receipt(a_receipt()), codec.progress(GoalProgress(state=a_state()), NOW)]
    told += [codec.reward(tier.reward) for goal in WINTER.goals for tier in goal.tiers]
    assert told == json.loads(json.dumps(told, allow_nan=False))


# Numbers.


@given(st.integers(0, BEYOND_FLOATS), st.integers(0, 6))
def test_an_amount_prints_as_exactly_its_decimal(amount: int, decimals: int) -> None:
    """The JSON number, read as a decimal, is the amount: nothing behind it, nothing lost."""
    metric = Metric(key="any", unit="any", decimals=decimals)
    text = json.dumps(codec.number(amount, metric))
    assert metric.decimal(amount) == json.loads(text, parse_float=Decimal)


@given(st.integers(BEYOND_FLOATS, 2**53 - 1), st.integers(0, 6))
def test_beyond_that_it_is_off_by_one_smallest_unit_at_most(amount: int, decimals: int) -> None:
    """Between 2^52 and 2^53 floats lie further apart than thousandths; counts stay exact."""
    metric = Metric(key="any", unit="any", decimals=decimals)
    told = json.loads(json.dumps(codec.number(amount, metric)), parse_float=Decimal)
    assert abs(metric.decimal(amount) - told) <= (metric.decimal(1) if decimals else 0)


@pytest.mark.parametrize(
    ("expected", "amount", "metric"),
    [
        ("82.5", 82_500, FROST.metric),
        ("0.001", 1, FROST.metric),
        ("10000000", 10_000_000_000, FROST.metric),
        ("4398046511103.999", 2**42 * 1_000 - 1, FROST.metric),
        ("9007199254740991", 2**53 - 1, WINTER.goals[2].metric),
        ("1", 1, WINTER.goals[2].metric),
    ],
)
def test_a_number_is_written_like_this(expected: str, amount: int, metric: Metric) -> None:
    """A few amounts as they stand in an answer."""
    assert expected == json.dumps(codec.number(amount, metric))


@pytest.mark.parametrize(
    ("expected", "total"),
    [
        (0.0, 0),
        (24.99, 2_499_999_999),
        (25.0, 2_500_000_000),
        (33.33, 3_333_999_999),
        (99.99, 9_999_999_999),
        (100.0, 10_000_000_000),
        (123.45, 12_345_678_901),
    ],
)
def test_the_percentage_is_floored_to_two_decimals_and_true_past_a_hundred(expected: float, total: int) -> None:
    """Nothing is shown as reached before it is, and nothing is clipped."""
    assert expected == codec.goal(a_state(total=total), NOW)["percent"]


# Instants.


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("2026-12-10T18:30:00Z", NOW),
        ("2026-12-10T18:30:00.007Z", NOW + timedelta(milliseconds=7)),
        ("2026-12-10T18:30:00.999Z", NOW + timedelta(microseconds=999_999)),
        ("2026-12-10T16:30:00Z", NOW.replace(tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_an_instant_is_told_in_utc_with_z(expected: str, value: datetime) -> None:
    """Milliseconds only where there are any, and never rounded into the future."""
    assert expected == codec.instant(value)


@given(st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - a bound
def test_every_instant_has_the_form_of_the_contract(value: datetime) -> None:
    """It reads back as the instant, to the millisecond."""
    told = codec.instant(value)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", told)
    assert timedelta(0) <= value - datetime.fromisoformat(told) < timedelta(milliseconds=1)
