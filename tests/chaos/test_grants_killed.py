"""SIGKILL at random moments of granting: nobody is missing, and nobody has a reward twice."""

import multiprocessing
import random
from collections import Counter

import pytest

from tests.chaos import granting
from worldevents.grants import RewardGrant
from worldevents.ledger import open_ledger
from worldevents.ledger.granted import DurableLedger
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event
from worldevents.testing.ledger_counting import keep
from worldevents.testing.ledger_granting import a_challenge

KILLS = 40
USERS = 4_000
NEWCOMERS = 5
PAGE = 20
LIFE_S = 0.25


async def _grants(ledger: DurableLedger) -> list[RewardGrant]:
    found: list[RewardGrant] = []
    while page := await ledger.grants(after=found[-1].number if found else 0):
        found += page
    return found


@pytest.mark.timeout(300)
async def test_kills_lose_no_grant_and_double_none(ledger_url: str, chance: random.Random) -> None:
    """Two tiers and a challenge with thousands who had qualified, newcomers between the kills; then one quiet life."""
    event = an_event(a_goal(target=2 * USERS, percents=("25", "50")), challenges=[a_challenge(2)])
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([granting.__name__])
    users = {f"user-{number:05}": 1 + number % 2 for number in range(USERS)}
    async with open_ledger(ledger_url) as ledger:
        await ledger.publish(event, based_on=0, author="test", published_at=DURING, reason="")
        await ledger.append([a_contribution("c", amount, user=user) for user, amount in users.items()], keep())
        for kill in range(KILLS):
            process = processes.Process(target=granting.live, args=(ledger_url, PAGE))
            process.start()
            newcomers = {f"new-{chance.randrange(10**9):09}": 1 + number % 2 for number in range(NEWCOMERS)}
            await ledger.append([a_contribution("c", amount, user=user) for user, amount in newcomers.items()], keep())
            users |= newcomers
            # A kill is to come at any moment.
            process.join(chance.uniform(0, LIFE_S * (1 + kill / KILLS)))
            process.kill()
            process.join()
        before = len(await _grants(ledger))
        granting_process = processes.Process(target=granting.live, args=(ledger_url, 1_000))
        granting_process.start()
        granting_process.join()
        assert (0, 0) == (granting_process.exitcode, await ledger.jobs())
        grants = await _grants(ledger)
        given = Counter(one.id for one in grants)
        expected = {f"tier~volume~{percent}~{user}" for percent in (25, 50) for user in users}
        expected |= {f"challenge~winter~hundred~{user}" for user, amount in users.items() if amount > 1}
        assert expected == set(given)
        assert 1 == max(given.values())
        # The kills came while there was something to do, and did not undo what was done.
        assert USERS // 2 < before < len(grants)
        await ledger.sweep("volume", DURING)
        while page := await ledger.grant_page(DURING, size=1_000):
            assert 0 == page.grants
