"""When something is published outward, by whom, and what happens when it is not taken: in virtual time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.live.telling import a_hub, a_state, an_update, running, word
from tests.live.virtual import in_virtual_time, passing, turns
from worldevents.errors import StoreUnavailable
from worldevents.live.hub import STALL_S, Hub
from worldevents.live.messages import Message
from worldevents.live.publisher import (
    FAREWELL_S,
    KEPT_S,
    LEASE_S,
    LONGEST_WAIT_S,
    RENEW_S,
    RESIGN_S,
    Publisher,
)
from worldevents.live.supabase import BATCH_MAX, Post
from worldevents.live.waiting import Waiting
from worldevents.telemetry import Telemetry

Said = tuple[float, list[str]]


@dataclass
class Role:
    """A role in one store, which may be away."""

    holder: str | None = None
    until: float = 0.0
    is_away: bool = False


@dataclass
class Outside:
    """What is at the other end, as far as it answers; and one server's hold of a role."""

    role: Role = field(default_factory=Role)
    name: str = "one"
    batch_max: int = BATCH_MAX
    status: int | None = 202
    takes_s: float = 0.0
    raises: Exception | None = None
    tried: list[Said] = field(default_factory=list)
    telemetry: Telemetry = field(default_factory=Telemetry)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Post]:
        yield self.post

    async def post(self, messages: Sequence[Message]) -> int | None:
        self.tried.append((now(), [word(one) for one in messages]))
        await asyncio.sleep(self.takes_s)
        if self.raises is not None:
            raise self.raises
        return self.status

    async def lead(self, *, ttl_s: float) -> bool:
        role = self.role
        if role.is_away:
            raise StoreUnavailable
        if role.holder not in (None, self.name) and now() < role.until:
            return False
        role.holder, role.until = self.name, now() + ttl_s
        return True

    async def resign(self) -> None:
        if self.role.holder == self.name:
            self.role.holder = None

    @property
    def words(self) -> list[str]:
        """All that was tried, in order."""
        return [one for _, messages in self.tried for one in messages]

    def figure(self, result: str) -> float:
        return self.telemetry.registry.get_sample_value("worldevents_outward_total", {"result": result}) or 0


def now() -> float:
    return asyncio.get_running_loop().time()


def publisher_of(hub: Hub, outside: Outside, waiting: Waiting | None = None) -> Publisher:
    return Publisher(
        hub,
        outside.telemetry,
        connect=outside.connect,
        batch_max=outside.batch_max,
        lead=outside.lead,
        resign=outside.resign,
        chance=random.Random(5),  # noqa: S311 - repeats itself
        waiting=waiting,
    )


@asynccontextmanager
async def publishing(outside: Outside, *, goals: Sequence[str] = ("volume",), **more: Waiting) -> AsyncIterator[Hub]:
    """A hub that knows these goals, and what publishes for it until it is closed."""
    hub = a_hub(interval_s=0.0)
    hub.prime(a_state(1, goal=goal) for goal in goals)
    async with running(hub):
        task = asyncio.create_task(publisher_of(hub, outside, **more).run())
        await turns(20)
        yield hub
        hub.close()
        await asyncio.wait_for(task, FAREWELL_S + RESIGN_S + 0.1)


async def told(hub: Hub, *changes: object, goal: str = "volume") -> None:
    """Have a hub tell these, each at once."""
    for change in changes:
        hub.tell(change if not isinstance(change, int) else an_update(change, goal=goal))  # type: ignore[arg-type]
        await turns(20)


# At which pace.


@in_virtual_time
async def test_it_begins_with_all_goals_in_one_request() -> None:
    """The newest state of each goal that is not over, at once."""
    outside = Outside()
    async with publishing(outside, goals=["volume", "lifts"]):
        assert [(0.0, ["update volume 1", "update lifts 1"])] == outside.tried


@in_virtual_time
async def test_a_goal_is_published_once_a_second_in_its_newest_state() -> None:
    """However often it changes: at once when it was quiet, and then with the second, and the last state at the end."""
    outside = Outside()
    async with publishing(outside) as hub:
        await passing(5.0)
        outside.tried.clear()
        start = now()
        for seq in range(2, 32):
            await told(hub, seq)
            await passing(0.11)
        await passing(10.0)
        assert [f"update volume {seq}" for seq in (2, 11, 20, 29, 31)] == outside.words
        assert [0.0, 1.0, 2.0, 3.0, 4.0] == [round(at - start, 3) for at, _ in outside.tried]


