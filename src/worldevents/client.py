"""A running server's verbs: the same documents as in this process, over HTTP.

Every verb may be repeated without harm, because a contribution has its id and a change of an event its outcome; so what
gets no answer is asked again a few times. Nothing is kept here between two calls, and no redirect is followed: a key
goes to the server that was named and to no other.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx2

from worldevents import catalog, problems
from worldevents.documents import Json
from worldevents.errors import (
    ConfigurationInvalid,
    Internal,
    ServerUnreachable,
    UnknownEvent,
    UnknownGoal,
    UnknownHold,
    WorldEventsError,
)
from worldevents.hosts import is_loopback
from worldevents.model import Ack, SeasonalEvent
from worldevents.prizes import read_grant_id
from worldevents.rules import check_id, check_user, is_slug

ITEMS_PER_CALL: Final = 1_000
"""The most items of a batch that go in one request."""
BYTES_PER_CALL: Final = 1_000_000
"""The most of them in bytes; one item that is larger goes alone."""
TIMEOUT_S: Final = 30.0
"""The longest wait for a connection, and for the next bytes of an answer."""
STREAM_TIMEOUT_S: Final = 60.0
"""A stream says something every quarter of a minute; one that is silent for so long is dead."""
TRIES: Final = 5
"""How often a call is made before its server counts as unreachable."""
STREAM_TRIES: Final = 20
"""How often a stream that had been there is asked for again: a server may take a minute to start."""
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
RETRY_AFTER_MAX_S: Final = 30.0
"""A server that asks for a longer wait is asked again after this one."""

Query = Mapping[str, str | None]

_NO_QUERY: Final[Query] = MappingProxyType({})
_NOT_NOW: Final = frozenset({429, 502, 503, 504})
_OK: Final = range(200, 300)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,8192}")


class Client:
    """`documents.Verbs` of the server at a URL: `async with Client(url, key) as verbs`.

    Besides what a verb raises by itself: ServerUnreachable when no try got an answer, Unauthorized and Forbidden where
    the key does not do. Amounts are sent as they are: a Decimal goes as text.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        tries: int = TRIES,
        timeout_s: float = TIMEOUT_S,
        chance: random.Random | None = None,
    ) -> None:
        self._url, is_loopback = _checked_url(url)
        headers = {"user-agent": "worldevents"}
        if key is not None:
            if _KEY.fullmatch(key) is None:
                raise ConfigurationInvalid("a key is printable ASCII without spaces", field="key")
            headers["authorization"] = f"Bearer {key}"
        # A proxy of the environment would be asked for its own loopback address.
        self._http = httpx2.AsyncClient(headers=headers, timeout=timeout_s, trust_env=not is_loopback)
        self._tries = tries
        self._chance = chance or random.Random()  # noqa: S311 - spreads callers, guards nothing

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    # Reading.

    async def goals(self, status: str = "active", *, event_id: str | None = None) -> Json:
        return await self._get("/v1/goals", status=status, eventId=event_id)

    async def progress(self, goal_id: str, user_id: str | None = None) -> Json:
        return await self._get(f"{_goal(goal_id)}/progress", userId=user_id)

    async def standing(self, goal_id: str, user_id: str) -> Json:
        return await self._get(f"{_goal(goal_id)}/standing", userId=user_id)

    async def leaderboard(
        self, goal_id: str, *, limit: int = 10, around: str | None = None, user_id: str | None = None
    ) -> Json:
        return await self._get(f"{_goal(goal_id)}/leaderboard", limit=str(limit), around=around, userId=user_id)

    async def events(self) -> Json:
        return await self._get("/v1/events")

    async def event(self, event_id: str, user_id: str | None = None) -> Json:
        return await self._get(f"/v1/events/{_event(event_id)}", userId=user_id)

    async def inspect(self, event_id: str, user_id: str | None = None) -> Json:
        return await self._get(f"/v1/admin/events/{_event(event_id)}", userId=user_id)

    # Contributing.

    async def contribute(self, goal_id: str, item: Json, *, ack: Ack | None = None) -> Json:
        return await self._ask("POST", f"{_goal(goal_id)}/contributions", _written(item), ack=ack)

    async def contribute_many(self, items: Sequence[Json]) -> list[Json]:
        """As the protocol says; more than `ITEMS_PER_CALL` go in several requests, one after the other.

        When one of them fails, those before it are done, and the whole call may be repeated.
        """
        return await self._batches("/v1/contributions", items)

    async def record_many(self, items: Sequence[Json]) -> list[Json]:
        """As the protocol says, in several requests like `contribute_many`."""
        return await self._batches("/v1/actions", items)

    async def _batches(self, path: str, items: Sequence[Json]) -> list[Json]:
        told: list[Json] = []
        for batch, size in _batched([_written(item) for item in items]):
            answer = await self._ask("POST", path, b'{"items":[' + b",".join(batch) + b"]}")
            results = answer.get("results")
            if not isinstance(results, list) or len(results) != size:
                raise Internal(f"the server did not answer {size} items with as many results")
            told += results
        return told

    # Rewards.

    async def rewards(self, user_id: str) -> Json:
        return await self._get(f"/v1/users/{quote(check_id(user_id, 'userId'), safe='')}/rewards")

    async def grants(self, *, after: int = 0, limit: int = ITEMS_PER_CALL) -> Json:
        return await self._get("/v1/grants", after=str(after), limit=str(limit))

    async def claim(self, grant_id: str) -> Json:
        return await self._ask("POST", f"/v1/rewards/{_grant(grant_id)}/claim", b"")

    async def deliver(self, grant_id: str) -> Json:
        return await self._ask("POST", f"/v1/rewards/{_grant(grant_id)}/deliver", b"")

    async def give(self, grant_id: str, *, author: str, reason: str) -> Json:
        told = {"author": author, "reason": reason}
        return await self._ask("POST", f"/v1/admin/grants/{_grant(grant_id)}/grant", _written(told))

    async def revoke(self, grant_id: str, *, author: str, reason: str) -> Json:
        told = {"author": author, "reason": reason}
        return await self._ask("POST", f"/v1/admin/grants/{_grant(grant_id)}/revoke", _written(told))

    async def grants_report(self) -> Json:
        return await self._get("/v1/admin/grants/report")

    # Operating.

    async def plan(self, event: SeasonalEvent) -> Json:
        return await self._put_event(event, dryRun="true")

    async def publish(self, event: SeasonalEvent, *, author: str, reason: str = "") -> Json:
        return await self._put_event(event, author=author, reason=reason or None)

    async def extend(self, event_id: str, ends_at: datetime, *, author: str, reason: str) -> Json:
        return await self._change(event_id, "extend", endsAt=ends_at.isoformat(), author=author, reason=reason)

    async def close(self, event_id: str, *, author: str, reason: str) -> Json:
        return await self._change(event_id, "close", author=author, reason=reason)

    async def cancel(self, event_id: str, *, author: str, reason: str) -> Json:
        return await self._change(event_id, "cancel", author=author, reason=reason)

    async def _put_event(self, event: SeasonalEvent, **query: str | None) -> Json:
        body = catalog.table_json(catalog.table(event)).encode()
        return await self._ask("PUT", "/v1/admin/events", body, query)

    async def _change(self, event_id: str, verb: str, **told: str) -> Json:
        return await self._ask("POST", f"/v1/admin/events/{_event(event_id)}/{verb}", _written(told))

    async def correct(self, item: Json, *, preview: bool = False) -> Json:
        return await self._admin("corrections", item, preview=preview)

    async def withhold(self, item: Json, *, preview: bool = False) -> Json:
        return await self._admin("holds", item, preview=preview)

    async def holds(self, *, goal_id: str | None = None, after: str = "0", limit: int = 100) -> Json:
        return await self._get("/v1/admin/holds", goalId=goal_id, after=after, limit=str(limit))

    async def decide(self, hold_id: str, decision: str, item: Json, *, preview: bool = False) -> Json:
        if re.fullmatch("[0-9]{1,18}", hold_id) is None:
            raise UnknownHold(field="id")
        return await self._admin(f"holds/{hold_id}/{decision}", item, preview=preview)

    async def change_user(self, user_id: str, verb: str, item: Json, *, preview: bool = False) -> Json:
        return await self._admin(f"{_user(user_id)}/{verb}", item, preview=preview)

    async def export(self, user_id: str, *, after: str = "0", limit: int = 1_000) -> Json:
        return await self._get(f"/v1/admin/{_user(user_id)}/export", after=after, limit=str(limit))

    async def bans(self) -> Json:
        return await self._get("/v1/admin/users")

    async def audit(self, *, user_id: str | None = None, before: int | None = None, limit: int = 100) -> Json:
        told = None if before is None else str(before)
        return await self._get("/v1/admin/audit", userId=user_id, before=told, limit=str(limit))

    async def _admin(self, path: str, item: Json, *, preview: bool) -> Json:
        query = {"preview": "true" if preview else None}
        return await self._ask("POST", f"/v1/admin/{path}", _written(item), query)

    # Watching.

    async def updates(self, *goal_ids: str) -> AsyncGenerator[Json]:
        """What each of these goals stands at, and then every change of it, as `codec.update` tells them, without end.

        A stream that ends or breaks is taken up again where it was. Raises ServerUnreachable when no try gets one.
        """
        for goal_id in goal_ids:
            _goal(goal_id)
        query, last_id, failures, tries = {"goals": ",".join(goal_ids)}, "", 0, self._tries
        while True:
            wait_s = None
            try:
                headers = {"accept": "text/event-stream", "last-event-id": last_id}
                timeout = httpx2.Timeout(TIMEOUT_S, read=STREAM_TIMEOUT_S)
                async with self._http.stream(
                    "GET", f"{self._url}/v1/stream", params=query, headers=headers, timeout=timeout
                ) as response:
                    if response.status_code not in _OK:
                        await response.aread()
                        _answer(response)
                    async for event in httpx2.EventSource(response):
                        failures, tries, last_id = 0, STREAM_TRIES, event.id or last_id
                        wait_s = wait_s if event.retry is None else event.retry / 1000
                        if event.event == "goal_update":
                            yield _decoded(event.data)
            except (httpx2.HTTPError, httpx2.StreamError, _NotNow) as error:
                failures += 1
                if failures == tries:
                    raise self._unreachable(error) from None
            await asyncio.sleep(self._wait_s(failures) if wait_s is None else wait_s)

    # Asking.

    async def ask(self, method: str, path: str, document: Json | None = None, *, query: Query | None = None) -> Json:
        """The document that a route answers."""
        return await self._ask(method, path, None if document is None else _written(document), query)

    async def _get(self, path: str, **query: str | None) -> Json:
        return await self._ask("GET", path, None, query)

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        query: Mapping[str, str | None] | None = None,
        *,
        ack: Ack | None = None,
    ) -> Json:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        headers = {} if body is None else {"content-type": "application/json"}
        if ack is not None:
            headers["prefer"] = f"ack={ack}"
        failures = 0
        while True:
            try:
                response = await self._http.request(
                    method, self._url + path, content=body, params=params or None, headers=headers
                )
                return _answer(response)
            except (httpx2.HTTPError, httpx2.StreamError, _NotNow) as error:
                failures += 1
                if failures == self._tries:
                    raise self._unreachable(error) from None
                asked = error.wait_s if isinstance(error, _NotNow) else 0.0
            await asyncio.sleep(asked + self._wait_s(failures))

    def _wait_s(self, failures: int) -> float:
        """Longer after each failure, and never the same for all callers."""
        return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**failures) * self._chance.uniform(0.5, 1)

    def _unreachable(self, error: Exception) -> WorldEventsError:
        if isinstance(error, _NotNow):
            return error.told
        return ServerUnreachable(f"{self._url} does not answer ({type(error).__name__})", field="server")


