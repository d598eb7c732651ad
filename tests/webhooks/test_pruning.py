"""Deliveries are forgotten in the background, and the report counts them on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from tests.webhooks.feed import Feed
from tests.webhooks.receiver import Receiver
from worldevents.errors import UnknownDelivery
from worldevents.runtime import open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING
from worldevents.webhooks import pruning

pytestmark = pytest.mark.usefixtures("no_leaks")


async def test_a_runtime_forgets_what_is_older_than_the_setting(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was delivered is counted as before, and cannot be sent again any more."""
    monkeypatch.setattr(pruning, "PAGE", 2)
    monkeypatch.setattr(pruning, "REST_S", 0.0)
    monkeypatch.setattr(pruning.pruning, "__kwdefaults__", {"look_s": 0.01})
    clock = ManualClock(DURING)
    settings = Settings(database_url=f"sqlite:///{tmp_path}/x.db", webhook_loopback=True, webhook_kept_s=3_600)
    async with open_runtime(settings, clock=clock, feed=Feed(5)) as runtime:
        endpoint = await runtime.webhooks.add(receiver.url, since=DURING, author="ops", reason="why")
        await receiver.hears(5)

        async def counted() -> tuple[int, int, int]:
            (account,) = await runtime.webhooks.report()
            return account.announced, account.delivered, len(await runtime.webhooks.deliveries(endpoint.id))

        async with asyncio.timeout(20):
            while (5, 5, 5) != await counted():  # noqa: ASYNC110 - it is the system that acts
                await asyncio.sleep(0.01)
            clock.move(timedelta(hours=1, seconds=1))
            while (5, 5, 0) != await counted():  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.01)
        with pytest.raises(UnknownDelivery):
            await runtime.webhooks.replay(endpoint.id, message_id="msg_1", author="ops", reason="why")
        assert 5 == len(receiver.sent)
