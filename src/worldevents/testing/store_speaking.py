"""Laws 15 and 16 of the store: what processes say to each other through it, and which of them has a role.

Subclass `SpeakingLaws` and say, in a fixture `open_processes`, how yours is opened.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack

import pytest_asyncio

from worldevents.model import Broadcast
from worldevents.store.base import Store

ProcessesOpener = Callable[[], AbstractAsyncContextManager[Sequence[Store]]]
"""Opens one store as each of some processes has it; a single one where no other could have it too. All listen."""

Heard = AsyncIterator[Broadcast]

ROLE = "speaker"
FIRST, LAST = "first", "last"
"""In whose names."""
LONG_S, SHORT_S, LOOK_S = 60.0, 0.2, 0.01
SECONDS = 10.0
"""How long a broadcast may take before a test gives up."""
MANY = 100


def a_broadcast(number: int, *, topic: str = "community_goals", payload: bytes = b"{}") -> Broadcast:
    """A broadcast with this number as its id."""
    return Broadcast(id=str(number), topic=topic, event="ping", payload=payload)


async def following(heard: Heard, count: int = 1) -> list[str]:
    """The ids of the next broadcasts, without those that were only to find out whether anybody listens."""
    found: list[str] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < count:
            one = await anext(heard)
            found += [one.id] if one.event != "hello" else []
    return found


async def listening(stack: ExitStack, stores: Sequence[Store]) -> list[Heard]:
    """Have every process listen, and return when each of them hears the first."""
    readers = [stack.enter_context(store.broadcasts()) for store in stores]
    waiting = {asyncio.ensure_future(anext(one)) for one in readers}
    for number in itertools.count():
        await stores[0].broadcast([Broadcast(id=f"hello-{number}", topic="", event="hello", payload=b"{}")])
        _, waiting = await asyncio.wait(waiting, timeout=LOOK_S)
        if not waiting:
            break
        assert number * LOOK_S < SECONDS
    return readers


class SpeakingLaws:
    """Laws 15 and 16 of the store."""

    @pytest_asyncio.fixture
    async def stores(self, open_processes: ProcessesOpener) -> AsyncIterator[Sequence[Store]]:
        """The store as every process has it."""
        async with open_processes() as stores:
            yield stores

    # Law 15.

    async def test_law_15_everybody_hears_what_anybody_says(self, stores: Sequence[Store]) -> None:
        """Law 15: whoever says something, all processes hear it as it was said, the one that said it too."""
        said = [
            a_broadcast(number, topic=f"goal:g-{number}", payload=b'{"text":"\\u00e9 \\"\\\\","n":[1,null]}')
            for number in range(len(stores))
        ]
        with ExitStack() as stack:
            for reader in await listening(stack, stores):
                for one, store in zip(said, stores, strict=True):
                    await store.broadcast([one])
                    async with asyncio.timeout(SECONDS):
                        while (heard := await anext(reader)).id != one.id:
                            pass
                    assert heard == one

    async def test_law_15_what_is_said_together_stays_together(self, stores: Sequence[Store]) -> None:
        """Law 15: all processes hear the same order, in which nothing is between what was said in one call."""
        batches = [[a_broadcast(1_000 * place + n) for n in range(MANY)] for place in range(2 * len(stores))]
        with ExitStack() as stack:
            readers = await listening(stack, stores)
            await asyncio.gather(
                *(store.broadcast(batch) for store, batch in zip([*stores, *stores], batches, strict=True))
            )
            orders = [await following(reader, MANY * len(batches)) for reader in readers]
        assert [orders[0]] * len(stores) == orders
        together = [orders[0][start : start + MANY] for start in range(0, len(orders[0]), MANY)]
        assert sorted([one.id for one in batch] for batch in batches) == sorted(together)

    async def test_law_15_it_is_heard_once(self, stores: Sequence[Store]) -> None:
        """Law 15: what follows in a reader's mailbox is the next broadcast, not the same again."""
        with ExitStack() as stack:
            readers = await listening(stack, stores)
            for number in range(3):
                await stores[-1].broadcast([a_broadcast(number)])
            assert [["0", "1", "2"]] * len(stores) == [await following(reader, 3) for reader in readers]

    async def test_law_15_nothing_is_kept(self, stores: Sequence[Store]) -> None:
        """Law 15: who comes later does not hear what was said before."""
        with ExitStack() as stack:
            readers = await listening(stack, stores)
            await stores[0].broadcast([a_broadcast(1)])
            for reader in readers:
                await following(reader)
            late = [stack.enter_context(store.broadcasts()) for store in stores]
            await stores[0].broadcast([a_broadcast(2)])
            assert [["2"]] * len(stores) == [await following(reader) for reader in late]

    async def test_law_15_saying_nothing_says_nothing(self, stores: Sequence[Store]) -> None:
        """Law 15: an empty call is no broadcast."""
        with ExitStack() as stack:
            readers = await listening(stack, stores)
            await stores[0].broadcast([])
            await stores[0].broadcast([a_broadcast(1)])
            assert [["1"]] * len(stores) == [await following(reader) for reader in readers]

    # Law 16.

    async def test_law_16_one_leads(self, stores: Sequence[Store]) -> None:
        """Law 16: the first to ask has the role, as often as it asks, and the others do not."""
        for _ in range(3):
            led = [await store.lead(ROLE, token=str(n), ttl_s=LONG_S) for n, store in enumerate(stores)]
            assert [True, *[False] * (len(stores) - 1)] == led

    async def test_law_16_of_many_who_ask_at_once_one_leads(self, stores: Sequence[Store]) -> None:
        """Law 16: it is one, however close they are."""
        asked = (store.lead(ROLE, token=str(n), ttl_s=LONG_S) for n, store in enumerate(stores))
        assert 1 == sum(await asyncio.gather(*asked))

    async def test_law_16_roles_are_apart(self, stores: Sequence[Store]) -> None:
        """Law 16: who has one role keeps nobody from another."""
        for number, store in enumerate(stores):
            assert await store.lead(f"{ROLE}-{number}", token=str(number), ttl_s=LONG_S)

    async def test_law_16_who_is_silent_loses_it(self, stores: Sequence[Store]) -> None:
        """Law 16: the last one takes over once the first has not renewed its role, and then has it."""
        first, last = stores[0], stores[-1]
        assert await first.lead(ROLE, token=FIRST, ttl_s=SHORT_S)
        async with asyncio.timeout(SECONDS):
            while not await last.lead(ROLE, token=LAST, ttl_s=LONG_S):  # noqa: ASYNC110 - the store's own time
                await asyncio.sleep(LOOK_S)
        assert (first is last) is await first.lead(ROLE, token=FIRST, ttl_s=LONG_S)

    async def test_law_16_what_is_given_up_is_free(self, stores: Sequence[Store]) -> None:
        """Law 16: who gives a role up makes room at once; who does not have it changes nothing."""
        first, last = stores[0], stores[-1]
        assert await first.lead(ROLE, token=FIRST, ttl_s=LONG_S)
        await last.resign(ROLE, token=LAST)
        assert await first.lead(ROLE, token=FIRST, ttl_s=LONG_S)
        assert (first is last) is await last.lead(ROLE, token=LAST, ttl_s=LONG_S)
        await first.resign(ROLE, token=FIRST)
        assert await last.lead(ROLE, token=LAST, ttl_s=LONG_S)
