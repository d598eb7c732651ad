"""What hosts say reaches the mailboxes on its topic, and a mailbox that nobody reads does not grow without end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from tests.live.telling import a_hub, running
from tests.live.virtual import in_virtual_time, turns
from worldevents.live.hub import SLICE, Hub
from worldevents.live.relay import relay
from worldevents.live.subscriber import EVENTS_MAX
from worldevents.model import Broadcast
from worldevents.store.feed import SAID_MAX, Voices
from worldevents.telemetry import Telemetry


def said(*numbers: int, topic: str = "lobby") -> list[Broadcast]:
    return [Broadcast(id=str(one), topic=topic, event="ping", payload=b"{}") for one in numbers]


@asynccontextmanager
async def relaying(hub: Hub, telemetry: Telemetry) -> AsyncIterator[Voices]:
    voices = Voices()
    with voices.reading() as heard:
        task = asyncio.create_task(relay(heard, hub.rooms, telemetry))
        await turns()
        try:
            yield voices
        finally:
            task.cancel()
            await asyncio.wait([task])


def figure(telemetry: Telemetry, name: str) -> float:
    return telemetry.registry.get_sample_value(f"worldevents_{name}_total") or 0


@in_virtual_time
async def test_everybody_on_a_topic_gets_the_same_message() -> None:
    """However many they are; who is on another topic, or on none, gets nothing."""
    telemetry = Telemetry()
    async with running(a_hub()) as hub, relaying(hub, telemetry) as voices:
        with ExitStack() as stack:
            readers = [stack.enter_context(hub.subscribe(topic="lobby")) for _ in range(2 * SLICE + 1)]
            other, none = (stack.enter_context(hub.subscribe(topic=topic)) for topic in ("other", None))
            voices.say(said(1))
            await turns()
            assert ([], []) == (other.drain(), none.drain())
            (first,) = readers[0].drain()
            assert [[first]] * (len(readers) - 1) == [one.drain() for one in readers[1:]]
            assert len(readers) == figure(telemetry, "delivered")


@in_virtual_time
async def test_who_does_not_read_is_let_go() -> None:
    """A mailbox holds so many and no more; nothing in it is dropped, so its watcher goes, and is counted."""
    telemetry = Telemetry()
    async with running(a_hub()) as hub, relaying(hub, telemetry) as voices:
        with hub.subscribe(topic="lobby") as slow:
            voices.say(said(*range(EVENTS_MAX)))
            await turns(EVENTS_MAX + 5)
            assert not slow.stalled
            voices.say(said(1, 2, 3))
            await turns()
            assert slow.stalled
            assert 1 == figure(telemetry, "stalled")


@in_virtual_time
async def test_what_waits_for_a_reader_has_a_bound(caplog: pytest.LogCaptureFixture) -> None:
    """The oldest are lost, and that is said."""
    voices = Voices()
    with caplog.at_level(logging.WARNING), voices.reading() as heard:
        voices.say(said(*range(SAID_MAX)))
        assert [] == caplog.messages
        voices.say(said(-1, -2))
        assert "2" == (await anext(heard)).id
    assert ["too many broadcasts wait: the oldest 2 are lost"] == caplog.messages
