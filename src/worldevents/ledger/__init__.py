"""Durable memory: one contract (`base`), SQLite and PostgreSQL behind it, chosen by URL."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from dataclasses import replace

from worldevents.ledger.database import Database, parse_url
from worldevents.ledger.ledger import SqlLedger
from worldevents.ledger.migrate import HEAD, claim, require_head, revision, upgrade
from worldevents.ledger.outward import FullLedger
from worldevents.ledger.owner import Address, announcing, owning
from worldevents.ledger.owner import find_server as _find_server

SHARED = "shared"
"""The one name under which all write who own a database together."""

__all__ = ["HEAD", "Address", "announced", "find_server", "migrate_ledger", "open_ledger", "schema_revision"]


@asynccontextmanager
async def open_ledger(
    url: str, *, migrate: bool = True, own: bool = False, shared: bool = False
) -> AsyncIterator[FullLedger]:
    """The ledger in a database, `sqlite:///file` or `postgresql://…`; closed when the context ends.

    With `migrate` the schema is brought up to date first; without it an older one is LedgerOutdated. With `own` no
    other process that asks for the same can have it (DatabaseOwned): the embedded store's condition. With `own` and
    `shared` those that ask for both have it together: the condition of a store that they share.
    """
    parsed = parse_url(url)
    async with _entered(owning(parsed, shared=shared) if own else nullcontext()):
        database = Database(parsed)
        try:
            identity = await database.write(upgrade) if migrate else await database.read(require_head)
            if own:
                owner = SHARED if shared else secrets.token_hex(8)
                await database.write(claim, owner)
                identity = replace(identity, owner=owner)
            yield SqlLedger(database, identity)
        finally:
            await database.close()


@asynccontextmanager
async def _entered(context: AbstractContextManager[None]) -> AsyncIterator[None]:
    """A context that waits for a server, entered and left off the event loop."""
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, context)
        try:
            yield
        finally:
            await asyncio.to_thread(stack.close)


def announced(url: str, address: Address) -> AbstractContextManager[None]:
    """While the context is open, `find_server` tells others on this machine where this database is served.

    Only for who has opened it with `own`. Of a PostgreSQL database nothing is told.
    """
    return announcing(parse_url(url), address)


def find_server(url: str) -> Address | None:
    """Where on this machine a database is served right now; None where it is not, or nobody can tell."""
    return _find_server(parse_url(url))


async def migrate_ledger(url: str) -> None:
    """Bring a database's schema to HEAD."""
    async with open_ledger(url):
        pass


async def schema_revision(url: str) -> str | None:
    """The schema revision that a database is at; None for an empty one."""
    database = Database(parse_url(url))
    try:
        return await database.read(revision)
    finally:
        await database.close()
