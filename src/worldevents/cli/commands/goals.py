"""`worldevents goals`: what the community goals stand at, and one user's share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, Goal, Json, Key, Server, Status
from worldevents.cli.system import Place, on_verbs

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

LIST_BAR_CELLS = 12


def list_goals(
    *,
    status: Annotated[Status, typer.Option(help="Only goals of this status.")] = "active",
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List the goals that players are shown."""
    told = on_verbs(Place(database, server, key), lambda verbs: verbs.goals(status))
    if as_json:
        output.document(told)
        return
    goals = told["goals"]
    if not goals:
        output.note("No goals." if status == "all" else f"No {status} goals; `--status all` lists every one.")
        return
    _draw_list(goals, all_statuses=status == "all")


def show(
    goal: Goal,
    *,
    user: Annotated[str | None, typer.Option(metavar="ID", help="Add this user's share and rank.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and show every change; with --json a line each. Ctrl-C ends it.")
    ] = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show a goal: how far it is, its tiers, and one user's share.

    Without a server, --watch looks once a second.
    """
    place = Place(database, server, key)
    if watch:
        from worldevents.cli import watching

        watching.watch(place, goal, user, drawn=partial(_picture, user=user), as_json=as_json)
        return
    told = on_verbs(place, lambda verbs: verbs.progress(goal, user))
    if as_json:
        output.document(told)
    else:
        output.show(_picture(told, user=user))


def _draw_list(goals: list[dict[str, Any]], *, all_statuses: bool) -> None:
    # In a terminal of 80 columns there is room for the status or for the bar.
    has_bars = output.has_bars() and not all_statuses
    rows = [
        (
            one["id"],
            output.bar(one["percent"], _tiers(one), cells=LIST_BAR_CELLS) if has_bars else one["status"],
            f"{one['percent']:.2f}",
            output.amount(one["currentValue"]),
            output.amount(one["targetValue"], one["unit"]),
        )
        for one in goals
    ]
    heads = ("GOAL", "PROGRESS" if has_bars else "STATUS", "PERCENT", "TOTAL", "TARGET")
    output.table(heads, rows, right=heads[2:])


def _picture(progress: dict[str, Any], *, user: str | None) -> list[Text | Table]:
    goal = progress["goal"]
    unit, percent = goal["unit"], f"{goal['percent']:.2f} %"
    bar = output.styled(percent)
    if output.has_bars():
        bar = output.bar(goal["percent"], _tiers(goal)) + output.styled(f"  {percent}", "bold")
    pending = f" · {output.amount(goal['pendingValue'], unit)} pending" if goal["pendingValue"] else ""
    parts: list[Text | Table] = [
        output.styled(goal["name"], "bold"),
        output.styled(f"{goal['id']} · {goal['status']} · until {output.moment(goal['endsAt'])}"),
        *output.paragraph(goal["description"]),
        output.styled(""),
        bar,
        output.styled(
            f"{output.amount(goal['currentValue'])} of {output.amount(goal['targetValue'], unit)}{pending}"
            f" · {output.people(goal['participantCount'])}"
        ),
    ]
    if goal["rewardTiers"]:
        tiers = [_tier(one, unit) for one in goal["rewardTiers"]]
        heads = ("TIER", "AT", "REWARD", "UNLOCKED")
        parts += [output.styled(""), output.grid(heads, tiers, right=heads[:2])]
    if user is not None:
        parts += [output.styled(""), output.styled(_share(progress, user))]
    return parts


def _tier(tier: dict[str, Any], unit: str) -> tuple[Any, ...]:
    reached = output.moment(tier["unlockedAt"]) if tier["unlocked"] else "not yet"
    style = "green" if tier["unlocked"] else ""
    reward = f"{tier['reward']['name']} ({tier['reward']['kind']})"
    return (
        output.styled(f"{tier['threshold']:g} %", style),
        output.amount(tier["thresholdValue"], unit),
        reward,
        output.styled(reached, style),
    )


def _share(progress: dict[str, Any], user: str) -> str:
    unit = progress["goal"]["unit"]
    pending = f", {output.amount(progress['userPending'], unit)} pending" if progress["userPending"] else ""
    rank = "no rank yet" if progress["userRank"] is None else f"rank {progress['userRank']:,}"
    return f"{user}: {output.amount(progress['userContribution'], unit)}, {rank}{pending}"


def _tiers(goal: dict[str, Any]) -> list[tuple[float, bool]]:
    return [(tier["threshold"], tier["unlocked"]) for tier in goal["rewardTiers"]]
