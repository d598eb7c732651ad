"""What becomes of December afterwards: its top contributor is banned and taken again, it settles, and one is erased.

One replay for all of it, on each kind of system: a replay takes the longest.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.december import END, EXPECTED, GOALS, START, expected_stand, in_ledger
from worldevents import rewards, settling
from worldevents.demo.replay import midnight, prepare, replay, replay_event
from worldevents.documents import Local
from worldevents.errors import UserBanned
from worldevents.importers.openpowerlifting import Row
from worldevents.ledger.base import GoalTotals, UserTotals
from worldevents.model import Leaderboard
from worldevents.movements import By
from worldevents.results import FinalRow, Outcome
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock

pytestmark = pytest.mark.slow

OPS = By(author="ops", reason="lifts what nobody lifts")
LIFT = GOALS["totalVolume"]
SHOWN = 100
OVER = midnight(END) + replay_event(START, END).grace
PAGE = 1_000

Figures = tuple[dict[str, Leaderboard], dict[str, tuple[int, int]], dict[str, list[UserTotals]], list[Any]]


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock in the grace."""
    return ManualClock(midnight(END) + timedelta(days=14))


@pytest_asyncio.fixture(params=["embedded", pytest.param("redis", marks=pytest.mark.real)])
async def december(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    rows: list[Row],
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Runtime]:
    """The month, replayed."""
    told: dict[str, Any] = {"database_url": f"sqlite:///{tmp_path}/ledger.db"}
    if request.param == "redis":
        url = request.getfixturevalue("postgres_url")
        redis = request.getfixturevalue("redis_server").url
        told = {"database_url": url, "redis_url": redis, "redis_prefix": uuid.uuid4().hex[:8]}
    # Nobody counts meanwhile.
    monkeypatch.setattr(rewards, "REST", 0)
    monkeypatch.setattr(settling, "REST", 0)
    async with open_runtime(Settings.load(**told), clock=clock) as runtime:
        await prepare(Local(runtime.engine), START, END)
        report = await replay(Local(runtime.engine), rows)
        assert EXPECTED == report.document()
        await in_ledger(str(told["database_url"]))
        yield runtime


@pytest.mark.timeout(300)
async def test_december_afterwards(december: Runtime, clock: ManualClock) -> None:
    """Each of these leaves the figures as they were; who wants to be forgotten is, in settled goals too."""
    await _the_top_contributor_is_banned_and_taken_again(december)
    await _december_settles(december, clock)
    await _the_top_contributor_is_erased(december)


# Figures.


async def figures(runtime: Runtime) -> Figures:
    """Boards, totals, every user's sums, and the tiers."""
    boards = {goal: await runtime.engine.leaderboard(goal, limit=SHOWN) for goal in GOALS.values()}
    totals = {goal: _sums(one) for goal, one in (await runtime.ledger.totals()).items()}
    users = {goal: await runtime.ledger.users(goal, limit=50_000) for goal in GOALS.values()}
    return boards, totals, users, await runtime.ledger.unlocks()


def _sums(one: GoalTotals) -> tuple[int, int]:
    return one.total, one.pending


def renamed(found: Figures, user: str, other: str) -> Figures:
    """The same figures with another name for one user; in the order of ids, where that tells."""
    boards, totals, users, unlocks = found
    return (
        {
            goal: replace(
                board,
                contributors=tuple(
                    sorted(
                        (
                            replace(one, user_id=other, display_name=None) if one.user_id == user else one
                            for one in board.contributors
                        ),
                        key=lambda one: (one.rank, one.user_id),
                    )
                ),
            )
            for goal, board in boards.items()
        },
        totals,
        {
            goal: sorted(
                (replace(one, user_id=other) if one.user_id == user else one for one in own),
                key=lambda one: one.user_id,
            )
            for goal, own in users.items()
        },
        unlocks,
    )


async def _board(runtime: Runtime, goal_id: str) -> list[FinalRow]:
    found: list[FinalRow] = []
    while page := (await runtime.settling.board(goal_id, after=len(found), limit=PAGE)).rows:
        found += page
    return found


# A ban.


async def _the_top_contributor_is_banned_and_taken_again(december: Runtime) -> None:
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


# Settling.


async def _december_settles(december: Runtime, clock: ManualClock) -> None:
    """Every goal comes to what was expected, everyone has a final rank, and the event is announced last."""
    clock.set(OVER)
    while len(await december.settling.settle("winter-2026")) < len(GOALS):
        continue
    await _comes_to_what_was_expected(december)
    await _everyone_has_a_rank(december)
    told = await december.ledger.announcements(after=0)  # type: ignore[attr-defined]
    while told[-1].kind != "event.settled":
        told = await december.ledger.announcements(after=told[-1].number)  # type: ignore[attr-defined]
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


# An erasing.


async def _the_top_contributor_is_erased(december: Runtime) -> None:
    """Totals, tiers, ranks and everybody's sums are as before, in store and ledger alike, but for one name."""
    before = await figures(december)
    first = before[0][LIFT].contributors[0].user_id
    would = await december.moderation.erase(first, by=OPS, preview=True)
    assert before == await figures(december)
    done = await december.moderation.erase(first, by=OPS)
    assert done.tombstone is not None
    assert would.shares == done.shares
    assert would.rows > 0

    after = await figures(december)
    assert renamed(before, first, done.tombstone) == renamed(after, "", "")
    assert (1, done.tombstone) == (after[0][LIFT].contributors[0].rank, after[0][LIFT].contributors[0].user_id)
    assert all(one.agrees for one in await december.ledger.audit())
    if december.syncer is not None:
        assert all(one.agrees for one in await december.syncer.reconcile(fix=False))
    assert (await december.ledger.about(first)).is_empty
    assert done.tombstone == (await december.settling.board(LIFT, limit=1)).rows[0].user_id
    assert would.rows == len(await december.moderation.rows(done.tombstone, limit=1_000))
