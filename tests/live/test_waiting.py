"""What waits to be published elsewhere: the newest state of a goal, at its pace; and every event, within a bound."""

from math import inf

from tests.live.telling import a_state, an_unlock, payload
from worldevents import codec
from worldevents.live.messages import UNLOCKED, UPDATE, Message, goal_message
from worldevents.live.waiting import Waiting
from worldevents.testing.builders import DURING


def a_state_of(goal: str, seq: int) -> Message:
    return goal_message(UPDATE, codec.update(a_state(seq, goal=goal), DURING, snapshot=False), message_id=f"r:{seq}")


def an_event(percent: int) -> Message:
    state = a_state(percent, percent)
    return goal_message(UNLOCKED, codec.tier_unlocked(state, an_unlock(percent)), message_id=f"r:{percent}")


def test_nothing_waits_at_the_start() -> None:
    """Nothing is due, ever."""
    assert ([], inf) == (Waiting().due(0.0), Waiting().due_at())


def test_a_state_goes_at_once_and_then_once_a_second() -> None:
    """The second counts from the try; what comes in between replaces what came before."""
    waiting = Waiting()
    first, second, third = (a_state_of("volume", seq) for seq in (1, 2, 3))
    waiting.put(first, 10.0)
    assert [first] == waiting.due(10.0)
    waiting.tried(first, 10.0)
    waiting.done(first)
    waiting.put(second, 10.2)
    waiting.put(third, 10.4)
    assert ([], 11.0) == (waiting.due(10.9), waiting.due_at())
    assert [third] == waiting.due(11.0)


def test_goals_have_a_pace_each() -> None:
    """One goal does not wait for another's second."""
    waiting = Waiting()
    one, other = a_state_of("volume", 1), a_state_of("lifts", 1)
    waiting.put(one, 10.0)
    waiting.tried(one, 10.0)
    waiting.put(other, 10.5)
    assert [other] == waiting.due(10.5)


def test_what_was_not_taken_is_there_again_or_newer() -> None:
    """A try alone takes nothing out; what became newer meanwhile stays when the older one is done."""
    waiting = Waiting()
    first, second = a_state_of("volume", 1), a_state_of("volume", 2)
    waiting.put(first, 10.0)
    waiting.tried(first, 10.0)
    assert [first] == waiting.due(11.0)
    waiting.put(second, 11.0)
    waiting.done(first)
    assert [second] == waiting.due(11.0)
    waiting.done(second)
    assert inf == waiting.due_at()


def test_events_go_at_once_first_and_in_their_order() -> None:
    """They wait for no second, and none of them replaces another."""
    waiting = Waiting()
    state, *events = a_state_of("volume", 1), an_event(25), an_event(50)
    for one in (state, *events):
        waiting.put(one, 10.0)
    waiting.tried(state, 10.0)
    assert (events, -inf) == (waiting.due(10.0), waiting.due_at())
    assert [*events, state] == waiting.everything
    waiting.tried(events[0], 10.0)
    assert events == waiting.due(10.0)
    waiting.done(events[0])
    assert [events[1]] == waiting.due(10.0)


def test_of_too_many_events_the_oldest_goes() -> None:
    """And it is said how many that were; one that went while it was tried is done all the same."""
    waiting = Waiting(events_max=2)
    events = [an_event(percent) for percent in (25, 50, 100)]
    assert [0, 0, 1] == [waiting.put(one, 10.0) for one in events]
    assert [50, 100] == [payload(one)["threshold"] for one in waiting.due(10.0)]
    waiting.done(events[0])
    assert events[1:] == waiting.due(10.0)


def test_old_events_can_be_forgotten() -> None:
    """By when they came; states stay."""
    waiting = Waiting()
    state, *events = a_state_of("volume", 1), an_event(25), an_event(50)
    for at, one in enumerate((state, *events)):
        waiting.put(one, float(at))
    waiting.forget_events(2.0)
    assert [events[1], state] == waiting.due(10.0)
