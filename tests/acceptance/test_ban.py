"""The ban of December's top contributor: the preview is what then happens, and its end restores every figure."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.december import END, GOALS, START
from worldevents.demo.replay import prepare, replay
from worldevents.documents import Local
from worldevents.errors import UserBanned
from worldevents.importers.openpowerlifting import Row
from worldevents.ledger.base import GoalTotals, UserTotals
from worldevents.model import Ack, Leaderboard
from worldevents.movements import By
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings

pytestmark = pytest.mark.slow

OPS = By(author="ops", reason="lifts what nobody lifts")
LIFT = GOALS["totalVolume"]
SHOWN = 100

Figures = tuple[dict[str, Leaderboard], dict[str, tuple[int, int]], dict[str, list[UserTotals]], list[Any]]


@pytest_asyncio.fixture(params=["embedded", pytest.param("redis", marks=pytest.mark.real)])
async def december(request: pytest.FixtureRequest, tmp_path: Path, rows: list[Row]) -> AsyncIterator[Runtime]:
    """The month, replayed."""
    told: dict[str, Any] = {"database_url": f"sqlite:///{tmp_path}/ledger.db"}
    if request.param == "redis":
        url = request.getfixturevalue("postgres_url")
        redis = request.getfixturevalue("redis_server").url
        told = {"database_url": url, "redis_url": redis, "redis_prefix": uuid.uuid4().hex[:8], "ack": Ack.LEDGER}
    async with open_runtime(Settings.load(**told)) as runtime:
        await prepare(Local(runtime.engine), START, END)
        await replay(Local(runtime.engine), rows)
        yield runtime


async def figures(runtime: Runtime) -> Figures:
    """Boards, totals, every user's sums, and the tiers."""
    boards = {goal: await runtime.engine.leaderboard(goal, limit=SHOWN) for goal in GOALS.values()}
    totals = {goal: _sums(one) for goal, one in (await runtime.ledger.totals()).items()}
    users = {goal: await runtime.ledger.users(goal, limit=50_000) for goal in GOALS.values()}
    return boards, totals, users, await runtime.ledger.unlocks()


def _sums(one: GoalTotals) -> tuple[int, int]:
    return one.total, one.pending


async def test_the_top_contributor_is_banned_and_taken_again(december: Runtime) -> None:
    """Totals, tiers and ranks: as the preview says, and afterwards as before, in store and ledger alike."""
    moderation, engine = december.moderation, december.engine
    before = await figures(december)
    boards, totals, _, unlocks = before
    first, second, *_ = boards[LIFT].contributors
    would = await moderation.ban(first.user_id, by=OPS, preview=True)
    assert before == await figures(december)

    assert would == await moderation.ban(first.user_id, by=OPS)
    assert all(one.agrees for one in await december.ledger.audit())
    for one in would.changes:
        state = (await engine.progress(one.goal.id)).state
        assert (one.after.total, one.after.participants) == (state.total, state.participants)
        assert one.before.user_contribution == totals[one.goal.id][0] - state.total > 0
        assert one.before.unlocked == one.after.unlocked
    assert unlocks == await december.ledger.unlocks()
    board = await engine.leaderboard(LIFT, limit=SHOWN - 1)
    assert (1, second.user_id) == (board.contributors[0].rank, board.contributors[0].user_id)
    assert [(one.user_id, one.rank - 1) for one in boards[LIFT].contributors[1:]] == [
        (one.user_id, one.rank) for one in board.contributors
    ]
    with pytest.raises(UserBanned):
        await engine.contribute(
            LIFT, first.user_id, 1, contribution_id="one-more", occurred_at=would.changes[0].goal.starts_at
        )

    await moderation.unban(first.user_id, by=OPS)
    assert before == await figures(december)
    assert all(one.agrees for one in await december.ledger.audit())
    if december.syncer is not None:
        assert all(one.agrees for one in await december.syncer.reconcile(fix=False))
