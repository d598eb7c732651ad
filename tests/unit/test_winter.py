"""The shipped Winter Event is exactly the specification's table."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from worldevents.catalog import load_event
from worldevents.model import Audience, CommunityGoal, Nature

WINTER = load_event("winter")

# Goal, metric, target in its unit, unit; then percent, the total that unlocks it in that unit, kind, name.
TABLE = [
    ("Lift the Frost", "totalVolume", 10_000_000, "kg"),
    (25, 2_500_000, "crate", "Snow Crate"),
    (50, 5_000_000, "title", "Frost Title"),
    (100, 10_000_000, "item_set", "Ice Armor Set"),
    ("Slay the Winter King", "bossesDefeated", 1_000, "bosses"),
    (50, 500, "boost", "XP Boost"),
    (100, 1_000, "cosmetic", "Crown Cosmetic"),
    ("Iron March", "totalWorkouts", 50_000, "workouts"),
    (33, 16_500, "currency", "Gold"),
    (66, 33_000, "crate", "Rare Crate"),
    (100, 50_000, "mount", "Limited Mount"),
]


def _goal(goal_id: str) -> CommunityGoal:
    return next(goal for goal in WINTER.goals if goal.id == goal_id)


def test_goals_targets_tiers_and_rewards_are_those_of_the_table() -> None:
    """Three goals, eight tiers, in the order and with the numbers of the specification."""
    rows: list[tuple[object, ...]] = []
    for goal in WINTER.goals:
        metric = goal.metric
        rows.append((goal.name, metric.key, metric.decimal(goal.target), metric.unit))
        rows += [
            (tier.threshold, metric.decimal(tier.threshold_value), tier.reward.kind, tier.reward.name)
            for tier in goal.tiers
        ]
    assert rows == TABLE


def test_volume_is_counted_in_grams() -> None:
    """Ten million kilograms are ten billion grams."""
    goal = _goal("lift-the-frost")
    assert goal.target == 10_000_000_000
    assert [tier.threshold_value for tier in goal.tiers] == [2_500_000_000, 5_000_000_000, 10_000_000_000]


def test_the_goals_have_the_ids_that_outsiders_rely_on() -> None:
    """Ids are part of the contract."""
    assert ["lift-the-frost", "slay-the-winter-king", "iron-march"] == [goal.id for goal in WINTER.goals]
    assert WINTER.id == "winter-2026"
    assert {goal.event_id for goal in WINTER.goals} == {"winter-2026"}


def test_the_event_lasts_a_december() -> None:
    """From the first to the last instant of December 2026, with a day's grace."""
    window = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), timedelta(days=1)
    assert window == (WINTER.starts_at, WINTER.ends_at, WINTER.grace)
    assert {(goal.starts_at, goal.ends_at, goal.grace) for goal in WINTER.goals} == {window}


def test_a_single_contribution_over_a_hundred_tonnes_is_over_the_limit() -> None:
    """The specification's metrics keep their default limits."""
    limits = {goal.id: goal.metric.limits.per_contribution for goal in WINTER.goals}
    assert limits == {"lift-the-frost": 100_000_000, "slay-the-winter-king": 10_000, "iron-march": 10_000}


def test_rewards_carry_the_fields_of_their_kind() -> None:
    """Five hundred gold, a set of pieces, a boost of an hour; whoever contributed gets them."""
    iron, frost, king = _goal("iron-march"), _goal("lift-the-frost"), _goal("slay-the-winter-king")
    assert iron.tiers[0].reward.fields == {"amount": 500}
    assert frost.tiers[2].reward.fields == {"pieces": ("Helm", "Cuirass", "Gauntlets", "Greaves")}
    boost = {"multiplier": Decimal(2), "minutes": 60, "scope": "personal", "stacks": "extend"}
    assert king.tiers[0].reward.fields == boost
    assert {tier.audience for goal in WINTER.goals for tier in goal.tiers} == {Audience.CONTRIBUTORS}


def test_what_would_be_fraud_twice_is_a_quantity() -> None:
    """Crates, boosts and currency are counted; titles, sets, cosmetics and mounts are owned."""
    natures = {tier.reward.kind: tier.reward.nature for goal in WINTER.goals for tier in goal.tiers}
    counted = {"crate", "boost", "currency"}
    owned = {"title", "item_set", "cosmetic", "mount"}
    assert natures == dict.fromkeys(counted, Nature.QUANTITY) | dict.fromkeys(owned, Nature.OWNERSHIP)


def test_nothing_is_hidden_and_every_goal_says_what_it_is() -> None:
    """Players see all three goals with a sentence each."""
    assert [(goal.hidden, goal.description.endswith(".")) for goal in WINTER.goals] == [(False, True)] * 3
