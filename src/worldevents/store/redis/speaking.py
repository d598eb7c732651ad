"""What processes say to each other through Redis: broadcasts of hosts, and who of them has a role."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from worldevents.model import Broadcast
from worldevents.store.feed import Voices
from worldevents.store.keys import Keys
from worldevents.store.redis import words
from worldevents.store.redis.connection import Connection, failing

_log = logging.getLogger(__name__)


class Speaking:
    """The speaking half of the store in Redis. A process hears itself as it hears the others: all in one order."""

    _connection: Connection
    _keys: Keys
    _voices: Voices

    async def broadcast(self, said: Sequence[Broadcast]) -> None:
        # Not made again where no answer came: it may have been said.
        with failing():
            await self._connection.client.spublish(self._keys.said, words.said(said))

    @contextmanager
    def broadcasts(self) -> Iterator[AsyncIterator[Broadcast]]:
        with self._voices.reading() as said:
            yield said

    def _hear_said(self, data: bytes) -> None:
        try:
            self._voices.say(words.heard(data))
        except (ValueError, TypeError, AttributeError):
            _log.warning("a broadcast of another process cannot be read")

    async def lead(self, role: str, *, token: str, ttl_s: float) -> bool:
        key, ttl = self._keys.role(role), str(max(1, round(ttl_s * 1_000)))
        return bool(await self._connection.call("lead", key, token, ttl))

    async def resign(self, role: str, *, token: str) -> None:
        await self._connection.call("resign", self._keys.role(role), token)
