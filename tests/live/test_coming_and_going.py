"""Who comes gets what it has not seen, who comes again goes on where it was, and who does not read is let go."""

import asyncio
from datetime import timedelta

import pytest

from tests.live.telling import RUN, a_hub, a_state, an_update, cancelled, payload, running, word, words
from tests.live.virtual import in_virtual_time, passing, turns
from worldevents.live.hub import FAREWELL_S, Hub
from worldevents.live.messages import Message
from worldevents.testing.builders import DURING, a_goal
from worldevents.testing.clock import ManualClock

# The start.


@in_virtual_time
async def test_who_comes_gets_the_newest_state_of_every_goal_that_is_not_over() -> None:
    """In one flat object each, marked as a snapshot; goals that were called off are told to who names them."""
    hub = a_hub()
    hub.prime([a_state(3), a_state(4, goal="workouts"), a_state(5, goal=cancelled(a_goal("off")))])
    with hub.subscribe() as subscriber:
        told = subscriber.drain()
        assert ["update volume 3", "update workouts 4"] == [word(one) for one in told]
        assert [True, True] == [payload(one)["snapshot"] for one in told]
    with hub.subscribe(frozenset({"off", "volume"})) as subscriber:
        assert ["update volume 3", "update off 5"] == words(subscriber)


@in_virtual_time
async def test_a_herd_costs_one_snapshot_an_interval() -> None:
    """All who come within an interval share the same message; later ones are told the time of their coming."""
    clock = ManualClock(DURING)
    hub = a_hub(clock)
    hub.prime([a_state(1)])
    ((first,), (second,)) = hub.snapshot(), hub.snapshot()
    assert first is second
    clock.move(timedelta(seconds=1))
    await passing(0.5)
    (later,) = hub.snapshot()
    assert "2026-12-10T18:30:01Z" == payload(later)["serverTime"]
    assert first.id == later.id


@in_virtual_time
async def test_nothing_falls_between_the_snapshot_and_the_first_change() -> None:
    """A change that waits for its interval while somebody comes is told to it when the interval is over."""
    async with running(a_hub()) as hub:
        hub.tell(an_update(1))
        await turns()
        hub.tell(an_update(2))
        assert ["update volume 2"] == [word(one) for one in hub.snapshot()]
        hub.tell(an_update(3))
        with hub.subscribe() as subscriber:
            read = words(subscriber)
            await passing(0.4)
            assert "update volume 3" == [*read, *words(subscriber)][-1]


# Coming again.


async def seen(hub: Hub) -> tuple[Hub, list[Message]]:
    """Have somebody see two goals and two changes."""
    hub.prime([a_state(1), a_state(1, goal="workouts")])
    with hub.subscribe() as subscriber:
        read = subscriber.drain()
        hub.tell(an_update(2))
        await turns()
        hub.tell(an_update(2, goal="workouts"))
        await turns()
        return hub, read + subscriber.drain()


@in_virtual_time
async def test_who_has_seen_everything_gets_nothing_stale() -> None:
    """With the last id of all, nothing is told until something happens."""
    async with running(a_hub()) as hub:
        _, read = await seen(hub)
        with hub.subscribe(since=read[-1].id) as subscriber:
            assert [] == words(subscriber)
            hub.tell(an_update(3))
            await passing(0.4)
            assert ["update volume 3"] == words(subscriber)


@in_virtual_time
async def test_who_was_cut_off_goes_on_from_there() -> None:
    """From any id on, one gets the newest state of exactly those goals that one has not seen in it."""
    async with running(a_hub()) as hub:
        _, read = await seen(hub)
        assert ["update volume 1", "update workouts 1", "update volume 2", "update workouts 2"] == [
            word(one) for one in read
        ]
        missed = []
        for message in read:
            with hub.subscribe(since=message.id) as subscriber:
                missed.append(words(subscriber))
        both = ["update volume 2", "update workouts 2"]
        assert [both, both, ["update workouts 2"], []] == missed


@in_virtual_time
async def test_what_was_told_while_nobody_watched_is_missed_too() -> None:
    """Messages that nobody was there for have their numbers all the same."""
    async with running(a_hub()) as hub:
        _, read = await seen(hub)
        hub.tell(an_update(3, 25, goal="workouts"))
        await passing(1)
        with hub.subscribe(since=read[-1].id) as subscriber:
            (missed,) = subscriber.drain()
            assert ("update workouts 3", [25]) == (word(missed), payload(missed)["tiersUnlocked"])


@in_virtual_time
async def test_who_comes_again_hears_that_a_goal_is_over() -> None:
    """What was called off meanwhile is told, whichever run the id is of; a newcomer does not hear of it."""
    async with running(a_hub()) as hub:
        _, read = await seen(hub)
        hub.tell(an_update(3, goal=cancelled(a_goal())))
        await passing(1)
        missed = {}
        for since in (read[-1].id, "another-run:7", None):
            with hub.subscribe(since=since) as subscriber:
                missed[since] = words(subscriber)
        assert {
            read[-1].id: ["update volume 3"],
            "another-run:7": ["update workouts 2", "update volume 3"],
            None: ["update workouts 2"],
        } == missed


