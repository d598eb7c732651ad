"""From an unlock to its last grant, for a million contributors, while contributions go on: time, memory, and their p99.

Contributions come at a steady rate from the outside of the library, before the unlock and during the job; each is timed
from the call to its receipt. On SQLite, in one process, where a page of the job and a contribution share one thread.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from benchmarks.crowd import crowded
from benchmarks.event import GOAL, open_event
from benchmarks.measuring import Figure, Report, arguments, databases, tell
from worldevents import Settings, open_runtime, rules
from worldevents.runtime import Runtime

CONTRIBUTORS = 1_000_000
QUIET_S = 20.0
EVERY_S = 0.005
WANTED = 2.0


class Pace:
    """Contributions that go on, and how long each took."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        self._engine = runtime.engine
        self._name = name
        self.took: list[float] = []
        self.resident = 0

    async def go(self, seconds: float, done: asyncio.Event | None = None) -> None:
        """One every few milliseconds, whether or not those before were answered."""
        begun, number = time.perf_counter(), 0
        async with asyncio.TaskGroup() as tasks:
            while time.perf_counter() - begun < seconds and not (done and done.is_set()):
                tasks.create_task(self._one(number))
                number += 1
                if number % 200 == 0:
                    self.resident = max(self.resident, resident())
                await asyncio.sleep(max(0.0, begun + number * EVERY_S - time.perf_counter()))

    async def _one(self, number: int) -> None:
        begun = time.perf_counter()
        user = f"{self._name}-{number % 997}"
        await self._engine.contribute(GOAL, user, "0.001", contribution_id=f"{self._name}-{number}")
        self.took.append(time.perf_counter() - begun)

    @property
    def p99_ms(self) -> float:
        """In milliseconds."""
        return statistics.quantiles(self.took, n=100)[98] * 1e3


def resident() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(database: Path, size: int, quiet_s: float) -> dict[str, float]:
    """Seconds, megabytes and p99s of one unlock."""
    async with open_runtime(Settings(database_url=f"sqlite:///{database}")) as runtime:
        quiet, busy = Pace(runtime, "quiet"), Pace(runtime, "busy")
        await quiet.go(quiet_s)
        before = resident()
        event = open_event()
        target, (first, *_) = size * 2, event.goals[0].tiers
        tier = replace(first, threshold=Decimal(25), threshold_value=rules.threshold_value(target, Decimal(25)))
        goal = replace(event.goals[0], target=target, tiers=(tier,))
        current = runtime.engine.event(event.id).event
        goal = replace(goal, starts_at=current.starts_at, ends_at=current.ends_at)
        await runtime.engine.publish(replace(current, goals=(goal,)), author="benchmark")
        begun, done = time.perf_counter(), asyncio.Event()

        async def wait() -> float:
            await runtime.rewards.idle()
            done.set()
            return time.perf_counter() - begun

        took, _ = await asyncio.gather(wait(), busy.go(3_600, done))
        granted = 0
        while page := await runtime.rewards.grants(after=granted):
            granted = page[-1].number
        if granted < size or await runtime.rewards.sweep(GOAL):
            raise RuntimeError(f"{size} contributors, grants up to number {granted}, and somebody was missing")
        return {
            "seconds": took,
            "megabytes": max(0.0, (busy.resident - before) / 1e6),
            "quiet": quiet.p99_ms,
            "busy": busy.p99_ms,
            "quiet median": statistics.median(quiet.took) * 1e3,
            "busy median": statistics.median(busy.took) * 1e3,
            "contributions": float(len(busy.took)),
        }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and tell."""
    parser = arguments(__doc__ or "", rounds=1)
    parser.add_argument("--contributors", type=int, default=CONTRIBUTORS)
    parser.add_argument("--quiet", type=float, default=QUIET_S, help="seconds of contributions before the unlock")
    chosen = parser.parse_args(argv)
    size: int = chosen.contributors
    with databases(chosen.folder) as new:
        rounds = [asyncio.run(_round(new(), size, chosen.quiet)) for _ in range(chosen.rounds)]
    sides = {name: [one[name] for one in rounds] for name in ("quiet", "busy")}
    ratio = statistics.median(one["busy"] / one["quiet"] for one in rounds)
    figure = Figure("p99 of contributions", "ms", sides, ratio, f"<= {WANTED:g}", met=ratio <= WANTED)
    last = rounds[-1]
    notes = {
        "unlock to last grant": f"{last['seconds']:.1f} s for {size:,} contributors",
        "memory": f"{last['megabytes']:.0f} MB more at most",
        "medians": f"quiet {last['quiet median']:.2f} ms, busy {last['busy median']:.2f} ms",
        "contributions during the job": f"{last['contributions']:,.0f}",
    }
    tell(Report("Granting a tier", [figure], notes), as_json=chosen.json)


async def _round(database: Path, size: int, quiet_s: float) -> dict[str, float]:
    return await measure(await crowded(lambda: database, size), size, quiet_s)


if __name__ == "__main__":
    main()