@in_virtual_time
async def test_events_do_not_wait_for_the_second() -> None:
    """An unlock goes at once, and in the order in which it was told; the state behind it waits."""
    outside = Outside()
    async with publishing(outside) as hub:
        outside.tried.clear()
        await told(hub, an_update(300, 25), an_update(600, 50, before=[25]))
        assert ["tier_unlocked volume 25", "tier_unlocked volume 50"] == outside.words
        await passing(1.0)
        assert "update volume 600" == outside.words[-1]
        assert 3 == len(outside.words)


@in_virtual_time
async def test_more_than_a_request_holds_go_in_several() -> None:
    """A hundred in each, one after the other."""
    outside = Outside()
    async with publishing(outside, goals=[f"goal-{number}" for number in range(BATCH_MAX + 20)]):
        await passing(0.1)
        assert [BATCH_MAX, 20] == [len(messages) for _, messages in outside.tried]


@in_virtual_time
async def test_on_a_private_topic_each_goes_alone() -> None:
    """And while one is under way the others become newer."""
    outside = Outside(batch_max=1, takes_s=0.4)
    async with publishing(outside, goals=["volume", "lifts"]) as hub:
        await told(hub, 2, goal="lifts")
        await passing(1.0)
        assert [["update volume 1"], ["update lifts 2"]] == [messages for _, messages in outside.tried]


# When it is not taken.


