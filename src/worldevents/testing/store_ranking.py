"""Law 4 of the store: ranks with ties, pages of the board, and names."""

from __future__ import annotations

import pytest

from worldevents.model import Contributor
from worldevents.testing.builders import a_contribution, a_goal
from worldevents.testing.opened import OpenStore

TIED = {"dora": 30, "bob": 20, "ann": 20, "cid": 10}
"""Whose ranks are 1, 2, 2, 4."""


async def give(opened: OpenStore, amounts: dict[str, int]) -> None:
    """One contribution of each user."""
    batch = [a_contribution(f"{user}-{amount}", amount, user=user) for user, amount in amounts.items()]
    await opened.store.contribute(batch)


async def board(opened: OpenStore, *, limit: int = 10, around: str | None = None) -> list[tuple[int, str, int]]:
    """The board's rows as rank, user, amount."""
    found = await opened.store.leaderboard("volume", limit=limit, around=around)
    return [(row.rank, row.user_id, row.amount) for row in found.contributors]


class RankingLaws:
    """Law 4; `StoreLaws` adds the fixtures."""

    async def test_law_4_equal_amounts_share_a_rank(self, opened: OpenStore) -> None:
        """Law 4: ranks are 1, 2, 2, 4, and inside a tie the order is by user id."""
        await give(opened, TIED)
        assert await board(opened) == [(1, "dora", 30), (2, "ann", 20), (2, "bob", 20), (4, "cid", 10)]
        ranks = {user: (await opened.store.progress("volume", user)).user_rank for user in TIED}
        assert ranks == {"dora": 1, "ann": 2, "bob": 2, "cid": 4}

    async def test_law_4_ties_are_ordered_by_the_ids_characters(self, opened: OpenStore) -> None:
        """Law 4: user ids are compared character by character, as they are, not as a language would."""
        await give(opened, dict.fromkeys(["b", "a2", "B", "_", "a10", "A"], 5))
        assert [user for _, user, _ in await board(opened)] == ["A", "B", "_", "a10", "a2", "b"]

    async def test_law_4_a_rank_follows_every_change(self, opened: OpenStore) -> None:
        """Law 4: who gives more rises past the others, who are then lower, and joins a tie on the way."""
        await give(opened, TIED)
        await give(opened, {"cid": 11})
        assert await board(opened) == [(1, "dora", 30), (2, "cid", 21), (3, "ann", 20), (3, "bob", 20)]
        await give(opened, {"ann": 10})
        assert await board(opened) == [(1, "ann", 30), (1, "dora", 30), (3, "cid", 21), (4, "bob", 20)]

    async def test_law_4_ranks_in_one_batch_follow_the_sums(self, opened: OpenStore) -> None:
        """Law 4: a user's several contributions of one batch rank as their sum."""
        batch = [a_contribution(f"c{number}", 6, user="bob") for number in range(3)]
        await opened.store.contribute([*batch, a_contribution("c9", 17)])
        assert await board(opened) == [(1, "bob", 18), (2, "ann", 17)]

    @pytest.mark.parametrize(("limit", "shown"), [(1, 1), (2, 2), (4, 4), (1_000, 4)])
    async def test_law_4_a_page_is_as_long_as_asked(self, opened: OpenStore, limit: int, shown: int) -> None:
        """Law 4: the board is cut after `limit` rows; the number of contributors is that of all."""
        await give(opened, TIED)
        found = await opened.store.leaderboard("volume", limit=limit)
        assert (len(found.contributors), found.participants) == (shown, 4)
        assert found.goal == a_goal()

    @pytest.mark.parametrize(
        ("around", "places"),
        [
            (0, [0, 1, 2]),
            (1, [0, 1, 2]),
            (2, [1, 2, 3]),
            (5, [4, 5, 6]),
            (8, [7, 8, 9]),
            (9, [7, 8, 9]),
        ],
    )
    async def test_law_4_neighbours(self, opened: OpenStore, around: int, places: list[int]) -> None:
        """Law 4: a user stands in the middle of the neighbours, but at the top and the bottom; the page stays full."""
        await give(opened, {f"u{place}": 100 - place for place in range(10)})
        expected = [(place + 1, f"u{place}", 100 - place) for place in places]
        assert await board(opened, limit=3, around=f"u{around}") == expected

    async def test_law_4_neighbours_in_a_tie_share_the_ties_rank(self, opened: OpenStore) -> None:
        """Law 4: a page that begins inside a tie shows the rank of the whole tie."""
        await give(opened, {"top": 9, **{f"u{place}": 5 for place in range(6)}})
        assert await board(opened, limit=3, around="u3") == [(2, "u2", 5), (2, "u3", 5), (2, "u4", 5)]

    async def test_law_4_around_nobody_is_the_top(self, opened: OpenStore) -> None:
        """Law 4: around a user who gave nothing there is the top of the board."""
        await give(opened, TIED)
        assert await board(opened, limit=2, around="nobody") == await board(opened, limit=2)

    async def test_law_4_a_users_own_row(self, opened: OpenStore) -> None:
        """Law 4: a user's own row comes along whether or not the page shows it; None for who gave nothing."""
        await give(opened, TIED)
        found = await opened.store.leaderboard("volume", limit=1, user_id="cid")
        assert found.user == Contributor(rank=4, user_id="cid", amount=10)
        assert (await opened.store.leaderboard("volume", limit=1, user_id="nobody")).user is None

    async def test_law_4_an_empty_board(self, opened: OpenStore) -> None:
        """Law 4: before anybody gave anything the board is empty."""
        found = await opened.store.leaderboard("volume", limit=10, around="ann", user_id="ann")
        assert (found.contributors, found.participants, found.user) == ((), 0, None)

    async def test_names_are_shown_as_given_last(self, opened: OpenStore) -> None:
        """A row carries the name that was given last, on every board; None where none was given."""
        await opened.tell(a_contribution("c1", 2, display_name="Ann"), a_contribution("c2", 1, user="bob"))
        await opened.tell(a_contribution("c3", goal="workouts", display_name="Änn"))
        names = {row.user_id: row.display_name for row in await self._rows(opened)}
        assert names == {"ann": "Änn", "bob": None}
        await opened.tell(a_contribution("c4", 1))
        assert {row.user_id: row.display_name for row in await self._rows(opened)} == names

    async def _rows(self, opened: OpenStore) -> tuple[Contributor, ...]:
        return (await opened.store.leaderboard("volume", limit=10)).contributors
