"""On which line of a TOML text a field stands: tomllib reads values, this finds them again for a complaint.

It only walks text that tomllib has accepted, so it need not know what is wrong, only where things are.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from typing import Final

Path = tuple[str | int, ...]

DEPTH_MAX: Final = 8
"""How many names of a dotted key are kept: an event file has no field deeper than that."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_NAME = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
_SCALAR = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}'''
    r"""|'''.*?'{3,5}"""
    r'''|"(?:\\.|[^"\\])*"'''
    r"""|'[^']*'"""
    r"""|[^\s,\]}#][^,\]}#\n]*""",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1, of every table, key and value in an array, by its path: names, and places in arrays."""
    walk = _Walk(text.replace("\r\n", "\n"))
    walk.file()
    return walk.found


def line_of(found: Mapping[Path, int], path: Path) -> int | None:
    """The line of a path, or of the nearest table or key around it."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path)


class _Walk:
    """One pass over the text: `_at` is the place reached, `_line` the line of the place `_counted`."""

    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._line, self._counted = 1, 0
        self._sizes: Counter[Path] = Counter()

    def file(self) -> None:
        table: Path = ()
        while self._next() != "":
            if self._take("[["):
                table = self._array_table(self._key())
                self._take("]]")
            elif self._take("["):
                names = self._key()
                table = self._note(self._inside(names[:-1]), names[-1:])
                self._take("]")
            else:
                self._pair(table)

    def _array_table(self, names: Path) -> Path:
        array = self._note(self._inside(names[:-1]), names[-1:])
        self._sizes[array] += 1
        return self._note(array, (self._sizes[array] - 1,))

    def _inside(self, names: Path) -> Path:
        """The table that a header's first names lead to: of an array of tables, its latest."""
        path: Path = ()
        for name in names:
            path = self._note(path, (name,))
            if path in self._sizes:
                path += (self._sizes[path] - 1,)
        return path

    def _pair(self, table: Path) -> None:
        path = self._note(table, self._key())
        self._take("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._take("["):
            place = 0
            while not self._take("]"):
                self._value(self._note(path, (place,)))
                self._take(",")
                place += 1
        elif self._take("{"):
            while not self._take("}"):
                self._pair(path)
                self._take(",")
        else:
            self._read(_SCALAR)

    def _key(self) -> Path:
        names = [self._name()]
        while self._take("."):
            names.append(self._name())
        return tuple(names[:DEPTH_MAX])

    def _name(self) -> str:
        self._next()
        name = self._read(_NAME)
        return str(tomllib.loads(f"name = {name}")["name"]) if name.startswith('"') else name.strip("'")

    def _note(self, table: Path, names: Path) -> Path:
        """The path of these names in this table; the first mention of each is where it stands."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        for name in names:
            table += (name,)
            self.found.setdefault(table, self._line)
        return table

    def _read(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError("not a text that tomllib has accepted")
        self._at = match.end()
        return match[0]

    def _next(self) -> str:
        """What comes after blanks and comments; nothing at the end."""
        self._read(_BLANK)
        return self._text[self._at : self._at + 1]

    def _take(self, mark: str) -> bool:
        self._next()
        taken = self._text.startswith(mark, self._at)
        self._at += len(mark) * taken
        return taken
