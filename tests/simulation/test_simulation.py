"""The seeded simulation: nothing is ever amiss, every fault strikes, a seed is one schedule."""

from __future__ import annotations

import pytest

from tests.simulation.running import python
from worldevents.testing.simulation import run_seed, run_seeds
from worldevents.testing.simulation.scenario import Fault, Verb

SEEDS = 20_000
PARTS = 8
TRACED = ("152", "2599", "3169")
STOPPED = (17, 81, 173)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_amiss_after_any_schedule(part: int) -> None:
    """What was acknowledged is there, once, on both sides; and each fault, repeat and repair did happen."""
    size = SEEDS // PARTS
    figures = run_seeds(range(part * size, (part + 1) * size))
    assert ({}, size) == (figures.failed, figures.seeds)
    happened = {
        *(fault.name.lower() for fault in Fault),
        *Verb,
        "user_banned",
        "repairs",
        "repeats",
        "conflicts",
        "dead letters",
        "unlocks",
    }
    assert set() == {one for one in happened if not figures.did[one]}


@pytest.mark.parametrize("seed", TRACED)
def test_a_seed_is_one_schedule(seed: str) -> None:
    """The same seed does the same, call by call, in any process."""
    traces = [
        python("-m", "worldevents.testing.simulation", "--seed", seed, "--trace", PYTHONHASHSEED=hashing)
        for hashing in ("1", "2")
    ]
    assert [0, 0] == [one.returncode for one in traces], traces[0].stdout[-2_000:] + traces[0].stderr
    assert traces[0].stdout == traces[1].stdout
    assert traces[0].stdout.count("\n") > 100


@pytest.mark.parametrize("seed", STOPPED)
def test_a_seed_is_one_schedule_wherever_things_lie_in_memory(seed: int) -> None:
    """The same seed does the same again and again where a process ends several tasks at once."""
    traces: list[list[str]] = [[] for _ in range(6)]
    for trace in traces:
        run_seed(seed, say=trace.append)
    assert [traces[0]] * 6 == traces


def test_seeds_differ() -> None:
    """Another seed is another schedule."""
    first, second = (python("-m", "worldevents.testing.simulation", "--seed", seed, "--trace") for seed in ("1", "2"))
    assert first.stdout != second.stdout
