"""Whatever is told and read in whatever order: the newest state comes last, and what happens once is read once."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.live.telling import a_hub, an_update, payload, running
from tests.live.virtual import VirtualLoop, passing, turns
from worldevents.live.hub import Hub
from worldevents.live.messages import Message
from worldevents.live.subscriber import Subscriber
from worldevents.testing.builders import a_goal

GOALS = ("a", "b", "c")
PERCENTS = tuple(range(1, 100))

Tell = tuple[str, int, bool]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(0, len(GOALS) - 1), st.booleans()),
        st.tuples(st.sampled_from(["read", "read one", "cut"]), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("wait"), st.integers(0, 6), st.booleans()),
    ),
    max_size=60,
)


@dataclass
class Watcher:
    """Somebody who watches all goals or one, and comes again with the last id it read."""

    hub: Hub
    goals: frozenset[str] | None
    read: list[Message] = field(default_factory=list)
    unlocks: Counter[tuple[str, int]] = field(default_factory=Counter)
    due: Counter[tuple[str, int]] = field(default_factory=Counter)
    subscriber: Subscriber | None = None

    def come(self) -> None:
        self._subscription = self.hub.subscribe(self.goals, self.read[-1].id if self.read else None)
        self.subscriber = self._subscription.__enter__()
        self.unlocks.clear()
        self.due.clear()

    def go(self) -> None:
        self._subscription.__exit__(None, None, None)

    def take(self, messages: list[Message]) -> None:
        for message in messages:
            assert not self.read or number(self.read[-1]) <= number(message)
            self.read.append(message)
            if message.event == "goal_tier_unlocked":
                told = payload(message)
                self.unlocks[told["goalId"], told["threshold"]] += 1

    def states(self) -> dict[str, int]:
        return {one.goal_id or "": payload(one)["seq"] for one in self.read if one.event == "goal_update"}


def number(message: Message) -> int:
    return int(message.id.rpartition(":")[2])


async def live(steps: list[Tell], events_max: int) -> None:
    """Act out the steps, then let everybody read to the end, and compare."""
    newest: dict[str, int] = {}
    unlocked: dict[str, list[int]] = {goal: [] for goal in GOALS}
    goals = {goal: a_goal(goal, target=10**6, percents=map(str, PERCENTS)) for goal in GOALS}
    async with running(a_hub(events_max=events_max)) as hub:
        watchers = [Watcher(hub, None), Watcher(hub, None), Watcher(hub, frozenset({"b"}))]
        for watcher in watchers:
            watcher.come()
        for step, which, flag in steps:
            if step == "tell":
                goal = GOALS[which]
                newest[goal] = newest.get(goal, 0) + 1
                new = [PERCENTS[len(unlocked[goal])]] if flag else []
                hub.tell(an_update(newest[goal], *new, goal=goals[goal], before=unlocked[goal]))
                unlocked[goal] += new
                for watcher in watchers:
                    if watcher.goals is None or goal in watcher.goals:
                        watcher.due.update((goal, percent) for percent in new)
                if flag:
                    # Told before anybody comes anew.
                    await turns()
            elif step == "wait":
                await passing(which / 10) if flag else await turns(which)
            else:
                await act(watchers[which], step)
        await passing(1)
        for watcher in watchers:
            await act(watcher, "read")
            await act(watcher, "read")
            wanted = {goal: seq for goal, seq in newest.items() if watcher.goals is None or goal in watcher.goals}
            assert wanted == watcher.states()
            assert watcher.due == watcher.unlocks
            watcher.go()


async def act(watcher: Watcher, step: str) -> None:
    """Read all or one, or break off and come again; one that was ended as stalled comes again too."""
    subscriber = watcher.subscriber
    assert subscriber is not None
    if step == "cut" or subscriber.stalled:
        watcher.go()
        watcher.come()
    elif step == "read":
        watcher.take(subscriber.drain())
    elif subscriber._waiting:
        watcher.take([await anext(subscriber)])


@settings(max_examples=200)
@given(STEPS, st.sampled_from([1, 3, 64]))
def test_the_newest_state_comes_last_and_what_happens_once_is_read_once(steps: list[Tell], events_max: int) -> None:
    """Each watcher's last state of a goal is the goal's newest; unlocks come once, or the watcher was let go."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live(steps, events_max))
