"""Whether an amount is out of line with what its user and all users have contributed: a robust rule, pure.

Amounts are counted in steps of a log scale, 8 for each doubling, so that a history is a few small numbers. Median and
median absolute deviation are read from these, exact to a step. Redis decides by the same integers, word for word, in
`functions/contributing.lua`; tests hold the two together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from worldevents.model import OutlierRule

STEPS: Final = 8
"""Steps for each doubling: one is at most an eighth more than the one before."""
LEAST_SPREAD: Final = 4
"""The least deviation, in steps: half a doubling. Who always contributes the same is allowed a little more, too."""

Shape = Mapping[int, int]
"""A history: how many counted contributions there were in each step."""


def step(amount: int) -> int:
    """The step of a positive amount: whole doublings, and eighths of the way to the next one."""
    doublings = amount.bit_length() - 1
    return STEPS * doublings + (amount * STEPS >> doublings) - STEPS


def middle(shape: Shape) -> int:
    """The lower median of a history that is not empty."""
    half, passed = (sum(shape.values()) + 1) // 2, 0
    for at in sorted(shape):
        passed += shape[at]
        if passed >= half:
            return at
    raise ValueError("an empty history has no middle")


def is_far(rule: OutlierRule, amount: int, shape: Shape) -> bool:
    """Whether an amount is more than so many deviations above a history's median."""
    centre = middle(shape)
    distances: Counter[int] = Counter()
    for at, count in shape.items():
        distances[abs(at - centre)] += count
    return step(amount) - centre > rule.deviations * max(LEAST_SPREAD, middle(distances))


class History:
    """What counted in a goal: the shape of each user's amounts, and that of everyone's."""

    def __init__(self, users: Mapping[str, Shape] | None = None) -> None:
        self.users = {user_id: Counter(shape) for user_id, shape in (users or {}).items()}
        self.everyones: Counter[int] = Counter()
        for shape in self.users.values():
            self.everyones.update(shape)

    def add(self, user_id: str, amount: int) -> None:
        """Remember an amount that counted."""
        at = step(amount)
        self.users.setdefault(user_id, Counter())[at] += 1
        self.everyones[at] += 1

    def rename(self, user_id: str, other: str) -> None:
        """Give another user all that is remembered of this one."""
        if user_id in self.users:
            self.users[other] = self.users.pop(user_id)

    def take(self, other: History) -> None:
        """Remember all that another one does."""
        for user_id, shape in other.users.items():
            self.users.setdefault(user_id, Counter()).update(shape)
        self.everyones.update(other.everyones)


def is_outlier(rule: OutlierRule, user_id: str, amount: int, *, kept: History, also: History) -> bool:
    """Whether an amount is far above both medians, the user's and everyone's, of two histories together.

    Without enough of either nothing is: then there is no line to be out of.
    """
    own = kept.users.get(user_id, Counter()) + also.users.get(user_id, Counter())
    if own.total() < rule.own_least or kept.everyones.total() + also.everyones.total() < rule.everyones_least:
        return False
    return is_far(rule, amount, own) and is_far(rule, amount, kept.everyones + also.everyones)
