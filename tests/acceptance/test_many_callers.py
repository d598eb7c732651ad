"""December told by many callers at once: nothing is counted twice, and whoever was first stays the first."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.acceptance.december import END, EXPECTED, GOALS, START, expected_stand, offers, stand
from worldevents.demo.replay import prepare
from worldevents.documents import Local
from worldevents.engine import Engine, Offer
from worldevents.errors import ContributionConflict
from worldevents.importers.openpowerlifting import Row
from worldevents.runtime import open_runtime
from worldevents.settings import Settings

CALLERS = 64


async def test_sixty_four_callers_contribute_one_by_one(tmp_path: Path, rows: list[Row]) -> None:
    """Callers who each have some lifters, and wait for every answer, lead to the same figures as one who sends all."""
    shares: list[list[Offer]] = [[] for _ in range(CALLERS)]
    for offer in offers(rows):
        shares[int(offer.user_id) % CALLERS].append(offer)
    answered: Counter[tuple[str, str]] = Counter()
    async with open_runtime(Settings(database_url=f"sqlite:///{tmp_path}/ledger.db")) as runtime:
        await prepare(Local(runtime.engine), START, END)
        await asyncio.gather(*(_contribute(runtime.engine, share, answered) for share in shares))
        assert expected_stand() == await stand(runtime.engine)
        assert [] == [one for one in await runtime.ledger.audit() if not one.agrees]
    for metric, goal_id in GOALS.items():
        figures = EXPECTED[metric]
        assert {word: figures[word] for word in ("counted", "duplicates", "conflicts")} == {
            word: answered[goal_id, word] for word in ("counted", "duplicates", "conflicts")
        }


async def _contribute(engine: Engine, share: Iterable[Offer], answered: Counter[tuple[str, str]]) -> None:
    for offer in share:
        try:
            receipt = await engine.contribute(
                offer.goal_id,
                offer.user_id,
                offer.amount,
                contribution_id=offer.contribution_id,
                occurred_at=offer.occurred_at,
            )
        except ContributionConflict:
            answered[offer.goal_id, "conflicts"] += 1
        else:
            answered[offer.goal_id, "duplicates" if receipt.duplicate else "counted"] += 1
