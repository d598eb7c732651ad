"""The batcher groups concurrent callers into few store calls and leaves none of them without an answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from worldevents.batcher import Batcher
from worldevents.errors import Closed, GoalNotOpen, LedgerUnavailable, StoreUnavailable, WorldEventsError
from worldevents.model import ContributionStatus, GoalContribution, Position, Receipt
from worldevents.store.base import Answer, Store
from worldevents.telemetry import Telemetry
from worldevents.testing.builders import a_contribution, a_goal

pytestmark = pytest.mark.usefixtures("no_leaks")


class GatedStore:
    """A store's `contribute` that a test lets through call by call: answers counted, or raises what it is told."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.failures: list[BaseException] = []
        self.began = asyncio.Semaphore(0)
        self.gate = asyncio.Semaphore(0)
        self._kept: dict[str, Receipt] = {}

    async def contribute(self, batch: Sequence[GoalContribution]) -> list[Answer]:
        self.batches.append([item.contribution_id for item in batch])
        self.began.release()
        await self.gate.acquire()
        if self.failures:
            raise self.failures.pop(0)
        return [self._answer(item) for item in batch]

    def _answer(self, item: GoalContribution) -> Answer:
        if item.contribution_id.startswith("bad"):
            return GoalNotOpen()
        duplicate = item.contribution_id in self._kept
        self._kept[item.contribution_id] = Receipt(
            contribution=item,
            metric=a_goal().metric,
            status=ContributionStatus.COUNTED,
            duplicate=duplicate,
            current_value=0,
            user_contribution=0,
            position=Position("1-x", len(self._kept)),
        )
        return self._kept[item.contribution_id]


class Running:
    """A batcher that runs over a gated store, and callers as tasks."""

    def __init__(self, batch_max: int, waiting_max: int, calls_max: int) -> None:
        self.store = GatedStore()
        self.telemetry = Telemetry()
        self.batcher = Batcher(
            cast("Store", self.store),
            self.telemetry,
            batch_max=batch_max,
            waiting_max=waiting_max,
            calls_max=calls_max,
        )
        self.task = asyncio.create_task(self.batcher.run())

    async def call(self, *ids: str) -> asyncio.Task[list[Answer]]:
        """A caller with these contributions, who has come as far as a caller comes."""
        task = asyncio.create_task(self.batcher.contribute([a_contribution(one) for one in ids]))
        await settle()
        return task

    async def busy(self, one: str = "first") -> asyncio.Task[list[Answer]]:
        """A caller whose call to the store is under way."""
        task = await self.call(one)
        await self.store.began.acquire()
        return task

    async def let_through(self, calls: int = 1) -> None:
        """Open the gate for so many calls."""
        for _ in range(calls):
            self.store.gate.release()
        await settle()


async def settle() -> None:
    """Let every task run until it waits; nothing here waits for time."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(*, batch_max: int = 100, waiting_max: int = 1_000, calls_max: int = 1) -> AsyncIterator[Running]:
    one = Running(batch_max, waiting_max, calls_max)
    yield one
    one.batcher.close()
    for _ in range(100):
        one.store.gate.release()
    await asyncio.wait([one.task])


async def ids(task: asyncio.Task[list[Answer]]) -> list[str]:
    return [answer.contribution.contribution_id for answer in await task if isinstance(answer, Receipt)]


async def test_a_lone_caller_goes_out_at_once() -> None:
    """An idle batcher does not wait for company."""
    async with running() as it:
        task = await it.call("a")
        assert it.store.batches == [["a"]]
        await it.let_through()
        assert await ids(task) == ["a"]


async def test_callers_during_a_call_are_in_the_next_one() -> None:
    """Whoever comes while the store is busy goes out together with the others, in the order of coming."""
    async with running() as it:
        await it.busy()
        tasks = [await it.call("a"), await it.call("b", "c"), await it.call("d")]
        assert it.store.batches == [["first"]]
        await it.let_through(2)
        assert it.store.batches == [["first"], ["a", "b", "c", "d"]]
        assert [await ids(task) for task in tasks] == [["a"], ["b", "c"], ["d"]]


async def test_a_batch_is_no_longer_than_it_may_be() -> None:
    """What does not fit goes out with the call after, and nobody overtakes."""
    async with running(batch_max=3) as it:
        await it.busy()
        tasks = [await it.call("a", "b"), await it.call("c", "d"), await it.call("e")]
        await it.let_through(3)
        assert it.store.batches == [["first"], ["a", "b"], ["c", "d", "e"]]
        assert [await ids(task) for task in tasks] == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_long_call_is_cut_in_order() -> None:
    """One caller's contributions beyond a batch follow in further calls, and the answers come as one."""
    async with running(batch_max=2) as it:
        task = await it.call("a", "b", "c", "d", "e")
        await it.let_through(3)
        assert it.store.batches == [["a", "b"], ["c", "d"], ["e"]]
        assert await ids(task) == ["a", "b", "c", "d", "e"]


