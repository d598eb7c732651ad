"""What goes out is signed as Standard Webhooks says: its published vector, and its own library as the judge."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.webhooks.feed import announcement
from worldevents.ledger.outward import Endpoint
from worldevents.webhooks import signing

OLD, NEW = bytes(range(32)), bytes(range(100, 132))


def an_endpoint(now: datetime, **told: object) -> Endpoint:
    values = {"id": "e", "url": "https://a.example/", "kinds": frozenset[str](), "since": now, "created_at": now}
    return Endpoint(**{**values, "secret": NEW, **told})  # type: ignore[arg-type]


def test_the_published_vector() -> None:
    """Of every library of Standard Webhooks, in `libraries/*/test`: this id, time and body have this signature."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signing.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == signed
    assert "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" == signing.secret_text(secret)


def test_the_library_verifies_it() -> None:
    """By the secret as it is shown, and the body comes out as it was meant."""
    one, now = announcement(4), datetime.now(UTC)
    content = signing.body(one)
    headers = signing.headers(an_endpoint(now), one.id, content, now)
    told = Webhook(signing.secret_text(NEW)).verify(content, headers)
    assert {"type": one.kind, "timestamp": "2026-12-10T18:30:04Z", "data": dict(one.document)} == told
    assert one.id == headers["webhook-id"]


@pytest.mark.parametrize("change", ["id", "timestamp", "body", "secret"])
def test_whatever_is_changed_breaks_it(change: str) -> None:
    """The library refuses another id, time, body or secret."""
    one, now = announcement(4), datetime.now(UTC)
    content = signing.body(one)
    headers = signing.headers(an_endpoint(now), one.id, content, now)
    if change in ("id", "timestamp"):
        headers[f"webhook-{change}"] += "0" if change == "id" else ".0"
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.secret_text(OLD if change == "secret" else NEW)).verify(
            content + b" " * (change == "body"), headers if change != "timestamp" else _later(headers)
        )


def _later(headers: dict[str, str]) -> dict[str, str]:
    timestamp = int(float(headers["webhook-timestamp"])) + 1
    return {**headers, "webhook-timestamp": str(timestamp)}


def test_during_a_rotation_both_secrets_verify() -> None:
    """The newest stands first; when its time is over the previous one signs no more."""
    one, now = announcement(4), datetime.now(UTC)
    content = signing.body(one)
    endpoint = an_endpoint(now, previous_secret=OLD, previous_until=now + timedelta(minutes=1))
    headers = signing.headers(endpoint, one.id, content, now)
    for secret in (OLD, NEW):
        assert Webhook(signing.secret_text(secret)).verify(content, headers)
    first, second = headers["webhook-signature"].split(" ")
    assert first == signing.signature(NEW, one.id, int(now.timestamp()), content)
    later = signing.headers(endpoint, one.id, content, now + timedelta(minutes=1))
    assert 1 == len(later["webhook-signature"].split(" "))
    assert first != second


def test_the_same_announcement_is_the_same_bytes() -> None:
    """A body says all in ASCII, whatever is in it, and nothing of when it is sent."""
    one = announcement(4)
    odd = type(one)(one.number, one.id, one.kind, one.at, {"name": "Бот \N{SNOWMAN} \ud800"})
    assert signing.body(odd) == signing.body(odd)
    assert signing.body(odd).isascii()
    assert odd.document == json.loads(signing.body(odd))["data"]
