"""Mistakes in the package, one at a time: the lives of `make test` show each. `make soak` looks."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import Mutant
from tests.simulation.running import python
from tests.system.lives import SHARES
from tests.system.mutants import MUTANTS


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(SHARES == 1, reason="takes minutes: make soak looks")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mistake_is_found(mutant: Mutant) -> None:
    """The real code with one mistake in it: some life shows it."""
    found = python("-m", "tests.system.mutants", mutant.name)
    assert 1 == found.returncode, found.stdout + found.stderr
    assert "state.begin(" in found.stdout
