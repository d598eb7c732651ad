"""Where every field of a TOML text stands: found for any text that tomllib accepts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldevents.catalog.lines import Path, line_of, lines_of

# Each text with the lines of its paths; nothing else may be found.
TRICKY: dict[str, tuple[str, dict[Path, int]]] = {
    "nothing": ("", {}),
    "comments": ("# [a]\n  # b = 1\n\n", {}),
    "dotted keys": ("\na.b.c = 1\na . d = 2\n", {("a",): 2, ("a", "b"): 2, ("a", "b", "c"): 2, ("a", "d"): 3}),
    "quoted keys": (
        '"a.b" = 1\n\'c d\' = 2\n"e\\"f" = 3\n"\\u00e9" = 4\n"" = 5\n"x[0]" = 6\n',
        {("a.b",): 1, ("c d",): 2, ('e"f',): 3, ("é",): 4, ("",): 5, ("x[0]",): 6},
    ),
    "quoted headers": (
        "['a.b']\n\n[\"c]\" . d]\ne = 1\n",
        {("a.b",): 1, ("c]",): 3, ("c]", "d"): 3, ("c]", "d", "e"): 4},
    ),
    "text over lines that looks like a table": (
        'a = """\n[[goals]]\nb = 1\n# """\nc = 2\n',
        {("a",): 1, ("c",): 5},
    ),
    "literal text over lines": ("a = '''\n[b]\n\\'''\nc = 1\n", {("a",): 1, ("c",): 4}),
    "quotes at the end of a text over lines": (
        'a = """\nb = 1""""\nc = \'\'\'\n\'\'\'\'\'\nd = """\\"""\n"""\ne = 1\n',
        {("a",): 1, ("c",): 3, ("d",): 5, ("e",): 7},
    ),
    "empty texts": ("a = ''\nb = \"\"\nc = ''''''\nd = \"\"\"\"\"\"\n", {("a",): 1, ("b",): 2, ("c",): 3, ("d",): 4}),
    "brackets and signs in text": ('a = "[[ { # ="\nb = \'[" {\'\n', {("a",): 1, ("b",): 2}),
    "brackets in comments": ("a = 1 # [[ {\n# ]] }\nb = 2\n", {("a",): 1, ("b",): 3}),
    "an array over lines": (
        'a = [ # ]\n  "]", # [\n\n  [ 1,\n    2 ],\n]\nb = 1\n',
        {("a",): 1, ("a", 0): 2, ("a", 1): 4, ("a", 1, 0): 4, ("a", 1, 1): 5, ("b",): 7},
    ),
    "text over lines in an array": (
        'a = ["""\n]\nb = 1""", \'x\']\nc = 1\n',
        {("a",): 1, ("a", 0): 1, ("a", 1): 3, ("c",): 4},
    ),
    "inline tables": (
        'a = { b = 1, c.d = "}", "e f" = [{ g = 1 }] }\n',
        {
            ("a",): 1,
            ("a", "b"): 1,
            ("a", "c"): 1,
            ("a", "c", "d"): 1,
            ("a", "e f"): 1,
            ("a", "e f", 0): 1,
            ("a", "e f", 0, "g"): 1,
        },
    ),
    "tables in an array over lines": (
        "a = [\n  { b = 1 },\n  { b = 2, c = [\n 3] },\n]\n",
        {
            ("a",): 1,
            ("a", 0): 2,
            ("a", 0, "b"): 2,
            ("a", 1): 3,
            ("a", 1, "b"): 3,
            ("a", 1, "c"): 3,
            ("a", 1, "c", 0): 4,
        },
    ),
    "instants with a blank": (
        "a = 2026-12-01 00:00:00Z\nb = [2026-12-01, 10:00:00]\n",
        {("a",): 1, ("b",): 2, ("b", 0): 2, ("b", 1): 2},
    ),
    "nested arrays of tables": (
        "[[g]]\nid = 1\n[[g.t]]\nx = 1\n[[g.t]]\nx = 2\n[g.t.r]\ny = 3\n[[g]]\n[[g.t]]\nx = 4\n",
        {
            ("g",): 1,
            ("g", 0): 1,
            ("g", 0, "id"): 2,
            ("g", 0, "t"): 3,
            ("g", 0, "t", 0): 3,
            ("g", 0, "t", 0, "x"): 4,
            ("g", 0, "t", 1): 5,
            ("g", 0, "t", 1, "x"): 6,
            ("g", 0, "t", 1, "r"): 7,
            ("g", 0, "t", 1, "r", "y"): 8,
            ("g", 1): 9,
            ("g", 1, "t"): 10,
            ("g", 1, "t", 0): 10,
            ("g", 1, "t", 0, "x"): 11,
        },
    ),
    "headers with blanks": (
        "  [ a . b ] # c\n\t[[ a . d ]]\n",
        {("a",): 1, ("a", "b"): 1, ("a", "d"): 2, ("a", "d", 0): 2},
    ),
    "signs that are line ends elsewhere": ("# \u2028 \x85\na = '\u2029'\nb = 1", {("a",): 2, ("b",): 3}),
}