class _NotNow(Exception):
    """An answer that asks for the same call later."""

    def __init__(self, told: WorldEventsError, wait_s: float) -> None:
        super().__init__()
        self.told = told
        self.wait_s = wait_s


def _checked_url(url: str) -> tuple[str, bool]:
    """A server's address without a slash behind it, and whether it is on this machine. Raises ConfigurationInvalid."""
    try:
        told = httpx2.URL(url.rstrip("/"))
    except httpx2.InvalidURL:
        told = httpx2.URL("")
    if told.scheme not in ("http", "https") or not told.host or told.userinfo or told.query or told.fragment:
        raise ConfigurationInvalid("a server is named as http://127.0.0.1:8000", field="server")
    return str(told).rstrip("/"), is_loopback(told.host)


def _goal(goal_id: str) -> str:
    """The path of a goal; what can be the id of none is not sent. Raises UnknownGoal."""
    if not is_slug(goal_id):
        raise UnknownGoal(field="goalId")
    return f"/v1/goals/{quote(goal_id, safe='')}"


def _event(event_id: str) -> str:
    if not is_slug(event_id):
        raise UnknownEvent(f"no event {event_id}", field="eventId")
    return quote(event_id, safe="")


def _user(user_id: str) -> str:
    return f"users/{quote(check_user(user_id, 'userId'), safe='')}"


