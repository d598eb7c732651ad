"""`worldevents users erase` and `users export`: what anybody may ask for about themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import Author, Database, Json, Key, Server, Why, Yes, author_name
from worldevents.cli.system import Place, confirm, on_verbs

if TYPE_CHECKING:
    from worldevents.documents.operating import OperatorVerbs

User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
Preview = Annotated[bool, typer.Option("--preview", help="Say what would happen, and do nothing.")]


def erase(
    user: User,
    *,
    reason: Why,
    author: Author = None,
    preview: Preview = False,
    yes: Yes = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Put a tombstone in a user's place, everywhere: id and name are gone, every figure stays.

    It cannot be taken back. If it is interrupted, the same command again finishes it.
    """
    if not preview:
        confirm(user, warning=f"Who {user} was is forgotten for ever.", yes=yes)
    item = {"author": author_name(author), "reason": reason}
    told = on_verbs(Place(database, server, key), lambda verbs: verbs.change_user(user, "erase", item, preview=preview))
    _show_erased(told, as_json=as_json)


def export(
    user: User,
    *,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,  # noqa: ARG001 - it is JSON either way
) -> None:
    """Print all that is kept about a user, as one JSON document."""

    async def work(verbs: OperatorVerbs) -> dict[str, Any]:
        page = await verbs.export(user)
        told = {"userId": page["userId"], **page["about"], "contributions": page["contributions"]}
        while page["next"] is not None:
            page = await verbs.export(user, after=page["next"])
            told["contributions"] += page["contributions"]
        return told

    output.document(on_verbs(Place(database, server, key), work))


def _show_erased(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document(told)
        return
    if not told["known"]:
        output.line(f"Nothing is known of {told['userId']}.")
        return
    output.line(f"{told['userId']} would be erased" if told["preview"] else f"erased: {told['tombstone']} is left")
    counts = ("contributions", "grants", "activeDays", "auditEntries")
    output.line(", ".join(f"{told[name]} {words}" for name, words in zip(counts, _COUNTED, strict=True)))
    rows = [
        (
            one["goalId"],
            output.amount(one["userContribution"], one["unit"]),
            output.amount(one["userPending"], one["unit"]),
            str(one["userRank"] or ""),
        )
        for one in told["goals"]
    ]
    output.table(("GOAL", "AMOUNT", "HELD", "RANK"), rows, right=("AMOUNT", "HELD", "RANK"))


_COUNTED = ("contributions", "grants", "active days", "entries of the audit")
