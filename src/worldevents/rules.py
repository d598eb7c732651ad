"""Pure decisions: what counts, when, and what it reaches. No time is read here and nothing is remembered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from worldevents.errors import (
    AmountInvalid,
    BodyInvalid,
    Complaint,
    GoalNotOpen,
    IdInvalid,
    LimitExceeded,
    OccurredAtFuture,
)
from worldevents.model import (
    CommunityGoal,
    ContributionStatus,
    GoalContribution,
    GoalStatus,
    GoalTier,
    Limits,
    Metric,
    OverLimit,
    SeasonalEvent,
)
from worldevents.results import Outcome

TOTAL_BOUND: Final = 2**53
"""Every total stays below this many smallest units: exact in JavaScript, JSON and sorted-set scores alike."""
FUTURE_TOLERANCE: Final = timedelta(seconds=60)
"""How far ahead a trusted caller's clock may be."""
DISPLAY_NAME_MAX: Final = 64
REASON_MAX: Final = 500
AUTHOR_MAX: Final = 100

_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}")
_TOMBSTONE = re.compile(r"erased#[0-9a-f]{16}")
_SLUG = re.compile(r"[a-z0-9-]{1,64}")
_DECIMAL = re.compile(r"-?[0-9]{1,64}(\.[0-9]{1,64})?")
_AMOUNT_DIGITS_MAX = 64

Amount = int | str | Decimal


# Forms.


def check_id(value: object, field: str) -> str:
    """An id of a user, a contribution or an action; IdInvalid names the field."""
    if not isinstance(value, str) or not is_id(value):
        raise IdInvalid(field=field)
    return value


def is_id(value: str) -> bool:
    """Whether this may be the id of a user, a contribution or an action."""
    return _ID.fullmatch(value) is not None


def check_user(value: object, field: str) -> str:
    """The id of somebody whom operators may change: a user's, or what stands for one who was erased; else IdInvalid."""
    if isinstance(value, str) and is_tombstone(value):
        return value
    return check_id(value, field)


def is_tombstone(user_id: str) -> bool:
    """Whether this stands for a user who was erased: no caller's id has a `#`."""
    return _TOMBSTONE.fullmatch(user_id) is not None


def is_slug(value: str) -> bool:
    """Whether this may be the id of an event, a goal or a challenge: 1 to 64 of a-z, 0-9 and -."""
    return _SLUG.fullmatch(value) is not None


def check_display_name(value: object) -> str | None:
    """A name to show on a board: 1 to 64 printable characters, or None."""
    if value is None:
        return None
    # The joiner inside an emoji is no letter that could be printed, and no danger either.
    shown = value.replace("\u200d", "") if isinstance(value, str) else ""
    if not isinstance(value, str) or not shown.isprintable() or not shown.strip() or len(value) > DISPLAY_NAME_MAX:
        raise BodyInvalid(f"a display name is 1 to {DISPLAY_NAME_MAX} printable characters", field="displayName")
    return value


def check_reason(value: object) -> str:
    """Why something is changed: a text that can be shown, without spaces around it."""
    return _check_text(value, "reason", REASON_MAX)


def check_author(value: object) -> str:
    """Who changes something, as `check_reason`."""
    return _check_text(value, "author", AUTHOR_MAX)


def _check_text(value: object, field: str, longest: int) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > longest or not value.isprintable():
        raise BodyInvalid(f"1 to {longest} printable characters", field=field)
    return value.strip()


def check_occurred_at(value: object) -> datetime | None:
    """An instant with its offset from UTC, given in UTC; or None."""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise BodyInvalid("an instant carries its offset from UTC", field="occurredAt")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise BodyInvalid("the instant is out of range in UTC", field="occurredAt") from None


def check_amount(value: object, metric: Metric, field: str = "amount") -> int:
    """A positive amount in the metric's unit, as an exact integer in its smallest unit.

    Raises AmountInvalid for zero, and for all that `check_quantity` refuses.
    """
    smallest = check_quantity(value, metric.decimals, field)
    if smallest == 0:
        raise AmountInvalid("an amount is more than zero", field=field)
    return smallest


def check_quantity(value: object, decimals: int, field: str) -> int:
    """A number of zero or more with so many decimals, as an exact integer in units of the last decimal.

    Takes int, Decimal and decimal strings, never floats: a float has already lost what was meant. Raises AmountInvalid
    for negatives, NaN, infinities, more decimals than asked for, and 2^53 units or more.
    """
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        smallest = value * 10**decimals if value < TOTAL_BOUND else TOTAL_BOUND
    elif isinstance(value, Decimal) and value.is_finite():
        smallest = _exact(value, decimals, field)
    else:
        raise AmountInvalid(field=field)
    if smallest < 0:
        raise AmountInvalid("an amount is not negative", field=field)
    if smallest >= TOTAL_BOUND:
        raise AmountInvalid("the amount is too large", field=field)
    return smallest