def _grant(grant_id: str) -> str:
    read_grant_id(grant_id)
    return quote(grant_id, safe="")


def _written(item: Mapping[str, Any]) -> bytes:
    return json.dumps(item, default=_exact, separators=(",", ":")).encode("ascii")


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} is not JSON")


def _batched(items: Sequence[bytes]) -> Iterator[tuple[Sequence[bytes], int]]:
    """Items in their order, as many together as one request takes."""
    batch: list[bytes] = []
    size = 0
    for item in items:
        if batch and (len(batch) == ITEMS_PER_CALL or size + len(item) > BYTES_PER_CALL):
            yield batch, len(batch)
            batch, size = [], 0
        batch.append(item)
        size += len(item) + 1
    if batch:
        yield batch, len(batch)


def _answer(response: httpx2.Response) -> Json:
    """The document of an answer; an error of the server's is raised as what it is. Raises _NotNow too."""
    if response.status_code in _OK:
        return _decoded(response.content)
    try:
        problem = json.loads(response.content)
    except ValueError:
        problem = None
    told = problems.error(problem)
    if response.status_code in _NOT_NOW and (told.retryable or isinstance(told, Internal)):
        message = f"the server answers {response.status_code}"
        raise _NotNow(told if told.retryable else ServerUnreachable(message, field="server"), _retry_after(response))
    raise told


def _retry_after(response: httpx2.Response) -> float:
    told: str = response.headers.get("retry-after", "")
    return min(float(told), RETRY_AFTER_MAX_S) if re.fullmatch("[0-9]{1,9}", told) else 0.0


def _decoded(body: str | bytes) -> Json:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Internal("the server answered something that is no document of ours")
    return document
