"""`python -m worldevents.testing.simulation`: schedules from the command line."""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from worldevents.testing.simulation.running import Figures, run_seed, run_seeds

CHUNK = 500


def main() -> int:
    """Run what the arguments say; 1 where anything was amiss."""
    parser = argparse.ArgumentParser(prog="python -m worldevents.testing.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many schedules, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every call")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--stop", action="store_true", help="stop at the first schedule in which anything is amiss")
    told = parser.parse_args()
    if told.seed is not None:
        found = run_seed(told.seed, say=print if told.trace else None)
        print(*(found or ["nothing is amiss"]), sep="\n")
        return 1 if found else 0
    figures = _all(told.first, told.seeds, told.jobs, stop=told.stop)
    print(f"{figures.seeds:,} schedules, {len(figures.failed)} with something amiss")
    print(", ".join(f"{what} {times:,}" for what, times in sorted(figures.did.items())))
    for seed, found in sorted(figures.failed.items())[:10]:
        print(f"--seed {seed}:", *found, sep="\n  ")
    return 1 if figures.failed else 0


def _all(first: int, seeds: int, jobs: int, *, stop: bool) -> Figures:
    ranges = [range(start, min(start + CHUNK, first + seeds)) for start in range(first, first + seeds, CHUNK)]
    if jobs == 1 or stop:
        return run_seeds(range(first, first + seeds), stop_at_first=stop)
    figures = Figures()
    with ProcessPoolExecutor(jobs) as pool:
        for one in pool.map(run_seeds, ranges):
            figures.seeds += one.seeds
            figures.failed |= one.failed
            figures.did += one.did
    return figures


if __name__ == "__main__":
    sys.exit(main())
