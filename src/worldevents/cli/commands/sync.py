"""`worldevents sync` and `reconcile`: between the store in Redis and the ledger, without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldevents.cli import output
from worldevents.cli.options import Database, Json, Redis

if TYPE_CHECKING:
    from worldevents.comparing import Finding, Sums
    from worldevents.model import Metric
    from worldevents.settings import Settings
    from worldevents.store.base import BufferedStore
    from worldevents.syncer import Syncer

FAILED = 1


def sync(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Until nothing waits, for cron; exit code 1 when something is left.")
    ] = False,
    redis: Redis = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Carry contributions from Redis to the ledger, until Ctrl-C."""
    import asyncio

    done, waiting = asyncio.run(_sync(_settings(redis, database), once=once))
    if as_json:
        output.document({"done": done, "waiting": waiting})
    elif once:
        output.line("everything is in the ledger" if done else f"{waiting:,} contributions wait for the ledger")
    if not done:
        raise typer.Exit(FAILED)


async def _sync(settings: Settings, *, once: bool) -> tuple[bool, int]:
    from worldevents.runtime import open_syncer

    async with open_syncer(settings) as (store, syncer):
        if once:
            return await syncer.once(), syncer.waiting
        await _until_signalled(store, syncer)
        return True, syncer.waiting


async def _until_signalled(store: BufferedStore, syncer: Syncer) -> None:
    import asyncio
    import signal

    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    output.note("carrying contributions to the ledger; Ctrl-C ends it")
    async with asyncio.TaskGroup() as tasks:
        works = [tasks.create_task(syncer.run()), tasks.create_task(store.run())]
        await asked.wait()
        for one in works:
            one.cancel()


def reconcile(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Build what differs again from the ledger.")] = False,
    redis: Redis = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Compare every goal in Redis with the ledger, its contributors counted again.

    Exit code 1 when something differs. What is mended stands in the ledger, as the epoch that began and why.
    """
    import asyncio

    found = asyncio.run(_reconcile(_settings(redis, database), fix=fix))
    if as_json:
        output.document({"goals": [_document(one, metric) for one, metric in found]})
    else:
        output.table(
            ("GOAL", "LEDGER", "REDIS", "CONTRIBUTORS", "WAITING", ""), [_row(one, metric) for one, metric in found]
        )
    if not all(one.agrees for one, _ in found):
        raise typer.Exit(FAILED)


async def _reconcile(settings: Settings, *, fix: bool) -> list[tuple[Finding, Metric]]:
    from worldevents.runtime import open_syncer

    async with open_syncer(settings) as (store, syncer):
        return [(one, store.goal(one.goal_id).metric) for one in await syncer.reconcile(fix=fix)]


def _settings(redis: str | None, database: str | None) -> Settings:
    from worldevents.settings import Settings

    return Settings.load(redis_url=redis, database_url=database)


def _row(found: Finding, metric: Metric) -> tuple[str, ...]:
    verdict = "mended" if found.mended else "equal" if found.agrees else "DIFFERS"
    return (
        found.goal_id,
        f"{metric.decimal(found.ledger.total):,f}",
        "lost" if found.store is None else f"{metric.decimal(found.store.total):,f}",
        "" if found.store is None or found.store.participants is None else f"{found.store.participants:,}",
        f"{found.waiting:,}",
        verdict,
    )


def _document(found: Finding, metric: Metric) -> dict[str, Any]:
    return {
        "goalId": found.goal_id,
        "agrees": found.agrees,
        "mended": found.mended,
        "waiting": found.waiting,
        "repairs": found.repairs,
        "ledger": _sums(found.ledger, metric),
        "store": None if found.store is None else _sums(found.store, metric),
        "sumOfUsers": None if found.sum_of_users is None else str(metric.decimal(found.sum_of_users)),
    }


def _sums(sums: Sums, metric: Metric) -> dict[str, Any]:
    return {
        "total": str(metric.decimal(sums.total)),
        "pending": str(metric.decimal(sums.pending)),
        "participants": sums.participants,
    }
