"""Webhooks as JSON: the same documents for every door, here or behind a server. Secrets stand only where new."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import quote

from worldevents.codec import Json, instant
from worldevents.errors import BodyInvalid
from worldevents.ledger.outward import Change, Delivery, DeliveryStatus, Endpoint
from worldevents.webhooks.operating import Account, Webhooks
from worldevents.webhooks.signing import secret_text

PATH: Final = "/v1/admin/webhooks"


class WebhookVerbs(Protocol):
    """What can be asked about webhooks, here or behind a URL; every verb raises WorldEventsError."""

    async def endpoints(self) -> Json:
        """`{endpoints}`, oldest first."""
        ...

    async def endpoint(self, endpoint_id: str) -> Json:
        """One endpoint with its `changes`, oldest first."""
        ...

    async def add(
        self, url: str, *, kinds: Sequence[str] = (), since: datetime | None = None, author: str, reason: str
    ) -> Json:
        """A new endpoint, with its `secret`, this once."""
        ...

    async def rotate(self, endpoint_id: str, *, keep_s: int | None = None, author: str, reason: str) -> Json:
        """The endpoint with its new `secret`, this once."""
        ...

    async def enable(self, endpoint_id: str, *, author: str, reason: str) -> Json:
        """Deliver to it again."""
        ...

    async def disable(self, endpoint_id: str, *, author: str, reason: str) -> Json:
        """Deliver nothing to it."""
        ...

    async def remove(self, endpoint_id: str, *, author: str, reason: str) -> Json:
        """Forget it; `{id, removed}`."""
        ...

    async def deliveries(
        self, endpoint_id: str, *, status: str | None = None, before: int | None = None, limit: int = 100
    ) -> Json:
        """`{deliveries, next}`: a page, the newest first, and the `before` of the next one, null on the last."""
        ...

    async def replay(
        self,
        endpoint_id: str,
        *,
        message_id: str | None = None,
        since: datetime | None = None,
        dead_only: bool = False,
        author: str,
        reason: str,
    ) -> Json:
        """`{replayed}`: how many are sent again."""
        ...

    async def test(self, endpoint_id: str) -> Json:
        """`{delivered, status, result}` of a message that is sent right now."""
        ...

    async def report(self) -> Json:
        """`{endpoints, owed}`: owed against delivered."""
        ...


class LocalWebhooks:
    """`WebhookVerbs` in this process."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    async def endpoints(self) -> Json:
        return {"endpoints": [_endpoint(one) for one in await self._webhooks.endpoints()]}

    async def endpoint(self, endpoint_id: str) -> Json:
        one, changes = await self._webhooks.endpoint(endpoint_id)
        return {**_endpoint(one), "changes": [_change(change) for change in changes]}

    async def add(
        self, url: str, *, kinds: Sequence[str] = (), since: datetime | None = None, author: str, reason: str
    ) -> Json:
        return _with_secret(await self._webhooks.add(url, kinds=kinds, since=since, author=author, reason=reason))

    async def rotate(self, endpoint_id: str, *, keep_s: int | None = None, author: str, reason: str) -> Json:
        told = {} if keep_s is None else {"keep_s": keep_s}
        return _with_secret(await self._webhooks.rotate(endpoint_id, **told, author=author, reason=reason))

    async def enable(self, endpoint_id: str, *, author: str, reason: str) -> Json:
        return _endpoint(await self._webhooks.enable(endpoint_id, author=author, reason=reason))

    async def disable(self, endpoint_id: str, *, author: str, reason: str) -> Json:
        return _endpoint(await self._webhooks.disable(endpoint_id, author=author, reason=reason))

    async def remove(self, endpoint_id: str, *, author: str, reason: str) -> Json:
        await self._webhooks.remove(endpoint_id, author=author, reason=reason)
        return {"id": endpoint_id, "removed": True}

    async def deliveries(
        self, endpoint_id: str, *, status: str | None = None, before: int | None = None, limit: int = 100
    ) -> Json:
        wanted = None if status is None else _status(status)
        found = await self._webhooks.deliveries(endpoint_id, status=wanted, before=before, limit=limit)
        following = found[-1].number if len(found) == limit else None
        return {"deliveries": [_delivery(one) for one in found], "next": following}

    async def replay(
        self,
        endpoint_id: str,
        *,
        message_id: str | None = None,
        since: datetime | None = None,
        dead_only: bool = False,
        author: str,
        reason: str,
    ) -> Json:
        number = await self._webhooks.replay(
            endpoint_id, message_id=message_id, since=since, dead_only=dead_only, author=author, reason=reason
        )
        return {"replayed": number}

    async def test(self, endpoint_id: str) -> Json:
        answer = await self._webhooks.test(endpoint_id)
        return {"delivered": answer.is_good, "status": answer.status, "result": answer.told}

    async def report(self) -> Json:
        accounts = await self._webhooks.report()
        return {"endpoints": [_account(one) for one in accounts], "owed": sum(one.owed for one in accounts)}


