"""`worldevents webhooks`: endpoints, their secrets, what they were sent, and what they are owed."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from worldevents.cli import output
from worldevents.cli.options import Author, Database, Json, Key, Server, Since, Why, Yes, author_name
from worldevents.cli.system import Place, confirm, is_absent, server_of

if TYPE_CHECKING:
    from worldevents.webhooks.documents import WebhookVerbs

T = TypeVar("T")

FAILED = 1

Endpoint = Annotated[str, typer.Argument(metavar="ID", help="The endpoint's id, as `webhooks list` shows it.")]
Status = Literal["pending", "delivered", "dead"]


def list_endpoints(*, server: Server = None, key: Key = None, database: Database = None, as_json: Json = False) -> None:
    """List all endpoints, oldest first."""
    told = _on_webhooks(Place(database, server, key), lambda verbs: verbs.endpoints())
    if as_json:
        output.document(told)
        return
    rows = [(one["id"], one["url"], ", ".join(one["kinds"]), _state(one)) for one in told["endpoints"]]
    output.table(("ID", "URL", "KINDS", "STATE"), rows)


def show(
    endpoint: Endpoint,
    *,
    server: Server = None,
    key: Key = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show one endpoint and all that was done to it."""
    told = _on_webhooks(Place(database, server, key), lambda verbs: verbs.endpoint(endpoint))
    if as_json:
        output.document(told)
        return
    output.line(f"{told['id']} {told['url']}", "bold")
    output.line(f"{_state(told)}; {', '.join(told['kinds'])}")
    rows = [(output.moment(one["at"]), one["what"], one["author"], one["reason"]) for one in told["changes"]]
    output.table(("AT", "WHAT", "WHO", "WHY"), rows)


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where to: https://game.example/webhooks.")],
    *,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="What it is told, said several times; else everything.")
    ] = None,
    since: Since = None,
    reason: Why,
    author: Author = None,
    server: Server = None,
    key: Key = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make an endpoint and print its secret, this once.

    Servers notice it within a second. With --since it is told of what was announced before, too.
    """
    told = _on_webhooks(
        Place(database, server, key),
        lambda verbs: verbs.add(url, kinds=kind or (), since=since, author=author_name(author), reason=reason),
    )
    _print_secret(told, as_json=as_json)
    output.note(f"Endpoint {told['id']} is made. The secret is shown this once: its receiver verifies with it.")


def rotate(
    endpoint: Endpoint,
    *,
    keep: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="How long the previous secret signs too; else a day.")
    ] = None,
    reason: Why,
    author: Author = None,
    server: Server = None,
    key: Key = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a new secret and print it, this once; for a while messages are signed with both."""
    told = _on_webhooks(
        Place(database, server, key),
        lambda verbs: verbs.rotate(endpoint, keep_s=keep, author=author_name(author), reason=reason),
    )
    _print_secret(told, as_json=as_json)
    output.note(f"The previous secret signs too until {output.moment(told['previousSecretUntil'])}.")


