"""What goes out: receipts, refusals and versions, as `codec` writes what they are made of."""

from __future__ import annotations

from worldevents import codec, problems
from worldevents.codec import Json
from worldevents.engine import Published, Recorded
from worldevents.errors import WorldEventsError
from worldevents.model import ContributionStatus, EventVersion, Receipt


def result(answer: Receipt | WorldEventsError) -> Json:
    """What became of one contribution of a batch."""
    if isinstance(answer, WorldEventsError):
        return refusal(answer)
    return {"status": receipt_status(answer), "receipt": codec.receipt(answer)}


def refusal(error: WorldEventsError) -> Json:
    """A contribution of a batch that was not kept."""
    return {"status": problems.status(error), "problem": problems.problem(error)}


def receipt_status(receipt: Receipt) -> int:
    """201 counted, 200 a repeat, 202 held or late."""
    if receipt.duplicate:
        return 200
    return 201 if receipt.status is ContributionStatus.COUNTED else 202


def recorded(told: Recorded | WorldEventsError) -> Json:
    """What an action led to; of a refused one, the problem alone."""
    if isinstance(told, WorldEventsError):
        return {"receipts": [], "problems": [problems.problem(told)]}
    return {
        "receipts": [codec.receipt(one) for one in told.receipts],
        "problems": [
            {**problems.problem(one.error), "goalId": one.goal_id, "contributionId": one.contribution_id}
            for one in told.problems
        ],
    }


def published(told: Published) -> Json:
    """The version that stands after a publish, and the changes that made it."""
    return {"eventId": told.version.event.id, **version(told.version), "changes": list(told.changes)}


def version(one: EventVersion) -> Json:
    """A version of an event: whose it is, since when, and why."""
    return {
        "version": one.version,
        "author": one.author,
        "publishedAt": codec.instant(one.published_at),
        "reason": one.reason,
    }
