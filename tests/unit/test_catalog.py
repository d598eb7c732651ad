"""What a good event file means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from worldevents.catalog import REWARD_KINDS, RewardForm, event_from_table, load_event, read_event
from worldevents.errors import EventInvalid
from worldevents.model import Audience, Limits, Nature, OutlierRule, OverLimit, SeasonalEvent

EXAMPLES = Path(__file__).parents[2] / "examples" / "events"

SMALL = """
[event]
id = "e"
name = "E"
starts_at = 2026-12-01T00:00:00Z
ends_at = 2027-01-01T00:00:00Z
[[goals]]
id = "g"
name = "G"
metric = "totalVolume"
target = 1000
"""


def with_tier(tier: str) -> SeasonalEvent:
    """The small event with one tier."""
    return read_event(f"{SMALL}[[goals.tiers]]\n{tier}")


# Examples.


def test_the_relay_reads_as_it_is_meant() -> None:
    """Own metrics and limits, stretch tiers, audiences, a hidden goal and personal challenges."""
    relay = load_event(EXAMPLES / "spring-relay.toml")
    world, days = relay.goals
    assert (relay.starts_at, relay.ends_at) == (
        datetime(2027, 3, 20, 5, tzinfo=UTC),
        datetime(2027, 4, 20, 4, tzinfo=UTC),
    )
    assert relay.grace == timedelta(days=3)
    assert (world.target, world.metric.unit) == (40_075_017, "km")
    assert world.metric.limits == Limits(per_contribution=100_000, per_user_day=150_000, per_user=2_000_000)
    assert days.metric.limits == Limits(per_contribution=1, per_user_day=3, over=OverLimit.REFUSE)
    assert (world.hidden, days.hidden) == (False, True)
    assert [(challenge.goal_id, challenge.target) for challenge in relay.challenges] == [
        ("around-the-world", 42_195),
        ("relay-days", 31),
    ]


def test_the_relays_tiers_are_exact_and_in_order() -> None:
    """Percentages become whole metres, rounded up; each tier has its audience."""
    tiers = load_event(EXAMPLES / "spring-relay.toml").goals[0].tiers
    assert [(f"{tier.threshold}", tier.threshold_value, tier.minimum, tier.audience) for tier in tiers] == [
        ("33.33", 13_357_004, 500, Audience.CONTRIBUTORS),
        ("66.67", 26_718_014, 0, Audience.EVERYONE),
        ("100", 40_075_017, 0, Audience.CONTRIBUTORS),
        ("150", 60_112_526, 0, Audience.CONTRIBUTORS),
    ]
    assert tiers[1].reward.fields["multiplier"] == Decimal("1.25")
    assert tiers[2].reward.fields == {"pieces": ("Headband", "Shirt", "Shoes")}


def test_the_raid_is_the_smallest_useful_event() -> None:
    """One goal, no grace, tiers in one array."""
    raid = load_event(EXAMPLES / "weekend-raid.toml")
    (keep,) = raid.goals
    assert (raid.grace, keep.target_may_rise) == (timedelta(0), True)
    assert [tier.threshold_value for tier in keep.tiers] == [125, 250]
    assert keep.tiers[0].reward.fields == {"quantity": 2, "table": "siege"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_is_valid(path: Path) -> None:
    """What is shipped to be copied can be published."""
    assert load_event(path).goals != ()


# Defaults and spellings.


@pytest.mark.parametrize(
    ("told", "near_miss", "threshold"),
    [("", "90", "90"), ("threshold = 75", "90", "75"), ("near", "66.6667", "66.6667"), ("both", "80", "50")],
)
def test_a_consolation_is_for_a_near_miss_unless_it_says_so(told: str, near_miss: str, threshold: str) -> None:
    """Its threshold is the goal's `near_miss` where it has none of its own; its total is rounded up as a tier's."""
    near = {"near": "near_miss = 66.6667\n", "both": "near_miss = 80\n"}.get(told, "")
    own = {"near": "", "both": "threshold = 50"}.get(told, told)
    reward = 'reward = { kind = "title", name = "So Near" }'
    (goal,) = read_event(f"{SMALL}{near}[goals.consolation]\n{reward}\nminimum = 1.5\n{own}").goals
    assert goal.consolation is not None
    assert (Decimal(near_miss), Decimal(threshold)) == (goal.near_miss, goal.consolation.threshold)
    value = -(-1_000_000 * Decimal(threshold) // 100)
    assert (int(value), 1_500) == (goal.consolation.threshold_value, goal.consolation.minimum)


def test_players_contribute_where_a_goal_says_so() -> None:
    """Whether players send their own contributions is declared goal by goal."""
    (goal,) = read_event(f"{SMALL}players_contribute = true").goals
    assert goal.players_contribute is True


def test_outliers_are_held_where_a_goal_says_so() -> None:
    """Switched on goal by goal, with what is said and the defaults for the rest."""
    (goal,) = read_event(f"{SMALL}outliers = {{}}").goals
    assert goal.outliers == OutlierRule(deviations=6, own_least=5, everyones_least=50)
    (goal,) = read_event(f"{SMALL}outliers = {{ deviations = 9, own_least = 2, everyones_least = 20 }}").goals
    assert goal.outliers == OutlierRule(deviations=9, own_least=2, everyones_least=20)


def test_what_is_not_said_has_its_default() -> None:
    """A day's grace, no description, no tiers, shown, the metric's own limits."""
    event = read_event(SMALL)
    (goal,) = event.goals
    assert (event.grace, event.description, event.challenges) == (timedelta(hours=24), "", ())
    assert (goal.tiers, goal.hidden, goal.target_may_rise, goal.description) == ((), False, False, "")
    assert (goal.players_contribute, goal.outliers) == (False, None)
    assert goal.metric.limits == Limits(per_contribution=100_000_000, over=OverLimit.HOLD)


@pytest.mark.parametrize(
    ("expected", "spelled"),
    [
        (timedelta(minutes=90), "90m"),
        (timedelta(hours=0), "0h"),
        (timedelta(days=7), "007d"),
        (timedelta(days=999_999), "999999d"),
    ],
)
def test_a_grace_is_minutes_hours_or_days(expected: timedelta, spelled: str) -> None:
    """One number and one unit."""
    assert expected == read_event(SMALL.replace("[[goals]]", f'grace = "{spelled}"\n[[goals]]')).grace


@pytest.mark.parametrize(
    ("expected", "spelled"), [("33.3", "33.30"), ("25", "25.0"), ("100", "1e2"), ("0.0001", "1e-4")]
)
def test_a_percentage_has_one_spelling(expected: str, spelled: str) -> None:
    """However it is written, it is kept and shown the same."""
    event = with_tier(f'threshold = {spelled}\nreward = {{ kind = "title", name = "T" }}')
    assert expected == str(event.goals[0].tiers[0].threshold)


def test_tiers_are_put_in_order() -> None:
    """A file may list them as it likes."""
    title = '{ kind = "title", name = "T" }'
    tiers = [f"[[goals.tiers]]\nthreshold = {percent}\nreward = {title}\n" for percent in (100, 25, 50)]
    thresholds = [tier.threshold for tier in read_event(SMALL + "".join(tiers)).goals[0].tiers]
    assert thresholds == [25, 50, 100]


def test_blanks_around_a_name_are_dropped_and_text_is_kept() -> None:
    """A name is trimmed; a description may have lines of its own."""
    event = read_event(SMALL.replace('name = "E"', 'name = "  Frost und Eis 🏔️ "\ndescription = " a\\n\\tb "'))
    assert (event.name, event.description) == ("Frost und Eis 🏔️", " a\n\tb ")


@pytest.mark.parametrize(
    ("nature", "fields", "reward"),
    [
        (Nature.QUANTITY, {"quantity": 1}, 'kind = "crate"'),
        (Nature.OWNERSHIP, {}, 'kind = "title"'),
        (Nature.OWNERSHIP, {"pieces": ()}, 'kind = "item_set"'),
        (
            Nature.QUANTITY,
            {"multiplier": Decimal("1.5"), "minutes": 5, "scope": "world", "stacks": "extend"},
            'kind = "boost", multiplier = 1.5, minutes = 5, scope = "world"',
        ),
        (Nature.OWNERSHIP, {}, 'kind = "cosmetic"'),
        (Nature.QUANTITY, {"amount": 500}, 'kind = "currency", amount = 500'),
        (Nature.OWNERSHIP, {"stock": 3}, 'kind = "mount", stock = 3'),
        (Nature.QUANTITY, {"quantity": 2}, 'kind = "item", quantity = 2'),
    ],
)
def test_each_kind_of_reward_has_its_fields(nature: Nature, fields: dict[str, object], reward: str) -> None:
    """A reward carries the fields of its kind, with their defaults, and what granting it twice would be."""
    told = with_tier(f'threshold = 1\nreward = {{ name = "R", {reward} }}').goals[0].tiers[0].reward
    assert (nature, fields, "R") == (told.nature, told.fields, told.name)


def test_a_host_may_add_kinds_of_rewards() -> None:
    """A longer table of kinds is all it takes."""

    class Pet(RewardForm):
        species: str

    tier = '[[goals.tiers]]\nthreshold = 1\nreward = { kind = "pet", name = "Yeti", species = "yeti" }'
    event = read_event(SMALL + tier, kinds={**REWARD_KINDS, "pet": Pet})
    assert event.goals[0].tiers[0].reward.fields == {"species": "yeti"}


# Where files come from.


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Editors of some systems write one, and lines that end otherwise."""
    path = tmp_path / "event.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode())
    assert load_event(path) == load_event(str(path)) == read_event(SMALL)


def test_a_table_from_elsewhere_is_an_event_too() -> None:
    """A decoded document is read like a file, and complaints name the field alone."""
    window = {"starts_at": datetime(2026, 12, 1, tzinfo=UTC), "ends_at": datetime(2027, 1, 1, tzinfo=UTC)}
    goal = {"id": "g", "name": "G", "metric": "totalVolume", "target": 1_000}
    table = {"event": {"id": "e", "name": "E", **window}, "goals": [goal]}
    assert event_from_table(table) == read_event(SMALL)
    with pytest.raises(EventInvalid) as refused:
        event_from_table({**table, "goals": [{**goal, "target": 1.5}]})
    assert list(map(str, refused.value.complaints)) == ["goals[0].target: has to be a number"]
