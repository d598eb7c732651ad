"""The hub thins what changes often, drops nothing that happens once, and notices what time brings."""

import asyncio
from datetime import timedelta

import pytest

from tests.live.telling import a_hub, a_state, an_unlock, an_update, cancelled, payload, running, word, words
from tests.live.virtual import in_virtual_time, passing, turns
from worldevents.live.messages import Message
from worldevents.model import GoalUpdate
from worldevents.testing.builders import DURING, ENDS_AT, GRACE, STARTS_AT, a_goal, with_target
from worldevents.testing.clock import ManualClock

SECOND = timedelta(seconds=1)


# Thinning.


@in_virtual_time
async def test_the_first_change_goes_out_at_once_and_then_one_an_interval() -> None:
    """Of many changes within 400 ms the newest is told when they are over; a goal at rest tells nothing."""
    async with running(a_hub()) as hub:
        with hub.subscribe() as subscriber:
            hub.tell(an_update(1))
            await turns()
            assert ["update volume 1"] == words(subscriber)
            for seq in range(2, 50):
                hub.tell(an_update(seq))
            await passing(0.399)
            assert [] == words(subscriber)
            await passing(0.002)
            assert ["update volume 49"] == words(subscriber)
            await passing(10)
            assert [] == words(subscriber)


@in_virtual_time
async def test_a_stream_of_changes_is_told_in_even_steps() -> None:
    """A change every 10 ms for 4 seconds makes one update at once and ten more."""
    async with running(a_hub()) as hub:
        with hub.subscribe() as subscriber:
            told = []
            for seq in range(1, 401):
                hub.tell(an_update(seq))
                await passing(0.01)
                told += words(subscriber)
            assert len(told) in (10, 11)
            await passing(1)
            assert ["update volume 400"] == words(subscriber)


@in_virtual_time
async def test_goals_do_not_wait_for_each_other() -> None:
    """The interval of one goal says nothing about another's."""
    async with running(a_hub()) as hub:
        with hub.subscribe() as subscriber:
            hub.tell(an_update(1))
            await passing(0.1)
            hub.tell(an_update(1, goal="workouts"))
            hub.tell(an_update(2))
            await passing(0.1)
            assert ["update volume 1", "update workouts 1"] == words(subscriber)


@in_virtual_time
async def test_an_unlock_waits_for_no_interval() -> None:
    """Each tier that was reached is told at once; the state that goes with it keeps its pace."""
    async with running(a_hub()) as hub:
        with hub.subscribe() as subscriber:
            hub.tell(an_update(1))
            await turns()
            hub.tell(an_update(2, 25))
            await turns()
            hub.tell(an_update(3, 50, before=[25]))
            await turns()
            assert ["update volume 1", "tier_unlocked volume 25", "tier_unlocked volume 50"] == words(subscriber)
            await passing(0.4)
            assert ["update volume 3"] == words(subscriber)


@in_virtual_time
async def test_what_is_older_than_known_changes_nothing_but_its_unlock_counts() -> None:
    """Versions of one epoch do not go back; another epoch is taken as it is."""
    hub = a_hub()
    hub.prime([a_state(5)])
    async with running(hub):
        with hub.subscribe() as subscriber:
            subscriber.drain()
            hub.tell(an_update(4, 25))
            await turns()
            assert ["update volume 5", "tier_unlocked volume 25"] == words(subscriber)
            restored = GoalUpdate(state=a_state(3), unlocked=())
            object.__setattr__(restored.state, "epoch", "2-y")
            hub.tell(restored)
            await passing(0.4)
            assert ["update volume 3"] == words(subscriber)


# What happens once.


@in_virtual_time
async def test_a_goal_is_completed_once() -> None:
    """Reaching the target is told at once with the whole state; falling below and reaching it again is not."""
    async with running(a_hub()) as hub:
        with hub.subscribe() as subscriber:
            hub.tell(an_update(1, total=999))
            await turns()
            hub.tell(an_update(2, total=1_000))
            await turns()
            (update, completed) = subscriber.drain()
            assert ["update volume 1", "completed volume 2"] == [word(update), word(completed)]
            assert (1_000, 100, 2) == tuple(payload(completed)[key] for key in ("newValue", "percent", "seq"))
            for seq, total in ((3, 990), (4, 1_100)):
                hub.tell(an_update(seq, total=total))
                await passing(0.4)
            assert ["update volume 4"] == words(subscriber)


