"""`worldevents correct`, `holds …` and `users …`: what operators change of amounts and users, and what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import Author, Database, Goal, Json, Key, Server, Why, Yes, author_name, plain_number
from worldevents.cli.system import Place, confirm, on_verbs

if TYPE_CHECKING:
    from worldevents.documents.operating import OperatorVerbs

User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
HoldId = Annotated[str, typer.Argument(metavar="ID", help="As `holds list` shows it.")]
Preview = Annotated[bool, typer.Option("--preview", help="Say what would happen, and do nothing.")]
OnlyGoal = Annotated[str | None, typer.Option("--goal", metavar="GOAL", help="Those of one goal.")]
OnlyUser = Annotated[str | None, typer.Option("--user", metavar="USER", help="What was done about one user.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many rows.")]


def correct(
    goal: Goal,
    user: User,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In the metric's unit, as 12.5 or -12.5.")],
    *,
    correction_id: Annotated[str, typer.Option("--id", metavar="ID", help="Yours to choose; repeated, done once.")],
    reason: Why,
    author: Author = None,
    preview: Preview = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Add to what a user has in a goal, or take from it.

    Repeating it is harmless: the same id and amount again changes nothing, another amount is refused.
    """
    signed = f"-{plain_number(amount[1:])}" if amount.startswith("-") else plain_number(amount)
    item = {"id": correction_id, "goalId": goal, "userId": user, "amount": signed, **_by(author, reason)}
    told, unit = _moved(Place(database, server, key), lambda verbs: verbs.correct(item, preview=preview))
    _show_moved(told, unit, as_json=as_json)


