"""What operators change: corrections, holds, bans, and what they have done.

A change is noted before it is made, with who and why; it is made by movements (`movements`) through the store, exactly
once however often it is asked for, and answered when the ledger has it. Nothing is deleted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from worldevents import bans, movements, rules
from worldevents.errors import BodyInvalid, ContributionConflict, HoldDecided, UserBanned, WorldEventsError
from worldevents.grants import RewardGrant
from worldevents.model import CommunityGoal, ContributionStatus, GoalContribution
from worldevents.movements import Ban, By, Hold, Movement, Note
from worldevents.personal import Personal, check_by, check_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a goal and one of its users stand at, in smallest units."""

    total: int
    pending: int
    participants: int
    user_contribution: int
    user_pending: int
    user_rank: int | None
    unlocked: tuple[Decimal, ...]
    """The thresholds of the tiers that are unlocked, lowest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a movement did or would do in a goal; of a repeat both figures are today's."""

    id: str
    goal: CommunityGoal
    user_id: str
    amount: int
    status: ContributionStatus
    before: Figures
    after: Figures
    duplicate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a ban or its end did or would do in one goal."""

    goal: CommunityGoal
    before: Figures
    after: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Banned:
    """A user's ban, or its end, and what it did or would do in every goal where the user has something."""

    user_id: str
    is_banned: bool
    """Whether the user is banned, now or if this is done."""
    changes: Sequence[Change]
    grants: Sequence[RewardGrant]
    """All that the user was granted, the newest first: it stays, and `suspends` what waits to be claimed."""
    duplicate: bool = False
    """Whether it was so before."""

    def suspends(self, grant: RewardGrant) -> bool:
        """Whether the ban keeps a grant from being claimed."""
        return self.is_banned and grant.waits


