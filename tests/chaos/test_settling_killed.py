"""SIGKILL at random moments of settling: the result is the one that it would have been, and it is announced once."""

import multiprocessing
import random
from dataclasses import replace

import pytest

from tests.chaos import settling
from worldevents.grants import Announcement
from worldevents.ledger import open_ledger
from worldevents.ledger.granted import DurableLedger
from worldevents.results import FinalRow, Outcome
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, a_contribution, a_goal, a_tier, an_event
from worldevents.testing.ledger_counting import keep

KILLS = 25
"""At least; more until there were so many stages."""
USERS = 3_000
PAGE = 50
LIFE_S = 0.1
LONGER = 1.1
STAGES = 5
"""Different things to be found half done after a kill."""
OVER = ENDS_AT + GRACE


def _expected(amounts: dict[str, int]) -> list[FinalRow]:
    """Rank everybody, as slowly as can be."""
    rows = sorted((-amount, user) for user, amount in amounts.items())
    values = sorted(amounts.values())
    least = {amount: values[::-1].index(amount) + 1 for amount in set(values)}
    return [
        FinalRow(place=place, rank=least[-negated], user_id=user, amount=-negated)
        for place, (negated, user) in enumerate(rows, start=1)
    ]


async def _announced(ledger: DurableLedger) -> list[Announcement]:
    """All that was announced, in its order."""
    found: list[Announcement] = []
    while page := await ledger.announcements(after=found[-1].number if found else 0):
        found += page
    return found


@pytest.mark.timeout(300)
async def test_kills_leave_one_result_and_one_announcement(ledger_url: str, chance: random.Random) -> None:
    """Thousands with ties, a tier that is left to a job, and a consolation; many kills, then one quiet life."""
    amounts = {f"user-{number:05}": 1 + number % 7 for number in range(USERS)}
    total = sum(amounts.values())
    goal = replace(a_goal(target=total + 1, percents=("25",)), consolation=a_tier("90", total + 1))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([settling.__name__])
    stages: set[tuple[int, int, int | None]] = set()
    async with open_ledger(ledger_url) as ledger:
        await ledger.publish(an_event(goal), based_on=0, author="test", published_at=DURING, reason="")
        await ledger.append([a_contribution("c", amount, user=user) for user, amount in amounts.items()], keep())
        life_s = LIFE_S
        for kill in range(8 * KILLS):
            begun = processes.Event()
            process = processes.Process(target=settling.live, args=(ledger_url, OVER, PAGE, begun))
            process.start()
            # A kill is to come at any moment: where lives are too short to get on, they become longer.
            begun.wait()
            process.join(chance.uniform(0, life_s))
            process.kill()
            process.join()
            left = await ledger.unranked("volume", limit=1)
            seen = len(stages)
            stages.add((await ledger.jobs(), len(await ledger.grants()), left[0].place if left else None))
            life_s *= LONGER if len(stages) == seen else 1
            if kill >= KILLS and len(stages) >= STAGES:
                break
        begun = processes.Event()
        process = processes.Process(target=settling.live, args=(ledger_url, OVER, 1_000, begun))
        process.start()
        process.join()
        (result,) = await ledger.results()
        assert (0, total, USERS, Outcome.NEAR_MISSED, True) == (
            process.exitcode,
            result.total,
            result.participants,
            result.outcome,
            result.consoled,
        )
        expected = _expected(amounts)
        found = [row for page in range(0, USERS, 1_000) for row in await ledger.final_rows("volume", after=page)]
        assert expected == found
        told = await _announced(ledger)
        grants = [one.document["id"] for one in told if one.kind == "reward.granted"]
        expected_grants = {
            f"{source}~{user}" for source in ("tier~volume~25", "consolation~volume") for user in amounts
        }
        assert expected_grants == set(grants)
        assert len(expected_grants) == len(grants)
        assert ["winter"] == [one.document["eventId"] for one in told if one.kind == "event.settled"]
        # It comes when all that was granted before is told.
        assert "event.settled" == told[-1].kind
        # The kills came while there was something to do.
        assert len(stages) >= STAGES
