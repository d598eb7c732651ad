"""What commands print: data on stdout, messages on stderr, colour and bars only for a person at a terminal.

Texts from files and players are shown without control characters, and are never read as markup.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from worldevents.errors import Complaint, WorldEventsError

BAR_CELLS = 40
"""How wide a goal's bar is."""
_PLAIN_WIDTH = 10_000
"""Lines that nobody looks at in a terminal are not wrapped."""


def document(value: Mapping[str, Any]) -> None:
    """Print data as one JSON document."""
    sys.stdout.write(_json(value, sys.stdout))


def document_line(value: Mapping[str, Any]) -> None:
    """Print data as one line of JSON, at once: somebody reads along."""
    sys.stdout.write(json.dumps(value, ensure_ascii=_is_ascii_only(sys.stdout)) + "\n")
    sys.stdout.flush()


def problem(value: Mapping[str, Any]) -> None:
    """Print what went wrong as one JSON document; stdout is left to data."""
    sys.stderr.write(_json(value, sys.stderr))


def _json(value: Mapping[str, Any], stream: TextIO) -> str:
    return json.dumps(value, indent=2, ensure_ascii=_is_ascii_only(stream)) + "\n"


def _is_ascii_only(stream: TextIO) -> bool:
    return (stream.encoding or "").lower() not in ("utf-8", "utf8")


def note(text: str) -> None:
    """Tell a person something that is not the answer."""
    sys.stderr.write(f"{printable(text)}\n")


def complain(error: WorldEventsError, *, as_json: bool) -> None:
    """Say what went wrong: a line with the code, and one for each complaint about an event."""
    from worldevents.errors import EventInvalid

    complaints = error.complaints if isinstance(error, EventInvalid) else ()
    if as_json:
        problem(
            {
                "code": error.code,
                "detail": error.detail,
                **({} if error.field is None else {"field": error.field}),
                "retryable": error.retryable,
                **({"complaints": [_complaint(one) for one in complaints]} if complaints else {}),
            }
        )
        return
    if len(complaints) > 1:
        note(f"error {error.code}: {len(complaints)} complaints")
        for complaint in complaints:
            note(f"  {complaint}")
    else:
        named = error.field is None or error.field in error.detail
        note(f"error {error.code}: {error.detail}" + ("" if named else f" ({error.field})"))


def _complaint(one: Complaint) -> dict[str, Any]:
    return {"line": one.line, "field": one.field, "message": one.message}


def printable(text: str) -> str:
    """A text without characters that would move a cursor or change a colour."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def fancy(stream: TextIO) -> bool:
    """Whether this stream is a terminal whose user has not asked for plain text."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def has_bars() -> bool:
    """Whether data may be drawn, and not only written."""
    return fancy(sys.stdout)


def console() -> Console:
    """Where data is printed for people."""
    from rich.console import Console

    rich = fancy(sys.stdout)
    return Console(
        file=sys.stdout,
        color_system="auto" if rich else None,
        force_terminal=rich,
        width=None if rich else _PLAIN_WIDTH,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=not rich,
    )


def line(text: str, style: str = "") -> None:
    """Print a line of data."""
    console().print(styled(text, style))


def show(parts: Iterable[Text | Table]) -> None:
    """Print lines and tables of data, one after the other."""
    from rich.table import Table

    where = console()
    for part in parts:
        if has_bars() or not isinstance(part, Table):
            where.print(part)
            continue
        with where.capture() as written:
            where.print(part)
        # Columns are filled up with spaces, the last one too.
        sys.stdout.writelines(f"{row.rstrip()}\n" for row in written.get().splitlines())


def paragraph(text: str) -> list[Text]:
    """A longer text of an event file, in its own lines; nothing where there is none."""
    return [styled(part, "italic") for part in text.strip().splitlines()]


def styled(text: str, style: str = "") -> Text:
    """A text that is shown as it is, in a style where there is colour."""
    from rich.text import Text

    return Text(printable(text), style=style)


def table(heads: Sequence[str], rows: Sequence[Sequence[str | Text]], *, right: Sequence[str] = ()) -> None:
    """Print rows in columns under their heads; the columns named in `right` are flush with it."""
    show([grid(heads, rows, right=right)])


def grid(heads: Sequence[str], rows: Sequence[Sequence[str | Text]], *, right: Sequence[str] = ()) -> Table:
    """The same, to be printed with other parts."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        made.add_column(head, justify="right" if head in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(styled(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def amount(value: float, unit: str = "") -> str:
    """An amount from a document as people write it: 1,234.5 kg."""
    shown = f"{int(value) if value == int(value) else value:,}"
    return f"{shown} {unit}".rstrip()


def people(count: int) -> str:
    """So many contributors, in words."""
    return f"{count:,} contributor" + ("" if count == 1 else "s")


def moment(instant: str) -> str:
    """An instant from a document as people read it: 2026-12-01 00:00 UTC."""
    return f"{instant[:10]} {instant[11:16]} UTC"


def bar(percent: float, tiers: Sequence[tuple[float, bool]], *, cells: int = BAR_CELLS) -> Text:
    """A bar that is full at 100 percent, with a mark for each tier (percent, unlocked) up to there."""
    from rich.text import Text

    full = int(min(percent, 100) / 100 * cells)
    marks = {_cell(at, cells): unlocked for at, unlocked in tiers if at <= 100}  # noqa: PLR2004 - percent
    drawn = Text(no_wrap=True)
    for cell in range(cells):
        if cell in marks:
            drawn.append("◆" if marks[cell] else "◇", "bold green" if marks[cell] else "bold")
        else:
            drawn.append("━", "cyan" if cell < full else "bright_black")
    return drawn


def _cell(percent: float, cells: int) -> int:
    return min(cells - 1, max(0, round(percent / 100 * cells) - 1))
