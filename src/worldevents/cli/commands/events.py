"""`worldevents events`: what an event file would change, changing it, and what stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import (
    Author,
    Database,
    EventId,
    File,
    From,
    Json,
    NewEnd,
    Reason,
    Status,
    To,
    Yes,
    author_name,
    midnight,
)
from worldevents.cli.system import confirm, is_absent, on_engine

if TYPE_CHECKING:
    from worldevents.engine import Engine, Published
    from worldevents.model import ChallengeProgress, EventVersion, GoalProgress, SeasonalEvent

PENDING = 2

CHANGE_STYLES = (("+", "green"), ("-", "red"), ("~", "yellow"))


def validate(file: File, *, as_json: Json = False) -> None:
    """Check an event file, line by line."""
    event = _read(file)
    if as_json:
        output.document(
            {
                "id": event.id,
                "goals": [goal.id for goal in event.goals],
                "challenges": [it.id for it in event.challenges],
            }
        )
    else:
        output.line(f"{event.id} is valid: {_count(event.goals, 'goal')}, {_count(event.challenges, 'challenge')}")


def plan(file: File, *, start: From = None, end: To = None, database: Database = None, as_json: Json = False) -> None:
    """Show what applying an event file would change.

    Exit code 2 when changes are pending, 0 when there are none.
    """
    from worldevents import catalog

    event = _read(file, start, end)

    async def work(engine: Engine) -> tuple[int, tuple[str, ...]]:
        changes = await engine.plan(event)
        return next((one.version for one in engine.events() if one.event.id == event.id), 0), changes

    with _locating(file):
        version, changes = (0, catalog.changes(None, event)) if is_absent(database) else on_engine(database, work)
    if as_json:
        output.document({"eventId": event.id, "version": version, "changes": changes})
    else:
        _tell_changes(changes)
        standing = f"{event.id} stands at version {version}" if version else f"{event.id} is not published yet"
        output.note(f"{standing}; {_count(changes, 'change')} pending." if changes else f"{standing}; nothing changes.")
    if changes:
        raise typer.Exit(PENDING)


def apply(
    file: File,
    *,
    start: From = None,
    end: To = None,
    author: Author = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept with the version.")] = "",
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Publish an event file. Applying it again changes nothing."""
    event, name = _read(file, start, end), author_name(author)
    with _locating(file):
        published = on_engine(database, lambda engine: engine.publish(event, author=name, reason=reason), create=True)
    _tell_published(published, as_json=as_json)


