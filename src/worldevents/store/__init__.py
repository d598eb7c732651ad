"""Real-time memory: one contract (`base`), its back ends beside it."""

from __future__ import annotations

from worldevents.clock import Clock
from worldevents.ledger.base import Ledger
from worldevents.store.base import Store
from worldevents.store.embedded import EmbeddedStore

__all__ = ["open_store"]


async def open_store(ledger: Ledger, clock: Clock) -> Store:
    """The store in front of a ledger: embedded in this process, its memory built from the ledger."""
    return await EmbeddedStore.open(ledger, clock)
