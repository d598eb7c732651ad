"""The laws of webhooks in the ledger (`ledger/outward.py`), on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from tests.webhooks.feed import announcement
from worldevents.errors import BodyInvalid, UnknownDelivery, UnknownWebhook
from worldevents.ledger import open_ledger
from worldevents.ledger.outward import Change, Claim, DeliveryStatus, Endpoint, Outcome, Turn, WebhookLedger
from worldevents.testing.builders import DURING

pytestmark = pytest.mark.usefixtures("no_leaks")
LEASE = timedelta(seconds=60)
KINDS = frozenset({"reward.granted", "goal.completed"})
PENDING, DELIVERED, DEAD = DeliveryStatus


def an_endpoint(name: str = "e1", **told: object) -> Endpoint:
    endpoint = Endpoint(
        id=name, url=f"https://{name}.example/", kinds=KINDS, secret=b"s" * 32, since=DURING, created_at=DURING
    )
    return replace(endpoint, **told)  # type: ignore[arg-type]


def a_change(what: str = "add", at: datetime = DURING) -> Change:
    return Change(what, "ops", at, "why")


async def claimed(ledger: WebhookLedger, most: int = 100, *, now: datetime = DURING, name: str = "e1") -> Turn:
    return await ledger.turn(name, [], most=most, now=now, until=now + LEASE)


async def settled(ledger: WebhookLedger, *outcomes: Outcome, now: datetime = DURING) -> None:
    await ledger.turn("e1", outcomes, most=0, now=now, until=now + LEASE)


def became(
    claim: Claim, status: DeliveryStatus, *, at: datetime = DURING, due: timedelta = timedelta(0), answer: int = 500
) -> Outcome:
    return Outcome(claim, status, at + due, at, answer, f"HTTP {answer}")


@pytest_asyncio.fixture
async def ledger(ledger_url: str) -> AsyncIterator[WebhookLedger]:
    """Give a ledger with one endpoint."""
    async with open_ledger(ledger_url) as opened:
        await opened.webhooks.add(an_endpoint(), a_change(), most=3)
        yield opened.webhooks


@pytest_asyncio.fixture
async def other(ledger: WebhookLedger, ledger_url: str) -> AsyncIterator[WebhookLedger]:
    """Open the same ledger a second time."""
    assert ledger
    async with open_ledger(ledger_url) as opened:
        yield opened.webhooks


@pytest_asyncio.fixture
async def owed(ledger: WebhookLedger) -> WebhookLedger:
    """Have eight announcements handed over, of which half are for the endpoint: 2, 4, 6 and 8."""
    assert await ledger.hand_over(an_endpoint(), [announcement(number) for number in range(1, 9)], at=DURING)
    return ledger


async def test_an_endpoint_comes_back_as_it_was(ledger: WebhookLedger) -> None:
    """Every field, the oldest first; no more than there may be."""
    full = an_endpoint(
        "e0",
        previous_secret=b"p" * 32,
        previous_until=DURING + LEASE,
        created_at=DURING + timedelta(microseconds=1),
        disabled_at=DURING,
        disabled_why="Бот \N{SNOWMAN}",
        after=7,
    )
    await ledger.add(full, a_change(), most=3)
    await ledger.add(an_endpoint("e2", created_at=DURING - LEASE), a_change(), most=3)
    assert [an_endpoint("e2", created_at=DURING - LEASE), an_endpoint(), full] == await ledger.endpoints()
    assert full == await ledger.endpoint("e0")
    with pytest.raises(BodyInvalid):
        await ledger.add(an_endpoint("e3"), a_change(), most=3)


async def test_law_1_an_announcement_is_one_delivery(owed: WebhookLedger, other: WebhookLedger) -> None:
    """Of two who read the same cursor one moves it; what is not for the endpoint is passed over."""
    page = [announcement(number) for number in range(9, 17)]
    endpoint = await owed.endpoint("e1")
    assert 8 == endpoint.after
    moved = await asyncio.gather(*(one.hand_over(endpoint, page, at=DURING) for one in (owed, other)))
    assert [False, True] == sorted(moved)
    assert 16 == (await owed.endpoint("e1")).after
    numbers = [one.number for one in await owed.deliveries("e1")]
    assert [16, 14, 12, 10, 8, 6, 4, 2] == numbers


async def test_law_1_what_was_before_is_not_for_it(ledger: WebhookLedger) -> None:
    """What was announced before its `since` is passed over too."""
    page = [announcement(2, at=DURING - timedelta(microseconds=1)), announcement(4, at=DURING)]
    await ledger.hand_over(an_endpoint(), page, at=DURING)
    assert [4] == [one.number for one in await ledger.deliveries("e1")]


async def test_law_2_a_claim_is_one_servers(owed: WebhookLedger, other: WebhookLedger) -> None:
    """Whoever asks at once gets other deliveries; when the lease ends they are due again."""
    turns = await asyncio.gather(*(claimed(one, 2) for one in (owed, other, owed, other)))
    numbers = [claim.number for turn in turns for claim in turn.claims]
    # What another server is claiming right now is passed over, and left for the next turn.
    assert len(numbers) == len(set(numbers))
    assert 4 == len(numbers) + len((await claimed(owed)).claims)
    assert [] == list((await claimed(other)).claims)
    assert DURING + LEASE == (await claimed(other)).next_due_at
    late = (await claimed(other, now=DURING + LEASE)).claims
    assert [2, 4, 6, 8] == [claim.number for claim in late]


async def test_law_2_what_is_longest_due_comes_first(owed: WebhookLedger) -> None:
    """By its time, then by number; what is not due yet does not come."""
    two, four, *_ = (await claimed(owed, 2)).claims
    await settled(owed, became(two, PENDING, due=timedelta(minutes=5)), became(four, PENDING, due=-LEASE))
    turn = await claimed(owed)
    assert [4, 6, 8] == [claim.number for claim in turn.claims]
    assert 1 == turn.claims[0].attempts
    assert DURING + LEASE == turn.next_due_at
    assert [2, 4, 6, 8] == [one.number for one in (await claimed(owed, now=DURING + timedelta(minutes=5))).claims]


async def test_law_3_delivered_is_delivered(owed: WebhookLedger) -> None:
    """A later failure of an older claim changes nothing; a late success of one does."""
    old = (await claimed(owed)).claims
    later = DURING + LEASE
    new = (await claimed(owed, now=later)).claims
    await settled(owed, became(new[0], DELIVERED, answer=200), became(old[1], DELIVERED, answer=204))
    await settled(owed, became(old[0], DEAD), became(new[1], PENDING))
    first, second = reversed((await owed.deliveries("e1"))[-2:])
    assert (DELIVERED, 200, 1) == (first.status, first.last_answer, first.attempts)
    assert (DELIVERED, 204, 1) == (second.status, second.last_answer, second.attempts)


async def test_law_4_what_became_of_a_lost_claim_changes_nothing(owed: WebhookLedger) -> None:
    """Neither a failure nor a death is written over the claim that came after."""
    old = (await claimed(owed)).claims
    new = (await claimed(owed, now=DURING + LEASE)).claims
    await settled(owed, became(old[0], DEAD), became(old[1], PENDING, due=-LEASE))
    assert {PENDING: 4, DELIVERED: 0, DEAD: 0} == await owed.counts("e1")
    assert [] == list((await claimed(owed, now=DURING + LEASE)).claims)
    await settled(owed, became(new[0], DEAD))
    assert {PENDING: 3, DELIVERED: 0, DEAD: 1} == await owed.counts("e1")


async def test_law_5_a_disabled_endpoint_waits(owed: WebhookLedger) -> None:
    """Nothing is claimed, what has ended is written down, and all is there when it is enabled."""
    claims = (await claimed(owed, 1)).claims
    disabled = await owed.edit("e1", lambda one: replace(one, disabled_at=DURING, disabled_why="x"), a_change("off"))
    turn = await claimed(owed)
    assert Turn(disabled) == turn
    await settled(owed, became(claims[0], DELIVERED, answer=200))
    await owed.edit("e1", lambda one: replace(one, disabled_at=None, disabled_why=""), a_change("on"))
    assert [4, 6, 8] == [claim.number for claim in (await claimed(owed)).claims]


async def test_law_6_every_change_is_kept(owed: WebhookLedger) -> None:
    """In its order, and the cursor is nobody's to set."""
    await owed.edit("e1", lambda one: replace(one, secret=b"n" * 32, after=0), a_change("rotate"))
    assert (b"n" * 32, 8) == ((await owed.endpoint("e1")).secret, (await owed.endpoint("e1")).after)
    await owed.replay("e1", a_change("replay"), message_id="msg_2", since=None, dead_only=False)
    assert [a_change(), a_change("rotate"), a_change("replay")] == await owed.changes("e1")


