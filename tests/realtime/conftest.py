"""Fixtures of the wire's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.served import Server, begun, served
from tests.web.conftest import browser, open_page
from worldevents.settings import Settings

__all__ = ["browser", "open_page", "server", "settings"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give the settings of a server that tells every change at once."""
    return Settings.load(database_url=f"sqlite:///{tmp_path}/served.db", update_interval_ms=10)


@pytest_asyncio.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """Give a server in open mode with one event of one goal."""
    await begun(settings)
    async with served(settings) as found:
        yield found
