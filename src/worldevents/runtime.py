"""The composition root: opens everything on one exit stack, owns the one task group, closes in reverse."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from worldevents.acks import Acks
from worldevents.auth import Access, user_tokens
from worldevents.batcher import Batcher
from worldevents.callback import Callback, OnGrant
from worldevents.clock import Clock, SystemClock
from worldevents.engine import Engine
from worldevents.errors import ConfigurationInvalid, StoreLost, StoreUnavailable
from worldevents.ledger import open_ledger
from worldevents.ledger.base import Ledger, OutboxLedger
from worldevents.ledger.granted import DurableLedger
from worldevents.ledger.outward import Feed, FullLedger
from worldevents.live.hub import Hub
from worldevents.live.relay import relay
from worldevents.live.standings import Standings
from worldevents.model import GoalState, GoalUpdate
from worldevents.moderation import Moderation
from worldevents.rewards import Rewards
from worldevents.settings import Settings
from worldevents.settling import Arrivals, Settling
from worldevents.store import open_buffered, open_store
from worldevents.store.base import BufferedStore, Store
from worldevents.syncer import Syncer
from worldevents.telemetry import Telemetry
from worldevents.webhooks.opening import new_dispatcher, new_pruning, new_webhooks
from worldevents.webhooks.operating import Webhooks

if TYPE_CHECKING:
    from worldevents.auth.users import UserTokens
    from worldevents.live.publisher import Publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A running system: its verbs, and the parts that doors and operators need."""

    settings: Settings
    engine: Engine
    moderation: Moderation
    store: Store
    ledger: Ledger
    telemetry: Telemetry
    clock: Clock
    hub: Hub
    standings: Standings
    access: Access
    rewards: Rewards
    settling: Settling
    webhooks: Webhooks
    syncer: Syncer | None = None
    """What carries contributions to the ledger; None where the store is the ledger's own, or another process does."""


CALL_MAX: Final = 100
"""Contributions in one call to a store in front of the ledger, and calls under way at once: more only wait there."""
CALLS_MAX: Final = 2
PUMP_S: Final = 0.01
"""The least time between two looks at one goal; other goals do not wait for it."""
PUBLISHER: Final = "supabase"
"""The role of the one server that publishes outward."""
OPENED_S: Final = 5.0
"""How long publishing waits for new goals to be there, and how often it looks."""
OPENED_LOOK_S: Final = 0.01


@asynccontextmanager
async def open_runtime(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    run_token: str | None = None,
    feed: Feed | None = None,
    on_grant: OnGrant | None = None,
) -> AsyncIterator[Runtime]:
    """The system on a database, until the context ends; then accepted callers are answered, and all is closed.

    `run_token` is a key of this run alone, with every right: the command line beside a server has it. `feed` is what
    webhooks are told; without one, all that the ledger announces. `on_grant` is told every grant (`callback`).

    A background task that dies cancels the body and raises here. Raises ConfigurationInvalid, LedgerUnavailable,
    LedgerOutdated, and DatabaseOwned where another process has the database.
    """
    failure: Exception | None = None
    async with AsyncExitStack() as stack:
        given = _Given(run_token, feed, on_grant)
        runtime = await _assemble(stack, settings or Settings.load(), clock or SystemClock(), given)
        try:
            yield runtime
        except Exception as error:  # noqa: BLE001 - raised below: the task group would wrap the body's own error
            failure = error
    if failure is not None:
        raise failure


class _Given(NamedTuple):
    """What a host may bring along."""

    run_token: str | None
    feed: Feed | None
    on_grant: OnGrant | None


