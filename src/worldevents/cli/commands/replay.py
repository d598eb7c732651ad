"""`worldevents replay`: a real month of meets sent through the system, and what it made of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from worldevents.cli import output, replaying
from worldevents.cli.options import Database, From, Json, Key, Server, To
from worldevents.cli.system import Place, on_verbs

if TYPE_CHECKING:
    from worldevents.demo.replay import ReplayReport
    from worldevents.documents import Verbs


def replay(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A CSV of meets; else the shipped December of 2023.")
    ] = None,
    *,
    start: From = None,
    end: To = None,
    speed: Annotated[
        float, typer.Option(metavar="N|max", parser=replaying.speed, help="Seconds of the month for each real one.")
    ] = "max",  # type: ignore[assignment] # the parser reads it
    through: Annotated[
        Literal["contributions", "actions"], typer.Option(help="Told as contributions, or as game actions.")
    ] = "contributions",
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Send a past month of meets through the system.

    It runs the shipped winter event on a database of its own, removed afterwards, unless one is named, or a server.
    """
    import time

    from worldevents.demo import pace
    from worldevents.demo import replay as demo

    first, last = start or replaying.FIRST_DAY, end or replaying.END_DAY
    rows = demo.load_rows(file, first, last)

    async def work(verbs: Verbs) -> ReplayReport:
        await demo.prepare(verbs, first, last)
        timeline = pace.steady(demo.midnight(first), demo.midnight(last), speed)
        clock = pace.TimelineClock(timeline, time.monotonic)
        clock.begin()
        reach = None if speed == replaying.MAX else clock.reach
        with replaying.progress(len(rows)) as advance:
            return await demo.replay(verbs, rows, through=through, on_progress=advance, pace=reach)

    with _own_database(Place(database, server, key)) as place:
        report = on_verbs(place, work, create=True)
    if as_json:
        output.document(report.document())
    else:
        replaying.draw(report.document(), report.refusals)


@contextmanager
def _own_database(told: Place) -> Iterator[Place]:
    """What is named, by options or environment; else a fresh database, removed afterwards."""
    if told != Place() or any(os.environ.get(name) for name in ("WORLDEVENTS_SERVER", "WORLDEVENTS_DATABASE_URL")):
        yield told
        return
    with tempfile.TemporaryDirectory(prefix="worldevents-") as folder:
        yield Place(f"sqlite:///{folder}/replay.db")