def list_events(
    *,
    status: Annotated[Status, typer.Option(help="Only events of this status.")] = "all",
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List the published events, by their start."""
    from worldevents import codec

    async def work(engine: Engine) -> list[dict[str, Any]]:
        return [codec.event(version, engine.now()) for version in engine.events()]

    events = [one for one in on_engine(database, work) if status in ("all", one["status"])]
    if as_json:
        output.document({"events": events})
        return
    rows = [
        (
            one["id"],
            one["status"],
            output.moment(one["startsAt"]),
            output.moment(one["endsAt"]),
            str(len(one["goalIds"])),
            str(one["version"]),
        )
        for one in events
    ]
    output.table(("EVENT", "STATUS", "STARTS", "ENDS", "GOALS", "VERSION"), rows, right=("GOALS", "VERSION"))


def show(
    event_id: EventId,
    *,
    user: Annotated[str | None, typer.Option(metavar="ID", help="Add this user's progress in each challenge.")] = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show an event, its goals and its versions."""

    async def work(engine: Engine) -> dict[str, Any]:
        version = engine.event(event_id)
        goals = [await engine.progress(goal.id) for goal in version.event.goals]
        challenges = [] if user is None else await engine.challenges(event_id, user)
        return _document(engine, version, goals, challenges, await engine.history(event_id))

    told = on_engine(database, work)
    if as_json:
        output.document(told)
    else:
        _draw(told)


def extend(
    event_id: EventId,
    *,
    end: NewEnd,
    reason: Reason,
    author: Author = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Move the end of an event."""
    name = author_name(author)
    published = on_engine(database, lambda engine: engine.extend(event_id, end, author=name, reason=reason))
    _tell_published(published, as_json=as_json)


def close(
    event_id: EventId,
    *,
    reason: Reason,
    author: Author = None,
    yes: Yes = False,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """End an event now.

    Late data about what happened before still counts until the grace is over.
    """
    confirm(event_id, warning=f"{event_id} ends now: what happens from now on does not count.", yes=yes)
    name = author_name(author)
    published = on_engine(database, lambda engine: engine.close(event_id, author=name, reason=reason))
    _tell_published(published, as_json=as_json)


def cancel(
    event_id: EventId,
    *,
    reason: Reason,
    author: Author = None,
    yes: Yes = False,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Call an event off for good."""
    confirm(event_id, warning=f"{event_id} is called off, and cannot be taken up again.", yes=yes)
    name = author_name(author)
    published = on_engine(database, lambda engine: engine.cancel(event_id, author=name, reason=reason))
    _tell_published(published, as_json=as_json)


def _read(file: str, start: date | None = None, end: date | None = None) -> SeasonalEvent:
    from worldevents import catalog

    event = catalog.load_event(file)
    if start is None and end is None:
        return event
    starts_at = event.starts_at if start is None else midnight(start)
    return catalog.with_window(event, starts_at, event.ends_at if end is None else midnight(end))


@contextmanager
def _locating(file: str) -> Iterator[None]:
    """Complaints about an edit get the lines of the file that makes it."""
    from worldevents import catalog
    from worldevents.errors import EventInvalid

    try:
        yield
    except EventInvalid as error:
        raise catalog.located(error, file) from None


def _document(
    engine: Engine,
    version: EventVersion,
    goals: list[GoalProgress],
    challenges: list[ChallengeProgress],
    history: list[EventVersion],
) -> dict[str, Any]:
    """An event as outsiders read it, with all its goals and versions."""
    from worldevents import codec

    now = engine.now()
    return {
        **codec.event(version, now, challenges),
        "goals": [{**codec.goal(one.state, now), "hidden": one.state.goal.hidden} for one in goals],
        "versions": [
            {
                "version": one.version,
                "author": one.author,
                "publishedAt": codec.instant(one.published_at),
                "reason": one.reason,
            }
            for one in history
        ],
    }


def _draw(event: dict[str, Any]) -> None:
    output.line(event["name"], "bold")
    output.line(
        f"{event['id']} · {event['status']} · "
        f"{output.moment(event['startsAt'])} to {output.moment(event['endsAt'])}, "
        f"grace {_grace(event['graceSeconds'])}"
    )
    output.paragraph(event["description"])
    output.line("")
    rows: list[tuple[str, ...]] = [
        (
            one["id"] + (" (hidden)" if one["hidden"] else ""),
            f"{one['percent']:.2f}",
            f"{output.amount(one['currentValue'])} of {output.amount(one['targetValue'], one['unit'])}",
            output.amount(one["participantCount"]),
        )
        for one in event["goals"]
    ]
    output.table(("GOAL", "PERCENT", "TOTAL", "PLAYERS"), rows, right=("PERCENT", "TOTAL", "PLAYERS"))
    if event["challenges"]:
        output.line("")
        output.table(("CHALLENGE", "TARGET", "REWARD", "DONE"), [_challenge(one) for one in event["challenges"]])
    output.line("")
    rows = [
        (str(one["version"]), output.moment(one["publishedAt"]), one["author"], one["reason"])
        for one in event["versions"]
    ]
    output.table(("VERSION", "PUBLISHED", "BY", "REASON"), rows, right=("VERSION",))


def _challenge(one: dict[str, Any]) -> tuple[str, ...]:
    done = ""
    if "completed" in one:
        done = "yes" if one["completed"] else output.amount(one["userContribution"], one["unit"])
    return one["id"], output.amount(one["targetValue"], one["unit"]), one["reward"]["name"], done


def _grace(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h" if not rest else f"{seconds // 60} min"


def _tell_published(published: Published, *, as_json: bool) -> None:
    version = published.version
    if as_json:
        from worldevents import codec

        output.document(
            {
                "eventId": version.event.id,
                "version": version.version,
                "author": version.author,
                "publishedAt": codec.instant(version.published_at),
                "reason": version.reason,
                "changes": published.changes,
            }
        )
        return
    _tell_changes(published.changes)
    if published.changes:
        output.note(f"{version.event.id} is now at version {version.version}, by {version.author}.")
    else:
        output.note(f"{version.event.id} stands at version {version.version}; nothing changed.")


def _tell_changes(changes: tuple[str, ...]) -> None:
    styles = dict(CHANGE_STYLES)
    for change in changes:
        output.line(change, styles.get(change[0], ""))


def _count(things: tuple[object, ...], word: str) -> str:
    return f"{len(things)} {word}" + ("" if len(things) == 1 else "s")
