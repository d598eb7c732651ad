"""`worldevents goals result` and `events settle`: what goals came to when they were over."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, EventId, Goal, Json, Key, Server
from worldevents.cli.system import Place, on_results

FAILED = 1
WORDS = {"met": "met", "near_missed": "near miss", "missed": "missed"}


def show_result(
    goal: Goal,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many rows.")] = 10,
    after: Annotated[int, typer.Option(min=0, metavar="PLACE", help="Only rows after this place.")] = 0,
    user: Annotated[str | None, typer.Option(metavar="ID", help="Add this user's row.")] = None,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show what a settled goal came to, and its final board."""
    told = on_results(
        Place(database, server, key), lambda verbs: verbs.result(goal, after=after, limit=limit, user_id=user)
    )
    if as_json:
        output.document(told)
        return
    output.line(told["name"], "bold")
    output.line(_figures(told))
    for tier in told["tiersUnlocked"]:
        output.line(f"{tier['threshold']:g} % unlocked {output.moment(tier['unlockedAt'])}")
    output.line("")
    rows = [*told["contributors"], *([told["user"]] if told["user"] else [])]
    output.table(
        ("RANK", "USER", "AMOUNT"),
        [(f"{one['rank']:,}", _named(one), output.amount(one["amount"], told["unit"])) for one in rows],
        right=("RANK", "AMOUNT"),
    )


def settle(
    event_id: EventId, *, database: Database = None, server: Server = None, key: Key = None, as_json: Json = False
) -> None:
    """Settle an event whose grace is over, for cron: a running server does so by itself.

    Exit code 1 when a goal is not settled.
    """
    told = on_results(Place(database, server, key), lambda verbs: verbs.settle(event_id))
    if as_json:
        output.document(told)
    else:
        for one in told["goals"]:
            output.line(f"{one['goalId']}: {_figures(one)}")
        for goal_id in told["waiting"]:
            output.note(f"{goal_id} is not settled.")
    if not told["settled"]:
        raise typer.Exit(FAILED)


def _figures(one: dict[str, Any]) -> str:
    consoled = ", consolation given" if one["consoled"] else ""
    return (
        f"{WORDS[one['outcome']]}: {output.amount(one['currentValue'])} of"
        f" {output.amount(one['targetValue'], one['unit'])} ({one['percent']:.2f} %),"
        f" {output.people(one['participantCount'])}{consoled}"
    )


def _named(row: dict[str, Any]) -> str:
    return f"{row['displayName']} ({row['userId']})" if row["displayName"] else str(row["userId"])
