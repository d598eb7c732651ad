"""Owed against delivered: the report over all ways on which hosts hear of grants, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import cast

import pytest
import pytest_asyncio

from worldevents.grants import Channel, GrantedSource, GrantStatus, Way
from worldevents.ledger import open_ledger
from worldevents.ledger.outward import Change, DeliveryStatus, Endpoint, FullLedger, Outcome
from worldevents.testing.builders import DURING, a_goal, an_event
from worldevents.testing.ledger_granting import FIRST, LATER, SECOND, Granting, a_challenge

pytestmark = pytest.mark.usefixtures("no_leaks")
LEASE = timedelta(seconds=60)
CHANGE = Change("add", "ops", DURING, "why")
PENDING, DELIVERED, DEAD = DeliveryStatus
HOOK = Endpoint(
    id="e1",
    url="https://e1.example/",
    kinds=frozenset({"reward.granted", "goal.tier_unlocked"}),
    secret=b"s" * 32,
    since=DURING,
    created_at=DURING,
)


@pytest_asyncio.fixture
async def granting(ledger_url: str) -> AsyncIterator[Granting]:
    """Give a ledger with two unlocked tiers, which Ann, Bob and Cid were granted, and a challenge of Ann's.

    Ann's challenge is the first grant; those of the tiers were made later.
    """
    async with open_ledger(ledger_url) as opened:
        granting = Granting(opened)
        await granting.publish(an_event(a_goal(percents=("25", "50")), challenges=[a_challenge(300)]))
        await granting.count(("ann", 498), ("bob", 1), ("cid", 1))
        assert 6 == await granting.work()
        yield granting


def ledger_of(granting: Granting) -> FullLedger:
    return cast("FullLedger", granting.ledger)


async def channels(ledger: FullLedger) -> list[Channel]:
    return list((await ledger.report()).channels)


async def test_without_a_way_all_are_owed_by_hand(granting: Granting) -> None:
    """A host that polls has to say what it delivered; what was revoked is not owed."""
    ledger = ledger_of(granting)
    owed = Channel(way=Way.DELIVER, grants=7, delivered=0, oldest_at=DURING)
    assert ([owed], 7) == (await channels(ledger), (await ledger.report()).owed)
    await ledger.deliver("challenge~winter~hundred~ann", LATER)
    await ledger.revoke(f"{FIRST}~bob", LATER, reason="why", author="who")
    assert [replace(owed, grants=6, delivered=1, oldest_at=LATER)] == await channels(ledger)
    for one in await ledger.grants():
        if one.status is GrantStatus.CLAIMABLE:
            await ledger.deliver(one.id, LATER)
    assert [replace(owed, grants=6, delivered=6, oldest_at=None)] == await channels(ledger)
    assert 0 == (await ledger.report()).owed


async def test_a_callback_is_owed_what_is_behind_its_cursor(granting: Granting) -> None:
    """From its first turn on; then nothing is owed by hand where nobody uses that."""
    ledger = ledger_of(granting)
    await ledger.callback.hold("a", now=DURING, until=DURING + LEASE)
    owed = Channel(way=Way.CALLBACK, grants=7, delivered=0, oldest_at=DURING)
    assert [owed] == await channels(ledger)
    first, second, *_, last = [one.number for one in await ledger.grants()]
    await ledger.callback.told(first, [], at=DURING)
    assert [replace(owed, delivered=1, oldest_at=LATER)] == await channels(ledger)
    await ledger.callback.told(last, [second], at=DURING)
    by_hand = Channel(way=Way.DELIVER, grants=7, delivered=1, oldest_at=DURING)
    assert [replace(owed, delivered=7, oldest_at=None), by_hand] == await channels(ledger)


async def test_an_endpoint_is_owed_what_it_has_not(granting: Granting) -> None:
    """What is to be handed over, pending or dead; grants alone, those since it wants them, and not what was pruned."""
    ledger, hooks = ledger_of(granting), ledger_of(granting).webhooks
    await hooks.add(HOOK, CHANGE, most=9)
    await hooks.add(replace(HOOK, id="e2", since=LATER), CHANGE, most=9)
    await hooks.add(replace(HOOK, id="e3", kinds=frozenset({"goal.completed"})), CHANGE, most=9)
    told = {"way": Way.WEBHOOK, "url": HOOK.url}
    first = Channel(**told, endpoint_id="e1", grants=7, delivered=0, oldest_at=DURING)  # type: ignore[arg-type]
    later = replace(first, endpoint_id="e2", grants=6, oldest_at=LATER)
    assert [first, later] == await channels(ledger)
    await hooks.hand_over(HOOK, await ledger.announcements(limit=4), at=LATER)
    assert [first, later] == await channels(ledger)
    await hooks.hand_over(await hooks.endpoint("e1"), await ledger.announcements(after=4), at=LATER)
    claims = (await hooks.turn("e1", [], most=99, now=LATER, until=LATER + LEASE)).claims
    grants = {one.number: one.id for one in await ledger.grants()}
    assert 9 == len(claims)
    outcomes = [
        Outcome(claim, DEAD if grants.get(claim.number) == f"{SECOND}~ann" else DELIVERED, LATER, LATER, 200, "")
        for claim in claims
        if grants.get(claim.number) != f"{FIRST}~ann"
    ]
    await hooks.turn("e1", outcomes, most=0, now=LATER, until=LATER)
    most = replace(first, delivered=5, dead=1, oldest_at=LATER)
    assert ([most, later], 8) == (await channels(ledger), (await ledger.report()).owed)
    assert 7 == await hooks.prune(LATER + LEASE, limit=99)
    assert [most, later] == await channels(ledger)
    await hooks.edit("e2", lambda one: replace(one, removed_at=LATER, secret=b""), CHANGE)
    assert [most] == await channels(ledger)


async def test_every_source_says_what_became_of_its_grants(granting: Granting) -> None:
    """Each tier and challenge that has given something, by status."""
    ledger = ledger_of(granting)
    await ledger.claim(f"{FIRST}~ann", LATER)
    await ledger.revoke(f"{FIRST}~bob", LATER, reason="why", author="who")
    one = GrantedSource(event_id="winter", goal_id="volume", threshold=Decimal(25), challenge_id=None, statuses={})
    assert [
        replace(one, statuses={GrantStatus.CLAIMABLE: 1, GrantStatus.CLAIMED: 1, GrantStatus.REVOKED: 1}),
        replace(one, threshold=Decimal(50), statuses={GrantStatus.CLAIMABLE: 3}),
        replace(one, threshold=None, challenge_id="hundred", statuses={GrantStatus.CLAIMABLE: 1}),
    ] == list((await ledger.report()).sources)
