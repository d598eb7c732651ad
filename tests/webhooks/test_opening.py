"""Webhooks from settings: where they may go, and whether a runtime delivers them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.webhooks.feed import Feed
from tests.webhooks.receiver import Receiver
from worldevents.errors import ConfigurationInvalid
from worldevents.runtime import open_runtime
from worldevents.settings import Settings
from worldevents.testing import ManualClock
from worldevents.testing.builders import DURING
from worldevents.webhooks.addresses import Policy
from worldevents.webhooks.dispatcher import LOOK_S
from worldevents.webhooks.opening import policy

pytestmark = pytest.mark.usefixtures("no_leaks")


def test_the_defaults_let_nothing_near() -> None:
    """Port 443 alone, and no address of this machine."""
    assert Policy(ports=frozenset({443}), loopback=False) == policy(Settings())


def test_ports_are_named() -> None:
    """With commas between them."""
    settings = Settings(webhook_ports="443, 8443", webhook_loopback=True)
    assert Policy(ports=frozenset({443, 8443}), loopback=True) == policy(settings)


@pytest.mark.parametrize("ports", ["", "443,", "0", "65536", "-1", "https", "443;8443"])
async def test_ports_that_are_none(ports: str, tmp_path: Path) -> None:
    """Are refused at the start, by the setting's name."""
    settings = Settings(database_url=f"sqlite:///{tmp_path}/x.db", webhook_ports=ports)
    with pytest.raises(ConfigurationInvalid) as refused:
        async with open_runtime(settings):
            pass
    assert "webhook_ports" == refused.value.field


@pytest.mark.parametrize("delivers", [True, False])
async def test_a_runtime_delivers_where_it_is_to(receiver: Receiver, tmp_path: Path, *, delivers: bool) -> None:
    """From its first endpoint on; with `webhooks` off the messages wait for another process."""
    settings = Settings(database_url=f"sqlite:///{tmp_path}/x.db", webhook_loopback=True, webhooks=delivers)
    async with open_runtime(settings, clock=ManualClock(DURING), feed=Feed(3)) as runtime:
        await runtime.webhooks.add(receiver.url, since=DURING, author="ops", reason="why")
        if delivers:
            await receiver.hears(3)
        else:
            await asyncio.sleep(2 * LOOK_S)
            (account,) = await runtime.webhooks.report()
            assert (0, 3) == (len(receiver.sent), account.owed)
