"""The words of the domain, frozen: what an event is made of, what a contribution is, what is told about a goal.

Amounts here are exact integers in the metric's smallest unit (grams for kilograms, 1 for counts); instants are UTC.
Nothing in this file decides anything: decisions are in `rules`, wire names in `codec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

Scalar = str | int | Decimal | bool


class Nature(StrEnum):
    """What granting a reward twice would do."""

    OWNERSHIP = "ownership"
    """Harmless: one has it or has it not."""
    QUANTITY = "quantity"
    """Fraud: one has it twice."""


class Audience(StrEnum):
    """Who receives a tier's reward."""

    CONTRIBUTORS = "contributors"
    EVERYONE = "everyone"


class OverLimit(StrEnum):
    """What happens to an amount over a limit."""

    HOLD = "hold"
    REFUSE = "refuse"


class GoalStatus(StrEnum):
    """Where a goal is in its life, at one instant."""

    UPCOMING = "upcoming"
    ACTIVE = "active"
    GRACE = "grace"
    SETTLED = "settled"
    CANCELLED = "cancelled"


class ContributionStatus(StrEnum):
    """What became of a contribution that was kept; the last five are what operators do, see `movements`."""

    COUNTED = "counted"
    HELD = "held"
    LATE = "late"
    CORRECTED = "corrected"
    RELEASED = "released"
    REJECTED = "rejected"
    WITHHELD = "withheld"
    ERASED = "erased"


