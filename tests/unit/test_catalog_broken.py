"""What is wrong with an event file is told with its line and its field, all of it at once."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldevents.catalog import event_from_table, load_event, read_event
from worldevents.errors import EventInvalid

GOOD = """\
[event]
id = "spring"
name = "Spring"
starts_at = 2027-03-01T00:00:00Z
ends_at = 2027-04-01T00:00:00Z
grace = "24h"
[[metrics]]
key = "distance"
unit = "km"
decimals = 3
[[challenges]]
id = "run"
name = "Run"
metric = "distance"
target = 42.195
reward = { kind = "title", name = "Runner" }
[[goals]]
id = "world"
name = "World"
metric = "distance"
target = 40_000
[[goals.tiers]]
threshold = 33.3
reward = { kind = "crate", name = "Box" }
[[goals.tiers]]
threshold = 100
reward = { kind = "title", name = "Hero" }
"""
SECOND_GOAL = '\n[[goals]]\nid = "second"\nname = "Second"\nmetric = "totalPRs"\ntarget = 5\n'


def complaints_about(text: str) -> tuple[str, ...]:
    """Everything that is said against a text."""
    with pytest.raises(EventInvalid) as refused:
        read_event(text)
    complaints = tuple(map(str, refused.value.complaints))
    assert refused.value.detail == complaints[0]
    return complaints


def test_the_file_that_the_others_are_made_of_is_good() -> None:
    """Each broken file differs from this one in one place."""
    assert read_event(GOOD).goals[0].target == 40_000_000


# (where the complaint points, what is replaced, by what)
BROKEN = [
    # Unknown and missing fields.
    ("line 2: event.idd", 'id = "spring"', 'idd = "x"\nid = "spring"'),
    ("line 1: event.id", 'id = "spring"\n', ""),
    ("line 1: event.name", 'name = "Spring"\n', ""),
    ("line 1: event.starts_at", "starts_at = 2027-03-01T00:00:00Z\n", ""),
    ("line 1: event.ends_at", "ends_at = 2027-04-01T00:00:00Z\n", ""),
    ("line 10: metrics[0].decimal", "decimals = 3", "decimal = 3"),
    ("line 10: metrics[0].int", "decimals = 3", "int = 3\ndecimals = 3"),
    ("line 7: metrics[0].key", 'key = "distance"\n', ""),
    ("line 17: goals[0].name", 'name = "World"\n', ""),
    ("line 17: goals[0].target", "target = 40_000\n", ""),
    ("line 22: goals[0].tiers[0].threshold", "threshold = 33.3\n", ""),
    ("line 25: goals[0].tiers[1].reward", 'reward = { kind = "title", name = "Hero" }\n', ""),
    ("line 23: goals[0].tiers[0].treshold", "threshold = 33.3", "treshold = 1\nthreshold = 33.3"),
    ('line 21: goals[0]."a b"', "target = 40_000", '"a b" = 1\ntarget = 40_000'),
    ("line 28: gaols", 'name = "Hero" }\n', 'name = "Hero" }\n[gaols]\n'),
    # Ids and names.
    ("line 2: event.id", '"spring"', '"Spring"'),
    ("line 2: event.id", '"spring"', '"spring\\n"'),
    ("line 2: event.id", '"spring"', '""'),
    ("line 2: event.id", '"spring"', f'"{"x" * 65}"'),
    ("line 2: event.id", '"spring"', "5"),
    ("line 3: event.name", '"Spring"', '"   "'),
    ("line 3: event.name", '"Spring"', f'"{"x" * 101}"'),
    ("line 3: event.name", '"Spring"', '"a\\nb"'),
    ("line 3: event.name", '"Spring"', '"a\\u0000b"'),
    ("line 3: event.name", '"Spring"', '"\\u001b[31m"'),
    ("line 3: event.name", '"Spring"', '"a\\u2028b"'),
    ("line 4: event.description", "starts_at", 'description = "\\u0000"\nstarts_at'),
    ("line 4: event.description", "starts_at", f'description = "{"x" * 2_001}"\nstarts_at'),
    ("line 18: goals[0].id", '"world"', '"the world"'),
    # Time.
    ("line 4: event.starts_at", "2027-03-01T00:00:00Z", "2027-03-01T00:00:00"),
    ("line 4: event.starts_at", "2027-03-01T00:00:00Z", "2027-03-01"),
    ("line 4: event.starts_at", "2027-03-01T00:00:00Z", "00:00:00"),
    ("line 4: event.starts_at", "2027-03-01T00:00:00Z", '"2027-03-01T00:00:00Z"'),
    ("line 4: event.starts_at", "2027-03-01T00:00:00Z", "1800000000"),
    ("line 4: event.starts_at", "2027-03-01T00:00:00Z", "0001-01-01T00:00:00+10:00"),
    ("line 5: event.ends_at", "2027-04-01T00:00:00Z", "9999-12-31T23:59:59-10:00"),
    ("line 5: event.ends_at", "2027-04-01T00:00:00Z", "2027-03-01T00:00:00Z"),
    ("line 5: event.ends_at", "2027-04-01T00:00:00Z", "2027-03-01T01:00:00+01:00"),
    ("line 6: event.grace", '"24h"', '"24"'),
    ("line 6: event.grace", '"24h"', '"24h\\n"'),
    ("line 6: event.grace", '"24h"', '" 24h"'),
    ("line 6: event.grace", '"24h"', '"-1h"'),
    ("line 6: event.grace", '"24h"', '"1.5h"'),
    ("line 6: event.grace", '"24h"', '"\u0662h"'),
    ("line 6: event.grace", '"24h"', '"9999999d"'),
    ("line 6: event.grace", '"24h"', "24"),
    # Metrics.
    ("line 8: metrics[0].key", '"distance"', '"dis tance"'),
    ("line 7: metrics[0].unit", 'unit = "km"\n', ""),
    ("line 9: metrics[0].unit", '"km"', '""'),
    ("line 10: metrics[0].decimals", "decimals = 3", "decimals = 7"),
    ("line 10: metrics[0].decimals", "decimals = 3", "decimals = -1"),
    ("line 10: metrics[0].decimals", "decimals = 3", "decimals = true"),
    ("line 10: metrics[0].decimals", "decimals = 3", "decimals = 3.0"),
    ("line 13: metrics[1].unit", "[[challenges]]", '[[metrics]]\nkey = "totalVolume"\nunit = "lb"\n[[challenges]]'),
    (
        "line 13: metrics[1].decimals",
        "[[challenges]]",
        '[[metrics]]\nkey = "totalVolume"\ndecimals = 2\n[[challenges]]',
    ),
    (
        "line 12: metrics[1].key",
        "[[challenges]]",
        '[[metrics]]\nkey = "distance"\nunit = "km"\ndecimals = 3\n[[challenges]]',
    ),
    ("line 11: metrics[0].max_per_user", "decimals = 3", "decimals = 3\nmax_per_user = 0"),
    ("line 11: metrics[0].max_per_user_day", "decimals = 3", "decimals = 3\nmax_per_user_day = 0.0001"),
    ("line 11: metrics[0].max_per_contribution", "decimals = 3", "decimals = 3\nmax_per_contribution = inf"),
    ("line 11: metrics[0].over_limit", "decimals = 3", 'decimals = 3\nover_limit = "keep"'),
    # Goals.
    ("line 31: goals[1].metric", '"Hero" }\n', f'"Hero" }}{SECOND_GOAL.replace("totalPRs", "totalSteps")}'),
    ("line 21: goals[0].target", "40_000", "0"),
    ("line 21: goals[0].target", "40_000", "-1"),
    ("line 21: goals[0].target", "40_000", "-0.0"),
    ("line 21: goals[0].target", "40_000", "0.0001"),
    ("line 21: goals[0].target", "40_000", "nan"),
    ("line 21: goals[0].target", "40_000", "-inf"),
    ("line 21: goals[0].target", "40_000", "9_007_199_254_740.992"),
    ("line 21: goals[0].target", "40_000", "1e400"),
    ("line 21: goals[0].target", "40_000", "1e-400"),
    ("line 21: goals[0].target", "40_000", "9223372036854775808"),
    ("line 21: goals[0].target", "40_000", '"40000"'),
    ("line 21: goals[0].target", "40_000", "true"),
    ("line 21: goals[0].target", "40_000", "[1]"),
    ("line 21: goals[0].target", "40_000", "2027-01-01"),
    ("line 22: goals[0].hidden", "target = 40_000", "target = 40_000\nhidden = 1"),
    ("line 22: goals[0].target_may_rise", "target = 40_000", 'target = 40_000\ntarget_may_rise = "yes"'),
    ("line 22: goals[0].players_contribute", "target = 40_000", "target = 40_000\nplayers_contribute = 1"),
    ("line 22: goals[0].near_miss", "target = 40_000", "target = 40_000\nnear_miss = 100"),
    ("line 22: goals[0].near_miss", "target = 40_000", "target = 40_000\nnear_miss = 0.00001"),
    ("line 22: goals[0].consolation.reward", "target = 40_000", "target = 40_000\nconsolation.threshold = 50"),
    (
        "line 22: goals[0].consolation.threshold",
        "target = 40_000",
        "target = 40_000\nconsolation = { threshold = 100, reward = { kind = 'title', name = 'Near' } }",
    ),
    ("line 22: goals[0].outliers", "target = 40_000", "target = 40_000\noutliers = true"),
    ("line 22: goals[0].outliers.deviations", "target = 40_000", "target = 40_000\noutliers.deviations = 0"),
    ("line 22: goals[0].outliers.own_least", "target = 40_000", "target = 40_000\noutliers.own_least = 1.5"),
    ("line 22: goals[0].outliers.least", "target = 40_000", "target = 40_000\noutliers.least = 5"),
    ("line 29: goals[1].id", 'name = "Hero" }\n', f'name = "Hero" }}{SECOND_GOAL.replace("second", "world")}'),
    ("line 29: goals[1].id", 'name = "Hero" }\n', f'name = "Hero" }}{SECOND_GOAL.replace("second", "Second")}'),
    # Tiers.
    ("line 23: goals[0].tiers[0].threshold", "33.3\n", "0\n"),
    ("line 23: goals[0].tiers[0].threshold", "33.3\n", "-5\n"),
    ("line 23: goals[0].tiers[0].threshold", "33.3\n", "10_000.1\n"),
    ("line 23: goals[0].tiers[0].threshold", "33.3\n", "33.33333\n"),
    ("line 23: goals[0].tiers[0].threshold", "33.3\n", "25.00000000000000000000000000000000001\n"),
    ("line 23: goals[0].tiers[0].threshold", "33.3\n", "1e-9999999\n"),
    ("line 23: goals[0].tiers[0].threshold", "33.3\n", "nan\n"),
    ("line 23: goals[0].tiers[0].threshold", "33.3\n", "true\n"),
    ("line 23: goals[0].tiers[0].threshold", "33.3\n", '"33.3"\n'),
    ("line 24: goals[0].tiers[0].audience", "33.3\n", '33.3\naudience = "all"\n'),
    ("line 24: goals[0].tiers[0].minimum", "33.3\n", "33.3\nminimum = 0\n"),
    ("line 24: goals[0].tiers[0].minimum", "33.3\n", "33.3\nminimum = 0.0005\n"),
    # Rewards.
    ("line 24: goals[0].tiers[0].reward.kind", 'kind = "crate", ', ""),
    ("line 24: goals[0].tiers[0].reward.kind", '"crate"', '"chest"'),
    ("line 24: goals[0].tiers[0].reward.kind", '"crate"', "5"),
    ("line 24: goals[0].tiers[0].reward.name", ', name = "Box"', ""),
    ("line 24: goals[0].tiers[0].reward.amount", '"Box"', '"Box", amount = 5'),
    ("line 24: goals[0].tiers[0].reward.quantity", '"Box"', '"Box", quantity = 0'),
    ("line 24: goals[0].tiers[0].reward.quantity", '"Box"', '"Box", quantity = true'),
    ("line 24: goals[0].tiers[0].reward.quantity", '"Box"', '"Box", quantity = 9007199254740992'),
    ("line 24: goals[0].tiers[0].reward.amount", '"crate"', '"currency"'),
    ("line 24: goals[0].tiers[0].reward.multiplier", '"crate"', '"boost", minutes = 5, multiplier = 1'),
    ("line 24: goals[0].tiers[0].reward.multiplier", '"crate"', '"boost", minutes = 5, multiplier = inf'),
    ("line 24: goals[0].tiers[0].reward.scope", '"crate"', '"boost", minutes = 5, multiplier = 2, scope = "all"'),
    ("line 26: goals[0].tiers[0].reward.pieces[1]", '"crate"', '"item_set", pieces = [\n"a",\n" "]'),
    ("line 24: goals[0].tiers[0].reward", '{ kind = "crate", name = "Box" }', '"Box"'),
    ("line 16: challenges[0].reward.kind", '"title", name = "Runner"', '"badge", name = "Runner"'),
    # Challenges.
    ("line 14: challenges[0].metric", 'name = "Run"\nmetric = "distance"', 'name = "Run"\nmetric = "totalPRs"'),
    ("line 15: challenges[0].target", "42.195", "42.1951"),
    ("line 15: challenges[0].target", "42.195", "false"),
    ("line 12: challenges[0].id", '"run"', '"Run"'),
    # Wrong nesting.
    ("line 1: event", "[event]", "[[event]]"),
    ("line 7: metrics", "[[metrics]]", "[metrics]"),
    ("line 18: goals[0].event", "[[goals]]\n", "[[goals]]\nevent = 1\n"),
]


@pytest.mark.parametrize(("where", "good", "bad"), BROKEN, ids=range(len(BROKEN)))
def test_what_is_broken_is_told_with_its_line_and_field(where: str, good: str, bad: str) -> None:
    """One fault is one complaint, and it says where."""
    assert good in GOOD
    (complaint,) = complaints_about(GOOD.replace(good, bad, 1))
    assert [*where.split(": ")] == complaint.split(": ")[:2]
    assert complaint.isprintable()


def test_two_spellings_of_one_percentage_are_the_same_tier() -> None:
    """33.3 and 33.30 cannot both be tiers; both places are told."""
    assert complaints_about(GOOD.replace("threshold = 100", "threshold = 33.30")) == (
        "line 23: goals[0].tiers[0].threshold: two tiers have the same threshold",
        "line 26: goals[0].tiers[1].threshold: two tiers have the same threshold",
    )


def test_every_fault_of_a_file_is_told_at_once() -> None:
    """Nobody has to mend a file complaint by complaint."""
    broken = GOOD.replace("2027-04-01", "2027-02-01").replace("40_000", "0.0001").replace("33.3\n", "33.33333\n")
    broken = broken.replace('"crate"', '"chest"').replace("42.195", "-1").replace('"Hero"', '"Hero", amount = 1')
    assert [complaint.split(": ")[:2] for complaint in complaints_about(broken)] == [
        ["line 5", "event.ends_at"],
        ["line 21", "goals[0].target"],
        ["line 23", "goals[0].tiers[0].threshold"],
        ["line 24", "goals[0].tiers[0].reward.kind"],
        ["line 27", "goals[0].tiers[1].reward.amount"],
        ["line 15", "challenges[0].target"],
    ]


def test_every_field_of_another_form_is_told_at_once() -> None:
    """So are wrong types, unknown fields and missing ones."""
    broken = GOOD.replace('"spring"', "1").replace("decimals = 3", "digits = 3").replace('name = "World"\n', "")
    broken = broken.replace("threshold = 100", 'threshold = "all"')
    assert [complaint.split(": ")[:2] for complaint in complaints_about(broken)] == [
        ["line 2", "event.id"],
        ["line 10", "metrics[0].digits"],
        ["line 17", "goals[0].name"],
        ["line 25", "goals[0].tiers[1].threshold"],
    ]


def test_an_event_has_goals() -> None:
    """A file without goals is told so, and so is one with an empty list of them."""
    alone = GOOD.partition("[[metrics]]")[0]
    assert ["goals"] == [complaint.split(": ")[0] for complaint in complaints_about(alone)]
    assert ["line 1"] == [complaint.split(": ")[0] for complaint in complaints_about(f"goals = []\n{alone}")]


def test_there_are_limits_to_everything() -> None:
    """A hundred goals, a hundred tiers and a hundred pieces are enough."""
    goals = "".join(SECOND_GOAL.replace("second", f"g{number}") for number in range(100))
    tiers = "".join(
        f'[[goals.tiers]]\nthreshold = {number}\nreward = {{ kind = "title", name = "T" }}\n'
        for number in range(1, 100)
    )
    pieces = GOOD.replace('"crate"', '"item_set", pieces = [' + "'p', " * 101 + "]")
    assert [one.split(": ")[:2] for one in complaints_about(GOOD + goals)] == [["line 17", "goals"]]
    assert [one.split(": ")[:2] for one in complaints_about(GOOD + tiers)] == [["line 22", "goals[0].tiers"]]
    assert [one.split(": ")[1] for one in complaints_about(pieces)] == ["goals[0].tiers[0].reward.pieces"]


# What is not an event file at all.


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("at line 2, column", "[event]\nid = \n"),
        ("at line 3, column", '[event]\nid = "a"\nid = "b"\n'),
        ("at line 2, column", "[event]\nid = 'a\nname = 'b'\n"),
        ("at line 1, column", "\ufeff" + GOOD),
        ("at line 1, column", '{"event": {}}'),
        ("at line 1, column", 'a = "\0"'),
        ("at line 1, column", "a = 2026-02-30T00:00:00Z"),
        ("too many digits", "a = " + "9" * 5_000),
        ("too many digits", "a = 1e99999999999999999999999999"),
        ("nested too deeply", f"a = {'[' * 50_000}{']' * 50_000}"),
        ("nested too deeply", f"a = {'{ a = ' * 5_000}1{' }' * 5_000}"),
    ],
    ids=range(11),
)
def test_a_text_that_is_no_toml_is_told_where_it_breaks(said: str, text: str) -> None:
    """A syntax error has its line; absurd numbers and nesting are refused and not crashed on."""
    (complaint,) = complaints_about(text)
    assert said in complaint
    assert complaint.isprintable()


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n"])
def test_an_empty_file_lacks_everything(text: str) -> None:
    """What is missing is told by its name."""
    assert ["event", "goals"] == [complaint.split(": ")[0] for complaint in complaints_about(text)]


def test_a_key_is_never_repeated_as_it_came() -> None:
    """A key that would colour a terminal or run on for ever is told escaped and cut."""
    complaint = complaints_about(GOOD + f'"\\u001b[31m{"x" * 10_000}" = 1\n')[0]
    assert complaint.startswith('line 28: goals[0].tiers[1]."\\u001b[31mxxx')
    assert complaint.isprintable()
    assert len(complaint) < 200


def test_a_table_from_elsewhere_may_hold_anything() -> None:
    """Keys and texts that are no text, and values of any type, are complaints."""
    for table in (
        {"event": "\ud800", "goals": []},
        {"event": {"id": "\ud800"}},
        {"\ud800": 1},
        {"goals": [{"\ud800": 1}]},
    ):
        with pytest.raises(EventInvalid) as refused:
            event_from_table(table)
        assert all(str(complaint).isprintable() for complaint in refused.value.complaints)


@given(st.text(max_size=200) | st.lists(st.sampled_from([*GOOD.splitlines(), "]", '"""', "[[", "= 1"])).map("\n".join))
def test_any_text_is_an_event_or_event_invalid(text: str) -> None:
    """There is no third outcome."""
    with suppress(EventInvalid):
        assert read_event(text).goals != ()


# What cannot be read.


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    """Missing files and directories are told as such."""
    with pytest.raises(EventInvalid, match=r"missing\.toml: No such file"):
        load_event(tmp_path / "missing.toml")
    with pytest.raises(EventInvalid, match="Is a directory"):
        load_event(tmp_path)
    with pytest.raises(EventInvalid, match="no NUL"):
        load_event("a\0b")


def test_a_file_that_is_not_utf_8_is_not_repeated(tmp_path: Path) -> None:
    """Only its name is told, nothing of what it holds."""
    path = tmp_path / "event.toml"
    path.write_bytes(b'name = "secret \xff"')
    with pytest.raises(EventInvalid, match="not UTF-8 text") as refused:
        load_event(path)
    assert "secret" not in str(refused.value)


def test_a_file_without_an_end_is_not_read_to_its_end() -> None:
    """A device or a huge file is read as far as an event file may go."""
    endless = Path("/dev/zero")
    if not endless.exists():
        pytest.skip("this system has no endless file")
    started = time.perf_counter()
    with pytest.raises(EventInvalid, match="at most 1,000,000 bytes"):
        load_event(endless)
    assert time.perf_counter() - started < 5
