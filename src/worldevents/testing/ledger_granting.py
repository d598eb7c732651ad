"""Laws 13 and 14 of the ledger: who is granted what, once for ever, and that nobody is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import cast

import pytest
import pytest_asyncio

from worldevents.errors import UnknownGoal
from worldevents.grants import GrantStatus, RewardGrant
from worldevents.ledger.base import Ledger
from worldevents.ledger.granted import DurableLedger
from worldevents.model import (
    Audience,
    ContributionStatus,
    Nature,
    OutboxEntry,
    Partition,
    PersonalChallenge,
    Position,
    Reward,
    SeasonalEvent,
)
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event, with_target
from worldevents.testing.ledger_counting import keep
from worldevents.testing.opened import LedgerOpener

LATER = DURING + timedelta(hours=1)
FIRST, SECOND = "tier~volume~25", "tier~volume~50"
"""The tiers at 250 and 500 of `a_goal`."""
CRATE = Reward(kind="crate", name="Snow Crate", nature=Nature.QUANTITY, fields=MappingProxyType({"quantity": 2}))


def a_challenge(target: int = 100, *, challenge_id: str = "hundred", goal: str = "volume") -> PersonalChallenge:
    """So much by oneself."""
    gold = Reward(kind="currency", name="Gold", nature=Nature.QUANTITY, fields=MappingProxyType({"amount": 50}))
    return PersonalChallenge(id=challenge_id, name=challenge_id.title(), goal_id=goal, target=target, reward=gold)


class Granting:
    """A ledger whose rewards are looked at."""

    def __init__(self, ledger: DurableLedger, *, version: int = 0) -> None:
        """With the version that its event is at."""
        self.ledger = ledger
        self._version = version
        self._ids = 0

    async def publish(self, event: SeasonalEvent) -> None:
        """Make this the newest version."""
        await self.ledger.publish(event, based_on=self._version, author="test", published_at=DURING, reason="")
        self._version += 1

    async def move(self, status: ContributionStatus, *amounts: tuple[str, int]) -> None:
        """Keep a row of this status for each user, in one append."""
        batch = [a_contribution(self._next_id(), amount, user=user) for user, amount in amounts]
        await self.ledger.append(batch, keep(*[status] * len(batch)))

    async def count(self, *amounts: tuple[str, int], goal: str = "volume") -> None:
        """Count an amount for each user, in one append."""
        batch = [a_contribution(self._next_id(), amount, user=user, goal=goal) for user, amount in amounts]
        await self.ledger.append(batch, keep())

    def _next_id(self) -> str:
        self._ids += 1
        return f"n{self._ids}"

    async def work(self, *, size: int = 2) -> int:
        """Work every job off; says how many grants that made."""
        made = 0
        while (page := await self.ledger.grant_page(LATER, size=size)) is not None:
            made += page.grants
        return made

    async def ids(self) -> list[str]:
        """Every grant's id, in the order of granting."""
        return [one.id for one in await self.ledger.grants()]


def of(source: str, users: Iterable[str]) -> list[str]:
    """The ids of these users' grants."""
    return [f"{source}~{user}" for user in users]


