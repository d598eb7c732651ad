"""The rule for outliers, held against sorting the amounts themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.acceptance.december import december
from worldevents.model import OutlierRule
from worldevents.outliers import History, is_outlier, middle, step
from worldevents.testing import models

NOTHING = History()
AMOUNTS = st.integers(1, 2**53 - 1) | st.integers(1, 300)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(1, 0), (2, 8), (3, 12), (4, 16), (5, 18), (7, 22), (8, 24), (9, 25), (15, 31), (16, 32), (2**53 - 1, 423)],
)
def test_a_step_is_an_eighth_of_a_doubling(amount: int, expected: int) -> None:
    """From one step to the next an amount grows by an eighth at most."""
    assert expected == step(amount)


@given(AMOUNTS)
def test_a_step_is_the_one_that_trying_finds(amount: int) -> None:
    """Exact for every amount that a goal can hold."""
    assert models.step_of(amount) == step(amount)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), AMOUNTS), max_size=30),
    st.lists(st.tuples(st.sampled_from("ab"), AMOUNTS), max_size=5),
    AMOUNTS,
    st.integers(1, 8),
)
def test_an_outlier_is_far_above_both_medians(
    kept: list[tuple[str, int]], also: list[tuple[str, int]], amount: int, deviations: int
) -> None:
    """As sorting all amounts says, with what is being added at this moment; and not without enough of them."""
    rule = OutlierRule(deviations=deviations, own_least=3, everyones_least=6)
    histories = History(), History()
    for history, told in zip(histories, (kept, also), strict=True):
        for user, one in told:
            history.add(user, one)
    every = [one for _, one in kept + also]
    own = [one for user, one in kept + also if user == "a"]
    enough = len(own) >= 3 and len(every) >= 6
    expected = enough and models.is_far(amount, own, deviations) and models.is_far(amount, every, deviations)
    assert expected == is_outlier(rule, "a", amount, kept=histories[0], also=histories[1])
    both = History(histories[0].users)
    both.take(histories[1])
    assert expected == is_outlier(rule, "a", amount, kept=both, also=History())


def test_no_honest_lift_of_december_is_out_of_line() -> None:
    """A real month is bursty, and its heaviest lifts are far over the median: the rule as it stands holds none."""
    rule, history = OutlierRule(own_least=1), History()
    judged = held = 0
    for row in december():
        for part in row.parts():
            if part.metric == "totalVolume":
                amount = int(part.amount * 1_000)
                judged += len(history.users.get(row.lifter, ())) > 0
                held += is_outlier(rule, row.lifter, amount, kept=history, also=NOTHING)
                history.add(row.lifter, amount)
    assert (True, 0) == (judged > 25_000, held)


def test_a_history_that_is_empty_has_no_middle() -> None:
    """Nobody asks for it."""
    with pytest.raises(ValueError, match="no middle"):
        middle({})
