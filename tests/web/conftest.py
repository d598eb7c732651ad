"""A real Chromium, a real server, and pages whose console has to stay clean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import playwright
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, async_playwright

from tests.conftest import missing
from tests.web.served import Served

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OpenPage = Callable[..., Awaitable[Page]]


def find_chromium() -> str | None:
    """Return the path of a Chromium; tools/real_servers looks in the same places."""
    named = os.environ.get("WORLDEVENTS_TEST_CHROMIUM")
    return next(
        (path for name in (named, "chromium", "chromium-browser") if name and (path := shutil.which(name))), None
    )


def driver() -> str:
    """Return the node that comes with Playwright; where it cannot start, the test is missing its driver."""
    node = Path(playwright.__file__).parent / "driver" / "node"
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        missing(f"Playwright's driver does not start here: {done.stderr.strip()[-200:]}")
    return str(node)


def seen(page: Page, text: str | re.Pattern[str]) -> Locator:
    """Find an exact text where it is visible: what the server wrote stays in the tags, unseen."""
    return page.get_by_text(text, exact=True).filter(visible=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Shorten a failure's traceback to the tests: pytest takes minutes to look through the browser library's files."""
    try:
        yield
    except (AssertionError, Error) as error:
        frames = [
            (frame, line)
            for frame, line in traceback.walk_tb(error.__traceback__)
            if "/tests/" in frame.f_code.co_filename
        ]
        short = None
        for frame, line in reversed(frames):
            short = TracebackType(short, frame, frame.f_lasti, line)
        raise error.with_traceback(short) from None


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Start one server for the module."""
    with Served(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Start one browser for the whole run."""
    path = find_chromium()
    if path is None:
        missing("no Chromium on this machine (make setup looks for one)")
    driver()
    async with async_playwright() as running:
        browser = await running.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


class Console:
    """All that a page complained about; an API that refuses or is gone is not the page's fault."""

    def __init__(self, context: BrowserContext) -> None:
        self.said: list[str] = []
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.said.append(str(error.error)))

    def _hear(self, message: ConsoleMessage) -> None:
        is_refusal = "Failed to load" in message.text and "/v1/" in message.location["url"]
        is_refusal |= message.text.startswith("WebSocket connection to ") and "/realtime/v1/" in message.text
        if message.type in ("error", "warning") and not is_refusal:
            self.said.append(message.text)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """Open an address in a context of its own, with the options of one; at the end no console has complained."""
    contexts: list[BrowserContext] = []
    consoles: list[Console] = []

    async def open_one(url: str, *, width: int = 1200, **options: Any) -> Page:
        context = await browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        consoles.append(Console(context))
        page = await context.new_page()
        await page.goto(url)
        return page

    yield open_one
    for context in contexts:
        await context.close()
    assert [] == [text for console in consoles for text in console.said]


@pytest.fixture(scope="session")
def modules() -> Path:
    """The folder of the elements."""
    return Path(__file__).parents[2] / "src" / "worldevents" / "web"