@pytest.mark.parametrize(
    "since",
    [
        "",
        "x",
        RUN,
        f"{RUN}:",
        f"{RUN}:-1",
        f"{RUN}:99",
        f"{RUN}:\u0661",
        f"{RUN}:1e3",
        f"{RUN}:{'9' * 5_000}",
        ":1",
        "1:1",
    ],
)
def test_an_id_that_says_nothing_gets_everything(since: str) -> None:
    """Whatever a client makes up, it is told every goal."""

    @in_virtual_time
    async def check() -> None:
        hub = a_hub()
        hub.prime([a_state(1), a_state(1, goal="workouts")])
        with hub.subscribe(since=since) as subscriber:
            assert ["update volume 1", "update workouts 1"] == words(subscriber)

    check()


@in_virtual_time
async def test_a_selection_holds_for_who_comes_again() -> None:
    """Only what one watches is told, not what happened elsewhere."""
    async with running(a_hub()) as hub:
        _, read = await seen(hub)
        with hub.subscribe(frozenset({"volume"}), read[0].id) as subscriber:
            assert ["update volume 2"] == words(subscriber)


# Not reading.


@in_virtual_time
async def test_who_does_not_read_is_let_go() -> None:
    """What waited unread for ten seconds is given up, with whoever it was for; who reads stays."""
    hub = a_hub()
    hub.prime([a_state(1)])
    async with running(hub):
        with hub.subscribe() as stalled, hub.subscribe() as reading:
            told: list[str] = []
            stalled.on_stalled = lambda: told.append("stalled")
            for seq in range(2, 12):
                hub.tell(an_update(seq))
                await passing(0.9)
                reading.drain()
            assert (False, []) == (stalled.stalled, told)
            await passing(3)
            assert (True, True, ["stalled"]) == (stalled.stalled, stalled.ended, told)
            assert [] == [message async for message in stalled]
            assert (False, False) == (reading.stalled, reading.ended)


@in_virtual_time
async def test_who_has_nothing_to_read_stays() -> None:
    """A quiet goal is no reason to let anybody go."""
    async with running(a_hub()) as hub:
        with hub.subscribe() as subscriber:
            await passing(3_600)
            assert not subscriber.ended


@in_virtual_time
async def test_a_mailbox_holds_one_state_for_each_goal() -> None:
    """However long somebody does not read, states replace each other."""
    async with running(a_hub(stall_s=1e9)) as hub:
        with hub.subscribe() as subscriber:
            for seq in range(1, 200):
                hub.tell(an_update(seq))
                hub.tell(an_update(seq, goal="workouts"))
                await passing(0.4)
            assert ["update volume 199", "update workouts 199"] == words(subscriber)


@in_virtual_time
async def test_who_misses_more_than_may_wait_is_let_go_rather_than_told_less() -> None:
    """Of what happens once nothing is dropped: a mailbox that cannot hold it ends."""
    async with running(a_hub(events_max=2)) as hub:
        with hub.subscribe() as reading, hub.subscribe() as stalled:
            for seq, percent in enumerate((25, 50, 100), start=1):
                hub.tell(an_update(seq, percent))
                await turns()
                if percent == 50:
                    assert 3 == len(reading.drain())
                    assert not stalled.stalled
            assert (True, False) == (stalled.stalled, reading.stalled)


@in_virtual_time
async def test_who_reads_one_by_one_makes_room() -> None:
    """What was read counts no more."""
    async with running(a_hub(events_max=1)) as hub:
        with hub.subscribe() as subscriber:
            for seq, percent in enumerate((25, 50), start=1):
                hub.tell(an_update(seq, percent))
                await passing(0.4)
                while subscriber._waiting:
                    await anext(subscriber)
                assert not subscriber.stalled


# The end.


@in_virtual_time
async def test_the_end_is_told_as_the_last_thing() -> None:
    """A closing hub says goodbye after all that waits; who comes later hears only that."""
    hub = a_hub()
    hub.prime([a_state(1)])
    async with running(hub):
        with hub.subscribe() as subscriber:
            hub.close()
            assert hub.closed
            assert ["update volume 1", "bye"] == [word(message) async for message in subscriber]
        with hub.subscribe() as late:
            assert ["bye"] == [word(message) async for message in late]
            assert [] == await late.take()
        hub.tell(an_update(2))
        hub.close()


@in_virtual_time
async def test_a_closed_hub_does_not_wait_for_ever() -> None:
    """Who does not leave is let go, and the hub's task ends."""
    hub = a_hub()
    task = asyncio.create_task(hub.run())
    with hub.subscribe() as stubborn:
        await turns()
        hub.close()
        await passing(FAREWELL_S / 2)
        assert not task.done()
        await passing(FAREWELL_S)
        assert (True, True) == (task.done(), stubborn.stalled)


@in_virtual_time
async def test_a_hub_that_is_cancelled_leaves_nobody_waiting() -> None:
    """When the system falls, every watcher comes to its end."""
    hub = a_hub()
    task = asyncio.create_task(hub.run())

    async def watch() -> list[str]:
        with hub.subscribe() as subscriber:
            return [word(message) async for message in subscriber]

    watching = asyncio.create_task(watch())
    await turns()
    task.cancel()
    await watching
    assert hub.closed
    assert task.cancelled()


@in_virtual_time
async def test_watchers_are_counted() -> None:
    """The telemetry says how many watch, how much was put before them, and who was let go."""
    hub = a_hub()
    sample = hub._telemetry.registry.get_sample_value
    async with running(hub):
        with hub.subscribe(), hub.subscribe():
            hub.tell(an_update(1, 25))
            await turns()
            assert (2, 4) == (sample("worldevents_subscribers"), sample("worldevents_delivered_total"))
            await passing(20)
            assert 2 == sample("worldevents_stalled_total")
    assert 0 == sample("worldevents_subscribers")