def list_holds(
    *,
    goal: OnlyGoal = None,
    limit: Limit = 100,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List the held amounts that wait for a decision, oldest first."""
    told = on_verbs(Place(database, server, key), lambda verbs: verbs.holds(goal_id=goal, limit=limit))
    if as_json:
        output.document(told)
        return
    if not told["holds"]:
        output.note("Nothing waits for a decision.")
        return
    heads = ("ID", "GOAL", "USER", "AMOUNT", "CONTRIBUTION", "RECEIVED")
    rows = [
        (
            one["id"],
            one["goalId"],
            one["userId"],
            output.amount(one["amount"]),
            one["contributionId"],
            output.moment(one["receivedAt"]),
        )
        for one in told["holds"]
    ]
    output.table(heads, rows, right=("AMOUNT",))


def add(
    goal: Goal,
    user: User,
    contribution_id: Annotated[str, typer.Argument(metavar="CONTRIBUTION", help="The id under which it counted.")],
    *,
    reason: Why,
    author: Author = None,
    preview: Preview = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Hold what has counted, until it is released or rejected."""
    item = {"goalId": goal, "userId": user, "contributionId": contribution_id, **_by(author, reason)}
    told, unit = _moved(Place(database, server, key), lambda verbs: verbs.withhold(item, preview=preview))
    _show_moved(told, unit, as_json=as_json)


def release(
    hold_id: HoldId,
    *,
    reason: Why,
    author: Author = None,
    preview: Preview = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Let a held amount count."""
    item = _by(author, reason)
    place = Place(database, server, key)
    told, unit = _moved(place, lambda verbs: verbs.decide(hold_id, "release", item, preview=preview))
    _show_moved(told, unit, as_json=as_json)


def reject(
    hold_id: HoldId,
    *,
    reason: Why,
    author: Author = None,
    preview: Preview = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Let a held amount never count."""
    item = _by(author, reason)
    place = Place(database, server, key)
    told, unit = _moved(place, lambda verbs: verbs.decide(hold_id, "reject", item, preview=preview))
    _show_moved(told, unit, as_json=as_json)


def ban(
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
    """Take nothing more of a user, and move what the user has out of every running goal."""
    if not preview:
        confirm(user, warning=f"Everything that {user} has is moved out of all running goals.", yes=yes)
    item, place = _by(author, reason), Place(database, server, key)
    told = on_verbs(place, lambda verbs: verbs.change_user(user, "ban", item, preview=preview))
    _show_banned(told, as_json=as_json)


def unban(
    user: User,
    *,
    reason: Why,
    author: Author = None,
    preview: Preview = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Take a user again, and move back in exactly what the ban has moved out."""
    item, place = _by(author, reason), Place(database, server, key)
    told = on_verbs(place, lambda verbs: verbs.change_user(user, "unban", item, preview=preview))
    _show_banned(told, as_json=as_json)


def hide(
    user: User,
    *,
    reason: Why,
    author: Author = None,
    preview: Preview = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Leave a user out of boards; what the user has counts on."""
    item, place = _by(author, reason), Place(database, server, key)
    told = on_verbs(place, lambda verbs: verbs.change_user(user, "hide", item, preview=preview))
    _show_hidden(told, as_json=as_json)


def unhide(
    user: User,
    *,
    reason: Why,
    author: Author = None,
    preview: Preview = False,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show a user on boards again."""
    item, place = _by(author, reason), Place(database, server, key)
    told = on_verbs(place, lambda verbs: verbs.change_user(user, "unhide", item, preview=preview))
    _show_hidden(told, as_json=as_json)


def _show_hidden(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document(told)
    else:
        would = "would be" if told["preview"] else "is"
        output.line(f"{told['userId']} {would} {'hidden' if told['hidden'] else 'shown'}")


def list_users(*, database: Database = None, server: Server = None, key: Key = None, as_json: Json = False) -> None:
    """List who is banned, and who is hidden."""
    told = on_verbs(Place(database, server, key), lambda verbs: verbs.bans())
    if as_json:
        output.document(told)
        return
    rows = [(one["userId"], "banned", output.moment(one["at"]), one["author"], one["reason"]) for one in told["bans"]]
    rows += [(user, "hidden", "", "", "") for user in told["hidden"]]
    output.table(("USER", "", "SINCE", "AUTHOR", "REASON"), rows)


def audit(
    *,
    user: OnlyUser = None,
    limit: Limit = 100,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List what operators did or set out to do, newest first."""
    told = on_verbs(Place(database, server, key), lambda verbs: verbs.audit(user_id=user, limit=limit))
    if as_json:
        output.document(told)
        return
    rows = [
        (str(one["id"]), output.moment(one["at"]), one["author"], one["action"], one["userId"], one["reason"])
        for one in told["entries"]
    ]
    output.table(("ID", "AT", "AUTHOR", "ACTION", "USER", "REASON"), rows)


def _by(author: str | None, reason: str) -> dict[str, Any]:
    return {"author": author_name(author), "reason": reason}


def _moved(place: Place, change: Any) -> tuple[dict[str, Any], str]:
    """What a movement did, and the unit of its goal."""

    async def work(verbs: OperatorVerbs) -> tuple[dict[str, Any], str]:
        told = await change(verbs)
        return told, (await verbs.progress(told["goalId"]))["goal"]["unit"]

    return on_verbs(place, work)


def _show_moved(told: dict[str, Any], unit: str, *, as_json: bool) -> None:
    if as_json:
        output.document(told)
        return
    how = "would be " if told["preview"] and not told["duplicate"] else "already " if told["duplicate"] else ""
    output.line(
        f"{output.amount(told['amount'], unit)} of {told['userId']} for {told['goalId']}: {how}{told['status']}"
    )
    _show_figures(told, unit)


def _show_figures(told: dict[str, Any], unit: str = "") -> None:
    names = (("the goal", "currentValue"), ("held", "pendingValue"), ("the user", "userContribution"))
    rows = [
        (name, output.amount(told["before"][field], unit), output.amount(told["after"][field], unit))
        for name, field in names
    ]
    output.table(("", "BEFORE", "AFTER"), rows, right=("BEFORE", "AFTER"))


def _show_banned(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document(told)
        return
    would = "would be" if told["preview"] else "is"
    output.line(f"{told['userId']} {would} {'banned' if told['banned'] else 'taken again'}")
    for one in told["goals"]:
        output.line(one["goalId"])
        _show_figures(one)
    if told["grants"]:
        effects = {True: "cannot be claimed", False: ""}
        rows = [
            (one["id"], f"{one['name']} ({one['kind']})", one["status"], effects[one["suspended"]])
            for one in told["grants"]
        ]
        output.table(("GRANT", "REWARD", "STATUS", ""), rows)
