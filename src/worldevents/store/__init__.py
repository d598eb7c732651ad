"""Real-time memory: one contract (`base`), its back ends beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from worldevents.clock import Clock, SystemClock
from worldevents.errors import ConfigurationInvalid
from worldevents.ledger.base import Ledger, OutboxLedger
from worldevents.settings import Settings
from worldevents.store.base import BufferedStore, Store
from worldevents.store.embedded import EmbeddedStore

if TYPE_CHECKING:
    from worldevents.store.redis import OutboxBounds

__all__ = ["open_buffered", "open_store"]


async def open_store(ledger: Ledger, clock: Clock) -> Store:
    """The store in front of a ledger: embedded in this process, its memory built from the ledger."""
    return await EmbeddedStore.open(ledger, clock)


@asynccontextmanager
async def open_buffered(settings: Settings, ledger: OutboxLedger, clock: Clock) -> AsyncIterator[BufferedStore]:
    """The store in Redis that the settings name. Redis tells the time, unless the clock is another than the machine's.

    Raises ConfigurationInvalid where the driver is not installed, and what `RedisStore.open` raises.
    """
    try:
        from worldevents.store.redis import RedisStore  # noqa: PLC0415 - its driver is there where it is asked for
    except ImportError as error:
        message = "Redis needs its driver: pip install 'worldevents[redis]'"
        raise ConfigurationInvalid(message, field="redis_url") from error
    async with RedisStore.open(
        settings.redis_url,
        ledger,
        prefix=settings.redis_prefix,
        dedupe_window_s=settings.dedupe_window_s,
        outbox=_bounds(settings),
        clock=None if isinstance(clock, SystemClock) else clock,
    ) as store:
        if settings.ack == "fsynced" and not store.can_flush:
            message = "this Redis can neither fsync always nor wait for its disk (7.2, with an append-only file)"
            raise ConfigurationInvalid(message, field="ack")
        yield store


def _bounds(settings: Settings) -> OutboxBounds:
    from worldevents.store.redis import OutboxBounds  # noqa: PLC0415 - as above

    return OutboxBounds(
        waiting_max=settings.outbox_max,
        bytes_max=settings.outbox_bytes_max,
        kept_max=settings.outbox_kept_max,
        kept_s=settings.outbox_kept_s,
    )