def _exact(value: Decimal, decimals: int, field: str) -> int:
    digits = value.as_tuple().digits
    if not any(digits):
        return 0
    if len(digits) > _AMOUNT_DIGITS_MAX or abs(value.adjusted()) > _AMOUNT_DIGITS_MAX:
        raise AmountInvalid("the amount has too many digits", field=field)
    numerator, denominator = value.as_integer_ratio()
    smallest, rest = divmod(numerator * int(10**decimals), denominator)
    if rest:
        raise AmountInvalid(f"the amount has more than {decimals} decimals", field=field)
    return smallest


# Time.


def status_at(window: CommunityGoal | SeasonalEvent, now: datetime) -> GoalStatus:
    """Where a goal or event is in its life: a function of the present and what is declared, of no timer that ran."""
    if _is_cancelled(window, now):
        return GoalStatus.CANCELLED
    if now < window.starts_at:
        return GoalStatus.UPCOMING
    if now < window.ends_at:
        return GoalStatus.ACTIVE
    # The difference, for ends_at + grace may lie past the last year that a datetime knows.
    return GoalStatus.GRACE if now - window.ends_at < window.grace else GoalStatus.SETTLED


def _is_cancelled(window: CommunityGoal | SeasonalEvent, now: datetime) -> bool:
    return window.cancelled_at is not None and window.cancelled_at <= now


def takes(goal: CommunityGoal, instant: datetime, now: datetime) -> bool:
    """Whether something that happened at `instant` and is told `now` belongs to this goal, counted or late."""
    return goal.starts_at <= instant < goal.ends_at and not _is_cancelled(goal, now)


def check_not_future(instant: datetime, now: datetime) -> None:
    """OccurredAtFuture where this is further ahead than a caller's clock may be."""
    if instant - now > FUTURE_TOLERANCE:
        raise OccurredAtFuture(field="occurredAt")


def judge(goal: CommunityGoal, occurred_at: datetime | None, arrived_at: datetime) -> ContributionStatus:
    """COUNTED or LATE; raises OccurredAtFuture or GoalNotOpen.

    An instant in [starts_at, ends_at) counts if it arrives before ends_at + grace; after that it is late.
    """
    instant = arrived_at if occurred_at is None else occurred_at
    check_not_future(instant, arrived_at)
    if not takes(goal, instant, arrived_at):
        raise GoalNotOpen(_why_not_open(goal, instant, arrived_at))
    return ContributionStatus.COUNTED if arrived_at - goal.ends_at < goal.grace else ContributionStatus.LATE


def _why_not_open(goal: CommunityGoal, instant: datetime, arrived_at: datetime) -> str:
    if _is_cancelled(goal, arrived_at):
        return f"{goal.id} was cancelled"
    if instant < goal.starts_at:
        return f"{goal.id} starts at {goal.starts_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"{goal.id} ended at {goal.ends_at:%Y-%m-%dT%H:%M:%SZ}"


# Amounts.


def over_limit(limits: Limits, amount: int, *, user_today: int, user_total: int) -> str | None:
    """Which limit this amount would break, in words, or None; the other two are what the user has counted so far."""
    if limits.per_contribution is not None and amount > limits.per_contribution:
        return "the limit for one contribution"
    if limits.per_user_day is not None and user_today + amount > limits.per_user_day:
        return "the limit for one user and day"
    if limits.per_user is not None and user_total + amount > limits.per_user:
        return "the limit for one user"
    return None


def judge_amount(
    goal: CommunityGoal,
    contribution: GoalContribution,
    *,
    total: int,
    user_today: int,
    user_total: int,
    is_outlier: bool = False,
) -> ContributionStatus:
    """COUNTED, or HELD where the goal holds amounts over its limits, or this one is an outlier; raises LimitExceeded.

    `total` is the goal's total and pending together: neither may reach 2^53, not even by a release.
    """
    if total + contribution.amount >= TOTAL_BOUND:
        raise LimitExceeded("the goal cannot hold so much", field="amount")
    limits = goal.metric.limits
    broken = over_limit(limits, contribution.amount, user_today=user_today, user_total=user_total)
    if broken is None:
        return ContributionStatus.HELD if is_outlier else ContributionStatus.COUNTED
    if limits.over is OverLimit.REFUSE:
        raise LimitExceeded(f"the amount is over {broken}", field="amount")
    return ContributionStatus.HELD


