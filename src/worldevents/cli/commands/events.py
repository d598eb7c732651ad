"""`worldevents events`: what an event file would change, changing it, and what stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    Key,
    NewEnd,
    Reason,
    Server,
    Status,
    To,
    Yes,
    author_name,
    midnight,
)
from worldevents.cli.system import Place, confirm, is_absent, on_verbs, server_of

if TYPE_CHECKING:
    from worldevents.model import SeasonalEvent

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


def plan(
    file: File,
    *,
    start: From = None,
    end: To = None,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show what applying an event file would change.

    Exit code 2 when changes are pending, 0 when there are none.
    """
    event, place = _read(file, start, end), Place(database, server, key)
    with _locating(file):
        if server_of(place) is None and is_absent(database):
            told = _plan_of_nothing(event)
        else:
            told = on_verbs(place, lambda verbs: verbs.plan(event))
    if as_json:
        output.document(told)
    else:
        _tell_changes(told["changes"])
        standing = (
            f"{event.id} stands at version {told['version']}" if told["version"] else f"{event.id} is not published yet"
        )
        pending = f"{_count(told['changes'], 'change')} pending" if told["changes"] else "nothing changes"
        output.note(f"{standing}; {pending}.")
    if told["changes"]:
        raise typer.Exit(PENDING)


def apply(
    file: File,
    *,
    start: From = None,
    end: To = None,
    author: Author = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept with the version.")] = "",
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Publish an event file. Applying it again changes nothing."""
    event, name = _read(file, start, end), author_name(author)
    with _locating(file):
        published = on_verbs(
            Place(database, server, key),
            lambda verbs: verbs.publish(event, author=name, reason=reason),
            create=True,
        )
    _tell_published(published, as_json=as_json)


def list_events(
    *,
    status: Annotated[Status, typer.Option(help="Only events of this status.")] = "all",
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List the published events, by their start."""
    told = on_verbs(Place(database, server, key), lambda verbs: verbs.events())
    events = [one for one in told["events"] if status in ("all", one["status"])]
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
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show an event, its goals and its versions."""
    told = on_verbs(Place(database, server, key), lambda verbs: verbs.inspect(event_id, user))
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
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Move the end of an event."""
    name = author_name(author)
    place = Place(database, server, key)
    published = on_verbs(place, lambda verbs: verbs.extend(event_id, end, author=name, reason=reason))
    _tell_published(published, as_json=as_json)


def close(
    event_id: EventId,
    *,
    reason: Reason,
    author: Author = None,
    yes: Yes = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """End an event now.

    Late data about what happened before still counts until the grace is over.
    """
    confirm(event_id, warning=f"{event_id} ends now: what happens from now on does not count.", yes=yes)
    name = author_name(author)
    place = Place(database, server, key)
    published = on_verbs(place, lambda verbs: verbs.close(event_id, author=name, reason=reason))
    _tell_published(published, as_json=as_json)


def cancel(
    event_id: EventId,
    *,
    reason: Reason,
    author: Author = None,
    yes: Yes = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Call an event off for good."""
    confirm(event_id, warning=f"{event_id} is called off, and cannot be taken up again.", yes=yes)
    name = author_name(author)
    place = Place(database, server, key)
    published = on_verbs(place, lambda verbs: verbs.cancel(event_id, author=name, reason=reason))
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


def _plan_of_nothing(event: SeasonalEvent) -> dict[str, Any]:
    """The plan where there is no database: none is made."""
    from worldevents import catalog

    return {"eventId": event.id, "version": 0, "changes": list(catalog.changes(None, event))}


def _draw(event: dict[str, Any]) -> None:
    output.line(event["name"], "bold")
    output.line(
        f"{event['id']} · {event['status']} · "
        f"{output.moment(event['startsAt'])} to {output.moment(event['endsAt'])}, "
        f"grace {_grace(event['graceSeconds'])}"
    )
    output.show(output.paragraph(event["description"]))
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


def _tell_published(published: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document(published)
        return
    _tell_changes(published["changes"])
    event_id, version = published["eventId"], published["version"]
    if published["changes"]:
        output.note(f"{event_id} is now at version {version}, by {published['author']}.")
    else:
        output.note(f"{event_id} stands at version {version}; nothing changed.")


def _tell_changes(changes: Sequence[str]) -> None:
    styles = dict(CHANGE_STYLES)
    for change in changes:
        output.line(change, styles.get(change[0], ""))


def _count(things: Sequence[object], word: str) -> str:
    return f"{len(things)} {word}" + ("" if len(things) == 1 else "s")
