"""`worldevents contribute` and `worldevents leaderboard`: one amount in, and who gave how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, Goal, Json, Key, OccurredAt, Server, plain_number
from worldevents.cli.system import Place, on_verbs

if TYPE_CHECKING:
    from rich.text import Text

    from worldevents.documents import Verbs

WHAT_BECAME_OF_IT = (
    ("counted", "counted"),
    ("held", "held for an operator to release, because it is over a limit"),
    ("late", "kept, but not counted: it came after the grace"),
)


def contribute(
    goal: Goal,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In the metric's unit, as 102.5 or 1_000.")],
    *,
    contribution_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="Yours to choose; repeated, it counts once.")
    ],
    occurred_at: OccurredAt = None,
    name: Annotated[str | None, typer.Option(metavar="DISPLAY", help="The user's name on the leaderboard.")] = None,
    ack: Annotated[
        Literal["applied", "fsynced", "ledger"] | None,
        typer.Option(help="How safe it is before the answer; else as the settings say."),
    ] = None,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Count an amount for a goal, once for its id.

    Repeating it is harmless: the same id and amount again changes nothing, another amount is refused.
    """
    from worldevents.model import Ack

    item = {"contributionId": contribution_id, "userId": user, "amount": plain_number(amount)}
    if occurred_at is not None:
        item["occurredAt"] = occurred_at.isoformat()
    if name is not None:
        item["displayName"] = name

    async def work(verbs: Verbs) -> tuple[dict[str, Any], str]:
        receipt = await verbs.contribute(goal, item, ack=None if ack is None else Ack(ack))
        return receipt, "" if as_json else (await verbs.progress(goal))["goal"]["unit"]

    receipt, unit = on_verbs(Place(database, server, key), work)
    if as_json:
        output.document(receipt)
        return
    before = "already " if receipt["duplicate"] else ""
    became = dict(WHAT_BECAME_OF_IT)[receipt["status"]]
    output.line(f"{output.amount(receipt['amount'], unit)} for {goal} by {user}: {before}{became}")
    output.line(
        f"{goal} stands at {output.amount(receipt['currentValue'], unit)}, "
        f"{user} at {output.amount(receipt['userContribution'], unit)}"
    )


def leaderboard(
    goal: Goal,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many rows.")] = 10,
    around: Annotated[str | None, typer.Option(metavar="USER", help="The rows around this user, not the top.")] = None,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Add this user's own row.")] = None,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show who contributed most; equal amounts share a rank."""

    async def work(verbs: Verbs) -> tuple[dict[str, Any], str]:
        board = await verbs.leaderboard(goal, limit=limit, around=around, user_id=user)
        return board, "" if as_json else (await verbs.progress(goal))["goal"]["unit"]

    board, unit = on_verbs(Place(database, server, key), work)
    if as_json:
        output.document(board)
        return
    if not board["contributors"]:
        output.note("Nobody has contributed yet.")
        return
    own = {one for one in (around, user) if one is not None}
    rows = [_row(one, own) for one in board["contributors"]]
    if board["user"] is not None and board["user"] not in board["contributors"]:
        rows.append(_row(board["user"], own))
    output.table(("RANK", "USER", "NAME", unit.upper()), rows, right=("RANK", unit.upper()))
    output.note(f"{len(board['contributors'])} of {output.people(board['participantCount'])}")


def _row(one: dict[str, Any], own: set[str]) -> list[Text]:
    style = "bold cyan" if one["userId"] in own else ""
    name: str = one["displayName"] or ""
    return [
        output.styled(cell, style) for cell in (f"{one['rank']:,}", one["userId"], name, output.amount(one["amount"]))
    ]
