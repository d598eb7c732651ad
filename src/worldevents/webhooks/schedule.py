"""What becomes of a delivery after an attempt: pure decisions, Standard Webhooks' schedule with jitter."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from worldevents.ledger.outward import Claim, DeliveryStatus, Outcome

WAITS_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""How long after each failure a delivery is tried again, in seconds; after the last of them it is dead."""
JITTER: Final = 0.2
"""Each wait is longer or shorter by up to so much of it, so that what failed together does not come back together."""
RETRY_AFTER_MAX_S: Final = 86_400
"""The longest wait that an endpoint can ask for."""

_GOOD: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt got: a status, or None where no answer came; and what to call that."""

    status: int | None
    told: str
    retry_after: str | None = None

    @property
    def is_good(self) -> bool:
        return self.status in _GOOD

    @property
    def is_gone(self) -> bool:
        """Whether the endpoint wants no more messages at all."""
        return self.status == HTTPStatus.GONE


def outcome(claim: Claim, answer: Answer, now: datetime, chance: random.Random) -> Outcome:
    """What becomes of a claimed delivery that got this answer."""
    if answer.is_good:
        return Outcome(claim, DeliveryStatus.DELIVERED, now, now, answer.status, answer.told)
    if claim.attempts >= len(WAITS_S):
        return Outcome(claim, DeliveryStatus.DEAD, now, now, answer.status, answer.told)
    own = WAITS_S[claim.attempts] * chance.uniform(1 - JITTER, 1 + JITTER)
    wait = timedelta(seconds=max(own, asked_s(answer.retry_after, now)))
    return Outcome(claim, DeliveryStatus.PENDING, now + wait, now, answer.status, answer.told)


def asked_s(retry_after: str | None, now: datetime) -> float:
    """The wait that a `Retry-After` asks for, within its bound, in seconds; 0 where it asks for none."""
    if retry_after is None:
        return 0.0
    if re.fullmatch("[0-9]{1,9}", retry_after, re.ASCII):
        return float(min(int(retry_after), RETRY_AFTER_MAX_S))
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return min(max((at - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)
