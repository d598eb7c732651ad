"""Every branch of the Lua functions is taken by a test of theirs, the branches that are not written too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.lua_trace import marked

FILES = ("functions", "outliers", "restoring", "buffering", "moving", "settling", "erasing")
TESTS = [f"tests/store/test_redis_{what}.py" for what in FILES]


def test_every_branch_has_a_mark() -> None:
    """A condition that goes on in the next line, a loop, and an `else` that nobody wrote."""
    library = "#!lua\nlocal function f(x)\n  if x or\n     y then\n    return\n  end\n  for _ = 1, 2 do\n  end\nend\n"
    _, marks = marked(library)
    assert ["local function f(x)", "if x or y then", "not: if x or y then", "for _ = 1, 2 do"] == list(marks.values())


@pytest.mark.usefixtures("redis_server")
def test_every_branch_is_taken(tmp_path: Path) -> None:
    """The tests of the functions leave nothing out."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "tests.store.lua_trace", *TESTS],
        env=os.environ | {"WORLDEVENTS_LUA_TRACE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert 0 == ran.returncode, ran.stdout
    branches, missed = json.loads((tmp_path / "missed.json").read_text())
    assert [] == missed
    assert branches > 150
