"""Webhooks to a receiver that fails, loses answers and is slow, from processes that are killed: each effect, once."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.chaos.delivering import NEAR, QuickClock, deliver, posting
from tests.chaos.programs import Program
from tests.webhooks.feed import Feed, announcement
from tests.webhooks.receiver import OK, Receiver, Sent, answered, receiving
from worldevents.ledger import open_ledger
from worldevents.testing.builders import DURING
from worldevents.webhooks import signing
from worldevents.webhooks.operating import Account, Webhooks

SIZE = int(os.environ.get("WORLDEVENTS_CHAOS_WEBHOOKS", "2000"))
KILLS = int(os.environ.get("WORLDEVENTS_CHAOS_WEBHOOK_KILLS", "10"))
SERVERS = 2
FAILS, LOSES = 0.3, 0.3
SLOW_S = 0.01
BETWEEN_S = 0.05
"""At most, between the message that a kill waits for and the kill."""


@dataclass
class Host:
    """A game's server that does what messages say, once for an id; it fails, and loses answers after doing it."""

    chance: random.Random
    webhook: Webhook
    effects: dict[str, bytes] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)

    def answer(self, one: Sent) -> bytes:
        timestamp = datetime.fromtimestamp(int(one.headers["webhook-timestamp"]), UTC)
        assert one.headers["webhook-signature"] == self.webhook.sign(one.id, timestamp, one.body.decode())
        fate = self.chance.random()
        if fate < FAILS:
            self.answers["failed"] += 1
            return answered("500 Oh")
        # By its id the host knows what it has done; under one id nothing else is ever said.
        assert self.effects.setdefault(one.id, one.body) == one.body
        if fate < FAILS + LOSES:
            self.answers["lost"] += 1
            return b""
        self.answers["taken"] += 1
        return OK

    def takes_s(self) -> float:
        return self.chance.uniform(0, SLOW_S)


async def _owed(webhooks: Webhooks) -> Account:
    """What is owed in the end; what is dead by then is sent again, as an operator would."""
    while True:
        (account,) = await webhooks.report()
        if not account.owed:
            return account
        if not account.pending:
            await webhooks.replay(
                account.endpoint.id, since=DURING, dead_only=True, author="ops", reason="the host is well again"
            )
        # Nobody signals that nothing is owed.
        await asyncio.sleep(0.2)


async def _kill(programs: list[Program], receiver: Receiver, chance: random.Random) -> None:
    """Kill one of them after every share of the messages, at any moment."""
    async with asyncio.timeout(None):
        for kill in range(1, KILLS + 1):
            while len(receiver.sent) < SIZE * kill // (KILLS + 1):
                receiver.news.clear()
                await receiver.news.wait()
            await asyncio.sleep(chance.uniform(0, BETWEEN_S))
            await asyncio.to_thread(chance.choice(programs).kill)


@pytest.mark.timeout(60 + SIZE // 10)
async def test_each_effect_happens_once(
    ledger_url: str, tmp_path: Path, chance: random.Random, say: Callable[[str], None]
) -> None:
    """Of so many announcements none is missing at the receiver and none is done twice; the report owes nothing."""
    clock, begun_at = QuickClock(begun := time.time()), time.monotonic()
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(open_ledger(ledger_url))
        receiver = await stack.enter_async_context(receiving())
        webhooks = Webhooks(ledger.webhooks, Feed(SIZE, at=DURING), clock, NEAR, connect=posting)
        endpoint = await webhooks.add(receiver.url, since=DURING, author="test", reason="chaos")
        host = Host(random.Random(chance.random()), Webhook(signing.secret_text(endpoint.secret)))  # noqa: S311 - as above
        receiver.answer, receiver.takes_s = host.answer, host.takes_s
        values = {"url": ledger_url, "size": SIZE, "begun": begun}
        programs = [Program(f"server-{number}", deliver, values, folder=tmp_path) for number in range(SERVERS)]
        keeping = [asyncio.create_task(one.keep()) for one in programs]
        try:
            await _kill(programs, receiver, chance)
            account = await _owed(webhooks)
        finally:
            for task in keeping:
                task.cancel()
            for task in keeping:
                with suppress(asyncio.CancelledError):
                    await task
    assert [] == [end for one in programs for end in one.ends], programs[0].log()
    assert (SIZE, SIZE, 0, 0) == (account.announced, account.delivered, account.pending, account.dead)
    expected = {one.id: signing.body(one) for one in (announcement(n, at=DURING) for n in range(1, SIZE + 1))}
    assert expected == host.effects
    told = ", ".join(f"{number:,} {what}" for what, number in sorted(host.answers.items()))
    lives = sum(one.lives for one in programs)
    assert lives >= KILLS
    say(f"{SIZE:,} messages, {KILLS} kill -9 ({lives} lives): {told}; {time.monotonic() - begun_at:.0f} s")
