"""Contributions per second through the library, beside plain sqlite3 that commits groups of the same size.

Callers in a closed loop: each awaits `engine.contribute` and then comes with its next one. With n callers, the plain
side commits groups of n. Every id is new; 5,000 users take turns.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks import plain
from benchmarks.event import GOAL, open_event
from benchmarks.measuring import Figure, Report, arguments, compared, databases, in_turns, tell
from worldevents import Settings, open_runtime

USERS = 5_000
CALLERS = {1: 1_000, 64: 12_800, 1_024: 32_768}
"""How many contributions are told in one round, by callers."""
AMOUNT = 5
WANTED = 0.6


def user_of(number: int) -> str:
    """Who makes this contribution: all users, in an order that is not theirs."""
    return f"user-{number * 7_919 % USERS}"


async def prepare(database: Path) -> None:
    """Make the tables and the goal; both sides begin with such a file."""
    async with open_runtime(Settings(database_url=f"sqlite:///{database}")) as runtime:
        await runtime.engine.publish(open_event(), author="benchmark")


async def ours(database: Path, callers: int, total: int) -> float:
    """Contributions per second through `engine.contribute`."""
    async with open_runtime(Settings(database_url=f"sqlite:///{database}")) as runtime:
        numbers = iter(range(total))

        async def caller() -> None:
            for number in numbers:
                await runtime.engine.contribute(GOAL, user_of(number), AMOUNT, contribution_id=f"c-{number}")

        begun = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        took = time.perf_counter() - begun
    check(database, total)
    return total / took


def theirs(database: Path, group: int, total: int) -> float:
    """Contributions per second of plain sqlite3."""
    begun = time.perf_counter()
    groups = (range(start, min(start + group, total)) for start in range(0, total, group))
    plain.contribute(database, ([(user_of(one), f"c-{one}", AMOUNT * 1_000) for one in each] for each in groups))
    took = time.perf_counter() - begun
    check(database, total)
    return total / took


def check(database: Path, total: int) -> None:
    """Raise unless every contribution is in the file, once, and the sums agree."""
    with closing(sqlite3.connect(database)) as connection:
        ((rows, amount),) = connection.execute("SELECT count(*), sum(amount) FROM contribution")
        ((users,),) = connection.execute("SELECT sum(amount) FROM contributor")
        ((goal,),) = connection.execute("SELECT total FROM goal")
    expected = total * AMOUNT * 1_000
    if (rows, amount, users, goal) != (total, expected, expected, expected):
        raise RuntimeError(f"{total} were told, in the file are {rows}; sums {amount}, {users}, {goal}")


def measure(callers: int, total: int, *, rounds: int, new: Callable[[], Path]) -> Figure:
    """Both sides in turns, each time in a new file."""

    def fresh() -> Path:
        database = new()
        asyncio.run(prepare(database))
        return database

    sides = in_turns(
        rounds,
        {
            "plain sqlite3": lambda: theirs(fresh(), callers, total),
            "worldevents": lambda: asyncio.run(ours(fresh(), callers, total)),
        },
    )
    return compared(f"{callers:,} concurrent callers", "contributions/s", sides, at_least=WANTED)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and tell."""
    parser = arguments(__doc__ or "", rounds=7)
    parser.add_argument("--scale", type=float, default=1.0, help="how much of the full size (default: %(default)s)")
    chosen = parser.parse_args(argv)
    with databases(chosen.folder) as new:
        figures = [
            measure(callers, max(callers, int(total * chosen.scale)), rounds=chosen.rounds, new=new)
            for callers, total in CALLERS.items()
        ]
    tell(Report("Contributions through the library", figures), as_json=chosen.json)


if __name__ == "__main__":
    main()