async def test_a_removed_endpoint_is_unknown(owed: WebhookLedger) -> None:
    """To every verb; what it was owed is dead."""
    await owed.edit("e1", lambda one: replace(one, removed_at=DURING, secret=b""), a_change("remove"))
    assert [] == await owed.endpoints()
    assert Turn(None) == await claimed(owed)
    assert not await owed.hand_over(an_endpoint(after=8), [announcement(10)], at=DURING)
    assert {PENDING: 0, DELIVERED: 0, DEAD: 4} == await owed.counts("e1")
    for verb in (
        owed.endpoint("e1"),
        owed.deliveries("e1"),
        owed.edit("e1", lambda one: one, a_change()),
        owed.replay("e1", a_change(), message_id=None, since=DURING, dead_only=False),
    ):
        with pytest.raises(UnknownWebhook):
            await verb


async def test_deliveries_come_in_pages(owed: WebhookLedger) -> None:
    """The newest first, of one status if so asked, each with all that is known of it."""
    two, four, *_ = (await claimed(owed)).claims
    await settled(owed, became(two, DELIVERED, answer=200), became(four, PENDING, due=LEASE, answer=503))
    assert [8, 6] == [one.number for one in await owed.deliveries("e1", limit=2)]
    assert [4, 2] == [one.number for one in await owed.deliveries("e1", before=6)]
    (done,) = await owed.deliveries("e1", status=DELIVERED)
    assert ("msg_2", announcement(2).kind, announcement(2).at) == (done.message_id, done.kind, done.at)
    waiting = (await owed.deliveries("e1", before=5))[0]
    assert (PENDING, 1, DURING + LEASE, DURING) == (
        waiting.status,
        waiting.attempts,
        waiting.due_at,
        waiting.last_at,
    )
    assert (503, "HTTP 503") == (waiting.last_answer, waiting.last_told)


