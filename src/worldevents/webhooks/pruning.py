"""Forgetting deliveries: what an endpoint has had for long is not kept for ever. What is owed or dead is kept."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Final

from worldevents.clock import Clock
from worldevents.errors import LedgerUnavailable
from worldevents.ledger.outward import WebhookLedger

PAGE: Final = 500
"""Deliveries that are forgotten in one transaction."""
REST_S: Final = 0.05
"""Between two of them the ledger is left to others."""
LOOK_S: Final = 60.0

_log = logging.getLogger(__name__)


async def pruning(ledger: WebhookLedger, clock: Clock, *, kept: timedelta, look_s: float = LOOK_S) -> None:
    """Forget what was delivered longer than `kept` ago, until cancelled."""
    while True:
        try:
            while await ledger.prune(clock.now() - kept, limit=PAGE):  # noqa: ASYNC110 - it is this that changes it
                await asyncio.sleep(REST_S)
        except LedgerUnavailable as error:
            _log.warning("forgetting deliveries waits for the ledger: %s", error.detail)
        await asyncio.sleep(look_s)
