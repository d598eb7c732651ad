"""What is left of a goal when it is settled, for ever: its figures, its outcome, and the rank of everyone in it.

Words only. Amounts are exact integers in the metric's smallest unit, instants are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from worldevents.model import CommunityGoal


class Outcome(StrEnum):
    """How a goal ended."""

    MET = "met"
    """It reached its target, once: a correction that came later does not take that back."""
    NEAR_MISSED = "near_missed"
    """It reached at least the goal's `near_miss` percent of its target."""
    MISSED = "missed"


class ReachedTier(NamedTuple):
    """A tier of the goal that was unlocked, by its percent of the target, and when."""

    threshold: Decimal
    unlocked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalResult:
    """A settled goal: written once, never changed."""

    goal: CommunityGoal
    """As it is declared: target, metric, window and tiers are as they were then, names may be newer."""
    total: int
    pending: int
    """Held amounts that nobody had decided about: part of nothing."""
    late: int
    """What had come after the grace by then: part of nothing."""
    participants: int
    outcome: Outcome
    completed_at: datetime | None
    """When the target was first reached."""
    tiers: tuple[ReachedTier, ...]
    consoled: bool
    """Whether the goal's consolation is given."""
    settled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalRow:
    """One contributor of a settled goal. Places are 1, 2, 3, ...; equal amounts share a rank, in order of user ids."""

    place: int
    rank: int
    user_id: str
    amount: int
    display_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalBoard:
    """A page of a settled goal's contributors, and one user's own row if asked for."""

    result: GoalResult
    rows: tuple[FinalRow, ...]
    user: FinalRow | None = None
