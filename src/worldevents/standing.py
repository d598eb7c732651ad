"""Where one user stands in one goal, and why: the rank and what is missing, and what each tier says of this user.

Exact integers in smallest units. Pure: all that is told is of one moment, and neither time nor a database is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from worldevents.model import Audience, CommunityGoal, GoalState, GoalStatus, GoalTier, TierUnlock
from worldevents.results import GoalResult, Outcome


class Lack(StrEnum):
    """A reason why the reward of a tier or consolation is not a user's. There may be several; none is left out."""

    NOT_UNLOCKED = "not_unlocked"
    """The goal has not reached the tier yet."""
    MISSED = "missed"
    """The goal is settled, and never reached it."""
    NOT_SETTLED = "not_settled"
    """Whether the goal consoles is decided when it is settled."""
    MET = "met"
    """The goal met its target, and does not console."""
    CANCELLED = "cancelled"
    """The goal was called off before it reached it."""
    NOTHING_COUNTED = "nothing_counted"
    """The user has not contributed anything that counts."""
    BELOW_MINIMUM = "below_minimum"
    """What counts of the user's is less than the tier asks for."""
    HELD = "held"
    """Some of the user's waits for an operator, and does not count until then."""
    LATE = "late"
    """Some of the user's came after the grace, and does not count."""
    BANNED = "banned"
    """The user is banned: what is the user's cannot be claimed until that is over."""


_LOCKED: Final[Mapping[GoalStatus, Lack]] = MappingProxyType(
    {GoalStatus.SETTLED: Lack.MISSED, GoalStatus.CANCELLED: Lack.CANCELLED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a user is on a goal's board, as a store tells it, all of one moment."""

    state: GoalState
    amount: int
    pending: int
    above: int
    """Contributors with strictly more."""
    tied: int
    """Contributors with exactly as much, this one too; 0 without a counted amount."""
    next_amount: int | None
    """The least amount on the board that is more than this user's; None at the top."""
    next_tied: int
    """Contributors with exactly that one."""
    reached: Mapping[int, int]
    """For each of the goal's `minimums`: how many contributors have that much."""

    @property
    def rank(self) -> int | None:
        """1 + the contributors with strictly more; None without a counted amount."""
        return 1 + self.above if self.amount else None

    @property
    def behind(self) -> int:
        """Contributors with strictly less."""
        return self.state.participants - self.above - self.tied


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRank:
    """The rank that the least amount more would give, and how many would share it then, this user too."""

    rank: int
    missing: int
    tied: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStanding:
    """What one tier says of one user."""

    tier: GoalTier
    unlock: TierUnlock | None
    lacks: tuple[Lack, ...]
    """Why the reward is not this user's; empty where it is."""
    missing: int
    """How much more the user has to have counted, whether or not the tier is unlocked."""
    others: int
    """How many others have contributed what the tier asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedStanding:
    """Where a user stands in a goal, and why."""

    user_id: str
    standing: Standing
    late: int
    """What came after the grace: kept, not counted."""
    status: GoalStatus
    next_rank: NextRank | None
    """None at the top."""
    next_tier: GoalTier | None
    """The nearest tier that is still locked."""
    next_minimum: GoalTier | None
    """Of the tiers that ask for more than the user has, the one that asks for the least."""
    tiers: tuple[TierStanding, ...]
    consolation: TierStanding | None
    """The same of what the goal gives if it is not met; None where it gives nothing."""


def minimum(tier: GoalTier) -> int:
    """The least counted amount with which one is among those who have earned a tier; 1 is one contribution."""
    return 1 if tier.audience is Audience.EVERYONE else max(1, tier.minimum)


def minimums(goal: CommunityGoal) -> tuple[int, ...]:
    """What a goal's tiers and its consolation ask for, each amount once, least first."""
    every = goal.tiers if goal.consolation is None else (*goal.tiers, goal.consolation)
    return tuple(sorted({minimum(tier) for tier in every}))


def explain(
    standing: Standing,
    user_id: str,
    *,
    late: int,
    status: GoalStatus,
    is_banned: bool = False,
    result: GoalResult | None = None,
) -> ExplainedStanding:
    """Say what all of it means; `status` is the goal's at that moment, and `result` what it came to, once settled."""
    goal, state = standing.state.goal, standing.state

    def judged(tier: GoalTier, unlock: TierUnlock | None, why: tuple[Lack, ...]) -> TierStanding:
        missing, lacks = _own(tier, standing, late=late, is_banned=is_banned)
        others = standing.reached[minimum(tier)] - (standing.amount >= minimum(tier))
        return TierStanding(tier=tier, unlock=unlock, lacks=why + lacks, missing=missing, others=others)

    tiers = tuple(judged(tier, state.unlock_of(tier), _locked(tier, state, status)) for tier in goal.tiers)
    locked = [one.tier for one in tiers if one.unlock is None]
    wanting = [one.tier for one in tiers if one.missing]
    return ExplainedStanding(
        user_id=user_id,
        standing=standing,
        late=late,
        status=status,
        next_rank=_next_rank(standing),
        next_tier=min(locked, key=lambda tier: tier.threshold_value, default=None),
        next_minimum=min(wanting, key=lambda tier: (minimum(tier), tier.threshold_value), default=None),
        tiers=tiers,
        consolation=None if goal.consolation is None else judged(goal.consolation, None, _unconsoled(status, result)),
    )


def _next_rank(standing: Standing) -> NextRank | None:
    if standing.amount == 0:
        # Whoever contributes anything is on the board: behind all who have more than the smallest unit.
        tied = standing.next_tied if standing.next_amount == 1 else 0
        return NextRank(rank=1 + standing.above - tied, missing=1, tied=tied + 1)
    if standing.next_amount is None:
        return None
    # Nobody is between the two: with as much as the next ones have, one shares their rank.
    rank, missing = 1 + standing.above - standing.next_tied, standing.next_amount - standing.amount
    return NextRank(rank=rank, missing=missing, tied=standing.next_tied + 1)


def _locked(tier: GoalTier, state: GoalState, status: GoalStatus) -> tuple[Lack, ...]:
    return () if state.unlock_of(tier) is not None else (_LOCKED.get(status, Lack.NOT_UNLOCKED),)


def _unconsoled(status: GoalStatus, result: GoalResult | None) -> tuple[Lack, ...]:
    if result is None:
        return (Lack.CANCELLED if status is GoalStatus.CANCELLED else Lack.NOT_SETTLED,)
    if result.consoled:
        return ()
    return (Lack.MET if result.outcome is Outcome.MET else Lack.MISSED,)


def _own(tier: GoalTier, standing: Standing, *, late: int, is_banned: bool) -> tuple[int, tuple[Lack, ...]]:
    """How much more the user has to have, and what is to be said of the user."""
    # What is for everyone is nobody's to claim.
    if tier.audience is Audience.EVERYONE:
        return 0, ()
    lacks: tuple[Lack, ...] = ()
    missing = max(0, minimum(tier) - standing.amount)
    if missing:
        lacks += (Lack.BELOW_MINIMUM if standing.amount else Lack.NOTHING_COUNTED,)
        lacks += (Lack.HELD,) * (standing.pending > 0) + (Lack.LATE,) * (late > 0)
    return missing, lacks + (Lack.BANNED,) * is_banned