async def test_a_replay_makes_it_due_at_once(owed: WebhookLedger) -> None:
    """One message; or all since an instant, the dead alone if so asked; as if never tried."""
    two, four, *_ = (await claimed(owed)).claims
    await settled(owed, became(two, DELIVERED, answer=200), became(four, DEAD))

    async def replayed(message_id: str | None = None, since: datetime | None = None, *, dead: bool = False) -> int:
        return await owed.replay("e1", a_change("again"), message_id=message_id, since=since, dead_only=dead)

    assert 1 == await replayed(since=DURING, dead=True)
    assert [(4, 0)] == [(claim.number, claim.attempts) for claim in (await claimed(owed)).claims]
    assert 1 == await replayed("msg_2")
    assert [2] == [claim.number for claim in (await claimed(owed)).claims]
    assert 2 == await replayed(since=announcement(6).at)
    assert [6, 8] == [claim.number for claim in (await claimed(owed)).claims]
    with pytest.raises(UnknownDelivery):
        await replayed("msg_3")
    assert 4 == len(await owed.changes("e1"))


async def test_law_7_only_what_was_delivered_long_ago_is_forgotten(owed: WebhookLedger) -> None:
    """In pages, and counted; neither what is pending, nor what is dead, nor what was delivered since."""
    two, four, six, eight = (await claimed(owed)).claims
    await settled(owed, became(two, DELIVERED), became(four, DEAD), became(six, DELIVERED, at=DURING + LEASE))
    assert 0 == await owed.prune(DURING, limit=9)
    assert 1 == await owed.prune(DURING + LEASE, limit=9)
    assert 0 == await owed.prune(DURING + LEASE, limit=9)
    assert [8, 6, 4] == [one.number for one in await owed.deliveries("e1")]
    assert 1 == (await owed.endpoint("e1")).pruned
    await settled(owed, became(eight, DELIVERED, at=DURING + LEASE))
    much_later = DURING + timedelta(days=99)
    assert [1, 1, 0] == [await owed.prune(much_later, limit=1) for _ in range(3)]
    assert [4] == [one.number for one in await owed.deliveries("e1")]
    await owed.edit("e1", lambda one: replace(one, pruned=0), a_change("edit"))
    assert 3 == (await owed.endpoint("e1")).pruned
    with pytest.raises(UnknownDelivery):
        await owed.replay("e1", a_change("again"), message_id="msg_2", since=None, dead_only=False)


async def test_law_7_what_is_sent_again_is_not_forgotten(owed: WebhookLedger) -> None:
    """Within the time that it is kept it has the same id; delivered once more, it is kept as long again."""
    two, *_ = (await claimed(owed)).claims
    await settled(owed, became(two, DELIVERED))
    assert 1 == await owed.replay(
        "e1", a_change("again", DURING + LEASE), message_id="msg_2", since=None, dead_only=False
    )
    assert 0 == await owed.prune(DURING + timedelta(days=99), limit=9)
    (again,) = (await claimed(owed, 1, now=DURING + LEASE)).claims
    await settled(owed, became(again, DELIVERED, at=DURING + 2 * LEASE))
    assert 0 == await owed.prune(DURING + 2 * LEASE, limit=9)
    assert ("msg_2", DELIVERED) == [(one.message_id, one.status) for one in await owed.deliveries("e1")][-1]


async def test_law_7_what_a_removed_endpoint_had_is_forgotten_too(owed: WebhookLedger) -> None:
    """What it was owed stays dead."""
    two, *_ = (await claimed(owed)).claims
    await settled(owed, became(two, DELIVERED))
    await owed.edit("e1", lambda one: replace(one, removed_at=DURING, secret=b""), a_change("remove"))
    assert [1, 0] == [await owed.prune(DURING + LEASE, limit=9) for _ in range(2)]
    assert {PENDING: 0, DELIVERED: 0, DEAD: 3} == await owed.counts("e1")
