"""`worldevents demo`: a real December of meets, live in the browser, in one process that leaves nothing behind."""

from __future__ import annotations

from typing import Annotated

import typer

from worldevents.cli import output, replaying
from worldevents.cli.commands.serve import HOST, PORT
from worldevents.cli.options import Json
from worldevents.hosts import is_loopback

SECONDS = 90.0


def demo(
    *,
    port: Annotated[int, typer.Option(metavar="N", help="0 takes one that is free.")] = PORT,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where to listen; others than this machine only look.")] = (
        HOST
    ),
    seconds: Annotated[float, typer.Option(metavar="N", min=1, help="How long the month takes.")] = SECONDS,
    speed: Annotated[
        float | None,
        typer.Option(metavar="N|max", parser=replaying.speed, help="Instead: seconds of the month for each real one."),
    ] = None,
    redis: Annotated[
        str | None, typer.Option("--redis", metavar="URL", help="Count in this Redis, in front of --database.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="An empty one, to be kept; else one of its own."),
    ] = None,
    exit_when_done: Annotated[bool, typer.Option("--exit-when-done", help="Do not serve on afterwards.")] = False,
    as_json: Json = False,
) -> None:
    """Watch a real December of powerlifting meets move the winter event, live.

    Everything is in one process on a database of its own, removed afterwards; the environment's is not touched.
    """
    import asyncio

    from worldevents.cli import demonstration
    from worldevents.demo import replay

    rows = replay.load_rows(None, replaying.FIRST_DAY, replaying.END_DAY)
    clock = demonstration.clock_for(rows, speed=speed, seconds=seconds)
    wanted = demonstration.Wanted(
        host=host,
        port=port,
        is_open=is_loopback(host),
        exit_when_done=exit_when_done,
        as_json=as_json,
        redis_url=redis or "",
        database_url=database,
    )
    if not asyncio.run(demonstration.show(rows, clock, wanted)):
        output.note("Stopped before the month was over.")
        raise typer.Exit(1)
