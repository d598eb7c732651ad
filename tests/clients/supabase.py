"""Supabase's client in Python, steered by the test: arguments are the server, a key, a topic, and a user's token."""

import asyncio
import sys

from realtime import AsyncRealtimeClient, RealtimeSubscribeStates

from tests.clients.lines import tell


async def main() -> None:
    """Follow a topic until the end."""
    url, key, topic, token = (*sys.argv[1:], "")[:4]
    client = AsyncRealtimeClient(f"{url}/realtime/v1", key, hb_interval=1)
    await client.connect()
    if token:
        await client.set_auth(token)
    channel = client.channel(topic, {"config": {"private": bool(token)}})

    def on_status(status: RealtimeSubscribeStates, error: Exception | None) -> None:
        tell(["status", str(status.value), None if error is None else str(error)])

    event = "standing_update" if token else "goal_update"
    channel.on_broadcast(event, lambda m: tell(["broadcast", m["event"], m["payload"]]))
    await channel.subscribe(on_status)
    await asyncio.Event().wait()


asyncio.run(main())
