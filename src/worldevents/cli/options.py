"""Options and arguments that several commands share, and how their texts are read.

Only typer and the standard library are imported here: every `--help` waits for this file.
"""

from __future__ import annotations

import getpass
import os
import re
from datetime import UTC, date, datetime
from typing import Annotated, Literal

import typer

Status = Literal["active", "upcoming", "grace", "settled", "cancelled", "all"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="sqlite:///file or postgresql://…; else WORLDEVENTS_DATABASE_URL, else sqlite:///worldevents.db.",
    ),
]
Redis = Annotated[
    str | None,
    typer.Option("--redis", metavar="URL", help="redis://… or redis+cluster://…; else WORLDEVENTS_REDIS_URL."),
]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help="Ask this server; else WORLDEVENTS_SERVER, else the one that serves the database right now.",
    ),
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="The key for that server; better WORLDEVENTS_KEY, which nobody sees."),
]
File = Annotated[str, typer.Argument(metavar="FILE", help="An event file, or `winter` for the one that is shipped.")]
EventId = Annotated[str, typer.Argument(metavar="ID", help="The event's id.")]
Goal = Annotated[str, typer.Argument(metavar="GOAL", help="The goal's id.")]
Author = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who is said to have done it; else you, as the system knows you.")
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept with the version.")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day as in 2026-12-01") from None


def _instant(text: str) -> datetime:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an instant as in 2026-12-01T18:00:00Z") from None
    if told.tzinfo is not None:
        return told.astimezone(UTC)
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return told.replace(tzinfo=UTC)
    raise typer.BadParameter(f"{text!r} needs its offset from UTC, as in 2026-12-01T18:00:00Z")


From = Annotated[
    date | None, typer.Option("--from", metavar="DAY", parser=_day, help="Move the start: YYYY-MM-DD in UTC.")
]
To = Annotated[
    date | None,
    typer.Option("--to", metavar="DAY", parser=_day, help="Move the end: YYYY-MM-DD in UTC, the first day not in it."),
]
NewEnd = Annotated[
    datetime,
    typer.Option("--to", metavar="INSTANT", parser=_instant, help="As 2027-01-08T00:00:00Z, or a day: its start."),
]
OccurredAt = Annotated[
    datetime | None,
    typer.Option(metavar="INSTANT", parser=_instant, help="When it happened, as 2026-12-01T18:00:00Z; else now."),
]

Since = Annotated[
    datetime | None,
    typer.Option(
        metavar="INSTANT", parser=_instant, help="From then on: as 2026-12-01T18:00:00Z, or a day: its start."
    ),
]


def midnight(day: date) -> datetime:
    """The instant at which a day begins in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def plain_number(text: str) -> str:
    """A number without the underscores that group its digits; any other text as it is, for the engine to refuse."""
    return text.replace("_", "") if re.fullmatch(r"[0-9]+(_[0-9]+)*(\.[0-9]+)?", text) else text


def author_name(told: str | None) -> str:
    """Who does this: the name that was given, or the system's user."""
    if told:
        return told
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return str(os.getuid())
