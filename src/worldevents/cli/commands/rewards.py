"""`worldevents rewards`: who was granted what, claiming it, and granting and revoking by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import Author, Database, Json, Key, Server, Why, author_name
from worldevents.cli.system import Place, on_rewards

if TYPE_CHECKING:
    from worldevents.documents.rewards import RewardVerbs

FAILED = 1

GrantId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="As `rewards list` shows it: tier~GOAL~PERCENT~USER or challenge~EVENT~CHALLENGE~USER."
    ),
]


def list_rewards(
    *,
    user: Annotated[
        str | None, typer.Option(metavar="ID", help="One user's grants and those of everyone, the newest first.")
    ] = None,
    after: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Only grants after this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 100,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List what was granted, in the order of granting; or one user's rewards."""

    async def work(verbs: RewardVerbs) -> dict[str, Any]:
        return await (verbs.grants(after=after, limit=limit) if user is None else verbs.rewards(user))

    told = on_rewards(Place(database, server, key), work)
    if as_json:
        output.document(told)
        return
    found = told["grants"] if user is None else [*told["rewards"], *told["world"]]
    if not found:
        output.note("No rewards were granted.")
        return
    rows = [
        (f"{one['number']:,}", one["id"], _named(one), one["status"], output.moment(one["grantedAt"])) for one in found
    ]
    output.table(("NUMBER", "ID", "REWARD", "STATUS", "GRANTED"), rows, right=("NUMBER",))


def claim(
    grant: GrantId, *, database: Database = None, server: Server = None, key: Key = None, as_json: Json = False
) -> None:
    """Claim a grant; claimed before, it is shown as it is."""
    _show(on_rewards(Place(database, server, key), lambda verbs: verbs.claim(grant)), as_json=as_json)


def grant_reward(
    grant: GrantId,
    *,
    reason: Why,
    author: Author = None,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Grant to a user who does not qualify, or again after a revocation; else nothing changes."""
    by = author_name(author)
    told = on_rewards(Place(database, server, key), lambda verbs: verbs.give(grant, author=by, reason=reason))
    _show(told, as_json=as_json)


def revoke(
    grant: GrantId,
    *,
    reason: Why,
    author: Author = None,
    database: Database = None,
    server: Server = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Take a grant back: it cannot be claimed any more."""
    by = author_name(author)
    told = on_rewards(Place(database, server, key), lambda verbs: verbs.revoke(grant, author=by, reason=reason))
    _show(told, as_json=as_json)


def report(*, database: Database = None, server: Server = None, key: Key = None, as_json: Json = False) -> None:
    """Show owed against delivered, on every way that hosts hear of grants; exit code 1 when anything is owed."""
    told = on_rewards(Place(database, server, key), lambda verbs: verbs.grants_report())
    if as_json:
        output.document(told)
    else:
        figures = ("grants", "delivered", "owed", "dead")
        heads = [name.upper() for name in figures]
        rows = [
            (
                one["way"],
                one["url"] or "",
                *(f"{one[name]:,}" for name in figures),
                output.moment(one["oldestAt"]) if one["oldestAt"] else "",
            )
            for one in told["channels"]
        ]
        output.table(("WAY", "URL", *heads, "OLDEST OWED"), rows, right=heads)
    if told["owed"]:
        raise typer.Exit(FAILED)


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document(told)
        return
    output.line(f"{_named(told)} for {told['userId'] or 'everyone'}: {told['status']}")
    if told["outcome"].get("soldOut"):
        output.note("Nothing of its stock is left; claiming it again tries again.")
    for prize in told["outcome"].get("prizes", ()):
        output.line(f"  {prize}")


def _named(grant: dict[str, Any]) -> str:
    return f"{grant['reward']['name']} ({grant['reward']['kind']})"
