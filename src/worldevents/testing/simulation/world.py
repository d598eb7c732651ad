"""One schedule: processes, the two servers they share, callers, and what goes wrong; then everybody is well again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import cast

from worldevents.acks import Acks
from worldevents.batcher import Batcher
from worldevents.engine import Engine
from worldevents.errors import ContributionConflict, LedgerUnavailable, StoreUnavailable, WorldEventsError
from worldevents.ledger.granted import DurableLedger
from worldevents.model import Ack, EventVersion, OutboxEntry, Partition, Position, Receipt, Unreadable
from worldevents.moderation import Moderation
from worldevents.store.base import BufferedStore
from worldevents.syncer import Syncer
from worldevents.telemetry import Telemetry
from worldevents.testing.simulation.clients import ModelLedger, ModelStore
from worldevents.testing.simulation.database import Database, Key, key_of
from worldevents.testing.simulation.loop import VirtualLoop
from worldevents.testing.simulation.memory import Server
from worldevents.testing.simulation.operators import Operators
from worldevents.testing.simulation.scenario import BEGINS, LASTS_S, LOSING, Fault, Offered, Scenario, the_event
from worldevents.testing.simulation.share import Share
from worldevents.testing.simulation.wire import Process, Trouble, Wire

RETRY_S = 0.05
ACK_TIMEOUT_S = 0.4


class LoopClock:
    """Shows the time of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._at = 0.0
        self._now = BEGINS

    def now(self) -> datetime:
        at = self._loop.time()
        if at != self._at:
            self._at, self._now = at, BEGINS + timedelta(seconds=at)
        return self._now


@dataclass(slots=True)
class Heard:
    """What callers were told."""

    receipts: list[tuple[Offered, Receipt]] = field(default_factory=list)
    conflicts: int = 0


@dataclass(slots=True)
class Node:
    """A process: what it is made of, and its tasks."""

    process: Process
    store: ModelStore
    syncer: Syncer
    engine: Engine | None
    moderation: Moderation | None
    tasks: list[asyncio.Task[None]]


