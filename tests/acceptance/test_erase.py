"""December's top contributor is erased: all totals and the others' figures stay, the tombstone has the rank."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.december import END, GOALS, START
from tests.acceptance.test_ban import Figures, figures
from worldevents.demo.replay import prepare, replay
from worldevents.documents import Local
from worldevents.importers.openpowerlifting import Row
from worldevents.model import Ack
from worldevents.movements import By
from worldevents.runtime import Runtime, open_runtime
from worldevents.settings import Settings

pytestmark = pytest.mark.slow

OPS = By(author="ops", reason="wants to be forgotten")
LIFT = GOALS["totalVolume"]


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


async def test_the_top_contributor_is_erased(december: Runtime) -> None:
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
    assert would.rows == len(await december.moderation.rows(done.tombstone, limit=1_000))