# What is declared.


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one user's amounts in smallest units; None is no bound."""

    per_contribution: int | None = None
    per_user_day: int | None = None
    per_user: int | None = None
    over: OverLimit = OverLimit.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierRule:
    """When an amount is so far above the user's own and everyone's median that it is held."""

    deviations: int = 6
    """How many median absolute deviations above both, on a log scale."""
    own_least: int = 5
    """With fewer counted contributions of the user's own nothing is held by this rule."""
    everyones_least: int = 50
    """The same, of all users' together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a goal counts: its unit on the wire and how many decimals that unit has."""

    key: str
    unit: str
    decimals: int = 0
    limits: Limits = Limits()

    def decimal(self, amount: int) -> Decimal:
        """An amount in smallest units, as the exact number in the metric's unit."""
        return Decimal(amount).scaleb(-self.decimals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """What a tier or a challenge gives: a kind, a name, and the kind's own fields."""

    kind: str
    name: str
    nature: Nature
    fields: Mapping[str, Scalar | tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalTier:
    """A percentage of the target that unlocks a reward, once."""

    threshold: Decimal
    """Percent of the target, as declared; the tier's name within its goal."""
    threshold_value: int
    """The total at which it unlocks: the percent of the target, rounded up to a smallest unit."""
    reward: Reward
    audience: Audience = Audience.CONTRIBUTORS
    minimum: int = 0
    """The least own amount that qualifies, in smallest units; 0 asks for one counted contribution."""
    claim_within: timedelta | None = None
    """After so long a grant is claimed by itself; None is never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityGoal:
    """An amount that all players reach together, as declared; what it stands at is a `GoalState`."""

    id: str
    event_id: str
    name: str
    metric: Metric
    target: int
    starts_at: datetime
    ends_at: datetime
    grace: timedelta
    description: str = ""
    tiers: tuple[GoalTier, ...] = ()
    hidden: bool = False
    """Counted, but not listed among the goals that players are shown."""
    target_may_rise: bool = False
    players_contribute: bool = False
    """Whether players contribute to it themselves, with a token of their own, beside the servers that hold a key."""
    outliers: OutlierRule | None = None
    """None holds nothing for being out of line."""
    near_miss: Decimal = Decimal(90)
    """The percent of the target from which missing it is a near miss."""
    consolation: GoalTier | None = None
    """What is given when the goal settles without its target and with at least this tier's total."""
    cancelled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalChallenge:
    """A fixed target for one user, measured by what that user contributed to a goal of the same event."""

    id: str
    name: str
    goal_id: str
    target: int
    reward: Reward
    description: str = ""
    claim_within: timedelta | None = None
    """After so long a grant is claimed by itself; None is never."""
    """After so long a grant is claimed by itself; None is never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonalEvent:
    """A season: a window of time with community goals and personal challenges."""

    id: str
    name: str
    starts_at: datetime
    ends_at: datetime
    grace: timedelta
    description: str = ""
    goals: tuple[CommunityGoal, ...] = ()
    challenges: tuple[PersonalChallenge, ...] = ()
    cancelled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventVersion:
    """One published state of an event: who wrote it, when, and why."""

    event: SeasonalEvent
    version: int
    author: str
    published_at: datetime
    reason: str = ""


# What happens. Three of these are made for every contribution: as named tuples, which takes a third of the time.


class GoalContribution(NamedTuple):
    """One user's amount for one goal, under an id that its caller chose and repeats on a retry."""

    goal_id: str
    user_id: str
    contribution_id: str
    amount: int
    occurred_at: datetime | None = None
    """When it happened, from a trusted caller; None is the instant of arrival."""
    display_name: str | None = None


class Position(NamedTuple):
    """A place in the order in which contributions were applied, within one epoch."""

    epoch: str
    seq: int


class Ack(StrEnum):
    """How safe a contribution is before it is answered."""

    APPLIED = "applied"
    """In the store's memory: a process may die, the store's server may not lose what it has."""
    FSYNCED = "fsynced"
    """On the disk of the store's server."""
    LEDGER = "ledger"
    """A row of the ledger: the store may be lost as a whole."""


class Partition(NamedTuple):
    """A share of a goal's users that one server of a store holds. With one partition it holds them all."""

    goal_id: str
    number: int = 0


class OutboxEntry(NamedTuple):
    """A contribution that a store has applied, on its way to the ledger, and what was decided about it."""

    position: Position
    contribution: GoalContribution
    status: ContributionStatus
    occurred_at: datetime
    received_at: datetime


class Unreadable(NamedTuple):
    """An entry of an outbox that nobody understands, as text; the ledger keeps it among its dead letters."""

    position: Position
    raw: str


class Repair(NamedTuple):
    """An entry that a store counted and the ledger did not: the store takes it back, once for this position."""

    partition: Partition
    position: Position
    user_id: str
    amount: int
    status: ContributionStatus


class Receipt(NamedTuple):
    """The answer to a contribution that was kept. On a repeat `status` is the stored one, the values are today's."""

    contribution: GoalContribution
    metric: Metric
    status: ContributionStatus
    duplicate: bool
    current_value: int
    user_contribution: int
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class TierUnlock:
    """The fact that a tier was reached: which contribution did it, or None where an edit of the target did."""

    goal_id: str
    threshold: Decimal
    unlocked_at: datetime
    position: Position | None


# What is told.


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalState:
    """A goal and all that it stands at, at one version: a higher `seq` of one epoch is newer."""

    goal: CommunityGoal
    total: int
    pending: int
    """Held amounts: shown beside the total, never part of it."""
    participants: int
    unlocks: tuple[TierUnlock, ...]
    epoch: str
    seq: int

    def unlock_of(self, tier: GoalTier) -> TierUnlock | None:
        """The fact that this tier was reached, or None."""
        return next((unlock for unlock in self.unlocks if unlock.threshold == tier.threshold), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalUpdate:
    """A live change of a goal, told as its whole new state, and the tiers it newly reached."""

    state: GoalState
    unlocked: tuple[TierUnlock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contributor:
    """A row of the leaderboard; equal amounts share a rank."""

    rank: int
    user_id: str
    amount: int
    display_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """Rows of a goal's ranking, how many contributors it has, and one user's own row if asked for."""

    goal: CommunityGoal
    contributors: tuple[Contributor, ...]
    participants: int
    user: Contributor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GoalProgress:
    """A goal's state and one user's share of it; without a counted contribution the amount is 0 and the rank None."""

    state: GoalState
    user_contribution: int = 0
    user_pending: int = 0
    user_rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeProgress:
    """How far one user is in a personal challenge."""

    challenge: PersonalChallenge
    metric: Metric
    amount: int
    completed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """What a host says to those who are on a topic at that moment."""

    id: str
    topic: str
    event: str
    payload: bytes
    """A JSON object in one line of ASCII."""
