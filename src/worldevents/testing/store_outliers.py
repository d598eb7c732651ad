"""Law 5 of the store for a goal that holds what is out of line: the same decision in every back end."""

from __future__ import annotations

from dataclasses import replace

from worldevents import movements
from worldevents.clock import Clock
from worldevents.model import CommunityGoal, ContributionStatus, GoalContribution, Limits, OutlierRule, OverLimit
from worldevents.movements import Movement
from worldevents.testing.builders import NO_LIMITS, a_contribution, a_goal, an_event
from worldevents.testing.opened import OpenStore, StoreOpener

RULE = OutlierRule(deviations=6, own_least=4, everyones_least=8)
USUAL = (100, 110, 90, 105)
"""Spread so little that the least spread counts: 100 is the median, and far is more than three doublings above it."""
FAR = 1_000


def holding(rule: OutlierRule | None = RULE, *, limits: Limits = NO_LIMITS) -> CommunityGoal:
    """A goal with such a rule."""
    return replace(a_goal(target=10**9, limits=limits), outliers=rule)


def usual(*users: str) -> list[GoalContribution]:
    """What these users usually do."""
    return [a_contribution(f"usual-{n}", amount, user=user) for user in users for n, amount in enumerate(USUAL)]


class OutlierLaws:
    """Law 5; `StoreLaws` adds the fixtures."""

    async def test_law_5_what_is_far_above_both_medians_is_held(self, empty: OpenStore) -> None:
        """Law 5: it is pending, the same again is told so, and what is not far goes on counting."""
        await empty.publish(an_event(holding()))
        assert ["counted"] * 8 == await empty.tell(*usual("ann", "bob"))
        assert ["held", "held again"] == [*await empty.tell(far("x")), *await empty.tell(far("x"))]
        assert ["counted"] * 2 == await empty.tell(a_contribution("y", 800), a_contribution("z", 100))
        state = await empty.store.state("volume")
        assert (1_710, FAR) == (state.total, state.pending)

    async def test_law_5_without_a_history_nothing_is_out_of_line(self, empty: OpenStore) -> None:
        """Law 5: neither for a user who is new, nor while all have done little."""
        await empty.publish(an_event(holding()))
        await empty.tell(*usual("ann"))
        assert ["counted"] == await empty.tell(far("few"))
        await empty.tell(*usual("bob"))
        assert ["counted", "held"] == await empty.tell(far("new", user="cid"), far("known", user="bob"))

    async def test_law_5_who_always_does_much_may(self, empty: OpenStore) -> None:
        """Law 5: it takes both medians; far above everyone's alone is no reason."""
        await empty.publish(an_event(holding()))
        strong = [a_contribution(f"c{number}", FAR, user="cid") for number in range(4)]
        await empty.tell(*usual("ann", "bob"), *strong)
        assert ["counted"] == await empty.tell(far("again", user="cid"))

    async def test_law_5_a_batch_is_judged_in_its_order(self, empty: OpenStore) -> None:
        """Law 5: what a batch counts is history for what comes after it in the batch; what it holds is not."""
        await empty.publish(an_event(holding()))
        told = await empty.tell(far("before"), *usual("ann", "bob"), far("after"), far("and again"))
        assert ["counted", *["counted"] * 8, "held", "held"] == told

    async def test_law_5_a_limit_goes_first(self, empty: OpenStore) -> None:
        """Law 5: what a limit refuses is refused, and what is only out of line is held all the same."""
        await empty.publish(an_event(holding(limits=Limits(per_contribution=5_000, over=OverLimit.REFUSE))))
        await empty.tell(*usual("ann", "bob"))
        assert ["limit_exceeded", "held"] == await empty.tell(a_contribution("x", 5_001), far("y"))

    async def test_law_5_a_rule_that_comes_later_knows_what_was(self, empty: OpenStore) -> None:
        """Law 5: an edit turns the rule on, over the history that is there; off again, nothing is held."""
        await empty.publish(an_event(holding(None)))
        await empty.tell(*usual("ann", "bob"))
        await empty.publish(an_event(holding()))
        assert ["held"] == await empty.tell(far("x"))
        await empty.publish(an_event(holding(None)))
        assert ["counted"] == await empty.tell(far("y"))
        await empty.publish(an_event(holding(replace(RULE, deviations=7))))
        assert ["counted", "held"] == await empty.tell(far("z"), a_contribution("zz", 2_500))

    async def test_law_5_movements_teach_nothing(self, open_store: StoreOpener, clock: Clock) -> None:
        """Law 5: what operators change neither adds to a history nor takes from it, before a restart and after."""
        async with open_store(clock) as opened:
            await opened.publish(an_event(holding(limits=Limits(per_contribution=5_000))))
            few = [one for one in usual("cid", "dot") if one.contribution_id != "usual-3"]
            held = a_contribution("over", 5_001, user="dot")
            assert "held" == (await opened.tell(*usual("ann", "bob"), *few, held))[-1]
            wanted = [
                moved("cid", movements.correction("k"), 100, ContributionStatus.CORRECTED),
                moved("dot", movements.decision("over"), 5_001, ContributionStatus.RELEASED),
                moved("ann", movements.withholding("usual-0"), USUAL[0], ContributionStatus.WITHHELD),
            ]
            assert ["moved"] * 3 == [await opened.moved(one) for one in wanted]
            assert ["held"] == await opened.tell(far("x"))
        async with open_store(clock) as opened:
            every = [far("y"), far("y", user="cid"), far("y", user="dot")]
            assert ["held", "counted", "counted"] == await opened.tell(*every)

    async def test_law_5_a_history_that_is_built_later_has_no_movements(self, empty: OpenStore) -> None:
        """Law 5: an edit that turns the rule on looks at what was contributed alone."""
        await empty.publish(an_event(holding(None)))
        await empty.tell(*usual("ann", "bob"), *usual("cid")[:3])
        await empty.moved(moved("cid", movements.correction("k"), 100, ContributionStatus.CORRECTED))
        await empty.moved(moved("ann", movements.withholding("usual-0"), USUAL[0], ContributionStatus.WITHHELD))
        await empty.publish(an_event(holding()))
        assert ["held", "counted"] == await empty.tell(far("x"), far("x", user="cid"))

    async def test_law_5_a_history_outlives_a_restart(self, open_store: StoreOpener, clock: Clock) -> None:
        """Law 5: who opens the store again judges by the same history."""
        async with open_store(clock) as opened:
            await opened.publish(an_event(holding()))
            await opened.tell(*usual("ann", "bob"))
        async with open_store(clock) as opened:
            assert ["held"] == await opened.tell(far("x"))


def moved(user: str, row_id: str, amount: int, status: ContributionStatus) -> Movement:
    """What an operator changes of what a user has."""
    return Movement(a_contribution(row_id, amount, user=user), status)


def far(contribution_id: str, *, user: str = "ann") -> GoalContribution:
    """One that is far out of line with what is usual."""
    return a_contribution(contribution_id, FAR, user=user)
