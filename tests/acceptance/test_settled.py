"""December is over: every goal's result is what another program computed from the file, and everyone has a rank."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.december import END, EXPECTED, GOALS, START, expected_stand
from worldevents import rewards, settling
from worldevents.demo.replay import midnight, prepare, replay, replay_event
from worldevents.documents import Local
from worldevents.importers.openpowerlifting import Row
from worldevents.model import Ack
from worldevents.results import FinalRow, Outcome
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock

pytestmark = pytest.mark.slow

OVER = midnight(END) + replay_event(START, END).grace
PAGE = 1_000


@pytest_asyncio.fixture(params=["embedded", pytest.param("redis", marks=pytest.mark.real)])
async def settled(
    request: pytest.FixtureRequest, tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """The month, replayed and settled."""
    told: dict[str, Any] = {"database_url": f"sqlite:///{tmp_path}/ledger.db"}
    if request.param == "redis":
        url = request.getfixturevalue("postgres_url")
        redis = request.getfixturevalue("redis_server").url
        told = {"database_url": url, "redis_url": redis, "redis_prefix": uuid.uuid4().hex[:8], "ack": Ack.APPLIED}
    # Nobody counts meanwhile.
    monkeypatch.setattr(rewards, "REST", 0)
    monkeypatch.setattr(settling, "REST", 0)
    clock = ManualClock(midnight(END) + timedelta(days=14))
    async with open_runtime(Settings.load(**told), clock=clock) as runtime:
        await prepare(Local(runtime.engine), START, END)
        await replay(Local(runtime.engine), rows)
        # With Redis the last rows are on their way when the grace is over.
        clock.set(OVER)
        while len(await runtime.settling.settle("winter-2026")) < len(GOALS):
            continue
        yield runtime


async def _board(runtime: Runtime, goal_id: str) -> list[FinalRow]:
    found: list[FinalRow] = []
    while page := (await runtime.settling.board(goal_id, after=len(found), limit=PAGE)).rows:
        found += page
    return found


@pytest.mark.timeout(300)
async def test_december_settles(settled: Runtime) -> None:
    """Every goal comes to what was expected, everyone has a final rank, and the event is announced last."""
    await _comes_to_what_was_expected(settled)
    await _everyone_has_a_rank(settled)
    told = await settled.ledger.announcements(after=0)  # type: ignore[attr-defined]
    while told[-1].kind != "event.settled":
        told = await settled.ledger.announcements(after=told[-1].number)  # type: ignore[attr-defined]
    assert sorted(GOALS.values()) == sorted(one["goalId"] for one in told[-1].document["goals"])


async def _comes_to_what_was_expected(settled: Runtime) -> None:
    """Totals, contributors, the day of the target, and the top ten, exact to the gram."""
    for metric, (total, contributors, top) in expected_stand().items():
        result = await settled.settling.result(GOALS[metric])
        unit = result.goal.metric
        assert (total, contributors) == (unit.decimal(result.total), result.participants)
        met_on = EXPECTED[metric]["target_met_on"]
        assert (Outcome.MISSED if met_on is None else Outcome.MET) == result.outcome
        board = await settled.settling.board(GOALS[metric], limit=10)
        assert top == [(row.user_id, Decimal(unit.decimal(row.amount))) for row in board.rows]


async def _everyone_has_a_rank(settled: Runtime) -> None:
    """Thousands with many ties: the board is the ledger's contributors, ranks skip as many as share one."""
    for goal_id in GOALS.values():
        users = await settled.ledger.users(goal_id, limit=50_000)
        rows = await _board(settled, goal_id)
        in_order = sorted((-user.amount, user.user_id) for user in users if user.amount)
        assert in_order == [(-row.amount, row.user_id) for row in rows]
        shared = Counter(row.amount for row in rows)
        steps = accumulate((shared[amount] for amount in sorted(shared, reverse=True)), initial=1)
        ranks = dict(zip(sorted(shared, reverse=True), steps, strict=False))
        assert [ranks[row.amount] for row in rows] == [row.rank for row in rows]
        assert max(shared.values()) > 1
