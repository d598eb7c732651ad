"""What hosts say: carried to the sockets on its topic, as it was said, and to nobody else.

It waits for nobody, and drops nothing silently: a watcher who has not read what fits its mailbox is let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from worldevents.live.hub import SLICE
from worldevents.live.messages import Message
from worldevents.live.rooms import Rooms
from worldevents.model import Broadcast
from worldevents.telemetry import Telemetry


async def relay(said: AsyncIterator[Broadcast], rooms: Rooms, telemetry: Telemetry) -> None:
    """Carry what is said, for ever."""
    async for one in said:
        # None of our ids: nobody comes back with one to get again what is not kept.
        message = Message(event=one.event, id="", data=one.payload, key=one.id, is_ours=False)
        subscribers = rooms.on(one.topic)
        for start in range(0, len(subscribers), SLICE):
            for subscriber in subscribers[start : start + SLICE]:
                subscriber.put([message])
                if subscriber.is_overfull and not subscriber.stalled:
                    telemetry.stalled.inc()
                    subscriber.stall()
            # Also between two of one batch: who reads at all has room again.
            await asyncio.sleep(0)
        telemetry.delivered.inc(len(subscribers))
