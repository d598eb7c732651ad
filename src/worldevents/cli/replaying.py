"""What `replay` and `demo` share: the shipped month, its bar on stderr while it goes by, and its report for people."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

import typer

from worldevents.cli import output

if TYPE_CHECKING:
    from worldevents.demo.replay import Progress

FIRST_DAY = date(2023, 12, 1)
END_DAY = date(2024, 1, 1)
MAX = float("inf")


def speed(text: str) -> float:
    """An option's text as simulated seconds for each real one; `max` is infinity."""
    try:
        told = MAX if text == "max" else float(text)
    except ValueError:
        told = 0.0
    if not told > 0:
        raise typer.BadParameter(f"{text!r} is neither max nor a number above 0")
    return told


@contextmanager
def progress(rows: int) -> Iterator[Callable[[Progress], None] | None]:
    """A bar on stderr for a person at a terminal, and nothing for anybody else."""
    if not output.fancy(sys.stderr):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=rows)
        yield lambda progress: shown.update(task, completed=progress.done, description=progress.day.isoformat())


def draw(report: dict[str, Any], refusals: tuple[tuple[str, int], ...]) -> None:
    """Print a report as a table."""
    start, end = report["window"]
    output.line(f"{start} to {end}: {report['rows']:,} rows, {report['nameless']:,} without a name", "bold")
    output.line("")
    metrics = {key: one for key, one in report.items() if isinstance(one, dict)}
    rows = [
        (
            key,
            _grouped(one["total"]),
            f"{one['counted']:,}",
            f"{one['duplicates']:,}",
            f"{one['conflicts']:,}",
            f"{one['contributors']:,}",
            one["target_met_on"] or "not met",
        )
        for key, one in metrics.items()
    ]
    heads = ("METRIC", "TOTAL", "COUNTED", "REPEATS", "CONFLICTS", "PLAYERS", "TARGET MET")
    output.table(heads, rows, right=heads[1:6])
    for code, count in refusals:
        output.note(f"{code}: {count:,}")


def _grouped(number: str) -> str:
    whole, point, decimals = number.partition(".")
    return f"{int(whole):,}{point}{decimals}"