class Ask(Protocol):
    """One request to a server: `Client.ask`."""

    def __call__(
        self, method: str, path: str, document: Json | None = None, *, query: Mapping[str, str | None] | None = None
    ) -> Awaitable[Json]:
        """The document that it answers."""
        ...


class RemoteWebhooks:
    """`WebhookVerbs` of a server."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def endpoints(self) -> Json:
        return await self._ask("GET", PATH)

    async def endpoint(self, endpoint_id: str) -> Json:
        return await self._ask("GET", _path(endpoint_id))

    async def add(
        self, url: str, *, kinds: Sequence[str] = (), since: datetime | None = None, author: str, reason: str
    ) -> Json:
        told = {"url": url, "kinds": list(kinds), "since": _maybe(since), "author": author, "reason": reason}
        return await self._ask("POST", PATH, _without_none(told))

    async def rotate(self, endpoint_id: str, *, keep_s: int | None = None, author: str, reason: str) -> Json:
        return await self._change(endpoint_id, "rotate", keepSeconds=keep_s, author=author, reason=reason)

    async def enable(self, endpoint_id: str, *, author: str, reason: str) -> Json:
        return await self._change(endpoint_id, "enable", author=author, reason=reason)

    async def disable(self, endpoint_id: str, *, author: str, reason: str) -> Json:
        return await self._change(endpoint_id, "disable", author=author, reason=reason)

    async def remove(self, endpoint_id: str, *, author: str, reason: str) -> Json:
        return await self._ask("DELETE", _path(endpoint_id), query={"author": author, "reason": reason})

    async def deliveries(
        self, endpoint_id: str, *, status: str | None = None, before: int | None = None, limit: int = 100
    ) -> Json:
        told = {"status": status, "before": None if before is None else str(before), "limit": str(limit)}
        return await self._ask("GET", f"{_path(endpoint_id)}/deliveries", query=told)

    async def replay(
        self,
        endpoint_id: str,
        *,
        message_id: str | None = None,
        since: datetime | None = None,
        dead_only: bool = False,
        author: str,
        reason: str,
    ) -> Json:
        return await self._change(
            endpoint_id,
            "replay",
            messageId=message_id,
            since=_maybe(since),
            deadOnly=dead_only or None,
            author=author,
            reason=reason,
        )

    async def test(self, endpoint_id: str) -> Json:
        return await self._ask("POST", f"{_path(endpoint_id)}/test", {})

    async def report(self) -> Json:
        return await self._ask("GET", f"{PATH}/report")

    async def _change(self, endpoint_id: str, verb: str, **told: object) -> Json:
        return await self._ask("POST", f"{_path(endpoint_id)}/{verb}", _without_none(told))


def _path(endpoint_id: str) -> str:
    return f"{PATH}/{quote(endpoint_id, safe='')}"


def _without_none(told: Json) -> Json:
    return {name: value for name, value in told.items() if value is not None}


def _maybe(at: datetime | None) -> str | None:
    return None if at is None else instant(at)


def _status(text: str) -> DeliveryStatus:
    try:
        return DeliveryStatus(text)
    except ValueError:
        raise BodyInvalid(f"one of {', '.join(DeliveryStatus)}", field="status") from None


def _endpoint(one: Endpoint) -> Json:
    return {
        "id": one.id,
        "url": one.url,
        "kinds": sorted(one.kinds),
        "since": instant(one.since),
        "createdAt": instant(one.created_at),
        "previousSecretUntil": _maybe(one.previous_until),
        "disabledAt": _maybe(one.disabled_at),
        "disabledWhy": one.disabled_why or None,
    }


def _with_secret(one: Endpoint) -> Json:
    return {**_endpoint(one), "secret": secret_text(one.secret)}


def _change(one: Change) -> Json:
    return {"what": one.what, "author": one.author, "at": instant(one.at), "reason": one.reason}


def _delivery(one: Delivery) -> Json:
    return {
        "messageId": one.message_id,
        "number": one.number,
        "kind": one.kind,
        "at": instant(one.at),
        "status": one.status.value,
        "attempts": one.attempts,
        "dueAt": instant(one.due_at) if one.status is DeliveryStatus.PENDING else None,
        "lastAt": _maybe(one.last_at),
        "lastStatus": one.last_answer,
        "lastResult": one.last_told or None,
    }


def _account(one: Account) -> Json:
    return {
        "id": one.endpoint.id,
        "url": one.endpoint.url,
        "disabledAt": _maybe(one.endpoint.disabled_at),
        "announced": one.announced,
        "delivered": one.delivered,
        "pending": one.pending,
        "dead": one.dead,
        "owed": one.owed,
    }
