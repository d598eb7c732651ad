"""Mistakes in the real code, one at a time: some schedule shows each."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, Mutant
from tests.simulation.running import python


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mistake_is_found(mutant: Mutant) -> None:
    """The real code with one mistake in it: some schedule shows it."""
    found = python("-m", "tests.simulation.mutants", mutant.name)
    assert 1 == found.returncode, found.stdout + found.stderr
    assert "--seed" in found.stdout