class GrantingLaws:
    """Laws 13 and 14; `LedgerLaws` adds the fixtures."""

    @pytest_asyncio.fixture
    async def granting(self, empty: Ledger) -> Granting:
        """A ledger of rewards with a goal, target 1000 and tiers at 25, 50 and 100 %."""
        granting = Granting(cast("DurableLedger", empty))
        await granting.publish(an_event())
        return granting

    async def test_law_13_a_grant_says_all_about_itself(self, granting: Granting) -> None:
        """Law 13: what gave it, who has it, the reward as it was declared, and when."""
        goal = a_goal()
        await granting.publish(an_event(replace(goal, tiers=(replace(goal.tiers[0], reward=CRATE), *goal.tiers[1:]))))
        await granting.count(("ann", 300))
        await granting.work()
        expected = RewardGrant(
            id="tier~volume~25~ann",
            number=2,
            event_id="winter",
            goal_id="volume",
            threshold=Decimal(25),
            challenge_id=None,
            user_id="ann",
            reward=CRATE,
            version=2,
            status=GrantStatus.CLAIMABLE,
            granted_at=LATER,
        )
        assert [expected] == await granting.ledger.grants()
        assert expected == await granting.ledger.grant("tier~volume~25~ann")

    async def test_law_13_a_grant_is_unique_for_ever(self, open_ledger: LedgerOpener, granting: Granting) -> None:
        """Law 13: jobs that are asked for again, also by who opens the ledger later, grant nobody twice."""
        await granting.count(("ann", 300), ("bob", 1))
        assert 2 == await granting.work()
        before = await granting.ledger.grants()
        async with open_ledger() as reopened:
            again = Granting(cast("DurableLedger", reopened))
            await again.ledger.keep_promises(LATER)
            assert 1 == await again.ledger.sweep("volume", LATER)
            assert 0 == await again.work()
            assert before == await again.ledger.grants()

    async def test_law_13_an_edit_changes_no_grant(self, granting: Granting) -> None:
        """Law 13: who was granted has the reward of that day, who comes later the new one."""
        await granting.count(("ann", 300))
        await granting.work()
        goal = a_goal()
        edited = replace(goal, tiers=(replace(goal.tiers[0], reward=CRATE, minimum=20), *goal.tiers[1:]))
        await granting.publish(an_event(edited))
        await granting.count(("bob", 20), ("cid", 19))
        await granting.work()
        told = [(one.user_id, one.reward.name, one.version) for one in await granting.ledger.grants()]
        assert [("ann", "Reached 25 %", 1), ("bob", "Snow Crate", 2)] == told

    @pytest.mark.parametrize("status", [ContributionStatus.CORRECTED, ContributionStatus.WITHHELD])
    async def test_law_13_a_movement_that_lowers_takes_no_grant_away(
        self, granting: Granting, status: ContributionStatus
    ) -> None:
        """Law 13: who has nothing any more keeps what was granted, and with an amount again gets no second one."""
        await granting.count(("ann", 250))
        await granting.work()
        before = await granting.ledger.grants()
        await granting.move(status, ("ann", -250 if status is ContributionStatus.CORRECTED else 250))
        assert before == await granting.ledger.grants()
        await granting.count(("ann", 1))
        assert before == await granting.ledger.grants()

    async def test_law_14_a_released_hold_qualifies(self, granting: Granting) -> None:
        """Law 14: in the append that releases it, and not while it is held."""
        await granting.count(("ann", 250))
        await granting.work()
        await granting.move(ContributionStatus.HELD, ("bob", 5), ("cid", 5))
        assert of(FIRST, ["ann"]) == await granting.ids()
        await granting.move(ContributionStatus.RELEASED, ("bob", 5))
        await granting.move(ContributionStatus.REJECTED, ("cid", 5))
        assert of(FIRST, ["ann", "bob"]) == await granting.ids()

    async def test_law_14_a_correction_qualifies(self, granting: Granting) -> None:
        """Law 14: it brings a user to the minimum like a contribution, exactly at it."""
        goal = a_goal(percents=("25",))
        await granting.publish(an_event(replace(goal, tiers=(replace(goal.tiers[0], minimum=10),))))
        await granting.count(("ann", 250), ("bob", 8))
        await granting.work()
        await granting.move(ContributionStatus.CORRECTED, ("bob", 1))
        assert of(FIRST, ["ann"]) == await granting.ids()
        await granting.move(ContributionStatus.CORRECTED, ("bob", 1))
        assert of(FIRST, ["ann", "bob"]) == await granting.ids()

    async def test_law_14_who_qualified_on_the_way_is_granted(self, granting: Granting) -> None:
        """Law 14: by the row that reached it, though a later one of the same append went back again."""
        goal = a_goal(percents=("25",))
        await granting.publish(an_event(replace(goal, tiers=(replace(goal.tiers[0], minimum=10),))))
        await granting.count(("ann", 250))
        await granting.work()
        await granting.move(ContributionStatus.CORRECTED, ("bob", 10), ("cid", 9), ("bob", -3), ("cid", -3))
        assert of(FIRST, ["ann", "bob"]) == await granting.ids()

    async def test_law_16_a_target_that_was_reached_on_the_way_is_announced(self, granting: Granting) -> None:
        """Law 16: once, as its tiers are, though the total fell again in the same append."""
        await granting.move(ContributionStatus.CORRECTED, ("ann", 1_000), ("ann", -1))
        await granting.count(("ann", 1))
        told = [one.kind for one in await granting.ledger.announcements()]
        assert (3, 1) == (told.count("goal.tier_unlocked"), told.count("goal.completed"))

    async def test_law_14_the_unlocking_append_leaves_a_job(self, granting: Granting) -> None:
        """Law 14: nobody is granted by the unlock itself, everybody by its job."""
        await granting.count(("bob", 100), ("ann", 100))
        assert (0, []) == (await granting.ledger.jobs(), await granting.ids())
        await granting.count(("cid", 50))
        assert (1, []) == (await granting.ledger.jobs(), await granting.ids())
        assert 3 == await granting.work()
        assert (0, of(FIRST, ["ann", "bob", "cid"])) == (await granting.ledger.jobs(), await granting.ids())

    async def test_law_14_a_late_joiner_is_granted_at_once(self, granting: Granting) -> None:
        """Law 14: the append that makes somebody qualify for an unlocked tier grants, and does not wait for a job."""
        await granting.count(("ann", 250))
        await granting.work()
        await granting.count(("ann", 1), ("bob", 1))
        assert of(FIRST, ["ann", "bob"]) == await granting.ids()

    async def test_law_14_a_minimum_is_the_own_amount(self, granting: Granting) -> None:
        """Law 14: over several appends, exactly at it, and once."""
        goal = a_goal(percents=("25",))
        await granting.publish(an_event(replace(goal, tiers=(replace(goal.tiers[0], minimum=10),))))
        await granting.count(("ann", 9), ("bob", 300), ("cid", 10))
        assert 2 == await granting.work(size=1)
        await granting.count(("ann", 1), ("dot", 4))
        await granting.count(("dot", 5), ("ann", 50))
        assert of(FIRST, ["bob", "cid", "ann"]) == await granting.ids()

    async def test_law_14_held_and_late_amounts_do_not_qualify(self, granting: Granting) -> None:
        """Law 14: only what is counted does."""
        await granting.count(("ann", 250))
        batch = [a_contribution("h", 5, user="bob"), a_contribution("l", 5, user="cid")]
        await granting.ledger.append(batch, keep(ContributionStatus.HELD, ContributionStatus.LATE))
        assert 1 == await granting.work()
        assert of(FIRST, ["ann"]) == await granting.ids()

    async def test_law_14_several_tiers_at_once(self, granting: Granting) -> None:
        """Law 14: an append that unlocks all of them leaves a job for each."""
        await granting.count(("ann", 999), ("bob", 1))
        assert 3 == await granting.ledger.jobs()
        assert 6 == await granting.work(size=1)
        assert 6 == len(set(await granting.ids()))

    async def test_law_14_who_comes_while_a_job_is_under_way(self, granting: Granting) -> None:
        """Law 14: before or behind the place where the job is, granted once."""
        await granting.count(("bob", 100), ("dot", 100), ("fay", 100))
        await granting.ledger.grant_page(LATER, size=2)
        await granting.count(("ann", 1), ("eve", 1), ("bob", 1))
        await granting.work(size=1)
        ids = await granting.ids()
        assert of(FIRST, ["ann", "bob", "dot", "eve", "fay"]) == sorted(ids)

    async def test_law_14_a_job_goes_on_where_it_was(self, open_ledger: LedgerOpener, granting: Granting) -> None:
        """Law 14: another process takes it up, and two at once grant nobody twice."""
        await granting.count(*((f"u{number}", 50) for number in range(8)))
        await granting.ledger.grant_page(LATER, size=3)
        async with open_ledger() as other:
            second = Granting(cast("DurableLedger", other))
            await asyncio.gather(granting.work(size=1), second.work(size=1))
        assert of(FIRST, [f"u{number}" for number in range(8)]) == sorted(
            one for one in await granting.ids() if one.startswith(FIRST)
        )

    async def test_law_14_everyone_is_one_grant(self, granting: Granting) -> None:
        """Law 14: a world's reward is granted by the unlock, claimed from the start, and nobody else's."""
        goal = a_goal(percents=("25",))
        world = replace(goal.tiers[0], audience=Audience.EVERYONE)
        await granting.publish(an_event(replace(goal, tiers=(world,))))
        await granting.count(("ann", 250))
        await granting.count(("bob", 250))
        assert 0 == await granting.work()
        (grant,) = await granting.ledger.grants_of("")
        assert (FIRST, None, GrantStatus.CLAIMED, DURING) == (grant.id, grant.user_id, grant.status, grant.claimed_at)
        assert [grant] == await granting.ledger.grants()

    async def test_law_14_a_lowered_target_grants_once(self, granting: Granting) -> None:
        """Law 14: a publish that unlocks a tier leaves a job; publishing again leaves none."""
        await granting.count(("ann", 100), ("bob", 30))
        lower = with_target(a_goal(), 500)
        await granting.publish(an_event(lower))
        assert 2 == await granting.work()
        await granting.publish(an_event(replace(lower, description="once more")))
        assert (0, 0) == (await granting.ledger.jobs(), await granting.work())
        assert of(FIRST, ["ann", "bob"]) == await granting.ids()

    async def test_law_14_a_lowered_minimum_grants_who_is_above_it_now(self, granting: Granting) -> None:
        """Law 14: an edit that makes a tier easier looks for those whom it lets in."""
        goal = a_goal(percents=("25",))
        for minimum, expected in ((100, ["ann"]), (10, ["ann", "bob"]), (50, ["ann", "bob"])):
            await granting.publish(an_event(replace(goal, tiers=(replace(goal.tiers[0], minimum=minimum),))))
            if minimum == 100:
                await granting.count(("ann", 250), ("bob", 20), ("cid", 5))
            await granting.work()
            assert of(FIRST, expected) == await granting.ids()

    async def test_law_14_a_challenge_is_granted_by_the_append_that_meets_it(self, granting: Granting) -> None:
        """Law 14: exactly at its target, in the goal that measures it, once."""
        event = an_event(
            a_goal(),
            a_goal("workouts", percents=()),
            challenges=[a_challenge(), a_challenge(9, challenge_id="nine", goal="workouts")],
        )
        await granting.publish(event)
        await granting.work()
        await granting.count(("ann", 99))
        await granting.count(("ann", 99), goal="workouts")
        await granting.count(("ann", 1), ("bob", 5))
        await granting.count(("ann", 1))
        hundred, nine = "challenge~winter~hundred~ann", "challenge~winter~nine~ann"
        assert [nine, hundred] == await granting.ids()
        (grant, *_) = await granting.ledger.grants_of("ann")
        assert ("hundred", None, "volume") == (grant.challenge_id, grant.threshold, grant.goal_id)

    async def test_law_14_a_challenge_that_comes_later_looks_back(self, granting: Granting) -> None:
        """Law 14: who has met it before it was published is granted by its job; one that is gone grants nobody."""
        await granting.count(("ann", 120))
        await granting.publish(an_event(challenges=[a_challenge()]))
        assert 1 == await granting.work()
        await granting.publish(an_event())
        await granting.count(("bob", 110))
        await granting.work()
        assert ["challenge~winter~hundred~ann"] == await granting.ids()

    async def test_law_14_what_is_drained_is_granted(self, granting: Granting) -> None:
        """Law 14: entries of a store's outbox are granted like all others."""
        ledger = granting.ledger
        await granting.count(("ann", 250))
        await granting.work()
        epoch = await ledger.begin_epoch("volume", [Partition("volume")], at=DURING, reason="test")
        mark = await ledger.watermark(Partition("volume"))
        assert mark is not None
        entry = OutboxEntry(
            Position(epoch, 1), a_contribution("d1", 5, user="bob"), ContributionStatus.COUNTED, DURING, DURING
        )
        await ledger.drain(mark, "run", [entry], at=DURING)
        assert of(FIRST, ["ann", "bob"]) == await granting.ids()

    async def test_law_14_a_sweep_finds_nobody_missing(self, granting: Granting) -> None:
        """Law 14: after the jobs there is nobody left; and a goal that is none is said to be unknown."""
        await granting.count(*((f"u{number}", 100) for number in range(7)))
        assert 14 == await granting.work()
        assert 2 == await granting.ledger.sweep("volume", LATER)
        assert 0 == await granting.work()
        with pytest.raises(UnknownGoal):
            await granting.ledger.sweep("nowhere", LATER)

    async def test_law_14_many_in_one_append(self, granting: Granting) -> None:
        """Law 14: more newcomers than one statement takes are granted in their append."""
        await granting.count(("ann", 250))
        await granting.work()
        await granting.count(*((f"u{number}", 1) for number in range(1_100)))
        first = [one for one in await _all(granting.ledger) if one.threshold == Decimal(25)]
        assert 1_101 == len({one.user_id for one in first})


async def _all(ledger: DurableLedger) -> list[RewardGrant]:
    found = await ledger.grants()
    while page := await ledger.grants(after=found[-1].number):
        found += page
    return found