class Moderation(Personal):
    """The verbs of operators about amounts and users. Made by `worldevents.open_runtime`.

    Every verb that changes something raises BodyInvalid without a reason or an author, and LedgerUnavailable,
    StoreUnavailable, StoreLost or LedgerBehind, after which the same call may be repeated. With `preview` it says what
    it would do, and does and notes nothing.
    """

    # Corrections.

    async def correct(
        self, goal_id: str, user_id: str, amount: rules.Amount, *, correction_id: str, by: By, preview: bool = False
    ) -> Moved:
        """Add an amount of either sign, in the metric's unit, to what a user has; once for this id.

        Raises UnknownGoal, IdInvalid, AmountInvalid, UserBanned, BelowZero, LimitExceeded, GoalNotOpen, and
        ContributionConflict where the id was used for another amount.
        """
        goal = self._store.goal(goal_id)
        smallest = _signed(amount, goal)
        row_id = movements.correction(rules.check_id(correction_id, "id"))
        user = rules.check_user(user_id, "userId")
        wanted = _movement(goal, user, row_id, smallest, ContributionStatus.CORRECTED)
        return await self._move("correct", correction_id, wanted, by, preview=preview)

    async def withhold(
        self, goal_id: str, user_id: str, contribution_id: str, *, by: By, preview: bool = False
    ) -> Moved:
        """Hold what has counted under an id, until it is released or rejected. Raises as `release`."""
        goal = self._store.goal(goal_id)
        item = GoalContribution(
            goal.id, rules.check_user(user_id, "userId"), rules.check_id(contribution_id, "contributionId"), 0
        )
        (found,) = await self._ledger.look_up([item])
        if found is None or (found.user_id, found.status) != (user_id, ContributionStatus.COUNTED):
            raise BodyInvalid("nothing has counted under this id", field="contributionId")
        row_id = movements.withholding(contribution_id)
        wanted = _movement(goal, user_id, row_id, found.amount, ContributionStatus.WITHHELD)
        return await self._move("withhold", contribution_id, wanted, by, preview=preview)

    # Holds.

    async def holds(self, *, goal_id: str | None = None, after: int = 0, limit: int = 100) -> list[Hold]:
        """A page of the held amounts that wait for a decision, oldest first, those after one's id."""
        check_limit(limit)
        return await self._ledger.holds(goal_id=goal_id, after=after, limit=limit)

    async def release(self, hold_id: int, *, by: By, preview: bool = False) -> Moved:
        """Let a held amount count. Raises UnknownHold, HoldDecided, UserBanned, BelowZero, GoalNotOpen."""
        return await self._decide("release", hold_id, ContributionStatus.RELEASED, by, preview=preview)

    async def reject(self, hold_id: int, *, by: By, preview: bool = False) -> Moved:
        """Let a held amount never count. Raises as `release`."""
        return await self._decide("reject", hold_id, ContributionStatus.REJECTED, by, preview=preview)

    async def _decide(self, action: str, hold_id: int, status: ContributionStatus, by: By, *, preview: bool) -> Moved:
        hold = await self._ledger.hold(hold_id)
        goal, row_id = self._store.goal(hold.goal_id), movements.decision(hold.contribution_id)
        wanted = _movement(goal, hold.user_id, row_id, hold.amount, status)
        try:
            return await self._move(action, str(hold_id), wanted, by, preview=preview)
        except ContributionConflict:
            raise HoldDecided(field="id") from None

    # Moving.

    async def _move(self, action: str, told_id: str, wanted: Movement, by: By, *, preview: bool) -> Moved:
        check_by(by)
        item = wanted.contribution
        goal, before = self._store.goal(item.goal_id), await self._figures(item.goal_id, item.user_id)
        moved = Moved(
            id=told_id,
            goal=goal,
            user_id=item.user_id,
            amount=item.amount,
            status=wanted.status,
            before=before,
            after=before,
        )
        (found,) = await self._ledger.look_up([item])
        if found is not None:
            if (found.amount, found.status) != (item.amount, wanted.status):
                raise ContributionConflict(field="id")
            return replace(moved, duplicate=True)
        if await self._ledger.ban_of(item.user_id) is not None or item.user_id in await self._ledger.barred():
            raise UserBanned(field="userId")
        user, sums = (before.user_contribution, before.user_pending), (before.total, before.pending)
        movements.judge(goal, [wanted], now=self._clock.now(), user=user, goal_sums=sums)
        moved = replace(moved, after=_after(goal, before, [wanted]))
        if preview:
            return moved
        detail = {"goalId": goal.id, "id": item.contribution_id, "amount": item.amount} | _told(before, moved.after)
        await self._note(action, item.user_id, by, detail)
        try:
            receipts = await self._store.move([wanted])
        except WorldEventsError as refusal:
            if not refusal.retryable:
                await self._note(
                    f"{action} refused", item.user_id, by, {"id": item.contribution_id} | {"code": refusal.code}
                )
            raise
        await self._settled(receipts)
        return replace(moved, after=await self._figures(goal.id, item.user_id))

    async def _figures(self, goal_id: str, user_id: str) -> Figures:
        progress = await self._store.progress(goal_id, user_id)
        # Of tiers the ledger knows first; the store hears of it.
        unlocked = sorted(one.threshold for one in await self._ledger.unlocks() if one.goal_id == goal_id)
        return Figures(
            total=progress.state.total,
            pending=progress.state.pending,
            participants=progress.state.participants,
            user_contribution=progress.user_contribution,
            user_pending=progress.user_pending,
            user_rank=progress.user_rank,
            unlocked=tuple(unlocked),
        )

    # Bans.

    async def ban(self, user_id: str, *, by: By, preview: bool = False) -> Banned:
        """Take nothing more of a user, and move out what the user has in every running goal. Raises IdInvalid.

        Done again, it finishes what was begun. No tier is locked again, and nobody else has another amount. What was
        granted stays; what of it waits to be claimed is suspended.
        """
        check_by(by)
        user = rules.check_user(user_id, "userId")
        known, running = await self._ledger.ban_of(user), self._running()
        before = {goal.id: await self._figures(goal.id, user) for goal in running}
        after = {goal.id: _after(goal, before[goal.id], _out(goal, user, before[goal.id])) for goal in running}
        grants = await self._ledger.grants_of(user)
        if not preview:
            if known is None:
                await self._note("ban", user, by, _all_told(before, after, grants))
            await self._ledger.ban_user(user, at=self._clock.now(), reason=by.reason, author=by.author)
            await self._follow(user, by)
            after = {goal.id: await self._figures(goal.id, user) for goal in running}
            grants = await self._ledger.grants_of(user)
        changes = self._changes(before, after)
        return Banned(user_id=user, is_banned=True, changes=changes, grants=grants, duplicate=known is not None)

    async def unban(self, user_id: str, *, by: By, preview: bool = False) -> Banned:
        """Take a user again, and move back in exactly what the ban has moved out of goals that are still running."""
        check_by(by)
        user = rules.check_user(user_id, "userId")
        ban, running = await self._ledger.ban_of(user), self._running()
        grants = await self._ledger.grants_of(user)
        if ban is None:
            return await self._take_again(user, grants, by, preview=preview)
        before = {goal.id: await self._figures(goal.id, user) for goal in running}
        back = {goal.id: await self._back(goal, ban, preview=preview) for goal in running}
        after = {goal.id: _after(goal, before[goal.id], back[goal.id]) for goal in running}
        if not preview:
            await self._note("unban", user, by, _all_told(before, after, grants))
            for goal_id, moved in back.items():
                await self._settled(await self._store.unban(ban, moved, goal_id=goal_id))
            await self._ledger.lift_ban(ban.number, at=self._clock.now())
            if await self._ledger.take_again(user):
                await self._store.hiding_changed()
            await self._follow(user, by)
            after = {goal_id: await self._figures(goal_id, user) for goal_id in before}
            grants = await self._ledger.grants_of(user)
        return Banned(user_id=user, is_banned=False, changes=self._changes(before, after), grants=grants)

    async def _take_again(self, user: str, grants: Sequence[RewardGrant], by: By, *, preview: bool) -> Banned:
        """Take a user again who was banned when erased; what the ban moved out stays out: it is the tombstone's."""
        if not preview:
            await self._follow(user, by)
        is_barred = user in await self._ledger.barred()
        if is_barred and not preview:
            await self._note("unban", user, by, {})
            await self._ledger.take_again(user)
            await self._store.hiding_changed()
        return Banned(user_id=user, is_banned=False, changes=(), grants=grants, duplicate=not is_barred)

    async def _follow(self, user_id: str, by: By) -> None:
        """Have every goal refuse a user, or not, as the ledger says: one that was built again meanwhile may not."""
        none = Ban(user_id, 0, self._clock.now(), by.reason, by.author)
        while True:
            ban = await self._ledger.ban_of(user_id)
            for goal in self._goals():
                told = self._store.ban(goal.id, ban) if ban else self._store.unban(none, (), goal_id=goal.id)
                await self._settled(await told)
            if await self._ledger.ban_of(user_id) == ban:
                return
            if ban is not None:
                # It has ended since it was looked at, and may have moved something out after that.
                for goal in self._running():
                    back = await bans.moved_back(self._ledger, goal.id, user_id, ban.number)
                    await self._settled(await self._store.unban(ban, back, goal_id=goal.id))

    async def bans(self) -> list[Ban]:
        """Every ban that is not over, oldest first."""
        return await self._ledger.bans()

    async def _back(self, goal: CommunityGoal, ban: Ban, *, preview: bool) -> list[Movement]:
        """What moves in again what a ban has moved out."""
        if not preview:
            # What was begun is finished first, and is in the ledger then.
            await self._settled(await self._store.ban(goal.id, ban))
        return await bans.moved_back(self._ledger, goal.id, ban.user_id, ban.number)

    def _running(self) -> list[CommunityGoal]:
        now = self._clock.now()
        return [goal for goal in self._goals() if now - goal.ends_at < goal.grace]

    def _changes(self, before: dict[str, Figures], after: dict[str, Figures]) -> list[Change]:
        return [
            Change(goal=self._store.goal(goal_id), before=before[goal_id], after=after[goal_id])
            for goal_id in before
            if before[goal_id].user_contribution
            or before[goal_id].user_pending
            or after[goal_id].user_contribution
            or after[goal_id].user_pending
        ]

    # Hiding.

    async def hide(self, user_id: str, *, by: By, preview: bool = False) -> bool:
        """Leave a user out of boards; what the user has counts on. Whether that is new. Raises IdInvalid."""
        return await self._hide(user_id, by, hide=True, preview=preview)

    async def unhide(self, user_id: str, *, by: By, preview: bool = False) -> bool:
        """Show a user on boards again. Whether that is new. Raises IdInvalid."""
        return await self._hide(user_id, by, hide=False, preview=preview)

    async def _hide(self, user_id: str, by: By, *, hide: bool, preview: bool) -> bool:
        check_by(by)
        user = rules.check_user(user_id, "userId")
        is_new = (user in await self._ledger.hidden()) is not hide
        if preview:
            return is_new
        if is_new:
            await self._note("hide" if hide else "unhide", user, by, {})
            await (self._ledger.hide(user, at=self._clock.now()) if hide else self._ledger.unhide(user))
        await self._store.hiding_changed()
        return is_new

    async def hidden(self) -> frozenset[str]:
        """Who is left out of boards."""
        return await self._ledger.hidden()

    # What was done.

    async def notes(self, *, subject: str | None = None, before: int | None = None, limit: int = 100) -> list[Note]:
        """What operators did or set out to do, newest first: about one user, before a note's number."""
        check_limit(limit)
        return await self._ledger.notes(subject=subject, before=before, limit=limit)


