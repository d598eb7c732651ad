"""Publishing outward: what the hub tells goes to another project too, at its pace; of several servers, by one.

It is one more watcher of the hub and never in the way of anybody: its mailbox is emptied at once, always, and whatever
happens over there only makes it wait. A state that could not be published is published in its newest form.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from http import HTTPStatus
from math import inf
from typing import Final, Protocol

from worldevents.errors import WorldEventsError
from worldevents.live.hub import Hub
from worldevents.live.messages import Message
from worldevents.live.subscriber import Subscriber
from worldevents.live.supabase import Post
from worldevents.live.waiting import Waiting
from worldevents.telemetry import Telemetry

LEASE_S: Final = 3.5
"""How long a server that publishes may be silent before another one does."""
RENEW_S: Final = 1.0
"""How often it says that it is there, and the others ask."""
KEPT_S: Final = LEASE_S + 2 * RENEW_S
"""For how long a server that does not publish keeps what happens once: the one that does may just have died with it."""
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
"""The bounds of the wait after a failure: it doubles from the first to the longest, and any part of it is waited."""
AGAIN_S: Final = 0.5
"""How long after a failure of its own all of it begins again."""
LEAST_REST_S: Final = 0.001
"""Timers are early by less than this."""
FAREWELL_S: Final = 0.7
"""How long it tries to publish what waits when the hub has closed."""
RESIGN_S: Final = 0.2
"""How long it may take to make room for another server."""

_DOUBLINGS_MAX: Final = 16
_LAST_GOOD: Final = 299

_log = logging.getLogger(__name__)


class Lead(Protocol):
    """Takes a role or renews it: `Store.lead`, for one role and token."""

    def __call__(self, *, ttl_s: float) -> Awaitable[bool]:
        """Whether the role is ours for so long."""
        ...


class Publisher:
    """Publishes what a hub tells; `run` is its one background task, and ends by itself when the hub is closed."""

    def __init__(
        self,
        hub: Hub,
        telemetry: Telemetry,
        *,
        connect: Callable[[], AbstractAsyncContextManager[Post]],
        batch_max: int,
        lead: Lead,
        resign: Callable[[], Awaitable[None]],
        chance: random.Random,
        waiting: Waiting | None = None,
    ) -> None:
        """`batch_max` messages go in one call of what `connect` gives."""
        self._hub = hub
        self._outward = telemetry.outward
        self._connect = connect
        self._batch_max = batch_max
        self._lead = lead
        self._resign = resign
        self._chance = chance
        self._waiting = waiting or Waiting()
        self._news = asyncio.Event()
        self._led_until = -inf
        self._again_at = -inf
        self._failures = 0
        self._is_refused = False
        self._is_ending = False

    async def run(self) -> None:
        """Publish until the hub is closed. Nothing is raised here: without this, all else goes on."""
        while not self._hub.closed:
            try:
                async with self._connect() as post:
                    await self._publish(post)
            except Exception:  # noqa: BLE001 - whatever it is, all else goes on
                _log.exception("publishing outward has failed, and begins again")
                await asyncio.sleep(AGAIN_S)

    async def _publish(self, post: Post) -> None:
        self._is_ending = False
        with self._hub.subscribe() as mail:
            async with asyncio.TaskGroup() as tasks:
                leading = tasks.create_task(self._keep_leading())
                sending = tasks.create_task(self._send(post))
                await self._read(mail)
                self._is_ending = True
                self._news.set()
                await asyncio.wait([sending], timeout=FAREWELL_S)
                sending.cancel()
                leading.cancel()
        if self._leads(_now()):
            self._led_until = -inf
            with suppress(WorldEventsError, TimeoutError):
                async with asyncio.timeout(RESIGN_S):
                    await self._resign()

    # What is told.

    async def _read(self, mail: Subscriber) -> None:
        while not (mail.ended and not mail.has_mail):
            for message in await mail.take():
                if message.goal_id is not None:
                    self._put(message)

    def _put(self, message: Message) -> None:
        now = _now()
        dropped = self._waiting.put(message, now)
        if dropped:
            self._count("dropped", dropped)
        if not self._leads(now):
            self._waiting.forget_events(now - KEPT_S)
        self._news.set()

    # Who publishes.

    def _leads(self, now: float) -> bool:
        return now < self._led_until

    async def _keep_leading(self) -> None:
        while True:
            asked_at = _now()
            try:
                async with asyncio.timeout(LEASE_S):
                    is_ours = await self._lead(ttl_s=LEASE_S)
            except (WorldEventsError, TimeoutError) as error:
                # What we have is ours for as long as it was given.
                _log.debug("who publishes cannot be found out: %s", error)
            else:
                self._take_role(asked_at, is_ours=is_ours)
            await asyncio.sleep(RENEW_S)

    def _take_role(self, asked_at: float, *, is_ours: bool) -> None:
        now = _now()
        is_new = is_ours and not self._leads(now)
        self._led_until = asked_at + LEASE_S if is_ours else -inf
        if is_new:
            _log.info("this server publishes outward from now on")
            self._waiting.forget_events(now - KEPT_S)
            for message in self._hub.snapshot():
                self._waiting.put(message, now)
            self._news.set()

    # Publishing.

    async def _send(self, post: Post) -> None:
        while not self._is_ending:
            now = _now()
            due_at = max(self._again_at, self._waiting.due_at()) if self._leads(now) else inf
            if due_at > now:
                await self._rest(max(due_at - now, LEAST_REST_S))
            else:
                await self._try(post, self._waiting.due(now))
        while (left := self._waiting.everything) and await self._try(post, left):
            pass

    async def _rest(self, seconds: float) -> None:
        """Wait for so long, or for news."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == inf else seconds):
                await self._news.wait()
        self._news.clear()

    async def _try(self, post: Post, messages: Sequence[Message]) -> bool:
        """Publish the first of these, as many as go in one request: whether that is all for them."""
        now = _now()
        if not self._leads(now):
            return False
        some = messages[: self._batch_max]
        for message in some:
            self._waiting.tried(message, now)
        return self._is_settled(await post(some), some)

    def _is_settled(self, status: int | None, messages: Sequence[Message]) -> bool:
        """Whether that is all for these; else all that waits has to wait."""
        if status is None or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._wait(status)
            self._count("retried", len(messages))
            return False
        for message in messages:
            self._waiting.done(message)
        if status <= _LAST_GOOD:
            if self._failures or self._is_refused:
                _log.info("what is published outward is taken again")
            self._failures, self._is_refused = 0, False
            self._count("sent", len(messages))
        else:
            if not self._is_refused:
                _log.error("what is published outward is refused (HTTP %d): see to the settings supabase_*", status)
            self._is_refused = True
            self._count("refused", len(messages))
        return True

    def _wait(self, status: int | None) -> None:
        if not self._failures:
            told = "no answer" if status is None else f"HTTP {status}"
            _log.warning("what is published outward is not taken (%s), and is tried again", told)
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._failures, _DOUBLINGS_MAX))
        self._failures += 1
        self._again_at = _now() + self._chance.uniform(0, longest)

    def _count(self, result: str, messages: int) -> None:
        self._outward.labels(result).inc(messages)


def _now() -> float:
    return asyncio.get_running_loop().time()
