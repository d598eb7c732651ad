"""Model <-> JSON: the only place that knows the wire's camelCase names.

Amounts are JSON numbers in the metric's unit, instants ISO 8601 in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from worldevents import rules
from worldevents.grants import RewardGrant
from worldevents.model import (
    ChallengeProgress,
    CommunityGoal,
    Contributor,
    EventVersion,
    GoalProgress,
    GoalState,
    GoalTier,
    Leaderboard,
    Metric,
    PersonalChallenge,
    Receipt,
    Reward,
    TierUnlock,
)

Json = dict[str, Any]


def instant(value: datetime) -> str:
    """ISO 8601 in UTC with Z, milliseconds only where there are any."""
    value = value.astimezone(UTC)
    return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds").replace("+00:00", "Z")


def number(amount: int, metric: Metric) -> int | float:
    """An amount in smallest units as a JSON number in the metric's unit.

    The float prints as exactly the decimal that is meant up to 2^52 smallest units (4.5 trillion kg): so far floats lie
    closer together than amounts do. From there to 2^53 a number with decimals may be off by one smallest unit.
    """
    scale: int = 10**metric.decimals
    # Division of ints is rounded once, to the float next to the true value.
    return amount / scale if amount % scale else amount // scale


def plain(value: Decimal) -> int | float:
    """A decimal as a JSON number, without a point where there is nothing behind it."""
    return int(value) if value == value.to_integral_value() else float(value)


def goal(state: GoalState, now: datetime) -> Json:
    """A CommunityGoal as outsiders read it, at one moment."""
    declared, metric = state.goal, state.goal.metric
    return {
        "id": declared.id,
        "eventId": declared.event_id,
        "name": declared.name,
        "description": declared.description,
        "metric": metric.key,
        "unit": metric.unit,
        "targetValue": number(declared.target, metric),
        "currentValue": number(state.total, metric),
        "pendingValue": number(state.pending, metric),
        "percent": plain(rules.percent(state.total, declared.target)),
        "rewardTiers": [tier_of(tier, state) for tier in declared.tiers],
        "nearMiss": plain(declared.near_miss),
        "consolation": None if declared.consolation is None else promised(declared.consolation, metric),
        "startsAt": instant(declared.starts_at),
        "endsAt": instant(declared.ends_at),
        "status": rules.status_at(declared, now).value,
        "participantCount": state.participants,
        "epoch": state.epoch,
        "seq": state.seq,
        "serverTime": instant(now),
    }


def tier_of(tier: GoalTier, state: GoalState) -> Json:
    """A tier of a goal at one moment."""
    unlock = state.unlock_of(tier)
    unlocked_at = None if unlock is None else instant(unlock.unlocked_at)
    return {**promised(tier, state.goal.metric), "unlocked": unlock is not None, "unlockedAt": unlocked_at}


def promised(tier: GoalTier, metric: Metric) -> Json:
    """What a tier, or a consolation, gives, and what it asks for."""
    return {
        "threshold": plain(tier.threshold),
        "thresholdValue": number(tier.threshold_value, metric),
        "reward": reward(tier.reward),
        "audience": tier.audience.value,
        "minimum": number(tier.minimum, metric),
    }


def reward(value: Reward) -> Json:
    """A reward with its kind's own fields beside kind and name."""
    fields = {key: _field(field) for key, field in value.fields.items()}
    return {"kind": value.kind, "name": value.name, **fields}


