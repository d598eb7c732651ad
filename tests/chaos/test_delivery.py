"""From contributions to what hosts have: grants, a callback, and webhooks to a receiver that fails, with kill -9.

Processes that grant and deliver are killed at any moment. Each effect happens once by its id, and none is missing.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.chaos.delivering import NEAR, QuickClock, deliver, posting
from tests.chaos.programs import Program
from tests.webhooks.receiver import OK, Receiver, Sent, answered, receiving
from worldevents.grants import RewardGrant, Way
from worldevents.ledger import open_ledger
from worldevents.ledger.outward import FullLedger
from worldevents.model import GoalContribution, Receipt
from worldevents.prizes import message_id
from worldevents.store import open_store
from worldevents.store.base import Store
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING, a_contribution, a_goal, an_event
from worldevents.testing.ledger_granting import a_challenge
from worldevents.webhooks import signing
from worldevents.webhooks.operating import Webhooks

SIZE = int(os.environ.get("WORLDEVENTS_CHAOS_WEBHOOKS", "500"))
"""Grants: two tiers for everybody, and a challenge for every second."""
KILLS = int(os.environ.get("WORLDEVENTS_CHAOS_WEBHOOK_KILLS", "6"))
USERS = SIZE * 2 // 5
FIRST = USERS * 3 // 5
"""So many contribute before anything is granted, and unlock a tier; the others do between the kills."""
SERVERS = 2
FAILS, LOSES = 0.3, 0.3
SLOW_S = 0.01
BETWEEN_S = 0.05
"""At most, between the message that a kill waits for and the kill."""
APPEND = 500
"""Contributions in one append."""


@dataclass
class Host:
    """A game's server that does what messages say, once for an id; it fails, and loses answers after doing it."""

    chance: random.Random
    webhook: Webhook
    effects: dict[str, str] = field(default_factory=dict)
    """By the message's id: what it is about."""
    answers: Counter[str] = field(default_factory=Counter)

    def answer(self, one: Sent) -> bytes:
        timestamp = datetime.fromtimestamp(int(one.headers["webhook-timestamp"]), UTC)
        assert one.headers["webhook-signature"] == self.webhook.sign(one.id, timestamp, one.body.decode())
        fate = self.chance.random()
        if fate < FAILS:
            self.answers["failed"] += 1
            return answered("500 Oh")
        told = json.loads(one.body)
        about = told["data"].get("id") or f"{told['type']} {told['data'].get('threshold')}"
        # By its id the host knows what it has done; under one id nothing else is ever said.
        assert self.effects.setdefault(one.id, about) == about
        if fate < FAILS + LOSES:
            self.answers["lost"] += 1
            return b""
        self.answers["taken"] += 1
        return OK

    def takes_s(self) -> float:
        return self.chance.uniform(0, SLOW_S)


