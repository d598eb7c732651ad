"""`worldevents goals`: what the community goals stand at, and one user's share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, Goal, Json, Status
from worldevents.cli.system import on_engine

if TYPE_CHECKING:
    from worldevents.engine import Engine

LIST_BAR_CELLS = 12


def list_goals(
    *,
    status: Annotated[Status, typer.Option(help="Only goals of this status.")] = "active",
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List the goals that players are shown."""

    async def work(engine: Engine) -> list[dict[str, Any]]:
        from worldevents import codec
        from worldevents.model import GoalStatus

        states = await engine.goals(None if status == "all" else GoalStatus(status))
        return [codec.goal(state, engine.now()) for state in states]

    goals = on_engine(database, work)
    if as_json:
        output.document({"goals": goals})
        return
    if not goals:
        output.note("No goals." if status == "all" else f"No {status} goals; `--status all` lists every one.")
        return
    _draw_list(goals, all_statuses=status == "all")


def show(
    goal: Goal,
    *,
    user: Annotated[str | None, typer.Option(metavar="ID", help="Add this user's share and rank.")] = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show a goal: how far it is, its tiers, and one user's share."""

    async def work(engine: Engine) -> dict[str, Any]:
        from worldevents import codec

        return codec.progress(await engine.progress(goal, user), engine.now())

    told = on_engine(database, work)
    if as_json:
        output.document(told)
        return
    _draw(told["goal"])
    if user is not None:
        _draw_share(told, user)


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


def _draw(goal: dict[str, Any]) -> None:
    unit, percent = goal["unit"], f"{goal['percent']:.2f} %"
    output.line(goal["name"], "bold")
    output.line(f"{goal['id']} · {goal['status']} · until {output.moment(goal['endsAt'])}")
    output.paragraph(goal["description"])
    output.line("")
    if output.has_bars():
        drawn = output.bar(goal["percent"], _tiers(goal))
        output.console().print(drawn + output.styled(f"  {percent}", "bold"))
    else:
        output.line(percent)
    pending = f" · {output.amount(goal['pendingValue'], unit)} pending" if goal["pendingValue"] else ""
    output.line(
        f"{output.amount(goal['currentValue'])} of {output.amount(goal['targetValue'], unit)}{pending}"
        f" · {output.people(goal['participantCount'])}"
    )
    if goal["rewardTiers"]:
        output.line("")
        output.table(
            ("TIER", "AT", "REWARD", "UNLOCKED"),
            [_tier(one, unit) for one in goal["rewardTiers"]],
            right=("TIER", "AT"),
        )


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


def _draw_share(progress: dict[str, Any], user: str) -> None:
    unit = progress["goal"]["unit"]
    pending = f", {output.amount(progress['userPending'], unit)} pending" if progress["userPending"] else ""
    rank = "no rank yet" if progress["userRank"] is None else f"rank {progress['userRank']:,}"
    output.line("")
    output.line(f"{user}: {output.amount(progress['userContribution'], unit)}, {rank}{pending}")


def _tiers(goal: dict[str, Any]) -> list[tuple[float, bool]]:
    return [(tier["threshold"], tier["unlocked"]) for tier in goal["rewardTiers"]]