def _movement(goal: CommunityGoal, user_id: str, row_id: str, amount: int, status: ContributionStatus) -> Movement:
    return Movement(GoalContribution(goal.id, user_id, row_id, amount), status)


def _signed(amount: rules.Amount, goal: CommunityGoal) -> int:
    """An amount of either sign as an exact integer in the metric's smallest unit. Raises AmountInvalid."""
    text = f"{amount:f}" if isinstance(amount, Decimal) else str(amount) if isinstance(amount, int) else amount
    if isinstance(text, str) and not isinstance(amount, bool) and text.startswith("-"):
        return -rules.check_amount(text[1:], goal.metric)
    return rules.check_amount(amount, goal.metric)


def _after(goal: CommunityGoal, before: Figures, wanted: Sequence[Movement]) -> Figures:
    """What these movements would make of that; the rank is not known where the user still has something."""
    counted, held = movements.sums(wanted)
    total, own = before.total + counted, before.user_contribution + counted
    reached = {tier.threshold for tier in goal.tiers if tier.threshold_value <= total}
    return Figures(
        total=total,
        pending=before.pending + held,
        participants=before.participants + (own > 0) - (before.user_contribution > 0),
        user_contribution=own,
        user_pending=before.user_pending + held,
        user_rank=before.user_rank if counted == 0 else None,
        unlocked=tuple(sorted({*before.unlocked, *reached})),
    )


def _out(goal: CommunityGoal, user_id: str, has: Figures) -> list[Movement]:
    """What a ban would move out, whichever it will be."""
    return movements.moved_out(goal.id, user_id, 0, counted=has.user_contribution, held=has.user_pending)


def _told(before: Figures, after: Figures) -> dict[str, object]:
    return {"before": _figures_told(before), "after": _figures_told(after)}


def _all_told(
    before: dict[str, Figures], after: dict[str, Figures], grants: Sequence[RewardGrant]
) -> dict[str, object]:
    goals = {goal_id: _told(before[goal_id], after[goal_id]) for goal_id in before}
    return {"goals": goals, "grants": {one.id: one.status.value for one in grants}}


def _figures_told(one: Figures) -> dict[str, object]:
    return {
        "total": one.total,
        "pending": one.pending,
        "participants": one.participants,
        "userContribution": one.user_contribution,
        "userPending": one.user_pending,
        "userRank": one.user_rank,
        "unlocked": [f"{threshold:f}" for threshold in one.unlocked],
    }
