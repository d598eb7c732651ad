"""A system beside its model: what is done to both, and what is true of both after every step and in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from datetime import timedelta

from hypothesis.stateful import invariant

from worldevents.errors import WorldEventsError
from worldevents.model import Audience, SeasonalEvent
from worldevents.moderation import Moved
from worldevents.results import GoalResult
from worldevents.testing.clock import ManualClock
from worldevents.testing.models import Key, place_of
from worldevents.testing.opened import MANY
from worldevents.testing.stateful import Machine
from worldevents.testing.system import System, SystemOpener
from worldevents.testing.system_draws import ENDS_AT, GOALS, USERS
from worldevents.testing.system_model import End, FinalPlace, SystemModel


class SystemLife(Machine):
    """One life of a system: `opener` opens it, `clock` is its time."""

    clock: ManualClock
    opener: SystemOpener
    system: System
    event: SeasonalEvent

    did: Counter[str]
    """How often what happened; a subclass has one for all its lives."""
    is_buffered = False
    """Whether the store is in front of the ledger; of two names in two goals nobody says then which is the latest."""

    def database(self) -> AbstractContextManager[SystemOpener]:
        """A fresh, empty database, and how a system over it is opened."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.model = SystemModel()
        self.holds: dict[Key, int] = {}
        """The ids of all that was ever held, as the ledger knows it."""
        self.seen: dict[str, tuple[int, int]] = {}
        self.numbers: dict[str, int] = {}
        self.bans: dict[str, int] = {}
        self.unsure: set[Key] = set()
        """Of the erased, what a store that lost its memory, or was built again, does not know any more."""
        self.checked: object = None
        """What the ledger was last seen to hold, and how many commits it had then."""
        self.since_start = 0
        """Steps since the last start."""
        self.is_sound = False
        """Whether the last step left nothing amiss."""

    def _publish(self, event: SeasonalEvent) -> None:
        # A moment later, so that no two unlocks of different causes share an instant.
        self.clock.move(timedelta(microseconds=1))
        self.event = event
        self.run_to_end(self.system.engine.publish(event, author="test"))
        self.model.publish(event)
        # So that new goals are there, a store in front of the ledger is looked after at once.
        self._carried()
        self.clock.move(timedelta(microseconds=1))

    def _did(self, what: str, *words: str) -> None:
        """A step was made: with what outcomes."""
        self.since_start = 0 if what == "restart" else self.since_start + 1
        self.did["steps"] += 1
        self.did[what] += 1
        self.did.update(words)

    def _told(self, verb: Awaitable[object]) -> str:
        """What a verb says, as a word."""
        self.is_sound = False
        try:
            found = self.run_to_end(_awaited(verb))
        except WorldEventsError as refusal:
            return refusal.code
        if isinstance(found, Moved):
            return "again" if found.duplicate else "moved"
        return str(getattr(found, "status", "done"))

    def _carried(self) -> None:
        """What was answered by the ledger is there, with all that came before it."""
        self.model.came(self.clock.now())
        self.run_to_end(self.system.carry())
        self.model.carry()

    def _work(self) -> None:
        self.is_sound = False
        self.run_to_end(self.system.work())
        self.model.work(self.clock.now())

    def _settle(self) -> list[str]:
        """What is over is settled; how, in the model's words."""
        self.is_sound = False
        self._carried()
        told = self.run_to_end(self.system.settling.settle(self.event.id))
        words = self.model.settle(self.clock.now())
        assert {one.goal.id for one in told} == set(self.model.ends)
        return words

    def _is_over(self) -> bool:
        return self.clock.now() >= ENDS_AT + self.event.grace

    def _left(self) -> timedelta:
        """Until it is over."""
        return max(timedelta(0), ENDS_AT + self.event.grace - self.clock.now())

    def _is_unsettled(self) -> bool:
        return self._is_over() and len(self.model.ends) < len(GOALS)

    def _person(self, who: int) -> str:
        """A user, or a tombstone."""
        every = self._people()
        return every[who % len(every)]

    def _people(self) -> list[str]:
        return [*USERS, *self.model.tombstones]

    def _restart(self) -> None:
        self.is_sound = False
        self.system = self.reopen(self.opener(self.clock))
        self._carried()

    # What is true after every step.

    @invariant()
    def model_and_system_agree(self) -> None:
        """Totals, boards, shares, tiers, grants, holds, results and rows are the model's."""
        if hasattr(self, "event"):
            self.run_to_end(self._agree())
            self.is_sound = True

    async def _agree(self) -> None:
        for goal_id in GOALS:
            await self._agree_on(goal_id)
        model, commits = self.model, self.system.commits()
        grants = {grant_id: one.status for grant_id, one in model.grants.items()}
        kept = {goal_id: model.total(goal_id) for goal_id in GOALS}
        ends = [model.told_end(goal_id) for goal_id in sorted(model.ends)]
        expected = (kept, grants, sorted(model.all_unlocked()), model.holds(), ends)
        # What nobody has written to, and is to be as it was, is as it was.
        if commits is None or self.checked != (commits, expected):
            assert await self._in_ledger() == expected
            self.checked = self.system.commits(), expected

    async def _in_ledger(self) -> tuple[object, ...]:
        """Totals, grants, tiers, holds and results; once each, and the rows add up."""
        ledger = self.system.ledger
        audit, unlocks, grants, holds = (
            await ledger.audit(),
            await ledger.unlocks(),
            await self.system.rewards.grants(),
            await ledger.holds(limit=MANY),
        )
        assert all(one.agrees for one in audit)
        self.numbers = {one.id: one.number for one in grants} | self.numbers
        assert [self.numbers[one.id] for one in grants] == sorted({one.number for one in grants})
        held = {(one.goal_id, one.user_id, one.contribution_id): one.id for one in holds}
        self.holds |= held
        return (
            {one.goal_id: one.kept[0] for one in audit},
            {one.id: one.status.value for one in grants},
            sorted((one.goal_id, one.threshold) for one in unlocks),
            list(held),
            [await self._result(one) for one in sorted(await ledger.results(), key=lambda one: one.goal.id)],
        )

    async def _result(self, one: GoalResult) -> tuple[End, list[FinalPlace]]:
        rows = await self.system.ledger.final_rows(one.goal.id)
        end = End(
            outcome=one.outcome.value,
            total=one.total,
            pending=one.pending,
            late=one.late,
            participants=one.participants,
            tiers=[tier.threshold for tier in one.tiers],
            is_consoled=one.consoled,
        )
        return end, [(row.place, row.rank, row.user_id, row.amount, row.display_name) for row in rows]

    async def _agree_on(self, goal_id: str) -> None:
        store, model = self.system.store, self.model
        state = await store.state(goal_id)
        assert (state.total, state.pending) == (model.sum(goal_id, "counted"), model.sum(goal_id, "held"))
        assert {unlock.threshold for unlock in state.unlocks} == model.unlocked[goal_id]
        board = model.board(goal_id)
        found = await store.leaderboard(goal_id, limit=MANY)
        rows = [(row.rank, row.user_id, row.amount, row.display_name) for row in found.contributors]
        assert rows == [row for row in board if row[1] not in model.hidden]
        assert state.participants == found.participants == len(board)
        ranks = {user: rank for rank, user, *_ in board}
        # Of the others who were erased, what boards and the ledger say has to do.
        for user in [*USERS, *model.tombstones[-1:]]:
            own = await store.progress(goal_id, user)
            sums = (model.sum(goal_id, "counted", user), model.sum(goal_id, "held", user))
            assert (own.user_contribution, own.user_pending, own.user_rank) == (*sums, ranks.get(user))
        seen = int(state.epoch.partition("-")[0]), state.seq
        assert seen >= self.seen.get(goal_id, (0, 0))
        self.seen[goal_id] = seen

    # What is true in the end.

    def teardown(self) -> None:
        """Where nothing was amiss, all is worked off and settled: and from its rows everything is the same again."""
        try:
            if self.is_sound:
                self._carried()
                self._work()
                self.run_to_end(self._agree())
                self.clock.move(self._left())
                self.did.update(self._settle())
                self.run_to_end(self._agree())
                self._restart()
                self.run_to_end(self._agree())
                self.run_to_end(self._end())
        finally:
            super().teardown()

    async def _end(self) -> None:
        system, model = self.system, self.model
        for goal_id in GOALS:
            await system.ledger.sweep(goal_id, self.clock.now())
            goal = system.store.goal(goal_id)
            promised = [*goal.tiers, *([] if goal.consolation is None else [goal.consolation])]
            asked = sorted({1 if one.audience is Audience.EVERYONE else max(1, one.minimum) for one in promised})
            amounts = {user: amount for _, user, amount, _ in model.board(goal_id)}
            for user in self._people():
                found = await system.store.standing(goal_id, user)
                place = (found.amount, found.above, found.tied, found.next_amount, found.next_tied)
                assert (*place, dict(found.reached)) == place_of(user, amounts, asked)
        number_of_grants = len(model.grants)
        await system.work()
        assert number_of_grants == len(await system.rewards.grants())
        assert {one.user_id for one in await system.ledger.bans()} == model.banned
        if system.syncer is not None:
            assert all(one.agrees for one in await system.syncer.reconcile(fix=False))


async def _awaited(verb: Awaitable[object]) -> object:
    return await verb
