"""What operators change of amounts and users, as JSON documents: what HTTP and the command line take and give.

As `documents` is for everything else; a client of a running server has the same verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from worldevents import codec
from worldevents.documents import Json, Local, Verbs, only
from worldevents.engine import Engine
from worldevents.errors import BodyInvalid, UnknownGoal, UnknownHold
from worldevents.ledger.personal import KeptRow, KeptSums
from worldevents.model import Metric
from worldevents.moderation import Banned, Figures, Moderation, Moved
from worldevents.movements import Ban, By, Hold, Note
from worldevents.personal import AllAbout, Erased, Share

DECISIONS: Final = ("release", "reject")
USER_VERBS: Final = ("ban", "unban", "hide", "unhide", "erase")
_BY: Final = frozenset({"reason", "author"})
_ROW_ID_DIGITS: Final = 18


class OperatorVerbs(Verbs, Protocol):
    """`Verbs`, and what operators change of amounts and users. With `preview` nothing is done and all is said."""

    async def correct(self, item: Json, *, preview: bool = False) -> Json:
        """What a correction `{id, goalId, userId, amount, reason, author}` did; the amount may be negative."""
        ...

    async def withhold(self, item: Json, *, preview: bool = False) -> Json:
        """What holding a counted contribution `{goalId, userId, contributionId, reason, author}` did."""
        ...

    async def holds(self, *, goal_id: str | None = None, after: str = "0", limit: int = 100) -> Json:
        """`{holds}` that wait for a decision, oldest first."""
        ...

    async def decide(self, hold_id: str, decision: str, item: Json, *, preview: bool = False) -> Json:
        """What `release` or `reject` of a hold did, for `{reason, author}`."""
        ...

    async def change_user(self, user_id: str, verb: str, item: Json, *, preview: bool = False) -> Json:
        """What `ban`, `unban`, `hide`, `unhide` or `erase` of a user did, for `{reason, author}`."""
        ...

    async def export(self, user_id: str, *, after: str = "0", limit: int = 1_000) -> Json:
        """`{about, contributions, next}` of a user, page by page; `about` comes with the first page."""
        ...

    async def bans(self) -> Json:
        """`{bans, hidden}`: bans that are not over, oldest first, and who is left out of boards."""
        ...

    async def audit(self, *, user_id: str | None = None, before: int | None = None, limit: int = 100) -> Json:
        """`{entries}`: what operators did or set out to do, newest first."""
        ...


class Operating(Local):
    """`OperatorVerbs` of a system in this process."""

    def __init__(self, engine: Engine, moderation: Moderation) -> None:
        super().__init__(engine)
        self._metric: Callable[[str], Metric] = lambda goal_id: engine.goal(goal_id).metric
        self._moderation = moderation

    async def correct(self, item: Json, *, preview: bool = False) -> Json:
        only(item, _BY | {"id", "goalId", "userId", "amount"})
        goal_id, user_id = _text(item, "goalId"), _text(item, "userId")
        moved = await self._moderation.correct(
            goal_id, user_id, item.get("amount", ""), correction_id=_text(item, "id"), by=_by(item), preview=preview
        )
        return _moved(moved, preview=preview)

    async def withhold(self, item: Json, *, preview: bool = False) -> Json:
        only(item, _BY | {"goalId", "userId", "contributionId"})
        names = [_text(item, name) for name in ("goalId", "userId", "contributionId")]
        return _moved(await self._moderation.withhold(*names, by=_by(item), preview=preview), preview=preview)

    async def holds(self, *, goal_id: str | None = None, after: str = "0", limit: int = 100) -> Json:
        found = await self._moderation.holds(goal_id=goal_id, after=_hold_id(after), limit=limit)
        return {"holds": [_hold(one, self._metric(one.goal_id)) for one in found]}

    async def decide(self, hold_id: str, decision: str, item: Json, *, preview: bool = False) -> Json:
        only(item, _BY)
        decide = self._moderation.release if decision == "release" else self._moderation.reject
        return _moved(await decide(_hold_id(hold_id), by=_by(item), preview=preview), preview=preview)

    async def change_user(self, user_id: str, verb: str, item: Json, *, preview: bool = False) -> Json:
        only(item, _BY)
        if verb in ("hide", "unhide"):
            hide = self._moderation.hide if verb == "hide" else self._moderation.unhide
            is_new = await hide(user_id, by=_by(item), preview=preview)
            return {"userId": user_id, "hidden": verb == "hide", "duplicate": not is_new, "preview": preview}
        if verb == "erase":
            return _erased(await self._moderation.erase(user_id, by=_by(item), preview=preview), preview=preview)
        change = self._moderation.ban if verb == "ban" else self._moderation.unban
        return _banned(await change(user_id, by=_by(item), preview=preview), preview=preview)

    async def export(self, user_id: str, *, after: str = "0", limit: int = 1_000) -> Json:
        first = _place(after)
        rows = await self._moderation.rows(user_id, after=first, limit=limit)
        return {
            "userId": user_id,
            "about": None if first else _about(await self._moderation.about(user_id), self._known_metric),
            "contributions": [_row(one, self._known_metric(one.goal_id)) for one in rows],
            "next": str(rows[-1].id) if len(rows) == limit else None,
        }

    def _known_metric(self, goal_id: str) -> Metric | None:
        """A goal's metric; None where no event has the goal any more."""
        try:
            return self._metric(goal_id)
        except UnknownGoal:
            return None

    async def bans(self) -> Json:
        bans, hidden = await self._moderation.bans(), await self._moderation.hidden()
        return {"bans": [_ban(one) for one in bans], "hidden": sorted(hidden)}

    async def audit(self, *, user_id: str | None = None, before: int | None = None, limit: int = 100) -> Json:
        found = await self._moderation.notes(subject=user_id, before=before, limit=limit)
        return {"entries": [_entry(one) for one in found]}


