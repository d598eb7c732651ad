"""Asking a server over HTTP, with patience: what gets no answer is asked again a few times.

Nothing is kept here between two calls, and no redirect is followed: a key goes to the server that was named and to no
other.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncGenerator, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from worldevents import problems
from worldevents.documents import Json
from worldevents.errors import ConfigurationInvalid, Internal, ServerUnreachable, WorldEventsError
from worldevents.hosts import is_loopback
from worldevents.model import Ack

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

_NOT_NOW: Final = frozenset({429, 502, 503, 504})
_OK: Final = range(200, 300)
_KEY: Final = re.compile(r"[\x21-\x7e]{1,8192}")


class Asking:
    """A server at a URL, asked until it answers or `tries` are used up: then ServerUnreachable is raised."""

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

    # Asking.

    async def ask(self, method: str, path: str, document: Json | None = None, *, query: Query | None = None) -> Json:
        """The document that a route answers."""
        return await self._ask(method, path, None if document is None else written(document), query)

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

    async def _stream(self, path: str, params: Mapping[str, str]) -> AsyncGenerator[tuple[str, str]]:
        """The events of a stream, name and text, without end: it is taken up again where it was."""
        last_id, failures, tries = "", 0, self._tries
        while True:
            wait_s = None
            try:
                headers = {"accept": "text/event-stream", "last-event-id": last_id}
                timeout = httpx2.Timeout(TIMEOUT_S, read=STREAM_TIMEOUT_S)
                async with self._http.stream(
                    "GET", self._url + path, params=params, headers=headers, timeout=timeout
                ) as response:
                    if response.status_code not in _OK:
                        await response.aread()
                        _answer(response)
                    async for event in httpx2.EventSource(response):
                        failures, tries, last_id = 0, STREAM_TRIES, event.id or last_id
                        wait_s = wait_s if event.retry is None else event.retry / 1000
                        yield event.event, event.data
            except (httpx2.HTTPError, httpx2.StreamError, _NotNow) as error:
                failures += 1
                if failures == tries:
                    raise self._unreachable(error) from None
            await asyncio.sleep(self._wait_s(failures) if wait_s is None else wait_s)

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


def written(item: Mapping[str, Any]) -> bytes:
    """A document as a body; a Decimal goes as text."""
    return json.dumps(item, default=_exact, separators=(",", ":")).encode("ascii")


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    raise TypeError(f"{type(value).__name__} is not JSON")


def _answer(response: httpx2.Response) -> Json:
    """The document of an answer; an error of the server's is raised as what it is. Raises _NotNow too."""
    if response.status_code in _OK:
        return decoded(response.content)
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


def decoded(body: str | bytes) -> Json:
    """The document that a server has written. Raises Internal where it is none."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Internal("the server answered something that is no document of ours")
    return document
