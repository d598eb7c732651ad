"""Which branches of the Lua functions were taken: a plugin that loads them with a mark in every branch.

    python -m pytest -p tests.store.lua_trace tests/store/test_redis_functions.py

In the folder of WORLDEVENTS_LUA_TRACE it leaves the lines of branches that no test took, as JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from worldevents.store.redis import connection

_MARKS = """
local HITS = {}
local function hit(place)
  HITS[place] = true
end
redis.register_function{function_name = 'worldevents_hits', flags = {'no-writes'}, callback = function()
  local found = {}
  for place in pairs(HITS) do
    table.insert(found, place)
  end
  return found
end}
"""


class Marking:
    """Puts the marks."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.marks: dict[int, str] = {}
        """The line that each mark stands behind."""
        self._blocks: list[list[str]] = []
        self._begun = ""

    def read(self, line: str) -> None:
        """Take one line over, with the mark that belongs before or behind it."""
        told = line.partition("--")[0].strip()
        self._begun = f"{self._begun} {told}".strip()
        if told == "end":
            self._end()
        self.lines.append(line)
        if told == "else":
            self._blocks[-1][0] = "if with else"
            self._mark("else")
        elif told.endswith(("then", "do")):
            if not self._begun.startswith("elseif"):
                self._blocks.append([self._begun.split()[0], self._begun])
            self._mark(self._begun)
        elif "function" in told.split("(")[0].split():
            self._blocks.append(["function", told])
            self._mark(told)
        elif not self._begun.startswith(("if", "elseif")):
            # Only a condition goes on in the next line.
            self._begun = ""

    def _end(self) -> None:
        kind, opened = self._blocks.pop()
        if kind == "if":
            self.lines.append("else")
            self._mark(f"not: {opened}")
        self._begun = ""

    def _mark(self, line: str) -> None:
        self.marks[len(self.marks)] = line
        self.lines.append(f"hit({len(self.marks) - 1})")
        self._begun = ""


def marked(library: str) -> tuple[str, dict[int, str]]:
    """The library with a mark in every branch, those that are not written too; and the line of each mark."""
    marking = Marking()
    first, *rest = library.splitlines()
    for line in rest:
        marking.read(line)
    return "\n".join([first, _MARKS, *marking.lines]), marking.marks


_LIBRARY, _MARKED = marked(connection.LIBRARY)
_taken: set[int] = set()


def pytest_configure() -> None:
    """From now on the marked functions are loaded."""
    connection.LIBRARY = _LIBRARY  # type: ignore[misc]


@pytest.fixture(autouse=True)
def _take_note(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ask the server of a test what was taken, before it is gone."""
    server = request.getfixturevalue("redis_server")
    yield
    with server.client() as client:
        _ask(client)


def _ask(client: redis.Redis) -> None:
    try:
        found: Any = client.fcall("worldevents_hits", 0)
    except redis.ResponseError:
        # The test has taken the functions away.
        return
    _taken.update(int(place) for place in found)


def pytest_sessionfinish() -> None:
    """Leave what was missed."""
    missed = [line for place, line in sorted(_MARKED.items()) if place not in _taken]
    Path(os.environ["WORLDEVENTS_LUA_TRACE"], "missed.json").write_text(json.dumps([len(_MARKED), missed]))
