"""Fixtures of the door's tests."""

from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.door import Door, declare, opened


@pytest_asyncio.fixture(scope="session")
async def declared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a database with its events, from which every door is copied."""
    folder = tmp_path_factory.mktemp("declared")
    await declare(folder)
    return folder


@pytest_asyncio.fixture
async def door(declared: Path, tmp_path: Path) -> AsyncIterator[Door]:
    """Give a door of its own, open to this machine."""
    async with opened(declared, tmp_path) as found:
        yield found


@pytest_asyncio.fixture(scope="module")
async def shared_door(declared: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """Give a door that all tests of a module share: nothing they do changes what it stands at."""
    async with opened(declared, tmp_path_factory.mktemp("door")) as found:
        yield found


@pytest.fixture(scope="session")
def winter() -> str:
    """Give the shipped event as it is written."""
    return resources.files("worldevents.demo").joinpath("winter.toml").read_text("utf-8")
