"""Webhooks put together from settings: for a runtime, and for a command beside one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

from worldevents.clock import Clock, SystemClock
from worldevents.errors import ConfigurationInvalid
from worldevents.ledger import open_ledger
from worldevents.ledger.outward import Feed, WebhookLedger
from worldevents.settings import Settings
from worldevents.telemetry import Telemetry
from worldevents.webhooks.addresses import Policy
from worldevents.webhooks.dispatcher import Connect, Dispatcher, Post
from worldevents.webhooks.operating import Webhooks
from worldevents.webhooks.pruning import pruning


def policy(settings: Settings) -> Policy:
    """Where webhooks may go. Raises ConfigurationInvalid for `webhook_ports`."""
    try:
        ports = frozenset(int(one) for one in settings.webhook_ports.split(","))
    except ValueError:
        ports = frozenset({0})
    if not all(0 < port < 1 << 16 for port in ports):
        raise ConfigurationInvalid("ports are numbers with commas between them", field="webhook_ports")
    return Policy(ports=ports, loopback=settings.webhook_loopback)


def connecting(allowed: Policy) -> Connect:
    """How connections are opened: with a driver that is loaded when there is something to deliver."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[Post]:
        try:
            from worldevents.webhooks.sending import sending  # noqa: PLC0415 - a library alone may have no driver
        except ImportError as error:
            message = "webhooks need httpx2: pip install 'worldevents[server]'"
            raise ConfigurationInvalid(message, field="webhooks") from error
        async with sending(allowed) as sender:
            yield sender.post

    def connected() -> AbstractAsyncContextManager[Post]:
        return connect()

    return connected


def new_webhooks(ledger: WebhookLedger, feed: Feed, settings: Settings, clock: Clock) -> Webhooks:
    """The operators' verbs. Raises ConfigurationInvalid."""
    allowed = policy(settings)
    return Webhooks(ledger, feed, clock, allowed, connect=connecting(allowed))


def new_dispatcher(
    ledger: WebhookLedger, feed: Feed, settings: Settings, clock: Clock, telemetry: Telemetry
) -> Dispatcher:
    """What delivers. Raises ConfigurationInvalid."""
    chance = random.Random()  # noqa: S311 - spreads calls, keeps no secret
    return Dispatcher(ledger, feed, clock, telemetry, connect=connecting(policy(settings)), chance=chance)


def new_pruning(ledger: WebhookLedger, settings: Settings, clock: Clock) -> Coroutine[Any, Any, None]:
    """What forgets deliveries that were made long ago."""
    return pruning(ledger, clock, kept=timedelta(seconds=settings.webhook_kept_s))


@asynccontextmanager
async def open_webhooks(settings: Settings, *, feed: Feed | None = None) -> AsyncIterator[Webhooks]:
    """The operators' verbs on a database, beside the process that owns it. Raises what `open_ledger` raises."""
    async with open_ledger(settings.database_url, migrate=settings.auto_migrate) as ledger:
        yield new_webhooks(ledger.webhooks, feed or ledger, settings, SystemClock())
