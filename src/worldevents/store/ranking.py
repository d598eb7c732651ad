"""An ordered ranking in memory: most first, equal amounts by user id.

Every operation is O(log n), the top k are O(k). One user's entry is one tuple, shared by both structures below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from sortedcontainers import SortedList

_Entry = tuple[int, str]


class Ranking:
    """Users and their amounts, all above zero; who has nothing is not in it."""

    def __init__(self, amounts: Iterable[tuple[str, int]] = ()) -> None:
        # Negated, so that ascending order is the board's order: most first, then user id.
        self._entries: dict[str, _Entry] = {user: (-amount, user) for user, amount in amounts if amount > 0}
        self._order: SortedList[_Entry] = SortedList(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def amount(self, user_id: str) -> int:
        entry = self._entries.get(user_id)
        return 0 if entry is None else -entry[0]

    def total(self) -> int:
        return -sum(entry[0] for entry in self._order)

    def add(self, user_id: str, amount: int) -> None:
        """Move a user by an amount of either sign; at zero the user leaves."""
        old = self._entries.get(user_id)
        left = amount if old is None else amount - old[0]
        if left < 0:
            raise ValueError(f"{user_id} would have less than nothing")
        if old is not None:
            self._order.remove(old)
        if left == 0:
            self._entries.pop(user_id, None)
            return
        entry = (-left, user_id if old is None else old[1])
        self._entries[entry[1]] = entry
        self._order.add(entry)

    def rank(self, user_id: str) -> int | None:
        """1 + the number of users with strictly more, or None."""
        entry = self._entries.get(user_id)
        return None if entry is None else 1 + self._order.bisect_left((entry[0], ""))

    def rows(self, start: int, limit: int) -> Iterator[tuple[int, str, int]]:
        """Up to `limit` (rank, user, amount) from the place `start` (0 is the top) on."""
        last, rank = 0, 0
        for negated, user in islice(self._order.islice(start), limit):
            if negated != last:
                last, rank = negated, 1 + self._order.bisect_left((negated, ""))
            yield rank, user, -negated

    def place(self, user_id: str) -> int | None:
        """The user's place in the board's order, 0 being the top, or None."""
        entry = self._entries.get(user_id)
        return None if entry is None else self._order.bisect_left(entry)
