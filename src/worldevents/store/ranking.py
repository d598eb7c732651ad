"""An ordered ranking in memory: most first, equal amounts by user id.

The board is cut into blocks. A block has its amounts side by side as machine integers and the users beside them, so
that a search reads a few lines of memory however many users there are; a change moves one block's tail.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

BLOCK: Final = 512
"""Users of a new block; with twice as many it is cut in two."""
GROUP: Final = 32
"""Blocks that are counted together."""


class Ranking:
    """Users and their amounts, all above zero and below 2^63; who has nothing is not in it."""

    def __init__(self, amounts: Iterable[tuple[str, int]] = (), *, block: int = BLOCK) -> None:
        self._block = block
        self._amounts = {user: amount for user, amount in amounts if amount > 0}
        users = sorted(self._amounts)
        users.sort(key=self._amounts.__getitem__, reverse=True)
        # A block's users, and their amounts negated: ascending order is the board's order. A block is never empty.
        self._users = [users[start : start + block] for start in range(0, len(users), block)]
        self._negated = [array("q", [-self._amounts[user] for user in own]) for own in self._users]
        self._lasts = [(negated[-1], own[-1]) for negated, own in zip(self._negated, self._users, strict=True)]
        self._count()

    def __len__(self) -> int:
        return len(self._amounts)

    def amount(self, user_id: str) -> int:
        return self._amounts.get(user_id, 0)

    def total(self) -> int:
        return -sum(chain.from_iterable(self._negated))

    def add(self, user_id: str, amount: int) -> None:
        """Move a user by an amount of either sign; at zero the user leaves."""
        old = self._amounts.get(user_id, 0)
        left = old + amount
        if left < 0:
            raise ValueError(f"{user_id} would have less than nothing")
        if old:
            # The same object again: one string for each user, whoever sent this one.
            user_id = self._remove(*self._find(-old, user_id))
        if left:
            self._amounts[user_id] = left
            self._insert(-left, user_id)
        else:
            self._amounts.pop(user_id, None)

    def rank(self, user_id: str) -> int | None:
        """1 + the number of users with strictly more, or None."""
        amount = self._amounts.get(user_id)
        return None if amount is None else 1 + self._above(-amount)

    def above(self, amount: int) -> int:
        """The number of users with strictly more than this amount."""
        return self._above(-amount)

    def next_above(self, amount: int) -> int | None:
        """The least amount that a user has and that is more than this one, or None."""
        above = self._above(-amount)
        return -next(self._from(above - 1))[0] if above else None

    def rows(self, start: int, limit: int) -> Iterator[tuple[int, str, int]]:
        """Up to `limit` (rank, user, amount) from the place `start` (0 is the top) on."""
        last, rank = 0, 0
        for place, (negated, user) in zip(range(start, start + limit), self._from(start), strict=False):
            if negated != last:
                rank = 1 + (self._above(negated) if last == 0 else place)
                last = negated
            yield rank, user, -negated

    def place(self, user_id: str) -> int | None:
        """The user's place in the board's order, 0 being the top, or None."""
        amount = self._amounts.get(user_id)
        if amount is None:
            return None
        block, inside = self._find(-amount, user_id)
        return self._before(block) + inside

    # Blocks.

    def _above(self, negated: int) -> int:
        block = bisect_left(self._lasts, (negated, ""))
        if block == len(self._lasts):
            return len(self._amounts)
        return self._before(block) + bisect_left(self._negated[block], negated)

    def _find(self, negated: int, user: str) -> tuple[int, int]:
        """The block and the place inside it where this one stands, or would stand if the last block went on."""
        block = bisect_left(self._lasts, (negated, user))
        if block == len(self._lasts):
            return block - 1, len(self._users[block - 1])
        values, users = self._negated[block], self._users[block]
        low = bisect_left(values, negated)
        if values[low] == negated and users[low] < user:
            low = bisect_left(users, user, low + 1, bisect_right(values, negated, low + 1))
        return block, low

    def _from(self, place: int) -> Iterator[tuple[int, str]]:
        """(negated amount, user) from a place on."""
        group = block = 0
        while group < len(self._in_group) and place >= self._in_group[group]:
            place -= self._in_group[group]
            group += 1
        for block in range(group * GROUP, len(self._users)):
            users = self._users[block]
            if place < len(users):
                yield from zip(self._negated[block][place:], users[place:], strict=True)
            place = max(0, place - len(users))

    def _before(self, block: int) -> int:
        """How many users the blocks before this one have."""
        group = block // GROUP
        return sum(self._in_group[:group]) + sum(map(len, self._users[group * GROUP : block]))

    def _count(self) -> None:
        sizes = [len(block) for block in self._users]
        self._in_group = [sum(sizes[start : start + GROUP]) for start in range(0, len(sizes), GROUP)]

    def _insert(self, negated: int, user: str) -> None:
        if not self._users:
            self._users, self._negated, self._lasts = [[user]], [array("q", [negated])], [(negated, user)]
            self._count()
            return
        block, inside = self._find(negated, user)
        users = self._users[block]
        users.insert(inside, user)
        self._negated[block].insert(inside, negated)
        self._in_group[block // GROUP] += 1
        if inside == len(users) - 1:
            self._lasts[block] = negated, user
        if len(users) == 2 * self._block:
            self._cut(block)

    def _cut(self, block: int) -> None:
        users, negated, half = self._users[block], self._negated[block], self._block
        self._users[block : block + 1] = users[:half], users[half:]
        self._negated[block : block + 1] = negated[:half], negated[half:]
        self._lasts.insert(block, (negated[half - 1], users[half - 1]))
        self._count()

    def _remove(self, block: int, inside: int) -> str:
        users, negated = self._users[block], self._negated[block]
        user = users.pop(inside)
        del negated[inside]
        self._in_group[block // GROUP] -= 1
        if not users:
            del self._users[block], self._negated[block], self._lasts[block]
            self._count()
        elif inside == len(users):
            self._lasts[block] = negated[-1], users[-1]
        return user
