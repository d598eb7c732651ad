"""What asyncio needs a few turns of its loop for, waited for without a clock."""

from __future__ import annotations

import asyncio
from typing import Final

TURNS: Final = 10


async def accepted() -> None:
    """Let those whom a server has accepted a moment ago come to its handler: after `close` they still do."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