@pytest.mark.parametrize("known", [a_state(7, total=1_000), a_state(7, 25, 50, 100, total=900)])
def test_a_goal_that_was_completed_before_is_not_completed_again(known: object) -> None:
    """A restart finds the target reached, or by an unlock that it once was."""

    @in_virtual_time
    async def check() -> None:
        hub = a_hub()
        hub.prime([known])  # type: ignore[list-item]
        async with running(hub):
            with hub.subscribe() as subscriber:
                subscriber.drain()
                hub.tell(an_update(8, total=1_001, before=[25, 50, 100]))
                await passing(1)
                assert ["update volume 8"] == words(subscriber)

    check()


@in_virtual_time
async def test_a_goal_starts_and_ends_with_the_clock() -> None:
    """Nobody contributes, and still it is told within a second that a goal began, ended and was settled."""
    clock = ManualClock(STARTS_AT - SECOND)
    hub = a_hub(clock)
    hub.prime([a_state(1)])
    async with running(hub):
        with hub.subscribe() as subscriber:
            told = []
            for instant in (STARTS_AT - SECOND, STARTS_AT, DURING, ENDS_AT, ENDS_AT + GRACE):
                clock.set(instant)
                await passing(1.5)
                told.append([(word(one), payload(one)["status"]) for one in subscriber.drain()])
    assert [
        [("update volume 1", "upcoming")],
        [("update volume 1", "active"), ("started volume 1", "active")],
        [],
        [("update volume 1", "grace"), ("ended volume 1", "grace")],
        [("update volume 1", "settled")],
    ] == told


@in_virtual_time
async def test_a_clock_that_leaps_skips_nothing() -> None:
    """A goal whose whole window passed in one leap began and ended."""
    clock = ManualClock(STARTS_AT - SECOND)
    hub = a_hub(clock)
    hub.prime([a_state(1)])
    async with running(hub):
        with hub.subscribe() as subscriber:
            subscriber.drain()
            clock.set(ENDS_AT + GRACE)
            await passing(1.5)
            assert ["update volume 1", "started volume 1", "ended volume 1"] == words(subscriber)


@in_virtual_time
async def test_a_goal_that_is_called_off_has_ended() -> None:
    """A cancelled goal tells its last state and that it has ended, at once."""
    hub = a_hub()
    hub.prime([a_state(1)])
    async with running(hub):
        with hub.subscribe() as subscriber:
            subscriber.drain()
            hub.tell(an_update(2, goal=cancelled(a_goal())))
            await turns()
            told = [(word(one), payload(one)["status"]) for one in subscriber.drain()]
            assert [("update volume 2", "cancelled"), ("ended volume 2", "cancelled")] == told
            assert [] == hub.snapshot()
            assert ["update volume 2"] == [word(one) for one in hub.snapshot({"volume"})]


@in_virtual_time
async def test_a_goal_that_was_taken_out_has_ended() -> None:
    """Who watches it hears that it is over, and nobody hears of it again."""
    hub = a_hub()
    hub.prime([a_state(1), a_state(1, goal="workouts")])
    async with running(hub):
        with hub.subscribe() as subscriber:
            subscriber.drain()
            hub.keep("another-event", set())
            hub.keep("winter", {"workouts"})
            await turns()
            (ended,) = subscriber.drain()
            assert ("ended volume 1", "cancelled") == (word(ended), payload(ended)["status"])
        assert (False, True) == (hub.knows("volume"), hub.knows("workouts"))
        assert ["update workouts 1"] == [word(one) for one in hub.snapshot()]