def _field(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    return list(value) if isinstance(value, tuple) else value


def grant(value: RewardGrant) -> Json:
    """A reward that somebody was granted; `threshold` or `challengeId` says what gave it, or it is a consolation."""
    told = {
        "id": value.id,
        "number": value.number,
        "eventId": value.event_id,
        "goalId": value.goal_id,
        "threshold": None if value.threshold is None else plain(value.threshold),
        "challengeId": value.challenge_id,
        "userId": value.user_id,
        "reward": reward(value.reward),
        "nature": value.reward.nature.value,
        "version": value.version,
        "status": value.status.value,
        "grantedAt": instant(value.granted_at),
        "reason": value.reason,
        "author": value.author,
        "outcome": dict(value.outcome),
    }
    instants = {
        "claimUntil": value.claim_until,
        "claimedAt": value.claimed_at,
        "deliveredAt": value.delivered_at,
        "revokedAt": value.revoked_at,
    }
    return told | {name: None if one is None else instant(one) for name, one in instants.items()}


def progress(value: GoalProgress, now: datetime) -> Json:
    """A goal and one user's share of it."""
    metric = value.state.goal.metric
    return {
        "goal": goal(value.state, now),
        "userContribution": number(value.user_contribution, metric),
        "userPending": number(value.user_pending, metric),
        "userRank": value.user_rank,
        "participantCount": value.state.participants,
    }


def leaderboard(board: Leaderboard) -> Json:
    """Rows of a ranking, the count of contributors, and the own row."""
    metric = board.goal.metric
    return {
        "contributors": [contributor(row, metric) for row in board.contributors],
        "participantCount": board.participants,
        "user": None if board.user is None else contributor(board.user, metric),
    }


def contributor(row: Contributor, metric: Metric) -> Json:
    """A row of a ranking."""
    return {
        "rank": row.rank,
        "userId": row.user_id,
        "displayName": row.display_name,
        "amount": number(row.amount, metric),
    }


def receipt(value: Receipt) -> Json:
    """The answer to a contribution."""
    contribution, metric = value.contribution, value.metric
    return {
        "contributionId": contribution.contribution_id,
        "goalId": contribution.goal_id,
        "userId": contribution.user_id,
        "amount": number(contribution.amount, metric),
        "status": value.status.value,
        "duplicate": value.duplicate,
        "currentValue": number(value.current_value, metric),
        "userContribution": number(value.user_contribution, metric),
        "position": f"{value.position.epoch}:{value.position.seq}",
    }


def event(version: EventVersion, now: datetime, challenges: Sequence[ChallengeProgress] = ()) -> Json:
    """An event as outsiders read it; `challenges` adds one user's progress to each personal challenge."""
    declared = version.event
    done = {progress.challenge.id: progress for progress in challenges}
    metrics = {goal.id: goal.metric for goal in declared.goals}
    return {
        "id": declared.id,
        "name": declared.name,
        "description": declared.description,
        "startsAt": instant(declared.starts_at),
        "endsAt": instant(declared.ends_at),
        "graceSeconds": int(declared.grace.total_seconds()),
        "status": rules.status_at(declared, now).value,
        "version": version.version,
        "author": version.author,
        "publishedAt": instant(version.published_at),
        "goalIds": [goal.id for goal in declared.goals if not goal.hidden],
        "challenges": [_challenge(one, metrics[one.goal_id], done.get(one.id)) for one in declared.challenges],
    }


def _challenge(challenge: PersonalChallenge, metric: Metric, done: ChallengeProgress | None) -> Json:
    own = {} if done is None else {"userContribution": number(done.amount, metric), "completed": done.completed}
    return {
        "id": challenge.id,
        "name": challenge.name,
        "description": challenge.description,
        "metric": metric.key,
        "unit": metric.unit,
        "targetValue": number(challenge.target, metric),
        "reward": reward(challenge.reward),
        **own,
    }


def update(state: GoalState, now: datetime, *, snapshot: bool) -> Json:
    """A goal's whole state as it is told live, flat; `snapshot` says that it is told for a start, not for a change."""
    declared, metric = state.goal, state.goal.metric
    return {
        "goalId": declared.id,
        "eventId": declared.event_id,
        "name": declared.name,
        "metric": metric.key,
        "newValue": number(state.total, metric),
        "targetValue": number(declared.target, metric),
        "percent": plain(rules.percent(state.total, declared.target)),
        "nextTier": _next_tier(state),
        "tiersUnlocked": [plain(tier.threshold) for tier in declared.tiers if state.unlock_of(tier) is not None],
        "contributors": state.participants,
        "startsAt": instant(declared.starts_at),
        "endsAt": instant(declared.ends_at),
        "status": rules.status_at(declared, now).value,
        "serverTime": instant(now),
        "epoch": state.epoch,
        "seq": state.seq,
        "snapshot": snapshot,
    }


def _next_tier(state: GoalState) -> Json | None:
    """The nearest tier that is still locked: its place among the goal's tiers, and how much is missing."""
    locked = [
        (tier.threshold_value, index, tier)
        for index, tier in enumerate(state.goal.tiers)
        if state.unlock_of(tier) is None
    ]
    if not locked:
        return None
    value, index, tier = min(locked, key=lambda one: one[:2])
    remaining = number(max(0, value - state.total), state.goal.metric)
    return {"index": index, "threshold": plain(tier.threshold), "remaining": remaining}


def standing(value: GoalProgress, user_id: str, now: datetime, *, rank_before: int | None, snapshot: bool) -> Json:
    """Where a user stands in a goal, as the user is told live; `rankChange` is positive for places that were gained."""
    state, metric, rank = value.state, value.state.goal.metric, value.user_rank
    return {
        "goalId": state.goal.id,
        "eventId": state.goal.event_id,
        "userId": user_id,
        "userContribution": number(value.user_contribution, metric),
        "userPending": number(value.user_pending, metric),
        "userRank": rank,
        "rankChange": None if rank is None or rank_before is None else rank_before - rank,
        "participantCount": state.participants,
        "serverTime": instant(now),
        "epoch": state.epoch,
        "seq": state.seq,
        "snapshot": snapshot,
    }


def tier_unlocked(state: GoalState, unlock: TierUnlock) -> Json:
    """The fact that a tier was reached, as it is told live. `state` is one that has the unlock's tier."""
    return {**unlocked_tier(state.goal, unlock), "epoch": state.epoch, "seq": state.seq}


def unlocked_tier(declared: CommunityGoal, unlock: TierUnlock) -> Json:
    """The fact that a tier was reached, as hosts are told; the goal is one that has the unlock's tier."""
    metric = declared.metric
    index, tier = next((at, tier) for at, tier in enumerate(declared.tiers) if tier.threshold == unlock.threshold)
    return {
        "goalId": declared.id,
        "eventId": declared.event_id,
        "name": declared.name,
        "index": index,
        "threshold": plain(tier.threshold),
        "thresholdValue": number(tier.threshold_value, metric),
        "reward": reward(tier.reward),
        "unlockedAt": instant(unlock.unlocked_at),
    }


def completed_goal(declared: CommunityGoal, total: int, at: datetime) -> Json:
    """The fact that a goal's target was reached, as hosts are told."""
    return {
        "goalId": declared.id,
        "eventId": declared.event_id,
        "name": declared.name,
        "currentValue": number(total, declared.metric),
        "targetValue": number(declared.target, declared.metric),
        "completedAt": instant(at),
    }
