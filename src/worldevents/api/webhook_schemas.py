"""The documents of webhooks, as OpenAPI describes them. `webhooks.documents` writes them; a test compares."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from worldevents.api.schemas import Change, Document

Kind = Literal["reward.granted", "goal.tier_unlocked", "goal.completed", "event.settled"]
Count = Annotated[int, Field(ge=0)]
_ID = "4f1d0c5b9a3e"
_MESSAGE = "msg_2Kd9sX"


class WebhookEndpoint(Document):
    """Where webhooks go."""

    id: str = Field(examples=[_ID])
    url: str = Field(examples=["https://game.example/webhooks"])
    kinds: list[Kind]
    since: datetime = Field(description="What was announced before is not for it.")
    created_at: datetime
    previous_secret_until: datetime | None = Field(description="Until when the previous secret signs too.")
    disabled_at: datetime | None
    disabled_why: str | None


class WebhookEndpoints(Document):
    """All endpoints, oldest first."""

    endpoints: list[WebhookEndpoint]


class NewWebhookSecret(WebhookEndpoint):
    """An endpoint, and its secret, which is shown this once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class WebhookChange(Document):
    """What was done to an endpoint, by whom and why."""

    what: str = Field(examples=["add"])
    author: str
    at: datetime
    reason: str


class OperatorsWebhookEndpoint(WebhookEndpoint):
    """An endpoint and all that was done to it, oldest first."""

    changes: list[WebhookChange]


class RemovedWebhook(Document):
    """An endpoint that is no more."""

    id: str
    removed: Literal[True]


class WebhookDelivery(Document):
    """What one message has come to at an endpoint."""

    message_id: str = Field(examples=[_MESSAGE])
    number: int = Field(description="Its place among all announcements.")
    kind: Kind
    at: datetime
    status: Literal["pending", "delivered", "dead"]
    attempts: Count
    due_at: datetime | None = Field(description="Of a pending one: when it is tried next.")
    last_at: datetime | None
    last_status: int | None = Field(description="The HTTP status of the last answer.")
    last_result: str | None = Field(examples=["HTTP 503"])


class WebhookDeliveries(Document):
    """A page of deliveries, the newest first."""

    deliveries: list[WebhookDelivery]
    next: int | None = Field(description="The `before` of the next page; null on the last.")


class Replayed(Document):
    """How many messages are sent again."""

    replayed: Count


class WebhookTest(Document):
    """What became of a test message."""

    delivered: bool
    status: int | None
    result: str = Field(examples=["HTTP 204"])


class WebhookAccount(Document):
    """Owed against delivered, at one endpoint."""

    id: str
    url: str
    disabled_at: datetime | None
    announced: Count
    delivered: Count
    pending: Count
    dead: Count
    owed: Count


class WebhookReport(Document):
    """Owed against delivered."""

    endpoints: list[WebhookAccount]
    owed: Count


class NewWebhook(Change):
    """An endpoint to be made."""

    url: str = Field(max_length=1_024, examples=["https://game.example/webhooks"])
    kinds: list[Kind] | None = Field(default=None, description="What it is told; left out or empty: everything.")
    since: datetime | None = Field(default=None, description="Also what was announced from then on; else from now.")


class Rotation(Change):
    """A new secret."""

    keep_seconds: int | None = Field(
        default=None, ge=0, le=2_592_000, description="How long the previous secret signs too; a day where left out."
    )


class Replay(Change):
    """What is sent again: one message, or all since an instant."""

    message_id: str | None = Field(default=None, examples=[_MESSAGE])
    since: datetime | None = None
    dead_only: bool | None = Field(default=None, description="Of these the dead ones alone.")


class Nothing(Document):
    """An empty object."""


BODIES = (NewWebhook, Rotation, Replay, Nothing)
"""What routes decode themselves."""
