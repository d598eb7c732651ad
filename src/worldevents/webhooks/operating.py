"""What operators do with webhooks: endpoints come and go, secrets are rotated, messages sent again, debts counted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from worldevents import rules
from worldevents.clock import Clock
from worldevents.errors import BodyInvalid
from worldevents.grants import Announcement
from worldevents.ledger.outward import Change, Delivery, DeliveryStatus, Endpoint, Feed, WebhookLedger
from worldevents.webhooks import signing
from worldevents.webhooks.addresses import Policy
from worldevents.webhooks.dispatcher import PAGE, Connect
from worldevents.webhooks.schedule import Answer

KINDS: Final = ("reward.granted", "goal.tier_unlocked", "goal.completed", "event.settled")
"""What endpoints can be told."""
TEST_KIND: Final = "webhook.test"
ENDPOINTS_MAX: Final = 50
"""The most endpoints at once: each has its own connections."""
KEPT_S: Final = 86_400
"""How long messages are signed with the previous secret too, in seconds, where nothing else is said."""
KEPT_MAX_S: Final = 2_592_000
DELIVERIES_MAX: Final = 1_000
"""The most deliveries in one list."""

_ID_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Account:
    """What an endpoint was to be told, and how much of that it has."""

    endpoint: Endpoint
    announced: int
    delivered: int
    pending: int
    dead: int

    @property
    def owed(self) -> int:
        """What it does not have."""
        return self.announced - self.delivered


class Webhooks:
    """The verbs. Authors and reasons are kept with every change; BodyInvalid where one of them is missing."""

    def __init__(
        self,
        ledger: WebhookLedger,
        feed: Feed,
        clock: Clock,
        policy: Policy,
        *,
        connect: Connect,
        randomness: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._ledger = ledger
        self._feed = feed
        self._clock = clock
        self._policy = policy
        self._connect = connect
        self._randomness = randomness

    # Looking.

    async def endpoints(self) -> list[Endpoint]:
        """All endpoints, oldest first."""
        return await self._ledger.endpoints()

    async def endpoint(self, endpoint_id: str) -> tuple[Endpoint, list[Change]]:
        """One endpoint and all that was done to it. Raises UnknownWebhook."""
        return await self._ledger.endpoint(endpoint_id), await self._ledger.changes(endpoint_id)

    async def deliveries(
        self, endpoint_id: str, *, status: DeliveryStatus | None = None, before: int | None = None, limit: int = 100
    ) -> list[Delivery]:
        """A page of what an endpoint is told, the newest first, `before` a number. Raises UnknownWebhook."""
        if not 1 <= limit <= DELIVERIES_MAX:
            raise BodyInvalid(f"1 to {DELIVERIES_MAX} deliveries", field="limit")
        return await self._ledger.deliveries(endpoint_id, status=status, before=before, limit=limit)

    async def report(self) -> list[Account]:
        """Owed against delivered, for each endpoint: what is in the feed and no delivery yet is owed too."""
        return [await self._account(one) for one in await self._ledger.endpoints()]

    async def _account(self, one: Endpoint) -> Account:
        # First the deliveries, then what follows the cursor as it was before: what is handed over meanwhile is seen
        # twice rather than not at all.
        counts = await self._ledger.counts(one.id)
        coming, after = 0, one.after
        while page := await self._feed.announcements(after=after, limit=PAGE):
            coming += sum(map(one.wants, page))
            after = page[-1].number
        delivered, dead = counts[DeliveryStatus.DELIVERED] + one.pruned, counts[DeliveryStatus.DEAD]
        pending = counts[DeliveryStatus.PENDING] + coming
        return Account(one, delivered + dead + pending, delivered, pending, dead)

    # Changing.

    async def add(
        self, url: str, *, kinds: Collection[str] = (), since: datetime | None = None, author: str, reason: str
    ) -> Endpoint:
        """A new endpoint for these kinds (none: all), told what is announced from `since` on (None: from now on).

        Raises BodyInvalid with the field.
        """
        self._policy.target(url)
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown:
            raise BodyInvalid(f"a kind is one of {', '.join(KINDS)}", field="kinds")
        now = self._clock.now()
        new = Endpoint(
            id=self._randomness(_ID_BYTES).hex(),
            url=url,
            kinds=frozenset(kinds or KINDS),
            secret=self._randomness(signing.SECRET_BYTES),
            since=since or now,
            created_at=now,
        )
        await self._ledger.add(new, _change("add", author, reason, now), most=ENDPOINTS_MAX)
        return new

    async def rotate(self, endpoint_id: str, *, keep_s: int = KEPT_S, author: str, reason: str) -> Endpoint:
        """A new secret; for `keep_s` seconds messages are signed with the one before it too. Raises UnknownWebhook."""
        if not 0 <= keep_s <= KEPT_MAX_S:
            raise BodyInvalid(f"0 to {KEPT_MAX_S} seconds", field="keepSeconds")
        now, secret = self._clock.now(), self._randomness(signing.SECRET_BYTES)

        def edit(one: Endpoint) -> Endpoint:
            until = now + timedelta(seconds=keep_s)
            return replace(one, secret=secret, previous_secret=one.secret, previous_until=until)

        return await self._ledger.edit(endpoint_id, edit, _change("rotate", author, reason, now))

    async def enable(self, endpoint_id: str, *, author: str, reason: str) -> Endpoint:
        """Deliver to it again, what has waited first. Raises UnknownWebhook."""
        return await self._edit(endpoint_id, "enable", author, reason, disabled_at=None, disabled_why="")

    async def disable(self, endpoint_id: str, *, author: str, reason: str) -> Endpoint:
        """Deliver nothing to it until it is enabled; what is for it waits. Raises UnknownWebhook."""
        now = self._clock.now()
        return await self._edit(endpoint_id, "disable", author, reason, disabled_at=now, disabled_why=reason)

    async def remove(self, endpoint_id: str, *, author: str, reason: str) -> Endpoint:
        """Forget it and its secrets; what it does not have yet is dead. Raises UnknownWebhook."""
        now, forgotten = self._clock.now(), MappingProxyType({"secret": b"", "previous_secret": None})
        return await self._edit(endpoint_id, "remove", author, reason, removed_at=now, **forgotten)

    async def _edit(self, endpoint_id: str, what: str, author: str, reason: str, **told: object) -> Endpoint:
        def edit(one: Endpoint) -> Endpoint:
            return replace(one, **told)  # type: ignore[arg-type] # the fields of an endpoint

        return await self._ledger.edit(endpoint_id, edit, _change(what, author, reason, self._clock.now()))

    async def replay(
        self,
        endpoint_id: str,
        *,
        message_id: str | None = None,
        since: datetime | None = None,
        dead_only: bool = False,
        author: str,
        reason: str,
    ) -> int:
        """Send again under the same ids: one message, or all since an instant, of these the dead alone if so asked.

        Says how many. Raises UnknownWebhook, UnknownDelivery, and BodyInvalid where not one of the two is named.
        """
        if (message_id is None) == (since is None):
            raise BodyInvalid("either a message or an instant is named", field="messageId")
        what = f"replay of {message_id}" if since is None else f"replay since {since.isoformat()}"
        change = _change(what, author, reason, self._clock.now())
        return await self._ledger.replay(endpoint_id, change, message_id=message_id, since=since, dead_only=dead_only)

    async def test(self, endpoint_id: str) -> Answer:
        """Send one message of kind `webhook.test` right now, once, and say what came of it. Raises UnknownWebhook."""
        endpoint, now = await self._ledger.endpoint(endpoint_id), self._clock.now()
        message_id = f"msg_test_{self._randomness(_ID_BYTES).hex()}"
        body = signing.body(Announcement(0, message_id, TEST_KIND, now, {"endpointId": endpoint.id}))
        async with self._connect() as post:
            return await post(endpoint.url, signing.headers(endpoint, message_id, body, now), body)


def _change(what: str, author: str, reason: str, at: datetime) -> Change:
    return Change(what, rules.check_author(author), at, rules.check_reason(reason))
