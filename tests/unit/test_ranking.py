"""The ranking in memory agrees with sorting everybody anew."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldevents.store.ranking import Ranking

AMOUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 5))


def sorted_rows(amounts: dict[str, int]) -> list[tuple[int, str, int]]:
    """Rank everybody by comparing with everybody."""
    return [
        (1 + sum(other > amount for other in amounts.values()), user, amount)
        for user, amount in sorted(amounts.items(), key=lambda one: (-one[1], one[0]))
        if amount
    ]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 5)), max_size=40))
def test_it_ranks_as_sorting_does(moves: list[tuple[str, int]]) -> None:
    """After any number of amounts, rows, ranks, places and the total are those of a sorted list."""
    ranking, amounts = Ranking(), dict.fromkeys("abcdefgh", 0)
    for user, amount in moves:
        ranking.add(user, amount)
        amounts[user] += amount
    expected = sorted_rows(amounts)
    assert list(ranking.rows(0, 100)) == expected
    assert [ranking.rank(user) for _, user, _ in expected] == [rank for rank, _, _ in expected]
    assert [ranking.place(user) for _, user, _ in expected] == list(range(len(expected)))
    assert ranking.total() == sum(amounts.values())
    assert len(ranking) == len(expected)


@given(AMOUNTS, st.integers(0, 6), st.integers(1, 3))
def test_who_is_above_and_who_is_next(amounts: dict[str, int], asked: int, block: int) -> None:
    """Of any amount, whether or not somebody has it: how many have more, and the least that is more."""
    ranking = Ranking(amounts.items(), block=block)
    more = sorted(amount for amount in amounts.values() if amount > asked)
    assert (len(more), more[0] if more else None) == (ranking.above(asked), ranking.next_above(asked))


@given(AMOUNTS, st.integers(0, 10), st.integers(0, 10))
def test_a_page_is_a_part_of_the_whole(amounts: dict[str, int], start: int, limit: int) -> None:
    """Any page, also one that begins inside a tie, is that part of all rows."""
    ranking = Ranking(amounts.items())
    assert list(ranking.rows(start, limit)) == sorted_rows(amounts)[start : start + limit]


@given(AMOUNTS)
def test_built_at_once_or_one_by_one(amounts: dict[str, int]) -> None:
    """A ranking built from amounts is the one that grew by them."""
    grown = Ranking()
    for user, amount in amounts.items():
        grown.add(user, amount)
    assert list(Ranking(amounts.items()).rows(0, 100)) == list(grown.rows(0, 100))


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.integers(1, 3), st.integers(0, 300))
def test_over_many_blocks_it_is_a_sorted_list(chance: Random, block: int, begun: int) -> None:
    """However blocks fill, are cut and go empty, and over several groups of them, nothing else can be seen."""
    users = [f"user-{number}" for number in range(300)]
    amounts = {user: chance.randint(1, 9) for user in users[:begun]}
    ranking = Ranking(amounts.items(), block=block)
    for step in range(900):
        user = chance.choice(users)
        # Most come in the first third, most go in the last.
        is_leaving = chance.random() < step / 900
        change = -amounts.get(user, 0) if is_leaving else chance.randint(1, 9)
        ranking.add(user, change)
        amounts[user] = amounts.get(user, 0) + change
        if step % 100 == 99:
            expected = sorted_rows({user: amount for user, amount in amounts.items() if amount})
            start, limit = chance.randrange(len(users)), chance.randrange(1, 40)
            assert expected == list(ranking.rows(0, len(users)))
            assert expected[start : start + limit] == list(ranking.rows(start, limit))
            assert [rank for rank, _, _ in expected] == [ranking.rank(user) for _, user, _ in expected]
            assert list(range(len(expected))) == [ranking.place(user) for _, user, _ in expected]
            assert (len(expected), sum(amount for _, _, amount in expected)) == (len(ranking), ranking.total())


def test_who_has_nothing_is_not_in_it() -> None:
    """Zero is no place, whether at the start or after an amount was taken back."""
    ranking = Ranking([("ann", 3), ("bob", 0)])
    ranking.add("ann", -3)
    ranking.add("cid", 0)
    assert (len(ranking), list(ranking.rows(0, 10))) == (0, [])
    assert [(ranking.amount(user), ranking.rank(user), ranking.place(user)) for user in ("ann", "bob")] == [
        (0, None, None),
        (0, None, None),
    ]


def test_nobody_falls_below_zero() -> None:
    """Taking back more than there is is refused and changes nothing."""
    ranking = Ranking([("ann", 3)])
    with pytest.raises(ValueError, match="ann"):
        ranking.add("ann", -4)
    with pytest.raises(ValueError, match="bob"):
        ranking.add("bob", -1)
    assert list(ranking.rows(0, 10)) == [(1, "ann", 3)]
