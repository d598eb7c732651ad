"""A database with as many contributors as asked for, made with SQL in a moment: one contribution of each."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.event import GOAL, open_event
from worldevents import Settings, open_runtime

_SPREAD = 1_000_003
"""A prime: amounts look like chance, with a few ties, and are the same in every run."""

_USERS = "INSERT INTO contributor SELECT goal_id, user_id, amount, 0 FROM contribution ORDER BY goal_id, user_id"
_TOTAL = "UPDATE goal SET total = (SELECT coalesce(sum(amount), 0) FROM contribution), seq = ? WHERE id = ?"


def user_of(number: int) -> str:
    """The id of a contributor."""
    return f"user-{number:07}"


def amount_of(number: int) -> int:
    """What a contributor has given, in grams."""
    return 1 + number * 7_368_787 % _SPREAD


async def crowded(new: Callable[[], Path], size: int) -> Path:
    """A new database with one goal and so many contributors."""
    database = new()
    async with open_runtime(Settings(database_url=f"sqlite:///{database}")) as runtime:
        await runtime.engine.publish(open_event(), author="benchmark")
    await asyncio.to_thread(_fill, database, size)
    return database


def _fill(database: Path, size: int) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany("INSERT INTO contribution VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, NULL, NULL)", _rows(size))
        connection.execute(_USERS)
        connection.execute(_TOTAL, (size, GOAL))


def _rows(size: int) -> Iterator[tuple[int, bytes, str, str, str, int]]:
    for number in range(size):
        yield number + 1, number.to_bytes(16), GOAL, user_of(number), f"c-{number}", amount_of(number)
