"""What becomes of a delivery after an attempt: the schedule, its jitter, and what an endpoint asks for."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from worldevents.ledger.outward import Claim, DeliveryStatus
from worldevents.testing.builders import DURING
from worldevents.webhooks.schedule import JITTER, RETRY_AFTER_MAX_S, WAITS_S, Answer, asked_s, outcome

CLAIM = Claim(7, 0, DURING)
HOUR = 3_600


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    """Ten attempts in some three days."""
    waits = [5, 5 * 60, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
    assert waits == list(WAITS_S)
    assert timedelta(days=3) < timedelta(seconds=sum(WAITS_S)) < timedelta(days=4)


@pytest.mark.parametrize("attempts", range(len(WAITS_S) + 1))
@pytest.mark.parametrize("status", [None, 100, 300, 301, 307, 400, 401, 404, 410, 429, 500, 503])
def test_a_failure_waits_and_at_last_is_dead(status: int | None, attempts: int, chance: random.Random) -> None:
    """Each wait is its own give or take a fifth; a redirect is a failure like any other."""
    found = outcome(Claim(7, attempts, DURING), Answer(status, "x"), DURING, chance)
    if attempts == len(WAITS_S):
        assert DeliveryStatus.DEAD is found.status
        return
    assert DeliveryStatus.PENDING is found.status
    wait = (found.due_at - DURING).total_seconds() / WAITS_S[attempts]
    assert 1 - JITTER <= wait <= 1 + JITTER


def test_jitter_spreads(chance: random.Random) -> None:
    """What failed together does not come back together."""
    dues = {outcome(CLAIM, Answer(500, "x"), DURING, chance).due_at for _ in range(100)}
    assert 100 == len(dues)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_every_2xx_is_delivered(status: int, chance: random.Random) -> None:
    """On whichever attempt."""
    for attempts in (0, len(WAITS_S)):
        found = outcome(Claim(7, attempts, DURING), Answer(status, "x"), DURING, chance)
        assert (DeliveryStatus.DELIVERED, status) == (found.status, found.answer)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("1e3", 0),
        ("120", 120),
        ("999999999", RETRY_AFTER_MAX_S),
        ("9999999999", 0),
        ("Thu, 10 Dec 2026 18:32:00 GMT", 120),
        ("Thu, 10 Dec 2026 18:32:00", 120),
        ("Thu, 10 Dec 2020 18:32:00 GMT", 0),
        ("Thu, 10 Dec 2099 18:32:00 GMT", RETRY_AFTER_MAX_S),
        ("Thu, 99 Dec 2026 18:32:00 GMT", 0),
        ("\u0661\u0662\u0660", 0),
    ],
)
def test_retry_after(told: str | None, expected: float) -> None:
    """In seconds or as a date, within a day; what is neither asks for nothing."""
    assert expected == asked_s(told, DURING)


def test_retry_after_only_makes_longer(chance: random.Random) -> None:
    """An endpoint cannot have its messages sooner than the schedule says."""
    later = outcome(CLAIM, Answer(429, "x", "3600"), DURING, chance)
    assert DURING + timedelta(hours=1) == later.due_at
    sooner = outcome(Claim(7, 3, DURING), Answer(503, "x", "1"), DURING, chance)
    assert timedelta(hours=1) < sooner.due_at - DURING
