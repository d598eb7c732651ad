"""What a ban has moved out, for whoever ends one; and who is refused, where a store was told too late or not at all."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from worldevents import movements
from worldevents.comparing import Comparer
from worldevents.errors import ContributionConflict, GoalNotOpen
from worldevents.ledger.base import Ledger
from worldevents.movements import Ban, Movement
from worldevents.store.base import BufferedStore

_log = logging.getLogger(__name__)


async def moved_back(ledger: Ledger, goal_id: str, user_id: str, number: int) -> list[Movement]:
    """The other way round, what the ledger says that a ban has moved out of a goal. Raises LedgerUnavailable."""
    out = movements.moved_out(goal_id, user_id, number, counted=1, held=1)
    found = await ledger.look_up([one.contribution for one in out])
    # By the ids of a user who was erased the tombstone's rows are found.
    counted, held = (0 if one is None or one.user_id != user_id else one.amount for one in found)
    return movements.moved_back(goal_id, user_id, number, counted=-counted, held=held)


async def told_again(store: BufferedStore, ledger: Ledger, comparer: Comparer, goal_id: str, *, at: datetime) -> bool:
    """Have a store refuse whom the ledger has banned and nobody else; whether anybody was missing, or too many."""
    # In this order: a ban is in the ledger before any store has it.
    refused: dict[str, int] = {}
    for one in store.partitions(goal_id):
        refused |= await store.refused(one)
    known = {one.user_id: one for one in await ledger.bans()}
    wrong = {user for user, _ in refused.items() ^ {(user, ban.number) for user, ban in known.items()}}
    finding = await comparer.find(goal_id) if wrong else None
    if finding is None or finding.waiting:
        # What a ban has moved out is to be in the ledger, for whoever ends it.
        return bool(wrong)
    _log.warning("goal %s: of %d users it is told again whether they are banned", goal_id, len(wrong))
    in_force = {one.number for one in known.values()}
    for user_id in sorted(wrong):
        if user_id in refused:
            late = Ban(user_id, refused[user_id], at, "", "")
            # One that is in force under another name is that of a user who is being erased.
            back = [] if late.number in in_force else await moved_back(ledger, goal_id, user_id, late.number)
            await _end(store, goal_id, late, back)
        if user_id in known:
            await store.refuse(goal_id, known[user_id])
    return True


async def _end(store: BufferedStore, goal_id: str, late: Ban, back: Sequence[Movement]) -> None:
    """Take a user again whom a ban refuses that is over: it came late, and what it moved out moves back."""
    try:
        await store.unban(late, back, goal_id=goal_id)
    except (GoalNotOpen, ContributionConflict):
        await store.unban(late, (), goal_id=goal_id)
