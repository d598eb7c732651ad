"""How long a caller waits for a rank and for the top ten, with ten thousand contributors and with a million.

Both systems are open in this process, and their rounds take turns. The ledger's rows are made with SQL: what is
measured is the memory that is built from them, through the engine.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.crowd import crowded, user_of
from benchmarks.event import GOAL
from benchmarks.measuring import Report, arguments, compared, databases, tell
from worldevents import Engine, Settings, open_runtime

SMALL = 10_000
LARGE = 1_000_000
CALLS = 2_000
"""Calls in one round; a round's figure is their mean."""
BELOW = 2.0

Call = Callable[[Engine, str], Awaitable[object]]


async def rank(engine: Engine, user_id: str) -> object:
    """What a player's own page asks for."""
    return (await engine.progress(GOAL, user_id)).user_rank


async def top(engine: Engine, _user_id: str) -> object:
    """What everybody's page asks for."""
    return (await engine.leaderboard(GOAL)).contributors


async def mean_us(engine: Engine, call: Call, users: Sequence[str]) -> float:
    """Microseconds for one call."""
    begun = time.perf_counter()
    for user_id in users:
        await call(engine, user_id)
    return (time.perf_counter() - begun) / len(users) * 1e6


async def measure(small: int, large: int, *, rounds: int, calls: int, new: Callable[[], Path]) -> Report:
    """Both sizes in turns, other users in every round."""
    chance = random.Random(1)  # noqa: S311 - nothing is secret here
    async with AsyncExitStack() as stack:
        engines = {}
        for size in (small, large):
            url = f"sqlite:///{await crowded(new, size)}"
            engines[size] = (await stack.enter_async_context(open_runtime(Settings(database_url=url)))).engine
            found = (await engines[size].leaderboard(GOAL)).participants
            if found != size:
                raise RuntimeError(f"{size} contributors were made, {found} are there")
        figures = []
        for name, call in (("rank: engine.progress", rank), ("top 10: engine.leaderboard", top)):
            sides: dict[str, list[float]] = {f"{size:,}": [] for size in engines}
            for _ in range(rounds):
                for size, engine in engines.items():
                    users = [user_of(chance.randrange(size)) for _ in range(calls)]
                    sides[f"{size:,}"].append(await mean_us(engine, call, users))
            figures.append(compared(name, "us", sides, below=BELOW))
    worst = max(statistics.median(values) for one in figures for values in one.sides.values())
    return Report("Ranks and leaderboards by contributors", figures, {"slowest median": f"{worst:.1f} us"})


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and tell."""
    parser = arguments(__doc__ or "", rounds=15)
    parser.add_argument("--small", type=int, default=SMALL)
    parser.add_argument("--large", type=int, default=LARGE)
    parser.add_argument("--calls", type=int, default=CALLS)
    chosen = parser.parse_args(argv)
    with databases(chosen.folder) as new:
        report = asyncio.run(measure(chosen.small, chosen.large, rounds=chosen.rounds, calls=chosen.calls, new=new))
    tell(report, as_json=chosen.json)


if __name__ == "__main__":
    main()
