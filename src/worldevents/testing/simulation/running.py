"""Runs schedules, one seed after the other."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from worldevents.testing.simulation.checks import complaints
from worldevents.testing.simulation.counting import Counting
from worldevents.testing.simulation.loop import Stuck, VirtualLoop
from worldevents.testing.simulation.scenario import Fault, scenario
from worldevents.testing.simulation.wire import LATEST_S
from worldevents.testing.simulation.world import RETRY_S, World

TURNS_MAX = 40_000
_log = logging.getLogger("worldevents")


@dataclass(slots=True)
class Figures:
    """What a number of schedules came to."""

    seeds: int = 0
    failed: dict[int, list[str]] = field(default_factory=dict)
    """What was amiss, by seed."""
    did: Counter[str] = field(default_factory=Counter)
    """How often what happened: a fault that never strikes shows nothing."""


class _Alarm(logging.Handler):
    """Hears what is logged as critical: in a simulation nothing may be."""

    def __init__(self) -> None:
        super().__init__(logging.CRITICAL)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


def run_seeds(seeds: Iterable[int], *, stop_at_first: bool = False) -> Figures:
    """Run these, and count."""
    figures = Figures()
    with _collected_by_hand():
        for seed in seeds:
            found = run_seed(seed, figures=figures)
            gc.collect(0)
            figures.seeds += 1
            if found:
                figures.failed[seed] = found
                if stop_at_first:
                    break
    return figures


@contextmanager
def _collected_by_hand() -> Iterator[None]:
    """All that a schedule leaves is garbage at its end, and little before: looking for it meanwhile takes long."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def run_seed(seed: int, *, say: Callable[[str], None] | None = None, figures: Figures | None = None) -> list[str]:
    """Run one schedule, and say what is amiss with it; `say` hears every call."""
    rng = Random(seed)  # noqa: S311 - a schedule, no secret
    loop = VirtualLoop(turns_max=TURNS_MAX)
    telemetry = Counting()
    world = World(scenario(rng), rng, loop, telemetry, say)
    if say is not None:
        say(f"seed {seed}: {world.plan}")
    alarm = _Alarm()
    level, propagates = _log.level, _log.propagate
    _log.addHandler(alarm)
    _log.setLevel(logging.CRITICAL)
    _log.propagate = False
    try:
        loop.run_until_complete(_live(world))
    except Stuck as error:
        _abandon(loop)
        return [*world.complaints, f"stuck: {error}"]
    finally:
        _log.removeHandler(alarm)
        _log.setLevel(level)
        _log.propagate = propagates
        loop.close()
    # With little kept, what another syncer acknowledges during a second look is gone before it was looked at again.
    if alarm.heard and not world.may_differ and not world.plan.has(Fault.RESTART):
        world.complaints += alarm.heard
    if figures is not None:
        _count(world, figures.did)
    return complaints(world, telemetry.value("differences"))


async def _live(world: World) -> None:
    """Begin, let everything happen, and carry what is left, until nothing waits."""
    await world.begin()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.go_wrong())
        for offered in world.plan.offered:
            tasks.create_task(world.tell_all(offered))
        for operations in world.plan.operations:
            tasks.create_task(world.operators.do_all(operations))
    for node in world.nodes:
        await world.stop(node)
    # What is on its way arrives.
    await asyncio.sleep(LATEST_S)
    last = await world.start("last", serves=False)
    await world.rest(last)
    while not await last.syncer.once():  # noqa: ASYNC110 - it carries, and waits for somebody else's lease
        await asyncio.sleep(RETRY_S)


def _abandon(loop: VirtualLoop) -> None:
    """Cancel what still runs, so that nothing is said of it when it is thrown away."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.turns_left = TURNS_MAX
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _count(world: World, did: Counter[str]) -> None:
    did.update(fault.name.lower() for _, fault in world.plan.faults)
    did["receipts"] += len(world.heard.receipts)
    did["repeats"] += sum(receipt.duplicate for _, receipt in world.heard.receipts)
    did["conflicts"] += world.heard.conflicts
    did.update(world.operators.did)
    did["rows"] += len(world.database.tables.rows)
    did["repairs"] += len(world.database.tables.done)
    did["dead letters"] += len(world.database.tables.dead_letters)
    did["unlocks"] += len(world.database.tables.unlocks)
    did["epochs"] += world.database.tables.generation
    did["may be lost"] += len(world.may_be_lost)