def threshold_value(target: int, threshold: Decimal) -> int:
    """The total at which a tier unlocks: `threshold` percent of the target, rounded up to a smallest unit."""
    numerator, denominator = threshold.as_integer_ratio()
    return -(-target * numerator // (denominator * 100))


def outcome(goal: CommunityGoal, total: int, *, completed: bool) -> Outcome:
    """How a goal ends that settles with this total; `completed` says that it has reached its target at some time."""
    if completed or total >= goal.target:
        return Outcome.MET
    near = threshold_value(goal.target, goal.near_miss)
    return Outcome.NEAR_MISSED if total >= near else Outcome.MISSED


def consoles(goal: CommunityGoal, total: int, ended: Outcome) -> bool:
    """Whether a goal that ends so gives its consolation."""
    tier = goal.consolation
    return tier is not None and ended is not Outcome.MET and total >= tier.threshold_value


def percent(total: int, target: int, *, decimals: int = 2) -> Decimal:
    """How much of the target is reached, floored to so many decimals; goes on past 100."""
    return Decimal(total * 10 ** (decimals + 2) // target).scaleb(-decimals)


# Edits of a running event, and of one that is settled.


def window_edit_complaints(old: SeasonalEvent, new: SeasonalEvent, now: datetime) -> list[Complaint]:
    """Why this event cannot get another window or life now; empty where it can."""
    complaints = []
    if old.cancelled_at is not None and new.cancelled_at != old.cancelled_at:
        complaints.append(Complaint("was cancelled and stays so", ("event",)))
    if old.starts_at <= now and new.starts_at != old.starts_at:
        complaints.append(Complaint("cannot move after the start", ("event", "starts_at")))
    if new.ends_at != old.ends_at and new.ends_at < now:
        complaints.append(Complaint("cannot move into the past", ("event", "ends_at")))
    return complaints


def goal_edit_complaints(
    old: CommunityGoal, new: CommunityGoal, *, now: datetime, unlocked: Sequence[Decimal]
) -> list[Complaint]:
    """Why this edit of a goal would break a promise to its players; paths are within the goal."""
    complaints = []
    if old.starts_at <= now:
        if (new.metric.key, new.metric.decimals) != (old.metric.key, old.metric.decimals):
            complaints.append(Complaint("is fixed once the goal has started", ("metric",)))
        if new.target > old.target and not old.target_may_rise:
            message = "may go down but not up after the start, unless target_may_rise was declared before"
            complaints.append(Complaint(message, ("target",)))
        if new.target_may_rise and not old.target_may_rise:
            complaints.append(Complaint("has to be declared before the start", ("target_may_rise",)))
    kept = {tier.threshold for tier in new.tiers}
    gone = [threshold for threshold in unlocked if threshold not in kept]
    return complaints + [Complaint(f"{threshold:f} % is unlocked and stays", ("tiers",)) for threshold in gone]


def settled_edit_complaints(old: SeasonalEvent, new: SeasonalEvent) -> list[Complaint]:
    """Why this edit would change what is settled; names, descriptions, rewards and what is shown may still change."""
    complaints = [
        Complaint(_SETTLED, ("event", name))
        for name in ("starts_at", "ends_at", "grace", "cancelled_at")
        if getattr(old, name) != getattr(new, name)
    ]
    places = {goal.id: place for place, goal in enumerate(new.goals)}
    before = {goal.id: goal for goal in old.goals}
    if places.keys() != before.keys():
        complaints.append(Complaint("are settled: none comes and none goes", ("goals",)))
    for goal_id in [one for one in before if one in places]:
        place = places[goal_id]
        frozen, asked = _frozen(before[goal_id]), _frozen(new.goals[place])
        complaints += [Complaint(_SETTLED, ("goals", place, name)) for name in frozen if frozen[name] != asked[name]]
    if _asked_by_challenges(old) != _asked_by_challenges(new):
        complaints.append(Complaint("are settled: none comes, none goes, and their targets stay", ("challenges",)))
    return complaints


_SETTLED: Final = "is settled and stays"


def _frozen(goal: CommunityGoal) -> Mapping[str, object]:
    """What of a goal its result rests on."""
    return {
        "metric": (goal.metric.key, goal.metric.decimals),
        "target": goal.target,
        "near_miss": goal.near_miss,
        "tiers": [_asks(tier) for tier in goal.tiers],
        "consolation": None if goal.consolation is None else _asks(goal.consolation),
    }


def _asks(tier: GoalTier) -> tuple[object, ...]:
    return tier.threshold, tier.threshold_value, tier.audience, tier.minimum


def _asked_by_challenges(event: SeasonalEvent) -> Mapping[str, tuple[str, int]]:
    return {one.id: (one.goal_id, one.target) for one in event.challenges}
