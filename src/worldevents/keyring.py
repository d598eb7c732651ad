"""The keys of a database, for who stands before the machine: made, listed and revoked beside a running server.

The text of a new key is handed out once and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from worldevents.access_keys import AccessKey
from worldevents.auth.keys import NewKey
from worldevents.ledger import open_ledger


@dataclass(frozen=True, slots=True)
class Kept:
    """What keeping a key found: whether it is the first one, and goals of it that no event has."""

    is_first: bool
    unknown_goals: Sequence[str]


async def keep(url: str, new: NewKey, *, migrate: bool) -> Kept:
    """Keep a new key; the database is made if it is not there. Raises LedgerUnavailable, LedgerOutdated."""
    async with open_ledger(url, migrate=migrate) as ledger:
        is_first = not await ledger.keys()
        known = {goal.id for version in await ledger.events() for goal in version.event.goals}
        await ledger.add_key(new.key)
    return Kept(is_first, sorted(new.key.goals - known))


async def every(url: str, *, migrate: bool) -> list[AccessKey]:
    """All keys, revoked ones too, oldest first."""
    async with open_ledger(url, migrate=migrate) as ledger:
        return await ledger.keys()


async def revoke(url: str, key_id: str, at: datetime, *, migrate: bool) -> AccessKey:
    """Revoke a key. Raises UnknownKey."""
    async with open_ledger(url, migrate=migrate) as ledger:
        return await ledger.revoke_key(key_id, at)