class World:
    """Everything of one schedule."""

    def __init__(
        self,
        plan: Scenario,
        rng: Random,
        loop: VirtualLoop,
        telemetry: Telemetry,
        say: Callable[[str], None] | None,
    ) -> None:
        self.plan = plan
        self.loop = loop
        self.rng = rng
        self.clock = LoopClock(loop)
        self.say = None if say is None else lambda line: say(f"{loop.time():8.4f} {line}")
        self.telemetry = telemetry
        self.trouble = Trouble(*plan.trouble)
        self.server = Server(plan.bounds, self.clock, self._check_acknowledged)
        self.database = Database()
        self.to_store = Wire("store", loop, rng, self.trouble, failure=StoreUnavailable, say=self.say)
        self.to_ledger = Wire("ledger", loop, rng, self.trouble, failure=LedgerUnavailable, say=self.say)
        self.nodes: list[Node] = []
        self.heard = Heard()
        self.complaints: list[str] = []
        self.may_be_lost: set[Key] = set()
        """What only a memory had that is gone."""
        self.may_differ = False
        """Whether a memory went back, or an entry was spoilt: then both sides may differ for a while."""
        self.operators = Operators(rng, self._serving)
        self._old: dict[Partition, Share] = {}
        self._started = 0
        self.database.publish(EventVersion(event=the_event(), version=1, published_at=BEGINS, author="test"))

    # Processes.

    async def start(self, name: str, *, serves: bool) -> Node:
        """Start a process, as soon as it finds its servers."""
        self._started += 1
        process = Process(f"{name}.{self._started}")
        ledger = ModelLedger(process, self.to_ledger, self.database)
        store = ModelStore(process, self.to_store, self.server, ledger, self.clock)
        while True:
            try:
                await store.refresh()
                break
            except WorldEventsError:
                await asyncio.sleep(RETRY_S)
        # Of the contracts they have what is called here.
        buffered, outbox = cast("BufferedStore", store), cast("DurableLedger", ledger)
        syncer = Syncer(
            buffered,
            outbox,
            self.clock,
            self.telemetry,
            interval_s=self.plan.interval_s,
            batch_max=self.plan.batch_max,
            window_s=self.plan.bounds.window.total_seconds(),
            token=process.name,
        )
        works = [syncer.run]
        engine, moderation = None, None
        if serves:
            batcher = Batcher(
                buffered,
                self.telemetry,
                batch_max=4,
                waiting_max=8,
                calls_max=self.plan.calls_max,
            )
            acks = Acks(
                buffered,
                outbox,
                default=Ack.APPLIED,
                timeout_s=ACK_TIMEOUT_S,
                nudge=syncer.nudge,
            )
            engine = Engine(buffered, outbox, batcher, self.clock, acks=acks)
            moderation = Moderation(buffered, outbox, self.clock, acks=acks)
            works += [batcher.run, acks.run]
        tasks = [self.loop.create_task(work()) for work in works]
        for task in tasks:
            task.add_done_callback(self._ended)
        return Node(process, store, syncer, engine, moderation, tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A background task that dies takes its process with it."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.complaints.append(f"a background task died: {error!r}")

    async def stop(self, node: Node) -> None:
        """SIGKILL: nothing of it goes on, but what it has sent already."""
        node.process.is_dead = True
        await self.rest(node)

    async def rest(self, node: Node) -> None:
        """End its background tasks."""
        for task in node.tasks:
            task.cancel()
        await asyncio.gather(*node.tasks, return_exceptions=True)

    def remember(self) -> None:
        """Keep a copy of the store's memory, to which it may go back."""
        self._old = self.server.copy()

    async def begin(self) -> None:
        """Start all processes."""
        self.loop.call_later(self.plan.remembers_at, self.remember)
        for number in range(self.plan.servers):
            self.nodes.append(await self.start(f"server{number}", serves=True))
        for number in range(self.plan.syncers):
            self.nodes.append(await self.start(f"syncer{number}", serves=False))

    def _serving(self) -> Moderation:
        return self.rng.choice([node.moderation for node in self.nodes if node.moderation is not None])

    # Callers.

    async def tell_all(self, offered: tuple[Offered, ...]) -> None:
        """Tell these, each until it is answered, and again where that is wanted."""
        for one in offered:
            for _ in range(1 + one.repeats):
                await self._tell(one)
                await asyncio.sleep(self.rng.random() * (0.6 if one.repeats else 0.1))

    async def _tell(self, one: Offered) -> None:
        since = self.loop.time()
        occurred_at = None if one.age_s is None else self.clock.now() - timedelta(seconds=one.age_s)
        while True:
            node = self.rng.choice([node for node in self.nodes if node.engine is not None])
            impatient = self.rng.random() < 0.05 and self.loop.time() - since < LASTS_S
            try:
                async with asyncio.timeout(0.01 if impatient else None):
                    assert node.engine is not None
                    receipt = await node.engine.contribute(
                        one.goal_id,
                        one.user_id,
                        one.amount,
                        contribution_id=one.contribution_id,
                        occurred_at=occurred_at,
                        ack=one.ack,
                    )
            except TimeoutError:
                continue
            except WorldEventsError as error:
                if not error.retryable:
                    self._refused(one, error)
                    return
                await asyncio.sleep(RETRY_S)
                continue
            self._answered(one, receipt)
            return

    def _refused(self, one: Offered, error: WorldEventsError) -> None:
        self._note(f"caller: {one.contribution_id} {error.code}")
        self.heard.conflicts += isinstance(error, ContributionConflict)

    def _answered(self, one: Offered, receipt: Receipt) -> None:
        self._note(f"caller: {one.contribution_id} {receipt.status} {receipt.duplicate} {receipt.position}")
        self.heard.receipts.append((one, receipt))
        if one.ack is not Ack.LEDGER:
            return
        row = self.database.tables.rows.get(key_of(receipt.contribution))
        if row is None or row.entry.contribution.amount != one.amount or row.entry.position != receipt.position:
            self.complaints.append(f"{one} was acknowledged by the ledger, which holds {row}")

    # What goes wrong.

    async def go_wrong(self) -> None:
        """All faults, each at its instant; then none any more."""
        for at, fault in self.plan.faults:
            await asyncio.sleep(max(0.0, at - self.loop.time()))
            self._note(f"FAULT: {fault}")
            await self._strike(fault)
        await asyncio.sleep(max(0.0, LASTS_S - self.loop.time()))
        self._note("all is well")
        self.trouble.end()

    async def _strike(self, fault: Fault) -> None:
        match fault:
            case Fault.KILL:
                await self._replace(self.rng.randrange(len(self.nodes)))
            case Fault.RESTART:
                self._restart()
            case Fault.FLUSH | Fault.EMPTY | Fault.STALE:
                self._lose(fault)
            case Fault.DATABASE:
                self.to_ledger.is_away = True
                self.loop.call_later(0.1 + self.rng.random() * 0.5, self._database_is_back)
            case Fault.CORRUPT:
                self._corrupt()
            case Fault.PUBLISH:
                await self._publish()

    async def _replace(self, place: int) -> None:
        node = self.nodes[place]
        await self.stop(node)
        await asyncio.sleep(self.rng.random() * 0.1)
        self.nodes[place] = await self.start(node.process.name.partition(".")[0], serves=node.engine is not None)

    def _restart(self) -> None:
        self.server.runs += 1
        self.to_store.runs += 1

    def _lose(self, fault: Fault) -> None:
        kept = self._old if fault is Fault.STALE else {}
        survives = {key for share in kept.values() for key, _ in _entries(share)}
        for share in self.server.shares.values():
            self.may_be_lost |= {
                key for key, _ in _entries(share) if key not in self.database.tables.rows and key not in survives
            }
        self.server.shares = {partition: share.copy() for partition, share in kept.items()}
        self.server.goals, self.server.versions, self.server.names = {}, {}, {}
        if fault is Fault.STALE:
            self.may_differ = True
            self.server.configure(*self.database.tables.events.values())
        if fault is not Fault.FLUSH:
            self._restart()

    def _database_is_back(self) -> None:
        self.to_ledger.is_away = False

    def _corrupt(self) -> None:
        waiting = [
            (share, place)
            for share in self.server.shares.values()
            for place, entry in enumerate(share.outbox)
            if isinstance(entry, OutboxEntry) and key_of(entry.contribution) not in self.database.tables.rows
        ]
        if waiting:
            share, place = self.rng.choice(waiting)
            entry = share.outbox[place]
            assert isinstance(entry, OutboxEntry)
            share.outbox[place] = Unreadable(entry.position, "?")
            self.may_be_lost.add(key_of(entry.contribution))
            self.may_differ = True

    async def _publish(self) -> None:
        for node in self.nodes:
            if node.engine is not None:
                with suppress(WorldEventsError):
                    await node.engine.publish(the_event(more=True), author="test", reason="one more")

    # Watching.

    def _check_acknowledged(self, partition: Partition, position: Position) -> None:
        """Only what is in the ledger may be let go of."""
        rows, letters = self.database.tables.rows, self.database.tables.dead_letters
        missing = [
            key
            for key, one in _entries(self.server.share(partition))
            if one.position.seq <= position.seq and key not in rows and (partition, one.position) not in letters
        ]
        if missing and not self.may_differ:
            self.complaints.append(f"acknowledged and not in the ledger: {missing}")

    def _note(self, line: str) -> None:
        if self.say is not None:
            self.say(line)

    @property
    def loses(self) -> bool:
        """Whether memory may have been lost."""
        return self.plan.has(*LOSING, Fault.CORRUPT)


def _entries(share: Share) -> list[tuple[Key, OutboxEntry]]:
    return [(key_of(one.contribution), one) for one in share.outbox if isinstance(one, OutboxEntry)]