async def _assemble(stack: AsyncExitStack, settings: Settings, clock: Clock, given: _Given) -> Runtime:
    telemetry, is_buffered = Telemetry(), bool(settings.redis_url)
    ledger = await stack.enter_async_context(
        open_ledger(settings.database_url, migrate=settings.auto_migrate, own=True, shared=is_buffered)
    )
    feed = given.feed or ledger
    front = await _front(stack, settings, ledger, clock, telemetry) if is_buffered else None
    store = front.store if front else await open_store(ledger, clock)
    access = Access(ledger.keys, users=_user_tokens(settings, clock), run_token=given.run_token)
    await access.refresh()
    interval_s = settings.update_interval_ms / 1_000
    hub = Hub(clock, telemetry, run_id=secrets.token_hex(4), interval_s=interval_s)
    publisher = _publisher(settings, store, hub, telemetry)
    # Listened to first, and only then looked at: an update told twice is harmless, one that is missed is not.
    updates = stack.enter_context(store.updates())
    said = stack.enter_context(store.broadcasts())
    hub.prime(await _states(store))
    batcher, engine = _counting(store, ledger, settings, clock, telemetry, front=front)
    rewards = Rewards(ledger, clock)
    runtime = Runtime(
        settings=settings,
        engine=engine,
        moderation=Moderation(store, ledger, clock, acks=front.acks if front else None),
        store=store,
        ledger=ledger,
        telemetry=telemetry,
        clock=clock,
        hub=hub,
        standings=Standings(hub, store.progress, clock, interval_s=interval_s),
        access=access,
        rewards=rewards,
        settling=Settling(store, ledger, rewards, clock, arrivals=front.arrivals if front else None),
        webhooks=new_webhooks(ledger.webhooks, feed, settings, clock),
        syncer=front.syncer if front else None,
    )
    works = [
        access.run(),
        runtime.standings.run(),
        runtime.rewards.run(),
        runtime.settling.run(),
        _pump(store, updates, hub),
        relay(said, hub.rooms, telemetry),
        *_delivering(runtime, ledger, feed, given.on_grant),
        *(front.works() if front else ()),
    ]
    # From here on nothing may fail but tasks: the group would wrap it.
    await _start(stack, batcher, hub, works, publisher)
    return runtime


def _counting(
    store: Store,
    ledger: DurableLedger,
    settings: Settings,
    clock: Clock,
    telemetry: Telemetry,
    *,
    front: _Front | None,
) -> tuple[Batcher, Engine]:
    """The engine, and what groups its callers."""
    batcher = Batcher(
        store,
        telemetry,
        batch_max=settings.batch_max if front is None else CALL_MAX,
        waiting_max=settings.waiting_max,
        calls_max=1 if front is None else CALLS_MAX,
    )
    if front is None:
        return batcher, Engine(store, ledger, batcher, clock)
    return batcher, Engine(store, ledger, batcher, clock, acks=front.acks, opened=front.opened)


def _delivering(
    runtime: Runtime, ledger: FullLedger, feed: Feed, on_grant: OnGrant | None
) -> list[Coroutine[Any, Any, None]]:
    """What tells a host by its callback, and what delivers webhooks, where this process is to."""
    settings, clock = runtime.settings, runtime.clock
    works = []
    if on_grant is not None:
        chance = random.Random()  # noqa: S311 - spreads calls, keeps no secret
        works.append(Callback(ledger, clock, on_grant, chance=chance).run())
    if settings.webhooks:
        works.append(new_dispatcher(ledger.webhooks, feed, settings, clock, runtime.telemetry).run())
        works.append(new_pruning(ledger.webhooks, settings, clock))
    return works


async def _start(
    stack: AsyncExitStack,
    batcher: Batcher,
    hub: Hub,
    works: Sequence[Coroutine[Any, Any, None]],
    publisher: Publisher | None,
) -> None:
    """Start what runs in the background; the hub ends first, and the batcher last."""
    tasks = await stack.enter_async_context(asyncio.TaskGroup())
    tasks.create_task(batcher.run(), name="batcher")
    stack.callback(batcher.close)
    for work in works:
        stack.callback(tasks.create_task(work).cancel)
    if publisher is not None:
        # It ends by itself, soon after the hub has closed: first it publishes what waits.
        tasks.create_task(publisher.run(), name="publisher")
    tasks.create_task(hub.run(), name="hub")
    stack.callback(hub.close)


@dataclass(frozen=True, slots=True)
class _Front:
    """A store in front of the ledger, and what works beside it."""

    store: BufferedStore
    syncer: Syncer | None
    acks: Acks
    arrivals: Arrivals

    def works(self) -> list[Coroutine[Any, Any, None]]:
        own = [] if self.syncer is None else [self.syncer.run()]
        return [*own, self.store.run(), self.acks.run()]

    async def opened(self, goal_ids: Sequence[str]) -> None:
        """Return when the store has these goals, which a syncer builds: ours at once, another at its next turn.

        What is not there after OPENED_S comes later, and answers `store_lost` until then.
        """
        if self.syncer is not None:
            self.syncer.nudge()
        with suppress(TimeoutError):
            async with asyncio.timeout(OPENED_S):
                for goal_id in goal_ids:
                    while not await self._has(goal_id):  # noqa: ASYNC110 - another process may build it
                        await asyncio.sleep(OPENED_LOOK_S)

    async def _has(self, goal_id: str) -> bool:
        try:
            await self.store.state(goal_id)
        except (StoreLost, StoreUnavailable):
            return False
        return True


