"""Random lives of a system in one process agree with a model of plain dictionaries."""

from collections.abc import Callable

import pytest

from tests.system.lives import EMBEDDED, IN_EMBEDDED, check, on_sqlite


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", EMBEDDED)
def test_a_system_on_sqlite_lives_as_the_model(part: int, say: Callable[[str], None]) -> None:
    """Whatever players, operators and time do in whatever order: after every step both say the same."""
    with on_sqlite() as machine:
        say(check(machine, part, IN_EMBEDDED))
