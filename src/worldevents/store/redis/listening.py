"""What other processes tell: every goal's changes and newly published events, by subscriptions that mend themselves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, Final

from worldevents.errors import StoreUnavailable, WorldEventsError
from worldevents.store.redis.connection import Connection, failing

LOOK_S: Final = 2.0
"""How often everything is looked at though nothing was told: a message may have been lost."""
WAIT_S: Final = 0.25
"""How long one wait for a message takes at most, and how often newly wanted channels are subscribed."""
UNTIL_S: Final = 0.02
"""How often it is seen whether anything is subscribed yet."""
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
                except* WorldEventsError as group:
                    told = ", ".join(str(error) for error in group.exceptions)
                    _log.warning("the updates of other processes are interrupted: %s", told)
                await asyncio.sleep(AGAIN_S)

    async def _look_often(self) -> None:
        while True:
            with suppress(WorldEventsError):
                await self._look()
            await asyncio.sleep(LOOK_S)

    async def _listen(self) -> None:
        """Subscribe to all channels, new ones too, and read each server's messages in a task of its own."""
        client: Any = self._connection.listener
        if self._connection.is_cluster:
            # Where a channel's master is, the client knows only after this.
            with failing():
                await client.initialize()
        subscription: Any = client.pubsub()
        nodes = client.get_primaries() if self._connection.is_cluster else [None]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._subscribe(subscription))
                for node in nodes:
                    tasks.create_task(self._read(subscription, node))
        finally:
            with suppress(WorldEventsError), failing():
                await subscription.aclose()

    async def _subscribe(self, subscription: Any) -> None:
        subscribed: set[str] = set()
        while True:
            new = set(self._channels()) - subscribed
            for channel in new:
                with failing():
                    await subscription.ssubscribe(channel)
            subscribed |= new
            if new:
                await self._look()
            await asyncio.sleep(WAIT_S)

    async def _read(self, subscription: Any, node: Any) -> None:
        while True:
            source = subscription if node is None else subscription.node_pubsub_mapping.get(node.name)
            if source is None or source.connection is None:
                # Nothing is subscribed there, yet.
                await asyncio.sleep(UNTIL_S)
                continue
            with failing():
                message: dict[str, Any] = await source.get_message(timeout=WAIT_S) or {}
            kind = message.get("type")
            if kind in ("message", "smessage"):
                await self._hear(message["channel"].decode(), message["data"])
            elif kind == "sunsubscribe":
                raise StoreUnavailable("a goal has moved to another master")
