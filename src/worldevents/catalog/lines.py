"""On which line of a TOML text a field stands: tomllib reads values, this finds them again for a complaint.

It only looks at text that tomllib has accepted, so it need not know what is wrong, only where things are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=\s*(.*)"""
)
_NAME = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|#.*""")


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1, of every table and key, by its path: names, and places in arrays of tables."""
    found: dict[Path, int] = {}
    sizes: Counter[Path] = Counter()
    table: Path = ()
    inside: str | None = None
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if inside is not None:
            inside = None if inside in line else inside
        elif depth > 0:
            depth += _open_brackets(line)
        elif header := _HEADER.match(line):
            table = _table(_names(header[2]), repeated=header[1] == "[[", sizes=sizes)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found[table + _names(key[1])] = number
            value = key[2]
            quote = value[:3]
            if quote in ('"""', "'''") and quote not in value[3:]:
                inside = quote
            else:
                depth = _open_brackets(value)
    return found


def line_of(found: Mapping[Path, int], path: Path) -> int | None:
    """The line of a path, or of the nearest table or key around it."""
    while path and path not in found:
        path = path[:-1]
    return found.get(path)


def _names(dotted: str) -> Path:
    return tuple(name.strip("\"'") for name in _NAME.findall(dotted))


def _table(names: Path, *, repeated: bool, sizes: Counter[Path]) -> Path:
    path: Path = ()
    for name in names[:-1]:
        path += (name,)
        if path in sizes:
            path += (sizes[path] - 1,)
    path += names[-1:]
    if not repeated:
        return path
    sizes[path] += 1
    return (*path, sizes[path] - 1)


def _open_brackets(value: str) -> int:
    bare = _QUOTED.sub("", value)
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
