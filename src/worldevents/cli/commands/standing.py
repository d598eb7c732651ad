"""`worldevents standing`: where one user stands in a goal, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, Goal, Json, Key, Server
from worldevents.cli.system import Place, on_verbs

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

WHY_NOT = (
    ("not_unlocked", "not unlocked yet"),
    ("missed", "never unlocked"),
    ("cancelled", "the goal was called off"),
    ("not_settled", "decided when the goal is settled"),
    ("met", "the goal was met"),
    ("nothing_counted", "nothing counted"),
    ("below_minimum", "below the minimum"),
    ("held", "some is held"),
    ("late", "some came late"),
    ("banned", "banned"),
)


def standing(
    goal: Goal,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    *,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Explain where a user stands: rank, share, what is missing, and which tiers are this user's."""
    told = on_verbs(Place(database, server, key), lambda verbs: verbs.standing(goal, user))
    if as_json:
        output.document(told)
    else:
        output.show(_picture(told))


def _picture(told: dict[str, Any]) -> list[Text | Table]:
    parts: list[Text | Table] = [output.styled(line) for line in _lines(told)]
    rows = [_tier(f"{one['threshold']:g} %", one, told["unit"]) for one in told["tiers"]]
    if told["consolation"] is not None:
        rows.append(_tier("consolation", told["consolation"], told["unit"]))
    if rows:
        heads = ("TIER", "ASKS FOR", "OTHERS", "YOURS")
        parts += [output.styled(""), output.grid(heads, rows, right=heads[:3])]
    return parts


def _lines(told: dict[str, Any]) -> list[str]:
    unit, ahead, rank, share = told["unit"], told["ahead"], told["nextRank"], told["share"]
    lines = [f"{told['userId']} in {told['goalId']}: {output.amount(told['userContribution'], unit)}"]
    if ahead is None:
        lines.append(f"no rank yet, of {output.people(told['participantCount'])}")
    else:
        place = f"rank {told['userRank']:,}{_shared(told['rankSharedBy'])}"
        lines += [
            f"{place}, ahead of {ahead['count']:,} of {output.people(ahead['of'])} ({ahead['percent']:.2f} %)",
            f"{share['percentOfTotal']:.6f} % of all that counts, {share['percentOfTarget']:.6f} % of the target",
        ]
    if told["userPending"]:
        lines.append(f"{output.amount(told['userPending'], unit)} pending: held for an operator to release")
    if told["userLate"]:
        lines.append(f"{output.amount(told['userLate'], unit)} came after the grace, and does not count")
    if rank is not None:
        lines.append(f"{output.amount(rank['missing'], unit)} to rank {rank['rank']:,}{_shared(rank['sharedBy'])}")
    if told["nextMinimum"] is not None:
        least = told["nextMinimum"]
        lines.append(f"{output.amount(least['missing'], unit)} to what the tier at {least['threshold']:g} % asks for")
    if told["nextTier"] is not None:
        tier = told["nextTier"]
        lines.append(f"{output.amount(tier['missing'], unit)} of all to the tier at {tier['threshold']:g} %")
    return lines


def _shared(by: int) -> str:
    return "" if by == 1 else f" shared by {by:,}"


def _tier(name: str, one: dict[str, Any], unit: str) -> tuple[Any, ...]:
    words = dict(WHY_NOT)
    if one["audience"] == "everyone":
        asked = "everyone"
    else:
        asked = output.amount(one["minimum"], unit) if one["minimum"] else "anything"
    answer = "yes" if one["qualifies"] else f"no: {', '.join(words[reason] for reason in one['whyNot'])}"
    style = "green" if one["qualifies"] else ""
    return output.styled(name, style), asked, f"{one['others']:,}", output.styled(answer, style)
