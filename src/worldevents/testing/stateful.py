"""Hypothesis machines: long random lives of a store and of a ledger, each held against a model of a few lines.

A back end's test subclasses a machine and overrides `database`. After every step the model and the back end agree; at
the end the audit agrees too. The models are plain dictionaries on purpose and share no decision with the package.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from worldevents import movements
from worldevents.errors import BelowZero, EventConflict, UnknownGoal
from worldevents.ledger.base import Ledger
from worldevents.model import (
    CommunityGoal,
    ContributionStatus,
    GoalContribution,
    Limits,
    OutlierRule,
    OverLimit,
    SeasonalEvent,
)
from worldevents.movements import Movement
from worldevents.testing.builders import STARTS_AT, a_contribution, a_goal, an_event, in_window, with_target
from worldevents.testing.clock import ManualClock
from worldevents.testing.ledger_counting import keep
from worldevents.testing.models import LedgerModel, StoreModel, place_of
from worldevents.testing.opened import MANY, LedgerOpener, OpenStore, StoreOpener

T = TypeVar("T")

USERS = ("ann", "bob", "cid")
GOALS = ("volume", "workouts")
ENDS_AT = STARTS_AT + timedelta(hours=48)
HOURS = st.sampled_from([timedelta(hours=hours) for hours in (-1, 0, 1, 20, 24, 47, 48, 49)])

items = st.builds(
    a_contribution,
    st.sampled_from(["a", "b", "c", "d", "e"]),
    st.sampled_from([1, 2, 24, 25, 49, 50, 51]),
    user=st.sampled_from(USERS),
    goal=st.sampled_from([*GOALS, "nowhere"]),
    occurred_at=st.none() | st.builds(lambda after: STARTS_AT + after, HOURS),
    display_name=st.none() | st.sampled_from(["A", "B"]),
)
"""Few ids, users and instants, so that repeats, conflicts and boundaries are common."""
LIMITS = st.builds(
    Limits,
    per_contribution=st.sampled_from([None, 50]),
    per_user_day=st.sampled_from([None, 60]),
    per_user=st.sampled_from([None, 75]),
    over=st.sampled_from(OverLimit),
)


OUTLIERS = st.none() | st.builds(
    OutlierRule,
    deviations=st.integers(1, 3),
    own_least=st.integers(1, 3),
    everyones_least=st.integers(1, 5),
)


class Machine(RuleBasedStateMachine):
    """An event loop of its own, and resources that end with the run."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._runner = self._stack.enter_context(asyncio.Runner())
        self._open: AbstractAsyncContextManager[Any] | None = None

    def run_to_end(self, step: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine in the machine's loop."""
        return self._runner.run(step)

    def reopen(self, opening: AbstractAsyncContextManager[T]) -> T:
        """Close what is open, and open this instead."""
        self.close()
        self._open = opening
        return self.run_to_end(opening.__aenter__())

    def close(self) -> None:
        """Close what is open."""
        if self._open is not None:
            self.run_to_end(self._open.__aexit__(None, None, None))
            self._open = None

    def teardown(self) -> None:
        """Let go of everything."""
        try:
            self.close()
        finally:
            self._stack.close()


class StoreMachine(Machine):
    """A store's life: batches of everything, edits, time, restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.model = StoreModel()

    def database(self) -> AbstractContextManager[StoreOpener]:
        """A fresh, empty database, and how a store over it is opened."""
        raise NotImplementedError

    @initialize(limits=LIMITS, outliers=OUTLIERS)
    def begin(self, limits: Limits, outliers: OutlierRule | None) -> None:
        """Publish an event of two goals, one of them with limits, and perhaps with a rule for outliers."""
        self.clock = ManualClock(STARTS_AT + timedelta(hours=1))
        self.opener = self._stack.enter_context(self.database())
        self.opened: OpenStore = self.reopen(self.opener(self.clock))
        self.seen: dict[str, tuple[str, int]] = {}
        volume = replace(a_goal(target=400, limits=limits), outliers=outliers)
        self.event = in_window(an_event(volume, a_goal("workouts", target=200, percents=("10",))), STARTS_AT, ENDS_AT)
        self._publish(self.event)

    def _publish(self, event: SeasonalEvent) -> None:
        # A moment later, so that no two unlocks of different causes share an instant.
        self.clock.move(timedelta(microseconds=1))
        self.event = event
        self.run_to_end(self.opened.publish(event, at=self.clock.now()))
        self.model.publish(event)
        self.clock.move(timedelta(microseconds=1))

    @rule(batch=st.lists(items, max_size=8))
    def contribute(self, batch: list[GoalContribution]) -> None:
        """A batch is answered as the model answers it, one by one."""
        batch = self.told(batch)
        expected = [self.model.contribute(item, self.clock.now()) for item in batch]
        assert self.run_to_end(self.opened.tell(*batch)) == expected

    def told(self, batch: list[GoalContribution]) -> list[GoalContribution]:
        """What of a batch is told; for a back end that does not order everything."""
        return batch

    @rule(item=items, times=st.integers(2, 3))
    def repeat(self, item: GoalContribution, times: int) -> None:
        """The same contribution several times in one batch, beside one with another amount."""
        other = a_contribution(item.contribution_id, item.amount + 1, user=item.user_id, goal=item.goal_id)
        self.contribute([item] * times + [other, item])

    @rule(user=st.sampled_from(USERS), amounts=st.lists(st.sampled_from([10, 25, 50]), min_size=2, max_size=4))
    def fill(self, user: str, amounts: list[int]) -> None:
        """One user's new contributions in one batch, up to the limits and over them."""
        first = len(self.model.rows)
        self.contribute([a_contribution(f"{first}-{index}", amount, user=user) for index, amount in enumerate(amounts)])

    @rule(outliers=OUTLIERS)
    def change_the_rule(self, outliers: OutlierRule | None) -> None:
        """An edit turns the rule for outliers on or off, or makes it another one."""
        first, *others = self.event.goals
        self._publish(self._with_goals(replace(first, outliers=outliers), *others))

    @rule(
        user=st.sampled_from(USERS),
        goal_id=st.sampled_from(GOALS),
        correction=st.sampled_from(["a", "b", "c", "d", "e", "f"]),
        amount=st.sampled_from([-60, -25, -1, 1, 25, 60]),
    )
    def correct(self, user: str, goal_id: str, correction: str, amount: int) -> None:
        """An operator adds to what a user has, or takes from it; more than is there is refused."""
        self._move(goal_id, user, movements.correction(correction), amount, ContributionStatus.CORRECTED)

    @rule(release=st.booleans(), data=st.data())
    def decide(self, release: bool, data: st.DataObject) -> None:  # noqa: FBT001 - drawn by hypothesis
        """What is held is released or rejected: once, whatever is tried after that."""
        held = sorted(key for key, (_, status) in self.model.rows.items() if status in ("held", "withheld"))
        if held:
            goal_id, user, held_id = data.draw(st.sampled_from(held))
            status = ContributionStatus.RELEASED if release else ContributionStatus.REJECTED
            amount, _ = self.model.rows[goal_id, user, held_id]
            self._move(goal_id, user, movements.decision(held_id), amount, status)

    @rule(data=st.data())
    def withhold(self, data: st.DataObject) -> None:
        """What has counted is held after all, if the user still has so much."""
        counted = sorted(key for key, (_, status) in self.model.rows.items() if status == "counted")
        if counted:
            goal_id, user, counted_id = data.draw(st.sampled_from(counted))
            amount, _ = self.model.rows[goal_id, user, counted_id]
            self._move(goal_id, user, movements.withholding(counted_id), amount, ContributionStatus.WITHHELD)

    def _move(self, goal_id: str, user: str, row_id: str, amount: int, status: ContributionStatus) -> None:
        expected = self.model.move(goal_id, user, [(row_id, amount, status.value)], self.clock.now())
        item = a_contribution(row_id, amount, user=user, goal=goal_id)
        assert self.run_to_end(self.opened.moved(Movement(item, status))) == expected

    @rule(user=st.sampled_from(USERS), again=st.booleans())
    def ban(self, user: str, again: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """A user is banned, or is banned already; with a repeat of the same ban nothing more happens."""
        if not self._is_over():
            number = self.run_to_end(self.opened.ban(user, at=self.clock.now()))
            for goal_id in GOALS:
                self.model.ban(goal_id, user, number)
            self.model.banned.add(user)
            if again:
                self.run_to_end(self.opened.ban(user, at=self.clock.now()))

    @rule(user=st.sampled_from(USERS))
    def unban(self, user: str) -> None:
        """A banned user gets everything back."""
        if user in self.model.banned and not self._is_over():
            number = self.run_to_end(self.opened.unban(user, at=self.clock.now()))
            for goal_id in GOALS:
                self.model.unban(goal_id, user, number)
            self.model.banned.discard(user)

    def _is_over(self) -> bool:
        return self.clock.now() >= ENDS_AT + self.event.goals[0].grace

    @rule(percent=st.integers(40, 99))
    def lower_a_target(self, percent: int) -> None:
        """An edit lowers the first goal's target, and its tiers with it."""
        first, *others = self.event.goals
        self._publish(self._with_goals(with_target(first, max(4, first.target * percent // 100)), *others))

    def _with_goals(self, *goals: CommunityGoal) -> SeasonalEvent:
        return in_window(an_event(*goals), STARTS_AT, ENDS_AT)

    @rule(by=st.sampled_from([timedelta(milliseconds=1), timedelta(hours=5), timedelta(hours=24)]))
    def wait(self, by: timedelta) -> None:
        """Time passes."""
        self.clock.move(by)

    @rule()
    def restart(self) -> None:
        """The store is closed, and another one is opened over the same ledger."""
        self.opened = self.reopen(self.opener(self.clock))

    @invariant()
    def model_and_store_agree(self) -> None:
        """Totals, pending, boards, shares, tiers and names are the model's; `seq` never falls."""
        for goal_id in GOALS:
            self.run_to_end(self._agree(goal_id))

    async def _agree(self, goal_id: str) -> None:
        store, model = self.opened.store, self.model
        state = await store.state(goal_id)
        assert (state.total, state.pending) == (model.sum(goal_id, "counted"), model.sum(goal_id, "held"))
        assert {unlock.threshold for unlock in state.unlocks} == model.unlocked[goal_id]
        found = await store.leaderboard(goal_id, limit=MANY)
        rows = [(row.rank, row.user_id, row.amount, row.display_name) for row in found.contributors]
        assert rows == model.board(goal_id)
        assert state.participants == found.participants == len(rows)
        ranks = {user: rank for rank, user, *_ in rows}
        for user in USERS:
            progress = await store.progress(goal_id, user)
            shares = (progress.user_contribution, progress.user_pending, progress.user_rank)
            sums = (model.sum(goal_id, "counted", user), model.sum(goal_id, "held", user))
            assert shares == (*sums, ranks.get(user))
            found_place = await store.standing(goal_id, user)
            place = (found_place.amount, found_place.above, found_place.tied, found_place.next_amount)
            expected = place_of(user, {one: amount for _, one, amount, _ in rows}, (1,))
            assert (*place, found_place.next_tied, dict(found_place.reached)) == expected
            assert (found_place.pending, found_place.rank) == (progress.user_pending, progress.user_rank)
        assert (state.epoch, state.seq) >= self.seen.get(goal_id, ("", 0))
        self.seen[goal_id] = (state.epoch, state.seq)

    def teardown(self) -> None:
        """At the end the ledger's rows add up to what the store says."""
        try:
            if hasattr(self, "opened"):
                self.restart()
                self.model_and_store_agree()
                assert all(one.agrees for one in self.run_to_end(self.opened.ledger.audit()))
        finally:
            super().teardown()


class LedgerMachine(Machine):
    """A ledger's life: appends of any decision, publishes from right and wrong versions, restarts."""

    def database(self) -> AbstractContextManager[LedgerOpener]:
        """A fresh, empty database, and how a ledger in it is opened."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        """Publish an event of two goals."""
        self.model = LedgerModel()
        self.opener = self._stack.enter_context(self.database())
        self.ledger: Ledger = self.reopen(self.opener())
        self.last = 0
        self.moment = STARTS_AT
        self._publish(400, 0)

    @rule(batch=st.lists(items, max_size=8), data=st.data())
    def append(self, batch: list[GoalContribution], data: st.DataObject) -> None:
        """Whatever is decided: what the model keeps is what the ledger keeps, or nothing at all."""
        one = st.none() | st.sampled_from(ContributionStatus)
        statuses = data.draw(st.lists(one, min_size=len(batch), max_size=len(batch)))
        self.moment += timedelta(seconds=1)
        step = self.ledger.append(batch, keep(*statuses, at=self.moment))
        if self.model.names_no_goal(batch, statuses):
            with pytest.raises((UnknownGoal, BelowZero)):
                self.run_to_end(step)
            return
        if self.model.leaves_less_than_nothing(batch, statuses):
            with pytest.raises(BelowZero):
                self.run_to_end(step)
            return
        appended = self.run_to_end(step)
        new = self.model.append(batch, statuses)
        told = [row and (row.amount, row.status.value) for row in appended.rows]
        assert told == [self.model.rows.get(self.model.key(item)) for item in batch]
        positions = sorted({row.position for row in appended.rows if row and row.position > self.last})
        assert len(positions) == new
        self.last = max([self.last, *positions])

    @rule(goal_target=st.integers(10, 500), right=st.booleans())
    def publish(self, goal_target: int, right: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """A change from the latest version stands; from another it is refused and changes nothing."""
        self._publish(goal_target, self.model.versions - (not right))

    def _publish(self, target: int, based_on: int) -> None:
        event = an_event(a_goal(target=target), a_goal("workouts", target=200, percents=("10",)))
        self.moment += timedelta(seconds=1)
        step = self.ledger.publish(event, based_on=based_on, author="test", published_at=self.moment, reason="")
        if based_on != self.model.versions:
            with pytest.raises(EventConflict):
                self.run_to_end(step)
            return
        version = self.run_to_end(step)
        assert version.version == self.model.versions + 1
        self.model.publish(event)

    @rule()
    def restart(self) -> None:
        """The ledger is closed and opened again."""
        self.ledger = self.reopen(self.opener())

    @invariant()
    def model_and_ledger_agree(self) -> None:
        """Sums, users, tiers, versions and names are the model's, and the rows add up."""
        self.run_to_end(self._agree())

    async def _agree(self) -> None:
        ledger, model = self.ledger, self.model
        totals = await ledger.totals()
        for goal_id in GOALS:
            sums = (totals[goal_id].total, totals[goal_id].pending)
            assert sums == (model.sum(goal_id, "counted"), model.sum(goal_id, "held"))
            users = [(user.user_id, user.amount, user.pending) for user in await ledger.users(goal_id)]
            assert users == model.users(goal_id)
        unlocks = await ledger.unlocks()
        assert {(unlock.goal_id, unlock.threshold) for unlock in unlocks} == model.all_unlocked()
        assert len(unlocks) == len(model.all_unlocked())
        assert [unlock.unlocked_at for unlock in unlocks] == sorted(unlock.unlocked_at for unlock in unlocks)
        assert [one.version for one in await ledger.history("winter")] == list(range(1, model.versions + 1))
        assert await ledger.display_names() == model.names
        assert all(one.agrees for one in await ledger.audit())
