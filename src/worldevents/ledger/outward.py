"""What telling hosts needs the ledger for: endpoints of webhooks, what each is owed, and how far a callback is.

Words only; `deliveries` and `callbacks` are beside it. Laws, which `tests/ledger/test_webhooks.py` and
`test_callback.py` hold both databases to:

1. An announcement becomes one delivery of an endpoint at most, in the transaction that moves the endpoint's cursor past
   it. A cursor moves from where it was read, or not at all.
2. What is claimed is nobody else's until its lease ends; then it is due again, whoever had it.
3. Delivered is delivered: no later outcome of another claim makes it pending or dead. Only a replay does.
4. What becomes of a claim that is not one's own any more changes nothing, but that it was delivered.
5. Nothing is due at an endpoint that is disabled, and nothing of that is lost: it waits.
6. Every change of an endpoint is kept, with author, time and reason.
7. What was delivered may be forgotten, and is counted then; what is pending or dead never is.
8. One at a time tells grants to the callback, until its lease ends. The cursor never goes back: all up to it were told.
   What the player has by then is delivered in the transaction that moves it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from worldevents.grants import Announcement
from worldevents.ledger.granted import DurableLedger


class Feed(Protocol):
    """All announcements in their order. None appears later with a lower number than one that was seen."""

    async def announcements(self, *, after: int, limit: int) -> Sequence[Announcement]:
        """Those that follow a number, up to so many, by number."""
        ...


class DeliveryStatus(StrEnum):
    """What has become of an announcement at one endpoint."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where announcements go, and how they are signed."""

    id: str
    url: str
    kinds: frozenset[str]
    secret: bytes = field(repr=False)
    previous_secret: bytes | None = field(default=None, repr=False)
    previous_until: datetime | None = None
    """Until when what is sent is signed with the previous secret too."""
    since: datetime
    """Announcements of before are not for it."""
    after: int = 0
    """Its cursor: all up to this number are deliveries, or not for it."""
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_why: str = ""
    removed_at: datetime | None = None
    pruned: int = 0
    """Deliveries of it that were forgotten: each was delivered."""

    def wants(self, one: Announcement) -> bool:
        """Whether it is to be told of that."""
        return one.kind in self.kinds and one.at >= self.since

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None and self.removed_at is None


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to an endpoint, by whom and why."""

    what: str
    author: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours to try until then."""

    number: int
    attempts: int
    """Those that were made before."""
    until: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claim."""

    claim: Claim
    status: DeliveryStatus
    due_at: datetime
    """Of one that is pending: when it is tried again."""
    at: datetime
    answer: int | None
    """The HTTP status; None where none came."""
    told: str


@dataclass(frozen=True, slots=True)
class Turn:
    """An endpoint as it is now (None: removed), what was claimed, and when the next is due (None: nothing waits)."""

    endpoint: Endpoint | None
    claims: Sequence[Claim] = ()
    next_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An announcement at one endpoint."""

    number: int
    message_id: str
    kind: str
    at: datetime
    status: DeliveryStatus
    attempts: int
    due_at: datetime
    last_at: datetime | None
    last_answer: int | None
    last_told: str


class WebhookLedger(Protocol):
    """Endpoints and deliveries; every verb raises LedgerUnavailable, those about one endpoint UnknownWebhook too.

    They take no part in the order of appends: a command may use them beside the process that owns the database.
    """

    async def endpoints(self) -> list[Endpoint]:
        """All that are not removed, oldest first."""
        ...

    async def endpoint(self, endpoint_id: str) -> Endpoint:
        """One that is not removed."""
        ...

    async def add(self, endpoint: Endpoint, change: Change, *, most: int) -> None:
        """Keep a new endpoint (law 6). Raises BodyInvalid where there are `most` already."""
        ...

    async def edit(self, endpoint_id: str, edit: Callable[[Endpoint], Endpoint], change: Change) -> Endpoint:
        """Put an edited endpoint in the place of what it was; its cursor and what was pruned stay (law 6).

        What is pending at one that was removed is dead from then on.
        """
        ...

    async def changes(self, endpoint_id: str) -> list[Change]:
        """All that was done to an endpoint, oldest first."""
        ...

    async def hand_over(self, endpoint: Endpoint, page: Sequence[Announcement], *, at: datetime) -> bool:
        """Make what an endpoint wants of the page that follows its cursor deliveries, due at once (law 1).

        False, and nothing is done, where the cursor is not the one that was read any more.
        """
        ...

    async def turn(
        self, endpoint_id: str, outcomes: Sequence[Outcome], *, most: int, now: datetime, until: datetime
    ) -> Turn:
        """Write down what became of claims, and claim up to `most` that are due, in one transaction (laws 2 to 5)."""
        ...

    async def deliveries(
        self, endpoint_id: str, *, status: DeliveryStatus | None = None, before: int | None = None, limit: int = 100
    ) -> list[Delivery]:
        """A page of deliveries, the newest first: those whose number is lower than `before`."""
        ...

    async def replay(
        self, endpoint_id: str, change: Change, *, message_id: str | None, since: datetime | None, dead_only: bool
    ) -> int:
        """Make deliveries pending and due at once, as if never tried: one message, or all of since an instant.

        Says how many. Raises UnknownDelivery where a message is none of the endpoint's.
        """
        ...

    async def counts(self, endpoint_id: str) -> Mapping[DeliveryStatus, int]:
        """How many deliveries there are of each status; those that were pruned are not among them."""
        ...

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Forget up to `limit` deliveries that were delivered before an instant (law 7); says how many."""
        ...


class CallbackLedger(Protocol):
    """How far the grants are told to a host's callback (law 8); every verb raises LedgerUnavailable."""

    async def hold(self, holder: str, *, now: datetime, until: datetime) -> int | None:
        """Be the one that tells, until then; says the cursor, or None while another is. `until` now lets it go."""
        ...

    async def told(self, number: int, delivered: Sequence[int], *, at: datetime) -> None:
        """All grants up to this number were told, whoever tells now; the players have those of these numbers.

        Of these, what was revoked or is delivered already stays as it is.
        """
        ...


class FullLedger(DurableLedger, Protocol):
    """A ledger with all that is kept in it."""

    @property
    def webhooks(self) -> WebhookLedger:
        """Its endpoints and deliveries."""
        ...

    @property
    def callback(self) -> CallbackLedger:
        """How far a host's callback is."""
        ...