def enable(
    endpoint: Endpoint,
    *,
    reason: Why,
    author: Author = None,
    server: Server = None,
    key: Key = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Deliver to an endpoint again, what has waited first."""
    told = _on_webhooks(
        Place(database, server, key),
        lambda verbs: verbs.enable(endpoint, author=author_name(author), reason=reason),
    )
    _print_state(told, as_json=as_json)


def disable(
    endpoint: Endpoint,
    *,
    reason: Why,
    author: Author = None,
    server: Server = None,
    key: Key = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Deliver nothing to an endpoint until it is enabled; what is for it waits."""
    told = _on_webhooks(
        Place(database, server, key),
        lambda verbs: verbs.disable(endpoint, author=author_name(author), reason=reason),
    )
    _print_state(told, as_json=as_json)


def remove(
    endpoint: Endpoint,
    *,
    reason: Why,
    author: Author = None,
    yes: Yes = False,
    server: Server = None,
    key: Key = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Forget an endpoint and its secrets for good; asks first, unless --yes."""
    confirm(endpoint, warning="What this endpoint does not have yet is never delivered to it.", yes=yes)
    told = _on_webhooks(
        Place(database, server, key),
        lambda verbs: verbs.remove(endpoint, author=author_name(author), reason=reason),
    )
    if as_json:
        output.document(told)
    else:
        output.line(f"endpoint {endpoint} is removed")


def send_test(
    endpoint: Endpoint,
    *,
    server: Server = None,
    key: Key = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Send one message of kind webhook.test right now; exit code 1 when it is not taken."""
    told = _on_webhooks(Place(database, server, key), lambda verbs: verbs.test(endpoint))
    if as_json:
        output.document(told)
    else:
        output.line(f"{'delivered' if told['delivered'] else 'not delivered'}: {told['result']}")
    if not told["delivered"]:
        raise typer.Exit(FAILED)


def deliveries(
    endpoint: Endpoint,
    *,
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    before: Annotated[
        int | None, typer.Option(metavar="N", help="The page that follows: the last number of the one before.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="How many.")] = 20,
    server: Server = None,
    key: Key = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List what an endpoint was told, the newest first."""
    told = _on_webhooks(
        Place(database, server, key),
        lambda verbs: verbs.deliveries(endpoint, status=status, before=before, limit=limit),
    )
    if as_json:
        output.document(told)
        return
    rows = [
        (
            str(one["number"]),
            one["messageId"],
            one["kind"],
            one["status"],
            str(one["attempts"]),
            one["lastResult"] or "",
            output.moment(one["dueAt"]) if one["dueAt"] else "",
        )
        for one in told["deliveries"]
    ]
    heads = ("NUMBER", "MESSAGE", "KIND", "STATUS", "TRIES", "LAST", "DUE")
    output.table(heads, rows, right=("NUMBER", "TRIES"))


def replay(
    endpoint: Endpoint,
    *,
    message: Annotated[str | None, typer.Option(metavar="ID", help="This message alone.")] = None,
    since: Since = None,
    dead: Annotated[bool, typer.Option("--dead", help="With --since: the dead ones alone.")] = False,
    reason: Why,
    author: Author = None,
    server: Server = None,
    key: Key = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Send again under the same ids: one message, or all since an instant."""
    told = _on_webhooks(
        Place(database, server, key),
        lambda verbs: verbs.replay(
            endpoint,
            message_id=message,
            since=since,
            dead_only=dead,
            author=author_name(author),
            reason=reason,
        ),
    )
    if as_json:
        output.document(told)
    else:
        output.line(f"{told['replayed']:,} sent again")


def report(*, server: Server = None, key: Key = None, database: Database = None, as_json: Json = False) -> None:
    """Show owed against delivered; exit code 1 when anything is owed."""
    told = _on_webhooks(Place(database, server, key), lambda verbs: verbs.report())
    if as_json:
        output.document(told)
    else:
        figures = ("announced", "delivered", "pending", "dead", "owed")
        rows = [(one["id"], one["url"], *(f"{one[name]:,}" for name in figures)) for one in told["endpoints"]]
        heads = [name.upper() for name in figures]
        output.table(("ID", "URL", *heads), rows, right=heads)
    if told["owed"]:
        raise typer.Exit(FAILED)


def _on_webhooks(place: Place, work: Callable[[WebhookVerbs], Awaitable[T]]) -> T:
    """Run something on the verbs of webhooks: through the system's server, or on the database itself."""
    import asyncio

    return asyncio.run(_asked(place, work))


async def _asked(place: Place, work: Callable[[WebhookVerbs], Awaitable[T]]) -> T:
    from worldevents.webhooks.documents import LocalWebhooks, RemoteWebhooks

    server = server_of(place)
    if server is not None:
        from worldevents.client import Client

        # Asked once: a secret whose answer was lost is not made a second time without anybody knowing.
        async with Client(server.url, server.key, tries=1) as client:
            return await work(RemoteWebhooks(client.ask))
    if is_absent(place.database):
        from worldevents.errors import ConfigurationInvalid

        message = "there is no such database yet: `worldevents events apply winter` makes one"
        raise ConfigurationInvalid(message, field="database_url")
    from worldevents.settings import Settings
    from worldevents.webhooks.opening import open_webhooks

    async with open_webhooks(Settings.load(database_url=place.database)) as webhooks:
        return await work(LocalWebhooks(webhooks))


def _print_secret(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document(told)
    else:
        # As it is: the output is the secret, however narrow a terminal is.
        sys.stdout.write(f"{told['secret']}\n")


def _print_state(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.document(told)
    else:
        output.line(f"endpoint {told['id']} is {_state(told)}")


def _state(told: dict[str, Any]) -> str:
    if told["disabledAt"] is None:
        return "active"
    return f"disabled since {output.moment(told['disabledAt'])}: {told['disabledWhy']}"
