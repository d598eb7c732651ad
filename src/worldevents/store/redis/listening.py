"""What other processes tell: every goal's changes and newly published events, by subscriptions that mend themselves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, Final

from redis.exceptions import RedisError

from worldevents.errors import WorldEventsError
from worldevents.store.redis.connection import Connection

LOOK_S: Final = 2.0
"""How often everything is looked at though nothing was told: a message may have been lost."""
WAIT_S: Final = 0.25
"""How long one wait for a message takes at most; then newly wanted channels are subscribed."""
AGAIN_S: Final = 0.2
"""How long until a lost subscription is made again."""

_log = logging.getLogger(__name__)


class Listener:
    """Reads channels and hands on what they say; `run` is its one background task."""

    def __init__(
        self,
        connection: Connection,
        *,
        channels: Callable[[], Collection[str]],
        hear: Callable[[str, bytes], Awaitable[None]],
        look: Callable[[], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._channels = channels
        self._hear = hear
        self._look = look
        self._wanted = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled. After every interruption everything is looked at anew."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_often())
            while True:
                try:
                    await self._listen()
                except (RedisError, OSError, WorldEventsError) as error:
                    _log.warning("the updates of other processes are interrupted: %s", type(error).__name__)
                await asyncio.sleep(AGAIN_S)

    async def _look_often(self) -> None:
        while True:
            with suppress(WorldEventsError):
                await self._look()
            await asyncio.sleep(LOOK_S)

    async def _listen(self) -> None:
        subscription: Any = self._connection.listener.pubsub(ignore_subscribe_messages=True)
        subscribed: set[str] = set()
        try:
            while True:
                new = set(self._channels()) - subscribed
                for channel in new:
                    await subscription.ssubscribe(channel)
                subscribed |= new
                if new:
                    await self._look()
                message = await self._next(subscription)
                if message is not None and message["type"] in ("message", "smessage"):
                    await self._hear(message["channel"].decode(), message["data"])
        finally:
            with suppress(RedisError, OSError):
                await subscription.aclose()

    async def _next(self, subscription: Any) -> Any:
        if self._connection.is_cluster:
            return await subscription.get_sharded_message(timeout=WAIT_S)
        return await subscription.get_message(timeout=WAIT_S)
