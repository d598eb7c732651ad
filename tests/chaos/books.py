"""What a deployment holds in the end, read past the package: Redis by its keys, PostgreSQL by its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import redis

from tests.chaos.writers import Told

Users = dict[tuple[str, str], int]
"""By goal and user, what counts."""


@dataclass(frozen=True)
class Books:
    """Five sums of every goal, which have to be one; and all the ids."""

    counters: dict[str, int]
    boards: Users
    rows: Counter[Told]
    totals: dict[str, int]
    contributors: Users
    unlocks: Counter[tuple[str, str]]
    dead_letters: int
    epochs: Counter[str]
    """Why stores were built, and how often."""
    repairs: int
    """What Redis had counted twice and took back."""

    @property
    def five(self) -> dict[str, tuple[int, ...]]:
        """Of each goal: the counter, the sorted set, the ledger's rows, its total, its users."""
        return {
            goal: (
                self.counters[goal],
                sum(amount for (of, _), amount in self.boards.items() if of == goal),
                sum(one.amount * times for one, times in self.rows.items() if one.goal == goal),
                self.totals[goal],
                sum(amount for (of, _), amount in self.contributors.items() if of == goal),
            )
            for goal in self.totals
        }


def read(redis_client: redis.Redis, database: str, *, prefix: str = "we") -> Books:
    """Everything, as it stands."""
    with psycopg.connect(database) as ledger:
        totals = dict(_all(ledger, "SELECT id, total FROM goal"))
        rows = Counter(
            Told(*row) for row in _all(ledger, "SELECT goal_id, user_id, contribution_id, amount FROM contribution")
        )
        contributors = {
            (goal, user): amount
            for goal, user, amount in _all(ledger, "SELECT goal_id, user_id, amount FROM contributor")
        }
        unlocks = Counter((goal, tier) for goal, tier in _all(ledger, "SELECT goal_id, threshold FROM tier_unlock"))
        ((dead_letters,),) = _all(ledger, "SELECT count(*) FROM dead_letter")
        epochs = Counter(reason for (reason,) in _all(ledger, "SELECT reason FROM goal_epoch"))
        ((repairs,),) = _all(ledger, "SELECT count(*) FROM repair WHERE done_at IS NOT NULL")
    counters: dict[str, int] = {}
    boards: Users = {}
    for goal in totals:
        base = f"{prefix}:{{{goal}:0}}"
        told: Any = redis_client.hget(f"{base}:state", "total")
        counters[goal] = int(told or 0)
        board: Any = redis_client.zrange(f"{base}:board", 0, -1, withscores=True)
        boards |= {(goal, user.decode()): -int(score) for user, score in board}
    return Books(counters, boards, rows, totals, contributors, unlocks, dead_letters, epochs, repairs)


def _all(ledger: psycopg.Connection[Any], statement: str) -> list[tuple[Any, ...]]:
    return ledger.execute(statement.encode()).fetchall()


def by_user(told: Iterable[Told]) -> Users:
    sums: Counter[tuple[str, str]] = Counter()
    for one in told:
        sums[one.goal, one.user] += one.amount
    return dict(sums)


def by_goal(told: Iterable[Told], goals: Iterable[str]) -> dict[str, int]:
    sums = Counter[str]()
    for one in told:
        sums[one.goal] += one.amount
    return {goal: sums[goal] for goal in goals}


@dataclass(frozen=True)
class Verdict:
    """What became of all that was acknowledged."""

    acknowledged: int
    lost: int
    double: int
    unheard: int
    """Rows that nobody was told about: none, where everybody asks until there is an answer."""

    def __str__(self) -> str:
        return f"{self.acknowledged:,} acknowledged, {self.lost:,} lost, {self.double:,} double"


def judge(books: Books, acknowledged: Mapping[Told, str]) -> Verdict:
    """Compare what was answered with what is there, by id."""
    return Verdict(
        acknowledged=len(acknowledged),
        lost=sum(one not in books.rows for one in acknowledged),
        double=sum(times - 1 for times in books.rows.values()),
        unheard=sum(one not in acknowledged for one in books.rows),
    )
