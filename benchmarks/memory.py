"""How much a process grows by a million contributors: resident memory, against the same process with an empty goal.

Each side is a process of its own that opens a database and looks at itself. Linux only: it reads /proc/self/statm.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.crowd import crowded
from benchmarks.event import GOAL
from benchmarks.measuring import Figure, Report, arguments, databases, in_turns, tell
from worldevents import Settings, open_runtime

CONTRIBUTORS = 1_000_000
WANTED_MB = 300


async def resident(database: str, expected: int) -> int:
    """Bytes of this process with the database open and read."""
    async with open_runtime(Settings(database_url=f"sqlite:///{database}")) as runtime:
        found = (await runtime.engine.leaderboard(GOAL)).participants
        if found != expected:
            raise RuntimeError(f"{expected} contributors were made, {found} are there")
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])  # noqa: ASYNC240 - nobody else waits
        return pages * os.sysconf("SC_PAGE_SIZE")


def resident_mb(database: Path, expected: int) -> float:
    """Megabytes of a new process with the database open."""
    command = [sys.executable, "-m", "benchmarks.memory", "--look", str(database), str(expected)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this very program
    return int(done.stdout) / 1e6


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and tell."""
    parser = arguments(__doc__ or "", rounds=3)
    parser.add_argument("--contributors", type=int, default=CONTRIBUTORS)
    parser.add_argument("--look", nargs=2, metavar=("DATABASE", "CONTRIBUTORS"), help="what this program asks itself")
    chosen = parser.parse_args(argv)
    if chosen.look:
        database, expected = chosen.look
        sys.stdout.write(str(asyncio.run(resident(database, int(expected)))))
        return
    size: int = chosen.contributors
    with databases(chosen.folder) as new:
        empty, full = asyncio.run(crowded(new, 0)), asyncio.run(crowded(new, size))
        sides = in_turns(
            chosen.rounds, {"empty": lambda: resident_mb(empty, 0), "full": lambda: resident_mb(full, size)}
        )
    growth = max(full - empty for empty, full in zip(*sides.values(), strict=True))
    ratio = growth / WANTED_MB
    figure = Figure(f"{size:,} contributors", "MB", sides, ratio, f"<= 1 ({WANTED_MB} MB more)", met=ratio <= 1)
    notes = {"growth": f"{growth:.0f} MB", "each": f"{growth * 1e6 / max(size, 1):.0f} bytes"}
    tell(Report("Memory by contributors", [figure], notes), as_json=chosen.json)


if __name__ == "__main__":
    main()
