"""One life of a process that counts December and is killed at any moment.

Many callers share the offers by lifter, each waits for its answer before it goes on, and every answer is then told by
the offer's number: `7=` kept, `7!` a conflict. What was not told has to be repeated in another life.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

from worldevents.engine import Engine
from worldevents.errors import ContributionConflict
from worldevents.runtime import open_runtime
from worldevents.settings import Settings

CALLERS = 32

Words = list[str]
"""An offer as a line of the file has it: number, goal, user, amount, contribution id, instant."""


def live(url: str, file: Path, told: Connection) -> None:
    """Contribute the offers in a file, until the end or the kill."""
    shares: list[list[Words]] = [[] for _ in range(CALLERS)]
    for line in file.read_text().splitlines():
        words = line.split()
        shares[int(words[2]) % CALLERS].append(words)
    asyncio.run(_live(url, shares, told))


async def _live(url: str, shares: Iterable[Iterable[Words]], told: Connection) -> None:
    async with open_runtime(Settings(database_url=url)) as runtime:
        await asyncio.gather(*(_contribute(runtime.engine, share, told) for share in shares))


async def _contribute(engine: Engine, share: Iterable[Words], told: Connection) -> None:
    for number, goal_id, user_id, amount, contribution_id, instant in share:
        occurred_at = datetime.fromisoformat(instant)
        outcome = "="
        try:
            await engine.contribute(goal_id, user_id, amount, contribution_id=contribution_id, occurred_at=occurred_at)
        except ContributionConflict:
            outcome = "!"
        # One small write per answer, after it: a message is in the pipe as a whole or not at all.
        told.send_bytes(f"{number}{outcome}".encode())
