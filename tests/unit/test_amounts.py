"""Amounts are exact: what is taken, what is refused, and the arithmetic of targets and tiers."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldevents import rules
from worldevents.errors import AmountInvalid, LimitExceeded
from worldevents.model import ContributionStatus, Limits, Metric, OverLimit
from worldevents.testing.builders import a_contribution, a_goal

BOUND = 2**53
KG = Metric(key="totalVolume", unit="kg", decimals=3)
COUNT = Metric(key="totalWorkouts", unit="workouts")

metrics = st.integers(0, 6).map(lambda decimals: Metric(key="any", unit="any", decimals=decimals))
amounts = st.integers(1, BOUND - 1)


# What is taken.


@given(amounts, metrics)
def test_a_decimal_comes_back_as_the_amount_it_shows(amount: int, metric: Metric) -> None:
    """What a metric shows of an amount is read as the same amount again."""
    assert amount == rules.check_amount(metric.decimal(amount), metric)


@given(amounts, metrics, st.integers(0, 8))
def test_text_is_read_exactly_with_zeros_behind(amount: int, metric: Metric, zeros: int) -> None:
    """A decimal string is read exactly, and zeros behind it change nothing."""
    text = f"{metric.decimal(amount):f}"
    longer = text + ("." if zeros and "." not in text else "") + "0" * zeros
    assert amount == rules.check_amount(longer, metric)


@given(metrics, st.data())
def test_a_whole_number_is_read_exactly(metric: Metric, data: st.DataObject) -> None:
    """An integer is so many of the metric's unit."""
    whole = data.draw(st.integers(1, (BOUND - 1) // 10**metric.decimals))
    assert whole * 10**metric.decimals == rules.check_amount(whole, metric)


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        (1, "0.001"),
        (82_500, "82.5"),
        (82_500, Decimal("82.500")),
        (82_500, Decimal("8.25E+1")),
        (100_000, Decimal("1E+2")),
        (7_000, "007"),
        (BOUND - 1, "9007199254740.991"),
        (BOUND - 1, Decimal("9007199254740.991")),
        (9_007_199_254_740_000, 9_007_199_254_740),
    ],
)
def test_kilograms_become_grams(expected: int, told: rules.Amount) -> None:
    """A weight in kilograms is so many grams, however it is spelled."""
    assert expected == rules.check_amount(told, KG)


# What is refused.

NOT_NUMBERS = [
    1.0,
    0.1,
    float("nan"),
    float("inf"),
    True,
    False,
    None,
    [1],
    {"amount": 1},
    b"1",
    1j,
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("-Infinity"),
]
NOT_SPELLED_SO = [
    "",
    " 1",
    "1 ",
    "1\n",
    "\t1",
    "1_000",
    "1,5",
    "1,000",
    "+1",
    "--1",
    "1.",
    ".5",
    "1.2.3",
    "1e3",
    "1E-3",
    "0x10",
    "NaN",
    "inf",
    "Infinity",
    "one",
    "1kg",
    "\u0661",  # a digit of another script
    "\uff11",  # a full-width digit
    "1\u00a0",
    "1\0",
    "\ud800",
    "9" * 65,
    "0." + "1" * 65,
]
TOO_LITTLE = [0, -1, "0", "-0", "0.000", "-1", "-0.001", Decimal(0), Decimal("-0"), Decimal("-0.001"), Decimal("0E+9")]
TOO_MUCH = [BOUND, "9007199254740.992", Decimal("9007199254740.992"), 9_007_199_254_741, "9" * 64, 10**300]
TOO_FINE = ["0.0001", "1.0001", Decimal("0.0001"), Decimal("1E-40"), "1." + "0" * 63 + "1", Decimal("0.1") ** 20]


@pytest.mark.parametrize("told", [*NOT_NUMBERS, *NOT_SPELLED_SO, *TOO_LITTLE, *TOO_MUCH, *TOO_FINE], ids=repr)
def test_anything_but_a_positive_exact_number_is_refused(told: object) -> None:
    """Floats, bools, other spellings, zero, negatives, and what is too large or too fine: refused, with the field."""
    with pytest.raises(AmountInvalid) as refused:
        rules.check_amount(told, KG, "weight")
    assert refused.value.field == "weight"


MONSTERS = {
    "large": Decimal("1E+999999"),
    "large-negative": Decimal("-1E+999999"),
    "fine": Decimal("1E-999999"),
    "larger-than-a-float": Decimal("1E+400"),
    "finer-than-a-float": Decimal("1E-400"),
    "large-zero": Decimal("0E+999999"),
    "decimal-of-many-digits": Decimal((0, (1,) * 200_000, 0)),
    "decimal-of-many-digits-behind-the-point": Decimal((0, (1,) * 200_000, -3)),
    "integer": 10**100_000,
    "negative-integer": -(10**100_000),
    "text": "1" * 1_000_000,
    "text-behind-the-point": "0." + "0" * 1_000_000,
}


@pytest.mark.parametrize("name", MONSTERS)
def test_a_monstrous_number_is_refused_at_once(name: str) -> None:
    """However large or fine a number is, the answer takes no time and no memory."""
    started = time.perf_counter()
    with pytest.raises(AmountInvalid):
        rules.check_amount(MONSTERS[name], KG)
    assert time.perf_counter() - started < 0.5


@given(st.decimals() | st.integers() | st.text() | st.floats() | st.booleans() | st.none() | st.binary(), metrics)
def test_any_input_is_an_exact_amount_or_amount_invalid(told: object, metric: Metric) -> None:
    """There is no third outcome, and what is taken is worth exactly what was told."""
    try:
        amount = rules.check_amount(told, metric)
    except AmountInvalid:
        return
    assert isinstance(told, int | Decimal | str)
    assert Decimal(told) == metric.decimal(amount)
    assert 0 < amount < BOUND