@dataclass
class World:
    """What is granted and delivered, from here: contributing, killing, looking."""

    ledger: FullLedger
    store: Store
    receiver: Receiver
    host: Host
    webhooks: Webhooks
    programs: list[Program]
    chance: random.Random
    amid: int = 0
    """Kills that came while somebody was still to be granted."""

    async def contribute(self, batch: Sequence[GoalContribution]) -> None:
        for at in range(0, len(batch), APPEND):
            answers = await self.store.contribute(batch[at : at + APPEND])
            assert all(isinstance(one, Receipt) for one in answers)

    async def kill(self, batch: Sequence[GoalContribution]) -> None:
        """Kill one of them after every share of the messages, at any moment; contribute in between."""
        for kill in range(1, KILLS + 1):
            while self.host.answers.total() < SIZE * kill // (KILLS + 1):
                await self.hear()
            await asyncio.sleep(self.chance.uniform(0, BETWEEN_S))
            await asyncio.to_thread(self.chance.choice(self.programs).kill)
            self.amid += await self.ledger.jobs() > 0
            share = slice(len(batch) * (kill - 1) // KILLS, len(batch) * kill // KILLS)
            await self.contribute(batch[share])

    async def hear(self) -> None:
        """Wait for the next message; the host knows what it said."""
        self.receiver.news.clear()
        await self.receiver.news.wait()
        self.receiver.sent.clear()

    async def arrived(self) -> None:
        """Return when nothing is owed; what is dead by then is sent again, as an operator would."""
        while True:
            begun = time.monotonic()
            (account,) = await self.webhooks.report()
            if not await self.ledger.jobs() and not account.owed and not (await self.ledger.report()).owed:
                return
            if not account.pending and account.dead:
                since, why = DURING - timedelta(days=1), "the host is well again"
                await self.webhooks.replay(account.endpoint.id, since=since, dead_only=True, author="ops", reason=why)
            self.receiver.sent.clear()
            # Nobody signals that nothing is owed; looking is not to hold the others up.
            await asyncio.sleep(max(0.2, 4 * (time.monotonic() - begun)))

    async def grants(self) -> list[RewardGrant]:
        found: list[RewardGrant] = []
        while page := await self.ledger.grants(after=found[-1].number if found else 0):
            found += page
        return found


def contributions() -> tuple[list[GoalContribution], set[str]]:
    """What everybody gives, and the ids of what that grants."""
    amounts = {f"user-{number:06}": 1 + number % 2 for number in range(USERS)}
    expected = {f"tier~volume~{percent}~{user}" for percent in (50, 75) for user in amounts}
    expected |= {f"challenge~winter~hundred~{user}" for user, amount in amounts.items() if amount > 1}
    return [a_contribution("c", amount, user=user) for user, amount in amounts.items()], expected


@pytest.mark.timeout(180 + SIZE // 10)
async def test_each_effect_happens_once(
    ledger_url: str, tmp_path: Path, chance: random.Random, say: Callable[[str], None]
) -> None:
    """Of so many grants none is missing and none is done twice, on every way; the report owes nothing."""
    clock, begun_at = QuickClock(begun := time.time()), time.monotonic()
    batch, expected = contributions()
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(open_ledger(ledger_url))
        goal = a_goal(target=sum(one.amount for one in batch), percents=("50", "75"))
        event = an_event(goal, challenges=[a_challenge(2)])
        await ledger.publish(event, based_on=0, author="test", published_at=DURING, reason="")
        receiver = await stack.enter_async_context(receiving())
        webhooks = Webhooks(ledger.webhooks, ledger, clock, NEAR, connect=posting)
        endpoint = await webhooks.add(receiver.url, since=DURING - timedelta(days=1), author="test", reason="chaos")
        host = Host(random.Random(chance.random()), Webhook(signing.secret_text(endpoint.secret)))  # noqa: S311 - as above
        receiver.answer, receiver.takes_s = host.answer, host.takes_s
        values = {"url": ledger_url, "told": f"{tmp_path}/told", "begun": begun}
        programs = [Program(f"server-{number}", deliver, values, folder=tmp_path) for number in range(SERVERS)]
        store = await open_store(ledger, ManualClock(DURING))
        world = World(ledger, store, receiver, host, webhooks, programs, chance)
        await world.contribute(batch[:FIRST])
        keeping = [asyncio.create_task(one.keep()) for one in programs]
        try:
            await world.kill(batch[FIRST:])
            await world.arrived()
        finally:
            for task in keeping:
                task.cancel()
            for task in keeping:
                with suppress(asyncio.CancelledError):
                    await task
        assert [] == [end for one in programs for end in one.ends], programs[0].log()
        assert expected == {one.id for one in await world.grants()}
        assert len(expected) == len(await world.grants())
        told = {one.way: (one.grants, one.delivered, one.dead) for one in (await ledger.report()).channels}
        assert dict.fromkeys(Way, (len(expected), len(expected), 0)) == told
        await ledger.sweep("volume", DURING)
        while page := await ledger.grant_page(DURING, size=1_000):
            assert 0 == page.grants
    granted = {message_id("reward.granted", one): one for one in expected}
    facts = {one: about for one, about in host.effects.items() if one not in granted}
    assert granted == {one: about for one, about in host.effects.items() if one in granted}
    assert ["goal.completed None", "goal.tier_unlocked 50", "goal.tier_unlocked 75"] == sorted(facts.values())
    called = Counter((tmp_path / "told").read_text().splitlines())
    assert expected == set(called)
    lives = sum(one.lives for one in programs)
    assert lives >= KILLS
    assert 0 < world.amid
    answers = ", ".join(f"{number:,} {what}" for what, number in sorted(host.answers.items()))
    say(
        f"{len(expected):,} grants, {KILLS} kill -9 ({world.amid} while granting, {lives} lives): {answers}; "
        f"{called.total() - len(called)} calls again; {time.monotonic() - begun_at:.0f} s"
    )
