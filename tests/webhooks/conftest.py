"""Fixtures for webhooks."""

import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.webhooks.receiver import Receiver, receiving


@pytest.fixture
def chance() -> random.Random:
    """Give the same chance at every run."""
    return random.Random(1)  # noqa: S311 - nothing is secret here


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Have a receiver on this machine."""
    async with receiving() as found:
        yield found
