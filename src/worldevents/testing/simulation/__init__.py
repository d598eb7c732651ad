"""Seeded simulation: the real engine, batcher, acks, syncer and restorer over models of their two servers.

One random number generator decides what is contributed, how long each call takes, which are lost, and what fails when.
The same seed is the same schedule, call by call.

    python -m worldevents.testing.simulation --seeds 20000
    python -m worldevents.testing.simulation --seed 4711 --trace
"""

from __future__ import annotations

from worldevents.testing.simulation.running import Figures, run_seed, run_seeds

__all__ = ["Figures", "run_seed", "run_seeds"]