@in_virtual_time
async def test_a_hidden_goal_is_never_told() -> None:
    """Counted, but not shown: no snapshot, no change, no unlock; one that is hidden later ends for who watches."""
    hidden = a_goal("secret")
    object.__setattr__(hidden, "hidden", True)
    hub = a_hub()
    hub.prime([a_state(1), a_state(1, goal=hidden)])
    async with running(hub):
        with hub.subscribe() as everything, hub.subscribe(frozenset({"secret"})) as secret:
            everything.drain()
            hub.tell(an_update(2, 25, goal=hidden))
            await passing(1)
            assert ([], [], False) == (words(everything), words(secret), hub.knows("secret"))
            withdrawn = a_goal()
            object.__setattr__(withdrawn, "hidden", True)
            hub.tell(an_update(2, goal=withdrawn))
            await passing(1)
            assert ["ended volume 1"] == words(everything)


@in_virtual_time
async def test_an_edit_is_told_like_any_change() -> None:
    """A target that went down completes the goal with the unlocks that follow."""
    hub = a_hub()
    hub.prime([a_state(1, total=600)])
    async with running(hub):
        with hub.subscribe() as subscriber:
            subscriber.drain()
            state = a_state(2, 25, 50, 100, goal=with_target(a_goal(), 500), total=600)
            hub.tell(GoalUpdate(state=state, unlocked=tuple(an_unlock(percent) for percent in (25, 50, 100))))
            await turns()
            unlocks = [f"tier_unlocked volume {percent}" for percent in (25, 50, 100)]
            assert ["update volume 2", *unlocks, "completed volume 2"] == words(subscriber)


# Many watchers.


@in_virtual_time
async def test_a_thousand_watchers_get_the_same_messages() -> None:
    """Everybody reads the same objects, made once, whatever moment each one reads at."""
    async with running(a_hub()) as hub:
        read: list[list[Message]] = []

        async def watch() -> None:
            with hub.subscribe() as subscriber:
                read.append([message async for message in subscriber])

        watchers = [asyncio.create_task(watch()) for _ in range(1_000)]
        await turns()
        for seq, percent in ((1, 25), (2, 50), (3, 100)):
            hub.tell(an_update(seq, percent))
            await passing(0.5)
        hub.close()
        await asyncio.gather(*watchers)
    assert 8 == len(read[0])
    assert all(own == read[0] for own in read)


@in_virtual_time
async def test_a_round_takes_a_hundred_watchers_a_turn() -> None:
    """Others have their turn while thousands are told."""
    hub = a_hub()
    subscriptions = [hub.subscribe() for _ in range(250)]
    subscribers = [subscription.__enter__() for subscription in subscriptions]
    reached = []
    async with running(hub):
        hub.tell(an_update(1))
        for _ in range(8):
            await asyncio.sleep(0)
            reached.append(sum(bool(subscriber._waiting) for subscriber in subscribers))
        for subscription in subscriptions:
            subscription.__exit__(None, None, None)
    assert [0, 100, 200, 250] == sorted({0, *reached})


@in_virtual_time
async def test_who_comes_in_the_midst_of_a_round_misses_nothing_and_gets_nothing_twice() -> None:
    """The newest state is in the snapshot; what the round still tells others was before."""
    hub = a_hub()
    with hub.subscribe(), hub.subscribe(frozenset({"nothing"})):
        pass
    subscriptions = [hub.subscribe() for _ in range(150)]
    for subscription in subscriptions:
        subscription.__enter__()
    async with running(hub):
        hub.tell(an_update(1, 25))
        await asyncio.sleep(0)
        with hub.subscribe() as late:
            await turns()
            assert ["update volume 1"] == words(late)
            hub.tell(an_update(2))
            await passing(0.4)
            assert ["update volume 2"] == words(late)
        for subscription in subscriptions:
            subscription.__exit__(None, None, None)


@in_virtual_time
async def test_a_watcher_gets_the_goals_it_asked_for() -> None:
    """A selection holds for states and unlocks alike, and for goals that come later."""
    hub = a_hub()
    hub.prime([a_state(1), a_state(1, goal="workouts")])
    async with running(hub):
        with hub.subscribe(frozenset({"workouts", "new"})) as subscriber:
            hub.tell(an_update(2, 25))
            hub.tell(an_update(2, 25, goal="workouts"))
            hub.tell(an_update(1, goal="new"))
            await turns()
            told = ["update workouts 2", "update new 1", "tier_unlocked workouts 25"]
            assert told == words(subscriber)
