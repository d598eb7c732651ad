"""Standard Webhooks: secrets, the body of a message, and the headers that sign it. Nothing is sent here.

What was signed is the id, the time and the very bytes of the body; the id is the same however often a message is sent.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from worldevents.codec import instant
from worldevents.grants import Announcement
from worldevents.ledger.outward import Endpoint

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how each begins
SECRET_BYTES: Final = 32
"""How much chance a secret has: 256 bits. The specification asks for 24 to 64 bytes."""
BODY_MAX: Final = 20_000
"""The largest body that receivers are asked to take, in bytes."""


def secret_text(secret: bytes) -> str:
    """A secret as its receiver is given it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def body(one: Announcement) -> bytes:
    """What is sent: `type`, `timestamp` and `data`. The same announcement gives the same bytes."""
    told = {"type": one.kind, "timestamp": instant(one.at), "data": one.document}
    return json.dumps(told, separators=(",", ":")).encode("ascii")


def headers(endpoint: Endpoint, message_id: str, content: bytes, now: datetime) -> dict[str, str]:
    """The headers of one attempt; while a secret is rotated, the signatures of both."""
    timestamp = int(now.timestamp())
    return {
        "content-type": "application/json",
        "user-agent": "worldevents",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(one, message_id, timestamp, content) for one in secrets(endpoint, now)),
    }


def secrets(endpoint: Endpoint, now: datetime) -> Iterable[bytes]:
    """Those that an endpoint's messages are signed with, the newest first."""
    yield endpoint.secret
    if endpoint.previous_secret is not None and endpoint.previous_until is not None and now < endpoint.previous_until:
        yield endpoint.previous_secret


def signature(secret: bytes, message_id: str, timestamp: int, content: bytes) -> str:
    """One signature of version 1."""
    digest = hmac.digest(secret, b"%b.%d.%b" % (message_id.encode(), timestamp, content), hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"
