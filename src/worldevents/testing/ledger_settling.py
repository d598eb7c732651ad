"""Laws 19 to 21 of the ledger: what a goal came to is written once, whole, and stands for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import pytest_asyncio

from worldevents import rules
from worldevents.errors import EventInvalid, GoalNotOpen, UnknownGoal
from worldevents.grants import Announcement
from worldevents.model import Audience, ContributionStatus, GoalTier, SeasonalEvent
from worldevents.results import FinalRow, GoalResult, Outcome, ReachedTier
from worldevents.testing.builders import (
    DURING,
    ENDS_AT,
    GRACE,
    a_contribution,
    a_goal,
    a_tier,
    an_event,
    cancelled,
    in_window,
)
from worldevents.testing.ledger_counting import keep
from worldevents.testing.ledger_draining import Draining
from worldevents.testing.ledger_granting import Granting, a_challenge, of
from worldevents.testing.opened import LedgerOpener, ledger_state

OVER = ENDS_AT + GRACE
"""The first instant after the grace."""
LATER = OVER + timedelta(days=1)
COUNTED, HELD, LATE = ContributionStatus.COUNTED, ContributionStatus.HELD, ContributionStatus.LATE


def consoling(percent: str = "50", target: int = 1_000, *, minimum: int = 0) -> GoalTier:
    """What a goal gives that misses its target and reaches so many percent."""
    return replace(a_tier(percent, target), minimum=minimum)


class SettlingGoals(Granting):
    """A ledger whose goals settle."""

    async def settle(self, goal_id: str = "volume", *, version: int = 1, size: int = 2) -> bool:
        """Take a goal from its beginning to its result, page by page; whether it has one."""
        if not await self.ledger.begin_settling(goal_id, version=version, at=OVER):
            return False
        await self.work(size=size)
        while rows := await self.ledger.unranked(goal_id, limit=size):
            await self.ledger.keep_ranks(goal_id, rows)
        return await self.ledger.finish_settling(goal_id, at=OVER)

    async def result(self) -> GoalResult:
        """The only result that there is."""
        (told,) = await self.ledger.results()
        return told

    async def settled_events(self) -> list[Announcement]:
        """What was announced of events that are settled."""
        return [one for one in await self.ledger.announcements() if one.kind == "event.settled"]


def a_row(place: int, rank: int, user_id: str, amount: int) -> FinalRow:
    """A row of a final board."""
    return FinalRow(place=place, rank=rank, user_id=user_id, amount=amount)


class SettlingLaws:
    """Laws 19 to 21; `LedgerLaws` adds the fixtures."""

    @pytest_asyncio.fixture
    async def goals(self, granting: Granting) -> SettlingGoals:
        """A ledger with one goal, target 1000 and tiers at 25, 50 and 100 %."""
        return SettlingGoals(granting.ledger, version=1)

    # Law 19.

    async def test_law_19_a_goal_begins_to_settle_after_its_grace(self, goals: SettlingGoals) -> None:
        """Law 19: not a moment before, not by another version, and not one that was called off."""
        begin = goals.ledger.begin_settling
        assert not await begin("volume", version=1, at=OVER - timedelta(microseconds=1))
        assert not await begin("volume", version=2, at=OVER)
        assert await begin("volume", version=1, at=OVER)
        assert await begin("volume", version=1, at=LATER)
        with pytest.raises(UnknownGoal):
            await begin("nothing", version=1, at=OVER)

    async def test_law_19_what_was_called_off_has_no_result(self, goals: SettlingGoals) -> None:
        """Law 19: a cancelled event settles nothing and announces nothing."""
        await goals.publish(cancelled(an_event(), DURING))
        assert not await goals.settle(version=2)
        assert ([], []) == (await goals.ledger.results(), await goals.settled_events())

    async def test_law_19_nothing_moves_a_result(self, goals: SettlingGoals) -> None:
        """Law 19: an append to a goal that settles is nothing; late rows are kept, and other goals go on."""
        await goals.publish(an_event(a_goal(), a_goal("workouts")))
        await goals.count(("ann", 10))
        assert await goals.ledger.begin_settling("volume", version=2, at=OVER)
        before = await ledger_state(goals.ledger)
        for status in (COUNTED, HELD, ContributionStatus.CORRECTED):
            with pytest.raises(GoalNotOpen):
                await goals.move(status, ("bob", 5))
            assert before == await ledger_state(goals.ledger)
        await goals.move(LATE, ("bob", 5))
        await goals.count(("bob", 7), goal="workouts")
        totals = await goals.ledger.totals()
        assert (10, 7) == (totals["volume"].total, totals["workouts"].total)
        assert 5 == await goals.ledger.late("volume", "bob")

    async def test_law_19_in_a_drain_it_is_a_repair(self, draining: Draining) -> None:
        """Law 19: what a store counted all the same is a dead letter, and the store takes it back."""
        goals = SettlingGoals(draining.ledger, version=1)  # type: ignore[arg-type]
        assert await goals.ledger.begin_settling("volume", version=1, at=OVER)
        drained = await draining.drain(
            draining.entry(a_contribution("a", 5), 1, LATE), draining.entry(a_contribution("b", 10), 2)
        )
        assert drained is not None
        assert (1, 1, 1) == (drained.kept, drained.repairs, drained.dead_letters)
        assert ["GoalNotOpen"] == [one.reason for one in await draining.ledger.dead_letters()]
        assert 0 == (await draining.totals()).total

    @pytest.mark.parametrize(
        ("field", "edit"),
        [
            ("event.ends_at", lambda event: in_window(event, event.starts_at, LATER)),
            ("event.cancelled_at", lambda event: cancelled(event, LATER)),
            ("goals[0].target", lambda event: _with_goal(event, target=900)),
            ("goals[0].tiers", lambda event: _with_goal(event, tiers=event.goals[0].tiers[:1])),
            ("goals[0].near_miss", lambda event: _with_goal(event, near_miss=Decimal(1))),
            ("goals[0].consolation", lambda event: _with_goal(event, consolation=consoling())),
            ("goals", lambda event: replace(event, goals=(*event.goals, a_goal("more")))),
            ("challenges", lambda event: replace(event, challenges=(a_challenge(1),))),
        ],
    )
    async def test_law_19_no_edit_changes_what_is_settled(
        self, goals: SettlingGoals, field: str, edit: Callable[[SeasonalEvent], SeasonalEvent]
    ) -> None:
        """Law 19: the window, what is asked for and what is promised stay; each is refused by its name."""
        assert await goals.settle()
        before = await goals.result()
        with pytest.raises(EventInvalid) as refused:
            await goals.publish(edit(an_event()))
        assert field in [one.field for one in refused.value.complaints]
        assert before == await goals.result()

    async def test_law_19_names_and_rewards_may_still_change(self, goals: SettlingGoals) -> None:
        """Law 19: they are no part of the result; an event that is published so stays settled."""
        assert await goals.settle()
        before = await goals.result()
        tier = replace(a_tier("25", 1_000), reward=replace(a_tier("25", 1_000).reward, name="Renamed"))
        renamed = _with_goal(an_event(), name="Renamed", tiers=(tier, *a_goal().tiers[1:]))
        await goals.publish(renamed)
        assert replace(before, goal=renamed.goals[0]) == await goals.result()

    # Law 20.

    async def test_law_20_a_result_says_all(self, goals: SettlingGoals) -> None:
        """Law 20: sums, contributors, tiers with their instants, and how it ended, by the ledger's own rows."""
        await goals.count(("ann", 300), ("bob", 250))
        await goals.move(HELD, ("bob", 40))
        await goals.move(LATE, ("cid", 7))
        assert await goals.settle()
        expected = GoalResult(
            goal=a_goal(),
            total=550,
            pending=40,
            late=7,
            participants=2,
            outcome=Outcome.MISSED,
            completed_at=None,
            tiers=(ReachedTier(Decimal(25), DURING), ReachedTier(Decimal(50), DURING)),
            consoled=False,
            settled_at=OVER,
        )
        assert [expected] == await goals.ledger.results() == await goals.ledger.results("winter")
        assert [] == await goals.ledger.results("summer")

    async def test_law_20_equal_amounts_share_a_rank(self, goals: SettlingGoals) -> None:
        """Law 20: 1, 2, 2, 4, in order of the ids' letters, page by page; without who has nothing that counts."""
        await goals.count(("bob", 20), ("Zoe", 20), ("ann", 5), ("dee", 30), ("eve", 5))
        await goals.move(HELD, ("fay", 9))
        assert await goals.settle()
        expected = [
            a_row(1, 1, "dee", 30),
            a_row(2, 2, "Zoe", 20),
            a_row(3, 2, "bob", 20),
            a_row(4, 4, "ann", 5),
            a_row(5, 4, "eve", 5),
        ]
        assert expected == await goals.ledger.final_rows("volume")
        assert expected[2:4] == await goals.ledger.final_rows("volume", after=2, limit=2)
        assert expected[2] == await goals.ledger.final_row("volume", "bob")
        assert None is await goals.ledger.final_row("volume", "fay")

    async def test_law_20_who_is_hidden_is_left_out(self, goals: SettlingGoals) -> None:
        """Law 20: of pages, today as on a live board; the others keep their ranks, and the own row is told."""
        await goals.ledger.append(
            [a_contribution("c", 9, display_name="Ann"), a_contribution("c", 5, user="bob")], keep()
        )
        assert await goals.settle()
        await goals.ledger.hide("ann", at=DURING)
        assert [a_row(2, 2, "bob", 5)] == await goals.ledger.final_rows("volume")
        assert replace(a_row(1, 1, "ann", 9), display_name="Ann") == await goals.ledger.final_row("volume", "ann")

    async def test_law_20_nothing_is_told_before_it_is_whole(self, goals: SettlingGoals) -> None:
        """Law 20: neither with a job left, nor with somebody who has no rank."""
        await goals.count(("ann", 300), ("bob", 1))
        ledger = goals.ledger
        assert await ledger.begin_settling("volume", version=1, at=OVER)
        assert not await ledger.finish_settling("volume", at=OVER)
        await ledger.keep_ranks("volume", await ledger.unranked("volume", limit=1))
        assert not await ledger.finish_settling("volume", at=OVER)
        await ledger.keep_ranks("volume", await ledger.unranked("volume"))
        assert ([], []) == (await ledger.results(), await ledger.final_rows("volume"))
        assert not await ledger.finish_settling("volume", at=OVER)
        assert 2 == await goals.work()
        assert await ledger.finish_settling("volume", at=OVER)
        assert ["ann", "bob"] == [one.user_id for one in await ledger.final_rows("volume")]

    async def test_law_20_ranks_that_do_not_add_up_are_made_again(self, goals: SettlingGoals) -> None:
        """Law 20: a row that is not the ledger's own voids them all, and the next turn tells the truth."""
        await goals.count(("ann", 5), ("bob", 3))
        assert await goals.ledger.begin_settling("volume", version=1, at=OVER)
        await goals.ledger.keep_ranks("volume", [a_row(1, 1, "old-name", 5)])
        assert not await goals.settle()
        assert await goals.settle()
        assert [a_row(1, 1, "ann", 5), a_row(2, 2, "bob", 3)] == await goals.ledger.final_rows("volume")

    async def test_law_20_the_last_sweep_finds_whom_a_job_missed(self, goals: SettlingGoals) -> None:
        """Law 20: all are looked through again, though every job is done, before the result is told."""
        await goals.count(("ann", 300), ("bob", 1))
        await goals.work()
        assert 0 == await goals.ledger.jobs()
        assert await goals.ledger.begin_settling("volume", version=1, at=OVER)
        assert 1 == await goals.ledger.jobs()
        assert await goals.settle()
        assert of("tier~volume~25", ["ann", "bob"]) == await goals.ids()

    @pytest.mark.parametrize(
        ("total", "outcome"),
        [(899, Outcome.MISSED), (900, Outcome.NEAR_MISSED), (999, Outcome.NEAR_MISSED), (1_000, Outcome.MET)],
    )
    async def test_law_20_how_it_ended(self, goals: SettlingGoals, total: int, outcome: Outcome) -> None:
        """Law 20: met from the target on, a near miss from 90 % on, exactly."""
        await goals.count(("ann", total))
        assert await goals.settle()
        assert outcome == (await goals.result()).outcome

    async def test_law_20_what_was_met_stays_met(self, goals: SettlingGoals) -> None:
        """Law 20: a correction after the target was reached does not take that back, and consoles nobody."""
        await goals.publish(_with_goal(an_event(), consolation=consoling()))
        await goals.count(("ann", 1_000))
        await goals.move(ContributionStatus.CORRECTED, ("ann", -300))
        assert await goals.settle(version=2)
        result = await goals.result()
        assert (Outcome.MET, 700, DURING, False) == (
            result.outcome,
            result.total,
            result.completed_at,
            result.consoled,
        )

    @pytest.mark.parametrize(("total", "users"), [(499, []), (500, ["ann", "bob"]), (999, ["ann", "bob"]), (1_000, [])])
    async def test_law_20_the_consolation_is_given_once_to_all_who_qualify(
        self, goals: SettlingGoals, total: int, users: Sequence[str]
    ) -> None:
        """Law 20: from its threshold on, where the target was not met, to those with its minimum."""
        await goals.publish(_with_goal(an_event(), tiers=(), consolation=consoling(minimum=10)))
        await goals.count(("ann", total - 30), ("bob", 21), ("cid", 9))
        # Whoever starts when this has begun follows the event once more.
        assert await goals.ledger.begin_settling("volume", version=2, at=OVER)
        await goals.ledger.keep_promises(LATER)
        assert await goals.settle(version=2)
        assert of("consolation~volume", users) == await goals.ids()
        assert bool(users) == (await goals.result()).consoled
        await goals.ledger.keep_promises(LATER)
        await goals.ledger.sweep("volume", LATER)
        assert 0 == await goals.work()
        told = await goals.ledger.grants()
        assert [(None, None)] * len(users) == [(one.threshold, one.challenge_id) for one in told]

    async def test_law_20_a_consolation_for_everyone_is_one_grant(self, goals: SettlingGoals) -> None:
        """Law 20: of the world, in effect at once."""
        everyone = replace(consoling(), audience=Audience.EVERYONE)
        await goals.publish(_with_goal(an_event(), tiers=(), consolation=everyone))
        await goals.count(("ann", 500))
        assert await goals.settle(version=2)
        assert ["consolation~volume"] == await goals.ids()

    async def test_law_20_an_erasing_in_between_begins_the_ranks_again(self, goals: SettlingGoals) -> None:
        """Law 20: a tombstone stands elsewhere in a tie than its user did; and afterwards it is the user's row."""
        ledger = goals.ledger
        tied = {"ann": 100, "bob": 100, "zed": 50}
        await ledger.append([a_contribution("c", own, user=who) for who, own in tied.items()], keep())
        assert await ledger.begin_settling("volume", version=1, at=OVER)
        await goals.work()
        await ledger.keep_ranks("volume", await ledger.unranked("volume", limit=2))
        first = await ledger.begin_erasing("ann", tombstone="erased#0000000000000001", at=OVER)
        await ledger.erase("volume", first, at=OVER)
        await ledger.erase_rest(first, at=OVER)
        assert await goals.settle()
        expected = [a_row(1, 1, "bob", 100), a_row(2, 1, first.tombstone, 100), a_row(3, 3, "zed", 50)]
        assert expected == await ledger.final_rows("volume")
        second = await ledger.begin_erasing("bob", tombstone="erased#0000000000000002", at=OVER)
        await ledger.erase("volume", second, at=OVER)
        assert [a_row(1, 1, second.tombstone, 100), *expected[1:]] == await ledger.final_rows("volume")
        assert (250, 3) == ((await goals.result()).total, (await goals.result()).participants)

    # Law 21.

    async def test_law_21_an_event_is_announced_with_its_last_result(self, goals: SettlingGoals) -> None:
        """Law 21: once, with what each goal came to, after everything that was granted before."""
        await goals.publish(an_event(a_goal(), a_goal("workouts", percents=())))
        await goals.count(("ann", 950))
        assert await goals.settle("workouts", version=2)
        assert [] == await goals.settled_events()
        assert await goals.settle(version=2)
        assert await goals.settle(version=2)
        (told,) = await goals.settled_events()
        assert ("winter", [("volume", "near_missed", 950), ("workouts", "missed", 0)]) == (
            told.document["eventId"],
            [(one["goalId"], one["outcome"], one["currentValue"]) for one in told.document["goals"]],
        )
        assert told.number == max(one.number for one in await goals.ledger.announcements())

    async def test_law_21_several_may_settle_at_once(self, open_ledger: LedgerOpener, goals: SettlingGoals) -> None:
        """Law 21: whoever is quicker, there is one result, one rank for each, and one announcement."""
        await goals.count(*((f"user-{number:02}", 1 + number % 5) for number in range(40)))
        async with open_ledger() as other:
            again = SettlingGoals(other, version=1)  # type: ignore[arg-type]
            done = await asyncio.gather(goals.settle(size=3), again.settle(size=5))
        assert True in done
        assert await goals.settle()
        rows = await goals.ledger.final_rows("volume")
        amounts = [1 + number % 5 for number in range(40)]
        expected = [1 + sum(other > row.amount for other in amounts) for row in rows]
        assert expected == [one.rank for one in rows]
        assert (40, 1, 1) == (len(rows), len(await goals.ledger.results()), len(await goals.settled_events()))


def _with_goal(event: SeasonalEvent, **changed: object) -> SeasonalEvent:
    """The event with its only goal changed; its tiers move along with a target."""
    goal = replace(event.goals[0], **changed)  # type: ignore[arg-type]
    tiers = tuple(replace(one, threshold_value=rules.threshold_value(goal.target, one.threshold)) for one in goal.tiers)
    return replace(event, goals=(replace(goal, tiers=tiers),))