async def _front(
    stack: AsyncExitStack, settings: Settings, ledger: OutboxLedger, clock: Clock, telemetry: Telemetry
) -> _Front:
    store = await stack.enter_async_context(open_buffered(settings, ledger, clock))
    syncer = new_syncer(settings, store, ledger, clock, telemetry) if settings.sync else None
    if syncer is not None:
        # A goal that Redis does not have yet is built before anybody asks for it.
        await syncer.once()
    nudge = None if syncer is None else syncer.nudge
    return _Front(
        store,
        syncer,
        Acks(store, ledger, default=settings.ack, timeout_s=settings.ack_timeout_s, nudge=nudge),
        Arrivals(store, ledger, batch_max=settings.sync_batch_max),
    )


@asynccontextmanager
async def open_syncer(settings: Settings | None = None) -> AsyncIterator[tuple[BufferedStore, Syncer]]:
    """A store in front of its ledger and what carries between them, and nothing else; `run` of both is the caller's.

    Raises ConfigurationInvalid where the settings name no store, and what `open_runtime` raises.
    """
    settings, clock = settings or Settings.load(), SystemClock()
    if not settings.redis_url:
        raise ConfigurationInvalid(
            "there is nothing to carry: contributions are in the ledger at once", field="redis_url"
        )
    async with (
        open_ledger(settings.database_url, migrate=settings.auto_migrate, own=True, shared=True) as ledger,
        open_buffered(settings, ledger, clock) as store,
    ):
        yield store, new_syncer(settings, store, ledger, clock, Telemetry())


def new_syncer(
    settings: Settings, store: BufferedStore, ledger: OutboxLedger, clock: Clock, telemetry: Telemetry
) -> Syncer:
    """What carries contributions from a store to its ledger."""
    return Syncer(
        store,
        ledger,
        clock,
        telemetry,
        interval_s=settings.sync_interval_ms / 1_000,
        batch_max=settings.sync_batch_max,
        window_s=settings.dedupe_window_s,
    )


async def _states(store: Store) -> list[GoalState]:
    """All goals; but those that a store in front of the ledger has lost, which it will tell when they are back."""
    found = []
    for goal_id in [goal.id for one in store.events.values() for goal in one.event.goals]:
        with suppress(StoreLost):
            found.append(await store.state(goal_id))
    return found


async def _pump(store: Store, updates: AsyncIterator[GoalUpdate], hub: Hub) -> None:
    """Carry what the store tells to the hub, for ever."""
    versions = {event_id: one.version for event_id, one in store.events.items()}
    told: set[str] = set()
    async for update in updates:
        if update.state.goal.id in told:
            # Who watches is told a few times a second: in between, a goal's changes come together.
            await asyncio.sleep(PUMP_S)
            told.clear()
        told.add(update.state.goal.id)
        event_id = update.state.goal.event_id
        published = store.events[event_id]
        if versions.get(event_id) != published.version:
            versions[event_id] = published.version
            hub.keep(event_id, {goal.id for goal in published.event.goals})
        hub.tell(update)


def _publisher(settings: Settings, store: Store, hub: Hub, telemetry: Telemetry) -> Publisher | None:
    """What publishes to a Supabase project, where the settings name one. Raises ConfigurationInvalid."""
    if not settings.supabase_url:
        return None
    try:
        from worldevents.live.publisher import Publisher  # noqa: PLC0415 - its driver is there where it is asked for
        from worldevents.live.supabase import Project  # noqa: PLC0415 - the same
    except ImportError as error:
        message = "publishing to Supabase needs httpx2: pip install 'worldevents[server]'"
        raise ConfigurationInvalid(message, field="supabase_url") from error
    project = Project(
        url=settings.supabase_url,
        key=settings.supabase_key,
        topic=settings.supabase_topic,
        private=settings.supabase_private,
    )
    token = secrets.token_hex(8)
    return Publisher(
        hub,
        telemetry,
        connect=project.connected,
        batch_max=project.batch_max,
        lead=partial(store.lead, PUBLISHER, token=token),
        resign=partial(store.resign, PUBLISHER, token=token),
        chance=random.Random(),  # noqa: S311 - spreads calls, keeps no secret
    )


def _user_tokens(settings: Settings, clock: Clock) -> UserTokens | None:
    return user_tokens(
        secret=settings.jwt_secret,
        jwks_url=settings.jwt_jwks_url,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        clock=clock,
    )
