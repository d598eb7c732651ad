"""Delivering over real HTTP, on both databases: what arrives, what is tried again, and who is not held up."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio

from tests.webhooks.feed import Feed, announcement
from tests.webhooks.receiver import OK, Receiver, answered, receiving
from worldevents.api.operators import By
from worldevents.errors import ConfigurationInvalid
from worldevents.ledger import open_ledger
from worldevents.ledger.outward import Delivery, DeliveryStatus, Endpoint, WebhookLedger
from worldevents.telemetry import Telemetry
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING
from worldevents.webhooks import dispatcher as dispatching
from worldevents.webhooks import signing
from worldevents.webhooks.addresses import Policy
from worldevents.webhooks.dispatcher import AT_ONCE, BRAKE, Dispatcher, Post
from worldevents.webhooks.operating import Webhooks
from worldevents.webhooks.schedule import WAITS_S
from worldevents.webhooks.sending import sending

pytestmark = pytest.mark.usefixtures("no_leaks")
LOOK_S = 0.01
LEASE_S = 60.0
WAIT_S = 60.0
BY: By = {"author": "ops", "reason": "why"}
DEAD, PENDING, DELIVERED = DeliveryStatus.DEAD, DeliveryStatus.PENDING, DeliveryStatus.DELIVERED


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something that only the database knows is so."""
    async with asyncio.timeout(WAIT_S):
        while not await holds():  # noqa: ASYNC110 - nobody signals it
            await asyncio.sleep(LOOK_S)


@dataclass
class System:
    """A ledger, a feed, a clock, and what delivers."""

    ledger: WebhookLedger
    feed: Feed
    clock: ManualClock
    telemetry: Telemetry
    webhooks: Webhooks
    dispatcher: Callable[..., Dispatcher]

    async def add(self, receiver: Receiver) -> Endpoint:
        return await self.webhooks.add(receiver.url, since=DURING, **BY)

    async def deliveries(self, endpoint: Endpoint) -> list[Delivery]:
        return await self.ledger.deliveries(endpoint.id, limit=1_000)

    async def until(self, endpoint: Endpoint, holds: Callable[[list[Delivery]], bool]) -> list[Delivery]:
        """Wait until the ledger says so of an endpoint's deliveries."""
        found: list[Delivery] = []

        async def is_so() -> bool:
            found[:] = await self.deliveries(endpoint)
            return holds(found)

        await eventually(is_so)
        return found

    async def until_all(self, endpoint: Endpoint, status: DeliveryStatus) -> list[Delivery]:
        return await self.until(
            endpoint, lambda found: len(found) == self.feed.size and all(one.status is status for one in found)
        )

    def figure(self, result: str) -> float:
        return self.telemetry.registry.get_sample_value("worldevents_webhooks_total", {"result": result}) or 0


@pytest_asyncio.fixture
async def system(ledger_url: str, chance: random.Random) -> AsyncIterator[System]:
    """Give everything but a dispatcher that runs."""
    async with open_ledger(ledger_url) as ledger:
        feed, clock, telemetry, policy = Feed(), ManualClock(DURING), Telemetry(), Policy(loopback=True)

        def dispatcher(look_s: float = LOOK_S) -> Dispatcher:
            return Dispatcher(
                ledger.webhooks,
                feed,
                clock,
                telemetry,
                connect=lambda: posting(policy),
                chance=chance,
                lease_s=LEASE_S,
                look_s=look_s,
            )

        webhooks = Webhooks(ledger.webhooks, feed, clock, policy, connect=lambda: posting(policy))
        yield System(ledger.webhooks, feed, clock, telemetry, webhooks, dispatcher)


@asynccontextmanager
async def posting(policy: Policy) -> AsyncIterator[Post]:
    async with sending(policy, try_s=5.0) as sender:
        yield sender.post


