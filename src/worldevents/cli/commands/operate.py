"""`worldevents migrate`, `doctor` and `version`: what an operator does before and after everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, Json, Redis
from worldevents.cli.system import database_url, redis_url

if TYPE_CHECKING:
    from worldevents.operations import Check

PENDING = 2
FAILED = 1

STATUS_STYLES = (("ok", "green"), ("warn", "yellow"), ("fail", "bold red"))


def migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 2 when there is something.")
    ] = False,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Bring the database to the newest schema."""
    import asyncio

    from worldevents import operations

    url = database_url(database)
    before = asyncio.run(operations.schema(url))
    if before.is_pending and not check:
        asyncio.run(operations.migrate(url))
    after = before if check else asyncio.run(operations.schema(url))
    if as_json:
        output.document(
            {"before": before.revision, "schema": after.revision, "head": after.head, "pending": after.is_pending}
        )
    elif after.is_pending:
        output.line(f"pending: the database is at schema {after.revision or 'none'}, this version needs {after.head}")
    else:
        moved = "" if before.revision == after.revision else f", was {before.revision or 'none'}"
        output.line(f"the database is at schema {after.revision}{moved}")
    if after.is_pending:
        raise typer.Exit(PENDING)


def doctor(*, database: Database = None, redis: Redis = None, as_json: Json = False) -> None:
    """Look for what is wrong here, and say the cure.

    Exit code 1 when something fails.
    """
    import asyncio

    from worldevents import operations
    from worldevents.clock import SystemClock

    checks = asyncio.run(operations.checks(database_url(database), SystemClock().now(), redis_url=redis_url(redis)))
    failed = any(check.status == "fail" for check in checks)
    if as_json:
        told = [{"name": it.name, "status": it.status, "detail": it.detail, "cure": it.cure} for it in checks]
        output.document({"healthy": not failed, "checks": told})
    else:
        _draw(checks)
    if failed:
        raise typer.Exit(FAILED)


def _draw(checks: list[Check]) -> None:
    styles = dict(STATUS_STYLES)
    rows = [(output.styled(check.status, styles[check.status]), check.name, check.detail) for check in checks]
    output.table(("", "CHECK", "FOUND"), rows)
    cures = [check for check in checks if check.cure is not None]
    if cures:
        output.line("")
    for check in cures:
        output.line(f"{check.name}: {check.cure}", styles[check.status])


def version(*, as_json: Json = False) -> None:
    """Say which version this is."""
    from worldevents import __version__

    if as_json:
        output.document({"version": __version__})
    else:
        output.line(f"worldevents {__version__}")
