"""The yardstick: what a careful program in plain sqlite3 does for the same promise, with nothing around it.

The same tables and indexes, WAL and synchronous=FULL, a unique digest for each row; row, user's sum and goal's total
in one transaction for each group. It knows its rows beforehand and asks for nothing: no rules, no answers, no ranking.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from benchmarks.event import GOAL

_INSERT = "INSERT INTO contribution VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, NULL, NULL)"
_ADD_TO_USER = """
    INSERT INTO contributor VALUES (?, ?, ?, 0)
    ON CONFLICT (goal_id, user_id) DO UPDATE SET amount = amount + excluded.amount
"""
_MOVE_GOAL = "UPDATE goal SET total = total + ?, seq = seq + ? WHERE id = ?"


def contribute(database: Path, told: Iterable[list[tuple[str, str, int]]]) -> None:
    """Commit groups of (user, contribution id, amount) in a database that has our tables and the goal."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        (position,) = connection.execute("SELECT coalesce(max(position), 0) FROM contribution").fetchone()
        for group in told:
            now = time.time_ns() // 1_000
            rows = [
                (position + place, _digest(user, one), GOAL, user, one, amount, now, now)
                for place, (user, one, amount) in enumerate(group, start=1)
            ]
            position += len(group)
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, rows)
            connection.executemany(_ADD_TO_USER, [(GOAL, user, amount) for user, _, amount in group])
            connection.execute(_MOVE_GOAL, (sum(amount for _, _, amount in group), len(group), GOAL))
            connection.execute("COMMIT")


def _digest(user: str, contribution: str) -> bytes:
    return hashlib.blake2b(f"{GOAL}\0{user}\0{contribution}".encode(), digest_size=16).digest()