@asynccontextmanager
async def running(system: System, servers: int = 1) -> AsyncIterator[None]:
    """Have so many dispatchers run."""
    tasks = [asyncio.create_task(system.dispatcher().run()) for _ in range(servers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def tried(attempts: int) -> Callable[[list[Delivery]], bool]:
    """Whether the only delivery there is was tried so often."""
    return lambda found: [one.attempts for one in found] == [attempts]


async def test_what_is_announced_arrives(system: System, receiver: Receiver) -> None:
    """Every announcement once, signed, under its own id, whether it was there before or comes later."""
    endpoint = await system.add(receiver)
    system.feed.size = 5
    async with running(system):
        await receiver.hears(5)
        system.feed.size = 40
        await system.until_all(endpoint, DELIVERED)
    assert {f"msg_{number}": 1 for number in range(1, 41)} == receiver.ids
    one = next(sent for sent in receiver.sent if sent.id == "msg_7")
    expected = signing.headers(endpoint, "msg_7", signing.body(announcement(7)), DURING)
    assert signing.body(announcement(7)) == one.body
    assert expected.items() <= one.headers.items()
    assert 40 == system.figure("delivered")


async def test_an_endpoint_hears_of_its_kinds(system: System, receiver: Receiver) -> None:
    """And of nothing from before it was made, where nothing else was said."""
    system.feed.size = 20
    system.clock.move(timedelta(seconds=10))
    endpoint = await system.webhooks.add(receiver.url, kinds=["goal.completed"], **BY)
    async with running(system):
        await system.until(endpoint, lambda found: len([one for one in found if one.status is DELIVERED]) == 3)
        await asyncio.sleep(LOOK_S)
    assert {"msg_10", "msg_14", "msg_18"} == set(receiver.ids)


async def test_what_fails_is_tried_again_and_at_last_is_dead(system: System, receiver: Receiver) -> None:
    """At the times of the schedule, under the same id and with the same body; then never again."""
    receiver.answer = lambda _: answered("500 Oh")
    endpoint = await system.add(receiver)
    system.feed.size = 1
    async with running(system):
        for attempt, wait_s in enumerate(WAITS_S, 1):
            (one,) = await system.until(endpoint, tried(attempt))
            assert (PENDING, 500, "HTTP 500") == (one.status, one.last_answer, one.last_told)
            assert 0.8 <= (one.due_at - system.clock.now()).total_seconds() / wait_s <= 1.2
            system.clock.set(one.due_at)
        (one,) = await system.until_all(endpoint, DEAD)
    assert len(WAITS_S) + 1 == one.attempts == len(receiver.sent)
    assert 1 == len({(sent.id, sent.body) for sent in receiver.sent})
    assert len(receiver.sent) == len({sent.headers["webhook-timestamp"] for sent in receiver.sent})
    assert (len(WAITS_S), 1) == (system.figure("retried"), system.figure("dead"))


async def test_what_was_delivered_though_the_answer_was_lost_comes_again(system: System, receiver: Receiver) -> None:
    """Under the same id, by which its receiver knows."""
    lost = {"msg_1"}
    receiver.answer = lambda one: b"" if one.id in lost else OK
    endpoint = await system.add(receiver)
    system.feed.size = 3
    async with running(system):
        found = await system.until(endpoint, lambda all_: {one.attempts for one in all_} == {1} and len(all_) == 3)
        assert ["pending"] == [one.status.value for one in found if one.message_id == "msg_1"]
        lost.clear()
        system.clock.move(timedelta(minutes=1))
        await system.until_all(endpoint, DELIVERED)
    assert {"msg_1": 2, "msg_2": 1, "msg_3": 1} == receiver.ids


async def test_410_disables_the_endpoint(system: System, receiver: Receiver) -> None:
    """Nothing more is sent, all of it waits, and the operator finds why; enabled again it gets everything."""
    receiver.answer = lambda _: answered("410 Gone")
    endpoint = await system.add(receiver)
    system.feed.size = 3 * AT_ONCE
    async with running(system):

        async def is_disabled() -> bool:
            return not (await system.ledger.endpoint(endpoint.id)).is_active

        await eventually(is_disabled)
        sent = len(receiver.sent)
        assert sent <= 2 * AT_ONCE
        _, changes = await system.webhooks.endpoint(endpoint.id)
        assert [("add", "ops"), ("disable", "worldevents")] == [(one.what, one.author) for one in changes]
        assert "410" in (await system.ledger.endpoint(endpoint.id)).disabled_why
        system.clock.move(timedelta(minutes=1))
        await asyncio.sleep(10 * LOOK_S)
        assert sent == len(receiver.sent)
        receiver.answer = lambda _: OK
        await system.webhooks.enable(endpoint.id, **BY)
        system.clock.move(timedelta(minutes=2))
        await system.until_all(endpoint, DELIVERED)


async def test_retry_after_is_waited_for(system: System, receiver: Receiver) -> None:
    """Where it is longer than the schedule's wait."""
    receiver.answer = lambda _: answered("429 Too Many Requests", "retry-after: 7200")
    endpoint = await system.add(receiver)
    system.feed.size = 1
    async with running(system):
        (one,) = await system.until(endpoint, tried(1))
    assert DURING + timedelta(hours=2) == one.due_at


async def test_a_slow_endpoint_holds_up_no_other(system: System, receiver: Receiver) -> None:
    """While one never answers, the other has everything."""
    async with receiving() as slow:
        slow.answer = lambda _: None
        await system.add(slow)
        quick = await system.add(receiver)
        system.feed.size = 100
        async with running(system):
            await system.until_all(quick, DELIVERED)
    assert 100 == len(receiver.sent)
    assert len(slow.sent) <= 3 * AT_ONCE


async def test_an_endpoint_that_fails_is_not_pressed(system: System, receiver: Receiver) -> None:
    """After some failures in a row it is tried with one at a time; a success opens the way again."""
    receiver.answer = lambda _: answered("503 Away")
    endpoint = await system.add(receiver)
    system.feed.size = BRAKE
    async with running(system):
        await system.until(endpoint, lambda found: [one.attempts for one in found] == [1] * BRAKE)
        receiver.answer = lambda _: None
        system.clock.move(timedelta(minutes=1))
        await receiver.hears(BRAKE + 1)
        await asyncio.sleep(10 * LOOK_S)
        assert BRAKE + 1 == len(receiver.sent)
        receiver.answer = lambda _: OK
        await system.until(endpoint, lambda found: sum(one.status is DELIVERED for one in found) == BRAKE - 1)


async def test_two_servers_share_the_work(system: System, receiver: Receiver) -> None:
    """Each message is sent by one of them."""
    endpoint = await system.add(receiver)
    system.feed.size = 300
    async with running(system, servers=2):
        await system.until_all(endpoint, DELIVERED)
    assert {f"msg_{number}": 1 for number in range(1, 301)} == receiver.ids


async def test_what_a_dead_server_had_goes_on(system: System, receiver: Receiver) -> None:
    """When its lease is over; not before."""
    receiver.answer = lambda _: None
    endpoint = await system.add(receiver)
    system.feed.size = 3
    async with running(system):
        await receiver.hears(3)
    receiver.answer = lambda _: OK
    async with running(system):
        await asyncio.sleep(10 * LOOK_S)
        assert 3 == len(receiver.sent)
        system.clock.move(timedelta(seconds=LEASE_S))
        await system.until_all(endpoint, DELIVERED)
    assert {f"msg_{number}": 2 for number in range(1, 4)} == receiver.ids


async def test_what_has_ended_is_written_down_on_leaving(
    system: System, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not sent again by the next server."""
    monkeypatch.setattr(dispatching, "GATHER_S", WAIT_S)
    endpoint = await system.add(receiver)
    system.feed.size = 1
    task = asyncio.create_task(system.dispatcher(look_s=WAIT_S).run())

    async def is_answered() -> bool:
        return system.figure("delivered") == 1

    await eventually(is_answered)
    assert [PENDING] == [one.status for one in await system.deliveries(endpoint)]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert [DELIVERED] == [one.status for one in await system.deliveries(endpoint)]


async def test_a_new_secret_signs_beside_the_old_one(system: System, receiver: Receiver) -> None:
    """From the next message on."""
    endpoint = await system.add(receiver)
    async with running(system):
        system.feed.size = 1
        await system.until_all(endpoint, DELIVERED)
        rotated = await system.webhooks.rotate(endpoint.id, keep_s=60, **BY)
        system.feed.size = 2
        await system.until_all(endpoint, DELIVERED)
        system.clock.move(timedelta(seconds=60))
        system.feed.size = 3
        await system.until_all(endpoint, DELIVERED)
    numbers = [len(one.headers["webhook-signature"].split(" ")) for one in receiver.sent]
    assert [1, 2, 1] == numbers
    assert endpoint.secret == rotated.previous_secret != rotated.secret


async def test_a_replay_goes_out_again(system: System, receiver: Receiver) -> None:
    """Under the same ids."""
    endpoint = await system.add(receiver)
    system.feed.size = 4
    async with running(system):
        await system.until_all(endpoint, DELIVERED)
        assert 2 == await system.webhooks.replay(endpoint.id, since=announcement(3).at, **BY)
        await receiver.hears(6)
        assert 1 == await system.webhooks.replay(endpoint.id, message_id="msg_1", **BY)
        await receiver.hears(7)
        await system.until_all(endpoint, DELIVERED)
    assert {"msg_1": 2, "msg_2": 1, "msg_3": 2, "msg_4": 2} == receiver.ids


async def test_what_is_too_large_is_not_sent(
    system: System, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits like any failure, and the operator finds why."""
    monkeypatch.setattr(signing, "BODY_MAX", 10)
    endpoint = await system.add(receiver)
    system.feed.size = 1
    async with running(system):
        (one,) = await system.until(endpoint, tried(1))
    assert (None, "larger than 10 bytes, not sent", 0) == (one.last_answer, one.last_told, len(receiver.sent))


async def test_the_report_counts_what_is_owed(system: System, receiver: Receiver) -> None:
    """Announced is delivered, pending and dead; what no server has looked at yet is owed too."""
    endpoint = await system.add(receiver)
    system.feed.size = 10
    (before,) = await system.webhooks.report()
    assert (10, 0, 10, 0, 10) == (before.announced, before.delivered, before.pending, before.dead, before.owed)
    receiver.answer = lambda one: OK if one.id != "msg_3" else answered("500 Oh")
    async with running(system):
        await system.until(endpoint, lambda found: sum(one.status is DELIVERED for one in found) == 9)
    (after,) = await system.webhooks.report()
    assert (10, 9, 1, 0, 1) == (after.announced, after.delivered, after.pending, after.dead, after.owed)


async def test_without_a_driver_it_is_said_once_in_a_while(
    system: System, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """And everything else goes on; nothing is lost."""

    def connect() -> object:
        raise ConfigurationInvalid("webhooks need httpx2", field="webhooks")

    await system.add(receiver)
    dispatcher = system.dispatcher()
    dispatcher._connect = connect  # type: ignore[assignment] # what is missing
    task = asyncio.create_task(dispatcher.run())

    async def is_said() -> bool:
        return "webhooks need httpx2" in caplog.text

    with caplog.at_level(logging.ERROR):
        await eventually(is_said)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
