"""Between the model and what the functions take and gives: strings both ways. Nothing is decided here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from worldevents.errors import (
    BelowZero,
    ContributionConflict,
    GoalNotOpen,
    LimitExceeded,
    OccurredAtFuture,
    UserBanned,
    WorldEventsError,
)
from worldevents.model import (
    Broadcast,
    CommunityGoal,
    ContributionStatus,
    GoalContribution,
    GoalState,
    OutboxEntry,
    Partition,
    Position,
    TierUnlock,
    Unreadable,
)
from worldevents.movements import Movement
from worldevents.standing import Standing
from worldevents.store.keys import digest

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_REFUSALS: Final[Mapping[str, WorldEventsError]] = {
    "occurred_at_future": OccurredAtFuture(field="occurredAt"),
    "contribution_conflict": ContributionConflict(field="contributionId"),
    "user_banned": UserBanned(field="userId"),
    "below_zero": BelowZero(field="amount"),
}

_STATUSES: Final = {status.value.encode(): status for status in ContributionStatus}


def microseconds(instant: datetime) -> str:
    """An instant as the functions take it."""
    return str((instant - EPOCH) // _MICROSECOND)


def instant(told: bytes) -> datetime:
    """What `microseconds` wrote."""
    return EPOCH + int(told) * _MICROSECOND


def day(value: date) -> str:
    """A UTC day as a number."""
    return str((value - EPOCH.date()).days)


def configuration(goal: CommunityGoal, version: int, *, again: bool) -> list[str]:
    """What a goal's contributions are judged by; told `again` it is a change though the version is known."""
    limits = goal.metric.limits
    closes = int(microseconds(goal.ends_at)) + goal.grace // _MICROSECOND
    told = {
        "starts": microseconds(goal.starts_at),
        "ends": microseconds(goal.ends_at),
        "closes": str(closes),
        "cancelled": "" if goal.cancelled_at is None else microseconds(goal.cancelled_at),
        "one": "" if limits.per_contribution is None else str(limits.per_contribution),
        "day": "" if limits.per_user_day is None else str(limits.per_user_day),
        "user": "" if limits.per_user is None else str(limits.per_user),
        "over": limits.over.value,
        "deviations": "" if goal.outliers is None else str(goal.outliers.deviations),
        "own_least": "" if goal.outliers is None else str(goal.outliers.own_least),
        "everyones_least": "" if goal.outliers is None else str(goal.outliers.everyones_least),
    }
    return [str(version), str(int(again)), *(word for pair in told.items() for word in pair)]


def shape(found: Mapping[int, int]) -> str:
    """A user's history as the functions keep it."""
    return " ".join(f"{step}={count}" for step, count in sorted(found.items()))


def known(amount: int, status: ContributionStatus, position: Position) -> str:
    """A contribution that is held, as the memory of ids has it."""
    return f"{amount}|{status.value}|{position.epoch}|{position.seq}"


def item(contribution: GoalContribution, held: str) -> list[str | bytes]:
    """One contribution; `held` is what the ledger has under its id, or nothing."""
    name = contribution.display_name
    return [
        contribution.user_id,
        contribution.contribution_id,
        digest(contribution.user_id, contribution.contribution_id),
        str(contribution.amount),
        "" if contribution.occurred_at is None else microseconds(contribution.occurred_at),
        "0" if name is None else "1",
        name or "",
        held,
    ]


def movement(moved: Movement, held: str, *, amount: str | None) -> list[str | bytes]:
    """One movement; `amount` stands for its own, `held` is what the ledger has under its id, or nothing."""
    one = moved.contribution
    told = str(one.amount) if amount is None else amount
    return [one.contribution_id, digest(one.user_id, one.contribution_id), told, moved.status.value, held]


def refusal(told: str) -> WorldEventsError:
    """What a function answers to an item that it does not take."""
    code, _, why = told.removeprefix("!").partition("|")
    if code == "limit_exceeded":
        return LimitExceeded(why, field="amount")
    return _REFUSALS.get(code) or GoalNotOpen()


def entries(partition: Partition, epoch: str, found: Iterable[Any]) -> list[OutboxEntry | Unreadable]:
    """Entries of an outbox."""
    told = []
    for name, fields in found:
        position = Position(epoch, int(name.partition(b"-")[0]))
        told.append(_entry(partition, position, dict(zip(fields[::2], fields[1::2], strict=False))))
    return told


def _entry(partition: Partition, position: Position, told: dict[bytes, bytes]) -> OutboxEntry | Unreadable:
    try:
        happened, name = instant(told[b"o"]), told.get(b"n")
        contribution = GoalContribution(
            partition.goal_id,
            told[b"u"].decode(),
            told[b"c"].decode(),
            int(told[b"a"]),
            happened,
            None if name is None else name.decode(),
        )
        return OutboxEntry(position, contribution, _STATUSES[told[b"s"]], happened, instant(told[b"r"]))
    except (KeyError, ValueError, OverflowError):
        return Unreadable(position, repr(told))


def unlocks(goal_id: str, told: bytes | str) -> tuple[TierUnlock, ...]:
    """Unlocks as a partition keeps them."""
    return tuple(
        TierUnlock(
            goal_id=goal_id,
            threshold=Decimal(threshold),
            unlocked_at=EPOCH + at * _MICROSECOND,
            position=None if position is None else Position(*position),
        )
        for threshold, at, position in (json.loads(told) if told else ())
    )


def unlocks_told(found: Sequence[TierUnlock]) -> str:
    """What `unlocks` reads."""
    return json.dumps(
        [
            [f"{one.threshold:f}", int(microseconds(one.unlocked_at)), one.position and list(one.position)]
            for one in found
        ]
    )


def state(goal: CommunityGoal, told: Sequence[Sequence[Any]]) -> GoalState:
    """One goal from the states of all its partitions."""
    epochs = [_text(one[0]) for one in told]
    return GoalState(
        goal=goal,
        total=sum(int(one[3]) for one in told),
        pending=sum(int(one[4]) for one in told),
        participants=sum(int(one[5]) for one in told),
        unlocks=unlocks(goal.id, told[0][6]),
        epoch=epochs[0],
        seq=sum(int(one[2]) for one in told),
    )


def standing(goal: CommunityGoal, told: Sequence[Sequence[Any]], own: Sequence[Any], asked: Sequence[int]) -> Standing:
    """One user's place from what all partitions say of it, `own` being the one that the user is in."""
    nearest = [(int(one[5]), int(one[6])) for one in told if one[5]]
    more = min((amount for amount, _ in nearest), default=None)
    return Standing(
        state=state(goal, [one[0] for one in told]),
        amount=int(own[1]),
        pending=int(own[2]),
        above=sum(int(one[3]) for one in told),
        tied=sum(int(one[4]) for one in told),
        next_amount=more,
        next_tied=sum(count for amount, count in nearest if amount == more),
        reached={amount: sum(int(one[7 + place]) for one in told) for place, amount in enumerate(asked)},
    )


def _text(told: bytes | str) -> str:
    return told.decode() if isinstance(told, bytes) else told


def said(found: Sequence[Broadcast]) -> str:
    """Broadcasts that are said together."""
    return json.dumps([[one.id, one.topic, one.event, one.payload.decode("ascii")] for one in found])


def heard(told: bytes) -> list[Broadcast]:
    """What `said` wrote. Raises what comes of it for anything else."""
    return [
        Broadcast(id=said_id, topic=topic, event=event, payload=payload.encode("ascii"))
        for said_id, topic, event, payload in json.loads(told)
    ]