def _by(item: Json) -> By:
    return By(author=_text(item, "author"), reason=_text(item, "reason"))


def _text(item: Json, name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise BodyInvalid("a text is wanted here", field=name)
    return value


def _hold_id(told: str) -> int:
    """A hold's id as it is told; what can be none is unknown."""
    if not _is_row_id(told):
        raise UnknownHold(field="id")
    return int(told)


def _place(told: str) -> int:
    """The id of a row that was read last."""
    if not _is_row_id(told):
        raise BodyInvalid("the `next` of the page before is wanted here", field="after")
    return int(told)


def _is_row_id(told: str) -> bool:
    return told.isascii() and told.isdigit() and len(told) <= _ROW_ID_DIGITS


# Writing answers.


def _moved(told: Moved, *, preview: bool) -> Json:
    metric = told.goal.metric
    return {
        "id": told.id,
        "goalId": told.goal.id,
        "userId": told.user_id,
        "amount": codec.number(told.amount, metric),
        "status": told.status.value,
        "duplicate": told.duplicate,
        "preview": preview,
        "before": _figures(told.before, metric),
        "after": _figures(told.after, metric),
    }


def _banned(told: Banned, *, preview: bool) -> Json:
    return {
        "userId": told.user_id,
        "banned": told.is_banned,
        "duplicate": told.duplicate,
        "preview": preview,
        "goals": [
            {
                "goalId": one.goal.id,
                "before": _figures(one.before, one.goal.metric),
                "after": _figures(one.after, one.goal.metric),
            }
            for one in told.changes
        ],
        "grants": [
            {
                "id": one.id,
                "name": one.reward.name,
                "kind": one.reward.kind,
                "status": one.status.value,
                "suspended": told.suspends(one),
            }
            for one in told.grants
        ],
    }


def _figures(one: Figures, metric: Metric) -> Json:
    return {
        "currentValue": codec.number(one.total, metric),
        "pendingValue": codec.number(one.pending, metric),
        "participantCount": one.participants,
        "userContribution": codec.number(one.user_contribution, metric),
        "userPending": codec.number(one.user_pending, metric),
        "userRank": one.user_rank,
        "tiersUnlocked": [float(threshold) for threshold in one.unlocked],
    }


def _hold(one: Hold, metric: Metric) -> Json:
    return {
        "id": str(one.id),
        "goalId": one.goal_id,
        "userId": one.user_id,
        "contributionId": one.contribution_id,
        "amount": codec.number(one.amount, metric),
        "occurredAt": codec.instant(one.occurred_at),
        "receivedAt": codec.instant(one.received_at),
    }


def _ban(one: Ban) -> Json:
    return {"userId": one.user_id, "at": codec.instant(one.at), "author": one.author, "reason": one.reason}


def _erased(told: Erased, *, preview: bool) -> Json:
    return {
        "userId": told.user_id,
        "erased": told.tombstone is not None,
        "known": told.is_known,
        "tombstone": told.tombstone,
        "preview": preview,
        "goals": [_share(one) for one in told.shares],
        "contributions": told.rows,
        "grants": told.grants,
        "activeDays": told.days,
        "auditEntries": told.notes,
    }


def _share(one: Share) -> Json:
    metric = one.goal.metric
    return {
        "goalId": one.goal.id,
        "unit": metric.unit,
        "userContribution": codec.number(one.amount, metric),
        "userPending": codec.number(one.pending, metric),
        "userRank": one.rank,
    }


def _about(told: AllAbout, metric: Callable[[str], Metric | None]) -> Json:
    kept, since = told.kept, told.kept.hidden_since
    return {
        "displayName": kept.display_name,
        "goals": [_sums(one, metric(one.goal_id), told.shares) for one in kept.sums],
        "grants": [codec.grant(one) for one in told.grants],
        "activeDays": [day.isoformat() for day in kept.days],
        "hiddenSince": None if since is None else codec.instant(since),
        "bans": [
            {
                "at": codec.instant(one.at),
                "author": one.author,
                "reason": one.reason,
                "liftedAt": None if one.lifted_at is None else codec.instant(one.lifted_at),
            }
            for one in kept.bans
        ],
        "audit": [_entry(one) for one in told.notes],
        "notKept": [
            {"goalId": one.goal_id, "at": codec.instant(one.at), "reason": one.reason, "entry": one.payload}
            for one in kept.unkept
        ],
    }


def _sums(one: KeptSums, metric: Metric | None, shares: Sequence[Share]) -> Json:
    return {
        "goalId": one.goal_id,
        "unit": None if metric is None else metric.unit,
        "userContribution": _amount(one.amount, metric),
        "userPending": _amount(one.pending, metric),
        "userRank": next((share.rank for share in shares if share.goal.id == one.goal_id), None),
    }


def _amount(amount: int, metric: Metric | None) -> int | float:
    """In the metric's unit; in smallest units where there is none."""
    return amount if metric is None else codec.number(amount, metric)


def _row(one: KeptRow, metric: Metric | None) -> Json:
    return {
        "id": str(one.id),
        "goalId": one.goal_id,
        "contributionId": one.contribution_id,
        "amount": _amount(one.amount, metric),
        "status": one.status.value,
        "occurredAt": codec.instant(one.occurred_at),
        "receivedAt": codec.instant(one.received_at),
    }


def _entry(one: Note) -> Json:
    detail: Mapping[str, Any] = one.detail
    return {
        "id": one.number,
        "at": codec.instant(one.at),
        "author": one.author,
        "action": one.action,
        "userId": one.subject,
        "reason": one.reason,
        "detail": dict(detail),
    }