@given(st.floats() | st.booleans())
def test_floats_and_bools_are_never_amounts(told: float | bool) -> None:  # noqa: FBT001 - a bool is what it is about
    """A float has lost what was meant, and a bool never meant an amount."""
    with pytest.raises(AmountInvalid):
        rules.check_amount(told, COUNT)


def test_a_refusal_does_not_repeat_what_it_could_not_read() -> None:
    """What was sent is not part of the message."""
    with pytest.raises(AmountInvalid) as refused:
        rules.check_amount("\x1b[31mred\ud800", KG)
    assert "red" not in str(refused.value)


def test_zero_is_a_quantity_but_not_an_amount() -> None:
    """A set without weight is fine; a contribution of nothing is not."""
    assert rules.check_quantity("0", 3, "weight") == 0


# Targets and tiers.


@pytest.mark.parametrize(
    ("expected", "target", "percent"),
    [
        (2_500_000_000, 10_000_000_000, "25"),
        (16_500, 50_000, "33"),
        (33_000, 50_000, "66"),
        (34, 100, "33.33"),
        (3_333, 10_000, "33.33"),
        (1, 1, "0.0001"),
        (1, 3, "33"),
        (2, 3, "33.34"),
        (150, 100, "150"),
        (BOUND - 1, BOUND - 1, "100"),
    ],
)
def test_a_threshold_is_rounded_up_to_a_smallest_unit(expected: int, target: int, percent: str) -> None:
    """A tier never unlocks below its percentage of the target."""
    assert expected == rules.threshold_value(target, Decimal(percent))


@given(st.integers(1, BOUND - 1), st.integers(1, 100_000_000))
def test_a_threshold_is_the_smallest_total_that_reaches_the_percentage(target: int, ten_thousandths: int) -> None:
    """No total below it reaches the percentage, and it does."""
    percent = Decimal(ten_thousandths).scaleb(-4)
    value = rules.threshold_value(target, percent)
    assert (value - 1) * 100 * 10_000 < target * ten_thousandths <= value * 100 * 10_000


@pytest.mark.parametrize(
    ("expected", "total", "target"),
    [
        ("0.00", 0, 3),
        ("33.33", 1, 3),
        ("66.66", 2, 3),
        ("99.99", 999_999, 1_000_000),
        ("100.00", 3, 3),
        ("100.01", 10_001, 10_000),
        ("250.00", 25, 10),
    ],
)
def test_the_percentage_is_floored_and_goes_on_past_a_hundred(expected: str, total: int, target: int) -> None:
    """A goal shows 100 % only when it is reached, and its true percentage afterwards."""
    assert Decimal(expected) == rules.percent(total, target)


@given(st.integers(0, BOUND - 1), st.integers(1, BOUND - 1))
def test_the_percentage_is_the_largest_hundredth_that_is_reached(total: int, target: int) -> None:
    """The shown percentage is reached, and a hundredth more is not."""
    hundredths = int(rules.percent(total, target).scaleb(2))
    assert hundredths * target <= total * 10_000 < (hundredths + 1) * target


# Limits.

LIMITS = Limits(per_contribution=100, per_user_day=150, per_user=200)


@pytest.mark.parametrize(
    ("expected", "amount", "today", "ever"),
    [
        (None, 100, 50, 100),
        ("the limit for one contribution", 101, 0, 0),
        ("the limit for one user and day", 100, 51, 51),
        ("the limit for one user", 100, 50, 101),
        ("the limit for one contribution", 101, 150, 200),
    ],
)
def test_a_limit_is_broken_by_one_unit_more(expected: str | None, amount: int, today: int, ever: int) -> None:
    """An amount that just reaches every limit is fine; one more breaks the first that it passes."""
    assert expected == rules.over_limit(LIMITS, amount, user_today=today, user_total=ever)


def test_no_limits_let_everything_pass() -> None:
    """A metric without limits limits nothing."""
    assert rules.over_limit(Limits(), BOUND, user_today=BOUND, user_total=BOUND) is None


def test_an_amount_over_a_limit_is_held_or_refused_as_declared() -> None:
    """The event file says whether an amount over a limit waits for an operator or is turned away."""
    too_much = a_contribution(amount=101)
    held = a_goal(limits=LIMITS)
    refused = a_goal(limits=Limits(per_contribution=100, over=OverLimit.REFUSE))
    assert ContributionStatus.HELD is rules.judge_amount(held, too_much, total=0, user_today=0, user_total=0)
    with pytest.raises(LimitExceeded, match="over the limit for one contribution") as refusal:
        rules.judge_amount(refused, too_much, total=0, user_today=0, user_total=0)
    assert refusal.value.field == "amount"


@pytest.mark.parametrize("total", [BOUND - 10, BOUND - 1, BOUND])
def test_no_total_reaches_two_to_the_53(total: int) -> None:
    """What would lift a total to 2^53 is refused even where nothing is limited."""
    with pytest.raises(LimitExceeded, match="cannot hold so much"):
        rules.judge_amount(a_goal(), a_contribution(amount=10), total=total, user_today=0, user_total=0)


def test_a_total_may_come_right_up_to_two_to_the_53() -> None:
    """One smallest unit below the bound is still counted."""
    contribution = a_contribution(amount=10)
    status = rules.judge_amount(a_goal(), contribution, total=BOUND - 11, user_today=0, user_total=0)
    assert ContributionStatus.COUNTED is status