async def test_nothing_to_contribute_is_answered_without_a_call() -> None:
    """An empty call does not bother the store."""
    async with running() as it:
        assert await it.batcher.contribute([]) == []
        assert it.store.batches == []


async def test_refusals_stand_among_the_answers() -> None:
    """Each caller gets the answers to its own contributions, refusals included."""
    async with running() as it:
        await it.busy()
        bad, good = await it.call("bad"), await it.call("a")
        await it.let_through(2)
        assert [type(answer) for answer in await bad] == [GoalNotOpen]
        assert await ids(good) == ["a"]


async def test_callers_wait_for_room() -> None:
    """With as many waiting as may wait, the next caller waits outside until a batch has been taken."""
    async with running(waiting_max=2) as it:
        await it.busy()
        await it.call("a")
        await it.call("b")
        outside = await it.call("c")
        assert it.telemetry.registry.get_sample_value("worldevents_waiting") == 2
        await it.let_through()
        assert it.store.batches == [["first"], ["a", "b"]]
        await it.let_through(2)
        assert it.store.batches[2:] == [["c"]]
        assert await ids(outside) == ["c"]


async def test_a_cancelled_callers_contribution_is_applied() -> None:
    """What was accepted goes to the store though its caller is gone; the repeat is told that it was counted."""
    async with running() as it:
        await it.busy()
        gone, stays = await it.call("a"), await it.call("b")
        gone.cancel()
        await it.let_through(2)
        assert it.store.batches[1] == ["a", "b"]
        assert await ids(stays) == ["b"]
        again = await it.call("a")
        await it.let_through()
        assert [isinstance(answer, Receipt) and answer.duplicate for answer in await again] == [True]
        assert gone.cancelled()


async def test_a_caller_cancelled_while_its_call_is_under_way() -> None:
    """A caller that goes away during the store's call disturbs neither the others nor the next call."""
    async with running() as it:
        gone = await it.busy()
        gone.cancel()
        next_one = await it.call("a")
        await it.let_through(2)
        assert await ids(next_one) == ["a"]


async def test_a_caller_cancelled_outside_leaves_no_trace() -> None:
    """A caller that goes away before there was room was never accepted."""
    async with running(waiting_max=1) as it:
        await it.busy()
        inside, outside = await it.call("a"), await it.call("b")
        outside.cancel()
        await it.let_through(3)
        assert await ids(inside) == ["a"]
        assert it.store.batches == [["first"], ["a"]]


async def test_a_failed_call_fails_its_callers_alone() -> None:
    """What the store raises reaches every caller of that batch and nobody else; the next batch is served."""
    async with running() as it:
        error = LedgerUnavailable()
        first = await it.busy()
        tasks = [await it.call("a"), await it.call("b")]
        await it.let_through()
        it.store.failures.append(error)
        later = await it.call("c")
        await it.let_through(2)
        assert await ids(first) == ["first"]
        assert [task.exception() for task in tasks] == [error, error]
        assert await ids(later) == ["c"]


