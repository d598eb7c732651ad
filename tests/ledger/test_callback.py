"""The law of the callback in the ledger (`ledger/outward.py`, law 8), on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from worldevents.grants import GrantStatus
from worldevents.ledger import open_ledger
from worldevents.ledger.outward import FullLedger
from worldevents.testing.builders import DURING, a_goal, an_event
from worldevents.testing.ledger_granting import FIRST, LATER, Granting

pytestmark = pytest.mark.usefixtures("no_leaks")
LEASE = timedelta(seconds=60)


@pytest_asyncio.fixture
async def ledger(ledger_url: str) -> AsyncIterator[FullLedger]:
    """Give a ledger with three grants: numbers 2, 3 and 4."""
    async with open_ledger(ledger_url) as opened:
        granting = Granting(opened)
        await granting.publish(an_event(a_goal(percents=("25",))))
        await granting.count(("ann", 250))
        await granting.work()
        await granting.count(("bob", 1), ("cid", 1))
        yield opened


@pytest_asyncio.fixture
async def other(ledger: FullLedger, ledger_url: str) -> AsyncIterator[FullLedger]:
    """Open the same ledger a second time."""
    assert ledger
    async with open_ledger(ledger_url) as opened:
        yield opened


async def test_law_8_one_at_a_time_holds_the_cursor(ledger: FullLedger, other: FullLedger) -> None:
    """Of two who ask at once one has it, until its lease ends or it lets go; it may prolong it."""
    asked = (one.callback.hold(name, now=DURING, until=DURING + LEASE) for one, name in ((ledger, "a"), (other, "b")))
    told = await asyncio.gather(*asked)
    assert {0, None} == set(told)
    first, second = ("a", "b") if told[0] == 0 else ("b", "a")
    hold = ledger.callback.hold
    assert 0 == await hold(first, now=DURING, until=DURING + 2 * LEASE)
    assert None is await hold(second, now=DURING + LEASE, until=DURING + 2 * LEASE)
    assert 0 == await hold(second, now=DURING + 2 * LEASE, until=DURING + 4 * LEASE)
    assert None is await hold(first, now=DURING + 3 * LEASE, until=DURING + 4 * LEASE)
    await hold(second, now=DURING + 3 * LEASE, until=DURING + 3 * LEASE)
    assert 0 == await hold(first, now=DURING + 3 * LEASE, until=DURING + 4 * LEASE)


async def test_law_8_the_cursor_never_goes_back(ledger: FullLedger, other: FullLedger) -> None:
    """Who tells without its turn moves it too, for all up to there were told; a lower number changes nothing."""
    callback = ledger.callback
    await callback.hold("a", now=DURING, until=DURING + LEASE)
    await callback.told(3, [], at=DURING)
    await other.callback.told(2, [], at=DURING)
    assert 3 == await callback.hold("a", now=DURING, until=DURING + LEASE)
    await other.callback.told(4, [], at=DURING)
    assert 4 == await callback.hold("a", now=DURING, until=DURING + LEASE)


async def test_law_8_what_the_player_has_is_delivered(ledger: FullLedger) -> None:
    """With the move; what was revoked stays so, and the first instant of a delivery stays."""
    await ledger.callback.hold("a", now=DURING, until=DURING + LEASE)
    await ledger.deliver(f"{FIRST}~ann", DURING)
    await ledger.revoke(f"{FIRST}~bob", DURING, reason="why", author="who")
    await ledger.callback.told(4, [2, 3, 4], at=LATER)
    told = {one.user_id: (one.status, one.delivered_at) for one in await ledger.grants()}
    assert {
        "ann": (GrantStatus.DELIVERED, DURING),
        "bob": (GrantStatus.REVOKED, None),
        "cid": (GrantStatus.DELIVERED, LATER),
    } == told
