"""What operators change in a store's server: one step for all of a user's movements in one goal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from worldevents import movements
from worldevents.errors import ContributionConflict, LedgerBehind, UserBanned
from worldevents.model import CommunityGoal, ContributionStatus, GoalContribution, Position
from worldevents.movements import Movement
from worldevents.testing.simulation.share import Known, Share

LIFT: Final = "lift"


class Wanted(NamedTuple):
    """A movement as a server is told it."""

    movement: Movement
    is_all: bool
    """Whether its amount is no matter: all that the user has is moved out."""
    known: Known | None
    """What the ledger holds under its id."""


class Done(NamedTuple):
    """What became of one."""

    movement: Movement
    is_repeat: bool
    position: Position


def move(
    share: Share,
    goal: CommunityGoal,
    user_id: str,
    wanted: Sequence[Wanted],
    *,
    ban: str,
    now: datetime,
    window: timedelta,
) -> list[Done]:
    """Do these, all that there is to do of them, or raise and change nothing."""
    own = share.users.get(user_id, (0, 0))
    if ban not in ("", LIFT) and min(own) < 0:
        # A repair is on its way.
        raise LedgerBehind
    told = [_told(share, user_id, one, now) for one in wanted]
    new = [one for one in told if isinstance(one, Movement) and one.contribution.amount]
    if new:
        if user_id in share.banned and not ban:
            raise UserBanned(field="userId")
        movements.judge(goal, new, now=now, user=own, goal_sums=(share.total, share.pending))
    if ban == LIFT:
        share.banned.pop(user_id, None)
    elif ban:
        share.banned[user_id] = int(ban)
    return [
        one if isinstance(one, Done) else _written(share, one, now, window)
        for one in told
        if isinstance(one, Done) or one.contribution.amount
    ]


def _told(share: Share, user_id: str, wanted: Wanted, now: datetime) -> Done | Movement:
    """What is known of it, or what is to be written."""
    item, status = wanted.movement
    if wanted.is_all:
        counted, held = share.users.get(user_id, (0, 0))
        item = item._replace(amount=-counted if status is ContributionStatus.CORRECTED else held)
    known = wanted.known or share.ids.get((user_id, item.contribution_id))
    # What was taken back may be done again.
    if known is None or known.until <= now or known.position in share.undone:
        return Movement(item, status)
    if not wanted.is_all and (known.amount, known.status) != (item.amount, status):
        raise ContributionConflict(field="id")
    return Done(Movement(item._replace(amount=known.amount), known.status), is_repeat=True, position=known.position)


def _written(share: Share, movement: Movement, now: datetime, window: timedelta) -> Done:
    item: GoalContribution
    item, status = movement
    position = share.keep(item, status, at=now, now=now)
    share.ids[item.user_id, item.contribution_id] = Known(item.amount, status, position, now + window)
    return Done(movement, is_repeat=False, position=position)
