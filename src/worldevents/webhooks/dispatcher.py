"""Delivering: a lane for each endpoint carries what the feed announces to it, until the endpoint has it or it is dead.

Lanes share nothing but the ledger: a slow endpoint holds up no other. Whatever happens to this process, the ledger says
what is owed: a message is sent again rather than not at all, under the same id. Several servers may do this at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from worldevents.clock import Clock
from worldevents.errors import LedgerUnavailable, UnknownWebhook, WorldEventsError
from worldevents.grants import Announcement
from worldevents.ledger.outward import Change, Claim, DeliveryStatus, Endpoint, Feed, Outcome, Turn, WebhookLedger
from worldevents.telemetry import Telemetry
from worldevents.webhooks import schedule, signing
from worldevents.webhooks.schedule import Answer

AT_ONCE: Final = 16
"""Attempts under way at one endpoint."""
BRAKE: Final = 16
"""After so many failures in a row an endpoint is tried with one at a time, until one succeeds."""
LEASE_S: Final = 60.0
"""How long a claimed delivery is left to its server: well over the longest attempt."""
LOOK_S: Final = 1.0
"""How often a lane looks whether there is something new, and the dispatcher whether there is a new endpoint."""
MISSING_S: Final = 60.0
"""How long it waits where what delivers is not installed."""
GATHER_S: Final = 0.005
"""How long what has ended waits for what ends soon: they are written down together."""
FAREWELL_S: Final = 1.0
"""How long it may take to write down what has ended when a lane does."""
PAGE: Final = 500
"""Announcements that become deliveries in one transaction."""
AUTHOR: Final = "worldevents"
GONE: Final = "the endpoint answered 410: it wants no more"

_log = logging.getLogger(__name__)


class Post(Protocol):
    """One attempt: `Sender.post`."""

    async def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Whatever goes wrong is an answer."""
        ...


Connect = Callable[[], AbstractAsyncContextManager[Post]]
"""Connections that are kept while the context is open."""


