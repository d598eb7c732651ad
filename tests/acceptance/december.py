"""What the acceptance and chaos tests know of December 2023: its rows as offers, its figures, a database's sums."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from worldevents.demo.replay import ReplayReport, load_rows, replay_event
from worldevents.engine import Engine, Offer
from worldevents.importers.openpowerlifting import Row
from worldevents.model import GoalState, Leaderboard

START, END = date(2023, 12, 1), date(2024, 1, 1)
GOALS = {
    "totalVolume": "lift-the-frost",
    "totalWorkouts": "iron-march",
    "totalPRs": "personal-records",
    "bossesDefeated": "slay-the-winter-king",
}
# Computed from the file by another program, from the rules alone.
EXPECTED: dict[str, Any] = json.loads((Path(__file__).parent / "expected_december_2023.json").read_text())

IN_LEDGER_S = 60.0
"""How long what was answered may take to the ledger."""

Key = tuple[str, str, str]
"""Goal, user and contribution id."""
Stand = dict[str, tuple[Decimal, int, list[tuple[str, Decimal]]]]
"""By metric: total, contributors and the top ten."""
Sums = dict[str, tuple[int, int, int]]
"""By goal: the total that is kept, the sum of the ledger's rows, the sum of the contributors."""

_SUMS = """
    SELECT id, total,
        (SELECT coalesce(sum(amount), 0) FROM contribution WHERE goal_id = goal.id AND status = 0),
        (SELECT coalesce(sum(amount), 0) FROM contributor WHERE goal_id = goal.id)
    FROM goal
"""
_KEPT = "SELECT goal_id, user_id, contribution_id, amount FROM contribution"
_UNLOCKS = """
    SELECT unlock.goal_id, unlock.threshold, reached.amount, reached.occurred_at,
        (SELECT sum(amount) FROM contribution
            WHERE goal_id = unlock.goal_id AND status = 0 AND position <= unlock.position)
    FROM tier_unlock AS unlock JOIN contribution AS reached ON reached.position = unlock.position
"""


@dataclass(frozen=True)
class Unlocked:
    """A tier's unlock in the ledger: the day on which what did it occurred, the total before it and with it."""

    day: date
    before: int
    after: int


@dataclass(frozen=True)
class Snapshot:
    """All that can be read about one goal."""

    state: GoalState
    board: Leaderboard


def december() -> list[Row]:
    return load_rows(None, START, END)


def offers(rows: Iterable[Row]) -> list[Offer]:
    """Every contribution of these rows, in their order."""
    return [
        Offer(GOALS[part.metric], row.lifter, part.amount, part.contribution_id, row.occurred_at)
        for row in rows
        for part in row.parts()
    ]


def key(offer: Offer) -> Key:
    return offer.goal_id, offer.user_id, offer.contribution_id


def smallest(offer: Offer) -> int:
    """The amount as the ledger has it: grams of kilograms, 1 of what is counted."""
    return int(Decimal(offer.amount) * (1_000 if offer.goal_id == GOALS["totalVolume"] else 1))


def first_amounts(told: Iterable[Offer]) -> dict[Key, int]:
    """What a ledger holds after these: every id once, with the amount that came first."""
    first: dict[Key, int] = {}
    for offer in told:
        first.setdefault(key(offer), smallest(offer))
    return first


def expected_stand() -> Stand:
    """What the goals stand at after December, by the figures."""
    figures = {metric: EXPECTED[metric] for metric in GOALS}
    return {
        metric: (Decimal(one["total"]), one["contributors"], [(user, Decimal(amount)) for user, amount in one["top"]])
        for metric, one in figures.items()
    }


def expected_documents() -> dict[str, Any]:
    """The same as JSON tells it: numbers."""
    return {
        metric: (float(total), users, [(user, float(amount)) for user, amount in top])
        for metric, (total, users, top) in expected_stand().items()
    }


def assert_told_twice(reports: Iterable[ReplayReport]) -> None:
    """Reports that tell every row twice between them: each contribution is counted once, and known the second time."""
    documents = [report.document() for report in reports]
    for metric in GOALS:
        figures, answered = EXPECTED[metric], Counter[str]()
        for document in documents:
            answered.update({word: document[metric][word] for word in ("counted", "duplicates", "conflicts")})
        assert figures["counted"] == answered["counted"]
        assert figures["counted"] + 2 * figures["duplicates"] == answered["duplicates"]
        assert 2 * figures["conflicts"] == answered["conflicts"]


async def stand(engine: Engine) -> Stand:
    """What the goals stand at, by the engine."""
    found: Stand = {}
    for metric, goal_id in GOALS.items():
        state = (await engine.progress(goal_id)).state
        board = await engine.leaderboard(goal_id, limit=10)
        unit = state.goal.metric
        top = [(row.user_id, unit.decimal(row.amount)) for row in board.contributors]
        found[metric] = (unit.decimal(state.total), board.participants, top)
    return found


async def snapshot(engine: Engine) -> dict[str, Snapshot]:
    return {
        goal_id: Snapshot((await engine.progress(goal_id)).state, await engine.leaderboard(goal_id, limit=1_000))
        for goal_id in GOALS.values()
    }


# The database itself, read past the package.


def sums(url: str) -> Sums:
    return {goal: (int(total), int(rows), int(users)) for goal, total, rows, users in _query(url, _SUMS)}


def kept(url: str) -> list[tuple[Key, int]]:
    """Every row of the ledger: its key and its amount in smallest units."""
    return [((goal, user, contribution), amount) for goal, user, contribution, amount in _query(url, _KEPT)]


def unlocks(url: str) -> dict[tuple[str, str], Unlocked]:
    """Every unlock that a contribution made, by goal and threshold."""
    return {
        (goal, threshold): Unlocked(
            datetime.fromtimestamp(occurred_at / 1_000_000, UTC).date(), int(after) - amount, int(after)
        )
        for goal, threshold, amount, occurred_at, after in _query(url, _UNLOCKS)
    }


def _query(url: str, statement: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite:///"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()
    with psycopg.connect(url) as server:
        return server.execute(statement.encode()).fetchall()


async def in_ledger(url: str) -> None:
    """Return when goals, rows and contributors are one sum in PostgreSQL, and it is what was expected."""
    expected = {
        goal.id: int(expected_stand()[goal.metric.key][0].scaleb(goal.metric.decimals))
        for goal in replay_event(START, END).goals
    }
    async with asyncio.timeout(IN_LEDGER_S):
        while True:
            found = await asyncio.to_thread(sums, url)
            if {goal: (total,) * 3 for goal, total in expected.items()} == found:
                return
            await asyncio.sleep(0.05)
