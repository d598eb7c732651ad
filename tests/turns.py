"""What asyncio needs a few turns of its loop for, waited for without a clock."""

from __future__ import annotations

import asyncio
from typing import Final

TURNS: Final = 10


async def closed(server: asyncio.Server) -> None:
    """Close a server whose handler has seen all whom it accepted.

    Of whom it has accepted and not handed on when it closes, Python 3.11 forgets to close the socket.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    server.close()
