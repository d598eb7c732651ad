"""Erasing a user, and telling all that is kept about one: the two verbs that anybody may ask for about themselves.

An erasing takes the id, the name and the ids of contributions away and leaves every sum. It goes through each goal's
own order like all else, so what was accepted before it is the tombstone's, and what comes later a new user's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from worldevents import movements, rules
from worldevents.acks import Acks
from worldevents.clock import Clock
from worldevents.errors import BodyInvalid, WorldEventsError
from worldevents.grants import RewardGrant
from worldevents.ledger.granted import DurableLedger
from worldevents.ledger.personal import About, KeptRow
from worldevents.model import Ack, CommunityGoal, Receipt
from worldevents.movements import By, Note
from worldevents.store.base import Store

PAGE_MAX: Final = 1_000
"""The most holds, notes or rows in one answer."""
_GRANTS_MAX: Final = 1_000_000
"""More than there are tiers and challenges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What somebody has in a goal, in smallest units."""

    goal: CommunityGoal
    amount: int
    pending: int
    rank: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasing did or would do: how much is kept under the tombstone, and where that stands."""

    user_id: str
    tombstone: str | None
    """None where nothing was done."""
    is_known: bool
    """Whether there was anything to erase."""
    shares: Sequence[Share]
    rows: int
    grants: int
    days: int
    notes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AllAbout:
    """All that is kept about a user, but for the rows."""

    kept: About
    shares: Sequence[Share]
    """In goals that are published now."""
    grants: Sequence[RewardGrant]
    """Newest first."""
    notes: Sequence[Note]
    """What operators did about this user, newest first."""


class Personal:
    """The verbs about one user, and what all verbs of operators share."""

    def __init__(self, store: Store, ledger: DurableLedger, clock: Clock, *, acks: Acks | None = None) -> None:
        """Without `acks` what the store answers is in the ledger already."""
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._acks = acks

    async def erase(self, user_id: str, *, by: By, preview: bool = False) -> Erased:
        """Put a tombstone in a user's place, everywhere; every figure stays. Raises IdInvalid.

        Done again, it finishes what was begun. What comes under the same id afterwards is a new user's, but for the
        contributions that were there: their ids are known for ever. Who is banned stays refused.
        """
        check_by(by)
        user = rules.check_id(user_id, "userId")
        begun, kept, shares = await self._ledger.erasing(user), await self._ledger.about(user), await self._shares(user)
        is_known = begun is not None or bool(shares) or not kept.is_empty
        if not is_known and self._acks is not None:
            # What came late is in no share, and may be on its way.
            await self._acks.caught_up([goal.id for goal in self._goals()])
            kept = await self._ledger.about(user)
            is_known = not kept.is_empty
        if is_known and not preview:
            return await self._erase(kept, shares, by)
        return _erased(kept, shares, is_known=is_known)

    async def _erase(self, kept: About, shares: Sequence[Share], by: By) -> Erased:
        tombstone = self._store.tombstone(kept.user_id)
        erasure = await self._ledger.begin_erasing(kept.user_id, tombstone=tombstone, at=self._clock.now())
        tombstone, reason = erasure.tombstone, movements.unnamed(by.reason, erasure)
        detail = {"rows": kept.rows, "grants": kept.grants, "goals": {one.goal.id: _told(one) for one in shares}}
        await self._note("erase", tombstone, By(author=by.author, reason=reason), detail)
        await self._settled([await self._store.erase(goal.id, erasure) for goal in self._goals()])
        await self._ledger.erase_rest(erasure, at=self._clock.now())
        await self._store.forget(erasure)
        await self._ledger.end_erasing(erasure)
        return _erased(kept, await self._shares(tombstone), tombstone=tombstone, is_known=True)

    async def about(self, user_id: str) -> AllAbout:
        """All that is kept about a user or a tombstone, but for the rows: those are asked for by page."""
        user = rules.check_user(user_id, "userId")
        notes: list[Note] = []
        page = await self._ledger.notes(subject=user, limit=PAGE_MAX)
        while page:
            notes += page
            page = await self._ledger.notes(subject=user, before=page[-1].number, limit=PAGE_MAX)
        return AllAbout(
            kept=await self._ledger.about(user),
            shares=await self._shares(user),
            grants=await self._ledger.grants_of(user, limit=_GRANTS_MAX),
            notes=notes,
        )

    async def rows(self, user_id: str, *, after: int = 0, limit: int = PAGE_MAX) -> list[KeptRow]:
        """A page of what a user or a tombstone has contributed, and what operators moved of it: those after an id."""
        check_limit(limit)
        return await self._ledger.rows_of(rules.check_user(user_id, "userId"), after=after, limit=limit)

    async def _shares(self, user_id: str) -> list[Share]:
        """What a user has, in all goals where that is anything."""
        found = []
        for goal in self._goals():
            told = await self._store.progress(goal.id, user_id)
            if told.user_contribution or told.user_pending:
                own = told.user_contribution, told.user_pending
                found.append(Share(goal=goal, amount=own[0], pending=own[1], rank=told.user_rank))
        return found

    def _goals(self) -> list[CommunityGoal]:
        return [goal for version in self._store.events.values() for goal in version.event.goals]

    async def _settled(self, receipts: Sequence[Receipt]) -> None:
        """Return when the ledger has these."""
        answers = await self._acks.wait(receipts, Ack.LEDGER) if self._acks else ()
        for one in answers:
            if isinstance(one, WorldEventsError):
                raise one

    async def _note(self, action: str, subject: str, by: By, detail: Mapping[str, object]) -> None:
        note = Note(
            at=self._clock.now(), author=by.author, action=action, subject=subject, reason=by.reason, detail=detail
        )
        await self._ledger.note(note)


def check_by(by: By) -> None:
    """Raises BodyInvalid without a reason or an author."""
    rules.check_reason(by.reason)
    rules.check_author(by.author)


def check_limit(limit: int) -> None:
    """Raises BodyInvalid where a page would be too long."""
    if not 1 <= limit <= PAGE_MAX:
        raise BodyInvalid(f"from 1 to {PAGE_MAX}", field="limit")


def _erased(kept: About, shares: Sequence[Share], *, is_known: bool, tombstone: str | None = None) -> Erased:
    return Erased(
        user_id=kept.user_id,
        tombstone=tombstone,
        is_known=is_known,
        shares=shares,
        rows=kept.rows,
        grants=kept.grants,
        days=len(kept.days),
        notes=kept.notes,
    )


def _told(share: Share) -> dict[str, object]:
    return {"userContribution": share.amount, "userPending": share.pending, "userRank": share.rank}