async def test_close_answers_the_accepted_and_refuses_the_rest() -> None:
    """Whoever was accepted is answered, whoever waits for room or comes after is told Closed; then `run` ends."""
    async with running(waiting_max=1) as it:
        first = await it.busy()
        inside, outside = await it.call("a"), await it.call("b")
        it.batcher.close()
        with pytest.raises(Closed):
            await outside
        with pytest.raises(Closed):
            await it.batcher.contribute([a_contribution("late")])
        await it.let_through(2)
        assert (await ids(first), await ids(inside)) == (["first"], ["a"])
        await it.task


async def test_a_cancelled_run_leaves_nobody_waiting() -> None:
    """When the background task is cancelled, callers under way and callers in the queue are told Closed."""
    async with running() as it:
        under_way, queued = await it.busy(), await it.call("a")
        it.task.cancel()
        await settle()
        assert [type(task.exception()) for task in (under_way, queued)] == [Closed, Closed]
        assert it.task.cancelled()


async def test_a_surprise_is_loud() -> None:
    """An error that is none of ours ends `run` with it, and nobody waits for ever."""
    async with running() as it:
        it.store.failures.append(ZeroDivisionError())
        under_way, queued = await it.busy(), await it.call("a")
        await it.let_through()
        assert [type(task.exception()) for task in (under_way, queued)] == [Closed, Closed]
        assert isinstance(it.task.exception(), ZeroDivisionError)


async def test_two_calls_are_under_way_at_once() -> None:
    """Where a store takes two, the second does not wait for the first, and who comes then waits for either."""
    async with running(calls_max=2) as it:
        first, second = await it.busy("a"), await it.busy("b")
        third = await it.call("c")
        assert it.store.batches == [["a"], ["b"]]
        await it.let_through()
        assert it.store.batches == [["a"], ["b"], ["c"]]
        await it.let_through(2)
        assert [await ids(task) for task in (first, second, third)] == [["a"], ["b"], ["c"]]


async def test_the_parts_of_one_caller_do_not_overtake_each_other() -> None:
    """A long call's parts go one after the other, though there was room for two at once."""
    async with running(batch_max=2, calls_max=2) as it:
        task = await it.call("a", "b", "c")
        assert it.store.batches == [["a", "b"]]
        await it.let_through(2)
        assert it.store.batches == [["a", "b"], ["c"]]
        assert await ids(task) == ["a", "b", "c"]


async def test_a_store_that_does_not_answer_is_told_item_by_item() -> None:
    """A part that failed stands among those that did not: each answer says what its own call said."""
    async with running(batch_max=2, calls_max=2) as it:
        task = await it.call("a", "b", "c")
        await it.let_through()
        it.store.failures.append(StoreUnavailable())
        await it.let_through()
        codes = [answer.code if isinstance(answer, WorldEventsError) else "counted" for answer in await task]
        assert codes == ["counted", "counted", "store_unavailable"]


async def test_a_surprise_in_one_of_two_calls_ends_both() -> None:
    """An error that is none of ours ends `run`, and the other call's caller does not wait for ever."""
    async with running(calls_max=2) as it:
        it.store.failures.append(ZeroDivisionError())
        tasks = [await it.busy("a"), await it.busy("b")]
        await it.let_through()
        assert [type(task.exception()) for task in tasks] == [Closed, Closed]
        assert isinstance(it.task.exception(), ExceptionGroup)


async def test_answers_are_counted_by_what_was_said() -> None:
    """Telemetry counts every answer under its goal and word; a refusal's goal is nobody's label."""
    async with running() as it:
        for one in ("a", "a", "bad"):
            task = await it.call(one)
            await it.let_through()
            await task
        for goal, word in (("volume", "counted"), ("volume", "duplicate"), ("", "goal_not_open")):
            labels = {"goal": goal, "answer": word}
            assert it.telemetry.registry.get_sample_value("worldevents_answers_total", labels) == 1
        assert it.telemetry.registry.get_sample_value("worldevents_batch_size_count") == 3
