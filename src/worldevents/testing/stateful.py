"""Hypothesis machines: what they have in common, and long random lives of a ledger beside a model of a few lines.

A back end's test subclasses a machine and overrides `database`. After every step the model and the back end agree. The
models are plain dictionaries on purpose and share no decision with the package.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from worldevents.errors import BelowZero, EventConflict, UnknownGoal
from worldevents.ledger.base import Ledger
from worldevents.model import (
    ContributionStatus,
    GoalContribution,
)
from worldevents.testing.builders import STARTS_AT, a_contribution, a_goal, an_event
from worldevents.testing.ledger_counting import keep
from worldevents.testing.models import LedgerModel
from worldevents.testing.opened import LedgerOpener

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


class Machine(RuleBasedStateMachine):
    """An event loop, and resources that end with the run."""

    runner: asyncio.Runner | None = None
    """Whose loop it runs in; None is one of its own. What outlives a run has to be in one that does."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._runner = self.runner or self._stack.enter_context(asyncio.Runner())
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
        # An erasing is a verb of its own: nobody contributes one.
        one = st.none() | st.sampled_from([one for one in ContributionStatus if one != ContributionStatus.ERASED])
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