class Dispatcher:
    """Runs a lane for every endpoint that is active; `run` is its one background task."""

    def __init__(
        self,
        ledger: WebhookLedger,
        feed: Feed,
        clock: Clock,
        telemetry: Telemetry,
        *,
        connect: Connect,
        chance: random.Random,
        lease_s: float = LEASE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._ledger = ledger
        self._connect = connect
        self._look_s = look_s

        def lane(endpoint_id: str, post: Post) -> Lane:
            return Lane(
                endpoint_id,
                ledger=ledger,
                feed=feed,
                clock=clock,
                telemetry=telemetry,
                post=post,
                chance=chance,
                lease_s=lease_s,
                look_s=look_s,
            )

        self._lane = lane

    async def run(self) -> None:
        """Deliver until cancelled. Nothing is raised here: without this, all else goes on."""
        while True:
            with suppress(LedgerUnavailable):
                if any(one.is_active for one in await self._ledger.endpoints()):
                    await self._deliver()
            await asyncio.sleep(self._look_s)

    async def _deliver(self) -> None:
        """Deliver while there is an endpoint that is active."""
        try:
            async with self._connect() as post, asyncio.TaskGroup() as tasks:
                lanes: dict[str, asyncio.Task[None]] = {}
                while True:
                    with suppress(LedgerUnavailable):
                        for one in await self._ledger.endpoints():
                            if one.is_active and (one.id not in lanes or lanes[one.id].done()):
                                lanes[one.id] = tasks.create_task(self._lane(one.id, post).run())
                    if all(lane.done() for lane in lanes.values()):
                        return
                    await asyncio.sleep(self._look_s)
        except WorldEventsError as error:
            _log.error("webhooks cannot be delivered: %s", error.detail)
            await asyncio.sleep(MISSING_S)
        except Exception:  # noqa: BLE001 - whatever it is, all else goes on
            _log.exception("delivering webhooks has failed, and begins again")


class Lane:
    """What goes to one endpoint. `run` ends when that is disabled or removed."""

    def __init__(
        self,
        endpoint_id: str,
        *,
        ledger: WebhookLedger,
        feed: Feed,
        clock: Clock,
        telemetry: Telemetry,
        post: Post,
        chance: random.Random,
        lease_s: float,
        look_s: float,
    ) -> None:
        self._id = endpoint_id
        self._ledger = ledger
        self._feed = feed
        self._clock = clock
        self._counter = telemetry.webhooks
        self._post = post
        self._chance = chance
        self._lease = timedelta(seconds=lease_s)
        self._look_s = look_s
        self._under_way: set[asyncio.Task[None]] = set()
        self._outcomes: list[Outcome] = []
        self._news = asyncio.Event()
        self._failures = 0
        """Those in a row."""
        self._is_gone = False

    async def run(self) -> None:
        """Deliver until the endpoint is disabled, removed, or this is cancelled."""
        try:
            while True:
                try:
                    if not await self._round():
                        return
                except LedgerUnavailable as error:
                    _log.warning("webhooks wait for the ledger: %s", error.detail)
                    await asyncio.sleep(self._look_s)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            await self._leave()

    async def _leave(self) -> None:
        """Write down what has ended, so that it is not sent again."""
        with suppress(LedgerUnavailable, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                if self._outcomes:
                    await self._turn(0)

    async def _round(self) -> bool:
        """Write down what has ended, begin what is due, and rest: whether there is more to come."""
        if self._is_gone:
            await self._disable()
        room = 0 if self._is_gone else self._room()
        turn = await self._turn(room)
        if turn.endpoint is None or not turn.endpoint.is_active:
            return await self._rest_of_it()
        for claim, one in await self._announced(turn.claims):
            self._begin(turn.endpoint, claim, one)
        if len(turn.claims) < room and await self._hand_over(turn.endpoint):
            return True
        await self._rest(turn.next_due_at)
        return True

    async def _turn(self, most: int) -> Turn:
        outcomes, now = self._outcomes[:], self._clock.now()
        turn = await self._ledger.turn(self._id, outcomes, most=most, now=now, until=now + self._lease)
        del self._outcomes[: len(outcomes)]
        return turn

    async def _rest_of_it(self) -> bool:
        """Of an endpoint that is to get no more: wait for what is under way, and write that down."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        if not self._outcomes:
            return False
        await self._turn(0)
        return False

    def _room(self) -> int:
        most = 1 if self._failures >= BRAKE else AT_ONCE
        return max(0, most - len(self._under_way))

    async def _hand_over(self, endpoint: Endpoint) -> bool:
        """Make what is new in the feed deliveries: whether there was anything."""
        page = await self._feed.announcements(after=endpoint.after, limit=PAGE)
        if not page:
            return False
        await self._ledger.hand_over(endpoint, page, at=self._clock.now())
        return True

    async def _announced(self, claims: Sequence[Claim]) -> list[tuple[Claim, Announcement]]:
        """What the claimed deliveries say; what the feed has lost is dead."""
        wanted = [claim.number for claim in claims]
        found: dict[int, Announcement] = {}
        while wanted:
            page = await self._feed.announcements(after=wanted[0] - 1, limit=len(wanted))
            found |= {one.number: one for one in page}
            last = page[-1].number if page else wanted[-1]
            wanted = [number for number in wanted if number > last]
        now = self._clock.now()
        for claim in claims:
            if claim.number not in found:
                self._outcomes.append(Outcome(claim, DeliveryStatus.DEAD, now, now, None, "not in the feed any more"))
        return [(claim, found[claim.number]) for claim in claims if claim.number in found]

    # Attempts.

    def _begin(self, endpoint: Endpoint, claim: Claim, one: Announcement) -> None:
        task = asyncio.create_task(self._attempt(endpoint, claim, one))
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._news.set()

    async def _attempt(self, endpoint: Endpoint, claim: Claim, one: Announcement) -> None:
        answer = await self._answer(endpoint, one)
        self._is_gone = self._is_gone or answer.is_gone
        self._failures = 0 if answer.is_good else self._failures + 1
        became = schedule.outcome(claim, answer, self._clock.now(), self._chance)
        self._outcomes.append(became)
        self._counter.labels("retried" if became.status is DeliveryStatus.PENDING else became.status.value).inc()

    async def _answer(self, endpoint: Endpoint, one: Announcement) -> Answer:
        body = signing.body(one)
        if len(body) > signing.BODY_MAX:
            return Answer(None, f"larger than {signing.BODY_MAX:,} bytes, not sent")
        try:
            return await self._post(endpoint.url, signing.headers(endpoint, one.id, body, self._clock.now()), body)
        except Exception as error:  # noqa: BLE001 - it is tried again like any other
            _log.exception("an attempt at webhook endpoint %s has failed", endpoint.id)
            return Answer(None, type(error).__name__)

    async def _disable(self) -> None:
        now = self._clock.now()

        def edit(one: Endpoint) -> Endpoint:
            return one if one.disabled_at else replace(one, disabled_at=now, disabled_why=GONE)

        with suppress(UnknownWebhook):
            await self._ledger.edit(self._id, edit, Change("disable", AUTHOR, now, GONE))

    async def _rest(self, next_due_at: datetime | None) -> None:
        """Wait until an attempt ends, or something may be due."""
        wait_s = self._look_s
        if next_due_at is not None and self._room():
            wait_s = min(wait_s, max((next_due_at - self._clock.now()).total_seconds(), GATHER_S))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._news.wait()
                await asyncio.sleep(GATHER_S)
        self._news.clear()