@pytest.mark.parametrize("name", TRICKY)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_every_field_is_found_on_its_line(name: str, end: str) -> None:
    """However a text is laid out, each path has its line, and there are no others."""
    text, expected = TRICKY[name]
    text = text.replace("\n", end)
    tomllib.loads(text)
    assert expected == lines_of(text)


def test_a_place_without_a_line_takes_that_of_what_is_around_it() -> None:
    """A field that is missing is told by its table; without one there is no line."""
    found = lines_of("[event]\n[[goals]]\nid = 1\n")
    assert line_of(found, ("goals", 0, "id")) == 3
    assert line_of(found, ("goals", 0, "name")) == 2
    assert line_of(found, ("event", "id")) == 1
    assert line_of(found, ("metrics", 0)) is None
    assert line_of(found, ()) is None


def test_a_large_file_is_walked_in_one_pass() -> None:
    """A large file takes about as long as reading it."""
    text = "a = [" + "1,\n" * 30_000 + "]\n" + "".join(f"k{number} = '#'\n" for number in range(20_000))
    assert lines_of(text)["k19999",] == 30_001 + 20_000


def test_a_key_of_many_names_is_cut() -> None:
    """An absurd key costs no memory."""
    assert len(lines_of(".".join(["a"] * 1_000) + " = 1\n")) == 8


# The property: a text is generated together with the truth.

keys = st.sampled_from(["a", "b-1", '"q.r"', "'s t'", '"[u]"'])
gaps = st.sampled_from(["", "", "\n", "# [x] = 1\n", "\n\n", "  # '''\n"])
scalars = st.sampled_from(
    [
        "1",
        "-2.5e3",
        "true",
        '"x"',
        "'#'",
        '"""\n[[a]]\nb = 1\n"""',
        "'''\n]\n'''",
        '"a\\"]"',
        "2026-12-01 00:00:00Z",
        "nan",
    ]
)


class Draft:
    """A text that is being written, and on which line each path begins."""

    def __init__(self, data: st.DataObject) -> None:
        self.text = ""
        self.truth: dict[Path, int] = {}
        self._data = data

    def write(self, text: str) -> None:
        self.text += text

    def here(self, path: Path) -> Path:
        self.truth[path] = self.text.count("\n") + 1
        return path

    def gap(self) -> None:
        self.write(self._data.draw(gaps))

    def some_keys(self) -> Iterator[tuple[str, str]]:
        """A few different keys: as they are written, and as they are named."""
        for key in self._data.draw(st.lists(keys, unique=True, max_size=3)):
            yield key, key.strip("\"'")

    def value(self, path: Path, depth: int) -> None:
        kind = self._data.draw(st.sampled_from(["scalar", "array", "table"] if depth else ["scalar"]))
        if kind == "scalar":
            self.write(self._data.draw(scalars))
        elif kind == "array":
            self.array(path, depth)
        else:
            self.inline(path, depth)

    def array(self, path: Path, depth: int) -> None:
        self.write("[")
        for place in range(self._data.draw(st.integers(0, 2))):
            self.gap()
            self.value(self.here((*path, place)), depth - 1)
            self.gap()
            self.write(", ")
        self.gap()
        self.write("]")

    def inline(self, path: Path, depth: int) -> None:
        self.write("{")
        for number, (written, name) in enumerate(self.some_keys()):
            self.write(", " if number else " ")
            self.here((*path, name))
            self.write(f"{written} = ")
            self.value((*path, name), depth - 1)
        self.write("}")

    def pairs(self, path: Path) -> None:
        for written, name in self.some_keys():
            self.gap()
            self.here((*path, name))
            self.write(f"{written} = ")
            self.value((*path, name), 3)
            self.write(self._data.draw(st.sampled_from(["\n", " # [c\n"])))

    def tables(self) -> None:
        """An array of tables, each with an array of tables and a table inside."""
        for place in range(self._data.draw(st.integers(0, 2))):
            self.here(("goals", place))
            self.write("[[goals]]\n")
            self.pairs(("goals", place))
            for inner in range(self._data.draw(st.integers(0, 2))):
                self.gap()
                self.here(("goals", place, "tiers", inner))
                self.write(" [[ goals . 'tiers' ]]\n")
                self.pairs(("goals", place, "tiers", inner))
            self.here(("goals", place, "more"))
            self.write('["goals".more]\n')
            self.pairs(("goals", place, "more"))


@settings(max_examples=80)
@given(st.data(), st.sampled_from(["\n", "\r\n"]))
def test_in_any_document_every_path_has_its_line(data: st.DataObject, end: str) -> None:
    """Every table, key and value of a generated document is found on the line where it was written."""
    draft = Draft(data)
    draft.pairs(())
    draft.tables()
    text = draft.text.replace("\n", end)
    tomllib.loads(text)
    found = lines_of(text)
    assert draft.truth == {path: found.get(path) for path in draft.truth}
    assert found.keys() - draft.truth.keys() <= {("goals",), ("goals", 0, "tiers"), ("goals", 1, "tiers")}
