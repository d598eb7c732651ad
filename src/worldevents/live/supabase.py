"""A Supabase project, as somebody who publishes there sees it: its broadcasts over REST. Nothing is decided here.

On a public topic many messages go in one request. On a private one each goes alone: of a batch that may not be
written there, the project says that it was accepted, and sends nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import quote, urlsplit

import httpx2

from worldevents.errors import ConfigurationInvalid
from worldevents.hosts import is_loopback
from worldevents.live.messages import Message

TRY_S: Final = 3.0
"""How long one request may take, all of it."""
BATCH_MAX: Final = 100
"""The most messages in one request."""
ANSWER_MAX: Final = 65_536
"""How much of an answer is read, so that its connection can be used again."""

_PATH: Final = "/realtime/v1/api/broadcast"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,8192}")

Post = Callable[[Sequence[Message]], Awaitable[int | None]]
"""Publishes these in one request: its status, or None where no answer came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where to publish. Raises ConfigurationInvalid with the name of the setting."""

    url: str
    key: str = field(repr=False)
    topic: str
    private: bool

    def __post_init__(self) -> None:
        _check_url(self.url)
        if _KEY.fullmatch(self.key) is None:
            raise ConfigurationInvalid("a project's secret key is printable ASCII", field="supabase_key")
        if not self.topic or not self.topic.isprintable():
            raise ConfigurationInvalid("a topic has printable characters", field="supabase_topic")

    @property
    def batch_max(self) -> int:
        """The most messages that go in one request."""
        return 1 if self.private else BATCH_MAX

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Post]:
        """Connections that are kept while the context is open."""
        headers = {
            "apikey": self.key,
            "authorization": f"Bearer {self.key}",
            "content-type": "application/json",
            "user-agent": "worldevents",
        }
        # A proxy of the environment would be asked for its own loopback address.
        is_near = is_loopback(httpx2.URL(self.url).host)
        async with httpx2.AsyncClient(headers=headers, timeout=TRY_S, trust_env=not is_near) as http:
            yield partial(self._post, http)

    async def _post(self, http: httpx2.AsyncClient, messages: Sequence[Message]) -> int | None:
        url, body = self._request(messages)
        try:
            async with asyncio.timeout(TRY_S), http.stream("POST", url, content=body) as response:
                read = 0
                async for part in response.aiter_raw():
                    read += len(part)
                    if read > ANSWER_MAX:
                        break
                return response.status_code
        except (httpx2.HTTPError, TimeoutError, OSError):
            return None

    def _request(self, messages: Sequence[Message]) -> tuple[str, bytes]:
        address = f"{self.url.rstrip('/')}{_PATH}"
        if self.private:
            (one,) = messages
            topic, event = quote(self.topic, safe=""), quote(one.event, safe="")
            return f"{address}/{topic}/events/{event}?private=true", one.data
        topic_told = json.dumps(self.topic).encode("ascii")
        told = (
            b'{"topic":%b,"event":%b,"payload":%b,"private":false}'
            % (topic_told, json.dumps(one.event).encode("ascii"), one.data)
            for one in messages
        )
        return address, b'{"messages":[%b]}' % b",".join(told)


def _check_url(url: str) -> None:
    try:
        told, split = httpx2.URL(url), urlsplit(url)
        host = split.hostname if split.port is None or split.port else None
    except (httpx2.InvalidURL, ValueError):
        told, host = httpx2.URL(""), None
    is_safe = told.scheme == "https" or (told.scheme == "http" and is_loopback(told.host))
    if not is_safe or host != told.host or told.userinfo or told.query or told.fragment:
        message = "a project is named as https://abc.supabase.co; without TLS only on this machine"
        raise ConfigurationInvalid(message, field="supabase_url")
