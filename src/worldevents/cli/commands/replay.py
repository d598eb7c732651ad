"""`worldevents replay`: a real month of meets sent through the system, and what it made of them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, From, Json, To
from worldevents.cli.system import on_engine

if TYPE_CHECKING:
    from worldevents.demo.replay import Progress, ReplayReport
    from worldevents.engine import Engine

FIRST_DAY = date(2023, 12, 1)
END_DAY = date(2024, 1, 1)


def _speed(text: str) -> float:
    try:
        speed = float("inf" if text == "max" else text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise typer.BadParameter(f"{text!r} is neither max nor a number above 0")
    return speed


def replay(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A CSV of meets; else the shipped December of 2023.")
    ] = None,
    *,
    start: From = None,
    end: To = None,
    speed: Annotated[
        float, typer.Option(metavar="N|max", parser=_speed, help="Seconds of the month for each real one.")
    ] = "max",  # type: ignore[assignment] # the parser reads it
    through: Annotated[
        Literal["contributions", "actions"], typer.Option(help="Told as contributions, or as game actions.")
    ] = "contributions",
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Send a past month of meets through the system.

    It runs the shipped winter event on a database of its own, removed afterwards, unless one is named.
    """
    from worldevents.demo import replay as demo

    first, last = start or FIRST_DAY, end or END_DAY
    rows = demo.load_rows(file, first, last)

    async def work(engine: Engine) -> ReplayReport:
        await demo.prepare(engine, first, last)
        with _progress(len(rows)) as advance:
            return await demo.replay(
                engine,
                rows,
                through=through,
                on_progress=advance,
                speed=None if speed == float("inf") else speed,
            )

    with _own_database(database) as url:
        report = on_engine(url, work, create=True)
    if as_json:
        output.document(report.document())
    else:
        _draw(report.document(), report.refusals)


@contextmanager
def _own_database(told: str | None) -> Iterator[str | None]:
    """The database that is named, by option or environment; else a fresh one, removed afterwards."""
    if told is not None or os.environ.get("WORLDEVENTS_DATABASE_URL"):
        yield told
        return
    with tempfile.TemporaryDirectory(prefix="worldevents-") as folder:
        yield f"sqlite:///{folder}/replay.db"


@contextmanager
def _progress(rows: int) -> Iterator[Callable[[Progress], None] | None]:
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


def _draw(report: dict[str, Any], refusals: tuple[tuple[str, int], ...]) -> None:
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