@pytest.mark.parametrize("status", [500, 503, 429, None])
def test_what_is_not_taken_is_tried_again_later_and_later(status: int | None, caplog: pytest.LogCaptureFixture) -> None:
    """Waits are any part of what doubles from half a second to half a minute; what goes in the end is the newest."""

    @in_virtual_time
    async def test() -> None:
        outside = Outside(status=status)
        async with publishing(outside) as hub:
            await told(hub, an_update(300, 25))
            seq = 300
            for _ in range(3_000):
                seq += 1
                await told(hub, an_update(seq, total=500))
                await passing(0.1)
            waits = [after - before for (before, _), (after, _) in zip(outside.tried, outside.tried[1:], strict=False)]
            assert all(wait <= min(LONGEST_WAIT_S, 0.5 * 2**n) + 0.01 for n, wait in enumerate(waits))
            assert 10 < max(waits) <= LONGEST_WAIT_S
            assert len(outside.tried) > 15
            assert 0 == outside.figure("sent")
            assert len(outside.words) == outside.figure("retried")
            outside.tried.clear()
            outside.status = 202
            await passing(LONGEST_WAIT_S + 1)
            assert [["tier_unlocked volume 25", f"update volume {seq}"]] == [messages for _, messages in outside.tried]
            assert 2 == outside.figure("sent")

    with caplog.at_level(logging.INFO):
        test()
    told_once = [one for one in caplog.messages if "is not taken" in one]
    assert 1 == len(told_once)
    assert ("no answer" if status is None else f"HTTP {status}") in told_once[0]
    assert "what is published outward is taken again" in caplog.messages


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 302])
def test_what_is_refused_is_not_tried_again(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and gone, and said once, until something is taken again."""

    @in_virtual_time
    async def test() -> None:
        outside = Outside(status=status)
        async with publishing(outside) as hub:
            for seq in range(2, 12):
                await told(hub, seq)
                await passing(1.5)
            assert [f"update volume {seq}" for seq in range(1, 12)] == outside.words
            assert (11, 0, 0) == tuple(outside.figure(one) for one in ("refused", "retried", "sent"))
            outside.status = 202
            await told(hub, 50)
            assert 1 == outside.figure("sent")

    with caplog.at_level(logging.INFO):
        test()
    refused = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert [f"what is published outward is refused (HTTP {status}): see to the settings supabase_*"] == [
        one.getMessage() for one in refused
    ]
    assert "what is published outward is taken again" in caplog.messages


@in_virtual_time
async def test_of_too_many_events_the_oldest_are_dropped_and_counted() -> None:
    """A project that is away for long costs a known amount."""
    outside = Outside(status=503)
    async with publishing(outside, waiting=Waiting(events_max=2)) as hub:
        await told(hub, an_update(300, 25), an_update(600, 50, before=[25]), an_update(1_000, 100, before=[25, 50]))
        # The last one completes the goal, too.
        assert 2 == outside.figure("dropped")
        outside.status = 202
        await passing(LONGEST_WAIT_S)
        assert ["tier_unlocked volume 100", "completed volume 1000", "update volume 1000"] == outside.words[-3:]


@in_virtual_time
async def test_its_mailbox_is_emptied_whatever_hangs() -> None:
    """The hub never has a reason to let it go, though a request takes longer than the hub waits for anybody."""
    outside = Outside(takes_s=3 * STALL_S)
    async with publishing(outside) as hub:
        for seq in range(2, 100):
            await told(hub, an_update(seq))
            await passing(0.25)
        assert 0 == (hub._telemetry.registry.get_sample_value("worldevents_stalled_total") or 0)
        await passing(3 * STALL_S)
        assert "update volume 99" == outside.words[-1]


def test_a_failure_of_its_own_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with all that is known, and begins again with all goals."""

    @in_virtual_time
    async def test() -> None:
        outside = Outside(raises=ZeroDivisionError())
        async with publishing(outside):
            outside.raises = None
            await passing(2.0)
            assert ["update volume 1"] * 2 == outside.words

    test()
    # Another test may have asked for more of this log.
    failures = [one.message for one in caplog.records if one.levelname == "ERROR"]
    assert ["publishing outward has failed, and begins again"] == failures


# By whom.


@in_virtual_time
async def test_of_two_servers_one_publishes() -> None:
    """The other one says nothing for as long as the first is there."""
    one, other = Outside(name="one"), Outside(name="other")
    other.role = one.role
    async with publishing(one) as hub, publishing(other) as another:
        for seq in range(2, 12):
            await told(hub, seq)
            await told(another, seq)
            await passing(2 * RENEW_S)
        assert 11 == len(one.words)
        assert [] == other.words


@in_virtual_time
async def test_another_takes_over_with_all_that_is_new() -> None:
    """Soon after the first is dead: with every goal, and with what happened once while nobody published."""
    role = Role(holder="dead", until=now() + LEASE_S)
    outside = Outside(role=role)
    async with publishing(outside, goals=["volume", "lifts"]) as hub:
        await told(hub, an_update(300, 25))
        await passing(LEASE_S + RENEW_S)
        assert ["tier_unlocked volume 25", "update volume 300", "update lifts 1"] == outside.words
        assert outside.tried[0][0] <= LEASE_S + RENEW_S <= 5.0


@in_virtual_time
async def test_what_the_first_has_published_long_ago_is_not_published_again() -> None:
    """What happens once is kept for as long as a server may have been dead without being noticed."""
    role = Role(holder="another", until=now() + 100)
    outside = Outside(role=role)
    async with publishing(outside) as hub:
        await told(hub, an_update(300, 25))
        await passing(KEPT_S + 1)
        role.holder = None
        await passing(RENEW_S)
        assert ["update volume 300"] == outside.words


@in_virtual_time
async def test_while_the_store_is_away_nothing_is_published() -> None:
    """A role lasts as long as it was given, and begins anew afterwards."""
    outside = Outside()
    async with publishing(outside) as hub:
        outside.role.is_away = True
        await told(hub, 2)
        await passing(LEASE_S + 0.1)
        assert ["update volume 1", "update volume 2"] == outside.words
        await told(hub, 3)
        await passing(10 * LEASE_S)
        assert 2 == len(outside.words)
        outside.role.is_away = False
        await passing(RENEW_S)
        assert "update volume 3" == outside.words[-1]


# Its end.


@in_virtual_time
async def test_what_waits_goes_when_the_server_leaves() -> None:
    """The last state is told though its second has not passed; then another server may publish at once."""
    outside = Outside()
    async with publishing(outside) as hub:
        await told(hub, 2)
        assert ["update volume 1"] == outside.words
    assert ["update volume 1", "update volume 2"] == outside.words
    assert None is outside.role.holder


@pytest.mark.parametrize("status", [503, 401])
def test_it_does_not_wait_for_a_project_that_is_away(status: int) -> None:
    """One try, and it is gone."""

    @in_virtual_time
    async def test() -> None:
        outside = Outside(status=status)
        async with publishing(outside) as hub:
            await told(hub, an_update(300, 25))
            outside.tried.clear()
        assert 1 == len(outside.tried)

    test()


@in_virtual_time
async def test_a_request_that_hangs_does_not_hold_up_the_end() -> None:
    """Within a second it is gone."""
    outside = Outside()
    async with publishing(outside) as hub:
        outside.takes_s = 100.0
        await told(hub, an_update(300, 25))
        start = now()
    assert FAREWELL_S <= now() - start < 1.0
