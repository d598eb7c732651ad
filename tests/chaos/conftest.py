"""Randomness for the chaos tests."""

import os
import random

import pytest


@pytest.fixture
def chance() -> random.Random:
    """Randomness that can be had again: WORLDEVENTS_CHAOS_SEED takes the seed that a failed test has printed."""
    seed = int(os.environ.get("WORLDEVENTS_CHAOS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"WORLDEVENTS_CHAOS_SEED={seed}")  # noqa: T201 - pytest shows it with a failure
    return random.Random(seed)  # noqa: S311 - nothing is secret here
