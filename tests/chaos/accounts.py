"""The last word on a deployment under faults: what was acknowledged, lost, doubled, and whether all sums are one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.chaos.books import Books, Verdict, by_goal, by_user, judge
from tests.chaos.deployment import GOALS, TARGET, TIERS, Deployment


@dataclass(frozen=True)
class Account:
    verdict: Verdict
    books: Books
    repeats: int
    again: Counter[str]
    answers_lost: int

    def __str__(self) -> str:
        return (
            f"{self.verdict}; {self.repeats} deliberate repeats,"
            f" {self.again.total():,} calls made again ({_listed(self.again)}),"
            f" {self.answers_lost} answers lost on the way, {self.books.repairs} repairs, built because"
            f" {_listed(self.books.epochs)}"
        )


def _listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} ({number})" for reason, number in sorted(reasons.items()))


async def accounted(deployment: Deployment) -> Account:
    """Wait until nothing waits, and look; what is said of the sums is asserted here, whatever was lost."""
    books = await deployment.settled()
    heard = deployment.heard
    assert Counter() == heard.refused
    rows = by_goal(books.rows.elements(), GOALS)
    assert {goal: (total,) * 5 for goal, total in rows.items()} == books.five, deployment.logs()
    assert by_user(books.rows.elements()) == books.boards == books.contributors
    reached = [(goal, tier) for goal in GOALS for tier in TIERS if rows[goal] * 100 >= TARGET * int(tier)]
    assert Counter(reached) == books.unlocks
    assert reached
    assert 0 == books.dead_letters
    lost = deployment.redis_proxy.lost + deployment.postgres_proxy.lost
    return Account(judge(books, heard.acknowledged), books, heard.repeats, heard.retries, lost)


def assert_nothing_is_amiss(deployment: Deployment, account: Account, *, may_forget: bool = False) -> None:
    """Exactly what was acknowledged is there, and what was told again on purpose was known each time.

    A memory that goes back may forget an id and count it in the very place where the ledger has it already: then it
    `may_forget` that this is a repeat, and nothing else.
    """
    verdict = account.verdict
    assert (0, 0, 0) == (verdict.lost, verdict.double, verdict.unheard), f"{account}\n{deployment.logs()}"
    assert may_forget or [] == deployment.heard.counted_again
