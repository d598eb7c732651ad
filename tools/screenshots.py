"""Takes the pictures of the documentation: `make screenshots`.

A server on a database of its own stands at the evening of 11 December 2023 of the shipped replay, with its clock
stopped, so that the same code gives the same picture.
"""

# ruff: noqa: INP001, T201 - a program that one runs, and reads

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

from playwright.async_api import async_playwright

from worldevents import Settings, documents, open_runtime
from worldevents.demo.replay import load_rows, prepare, replay
from worldevents.serving import serve
from worldevents.testing import ManualClock

IMAGES = Path(__file__).parent.parent / "docs" / "images"
START, END = date(2023, 12, 1), date(2024, 1, 1)
NOW = datetime(2023, 12, 11, 18, tzinfo=UTC)
VIEWERS_PLACE = 214
"""The page is seen as the lifter who stands there in the first goal."""
LARGEST = 200_000
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


async def main() -> int:
    """Replay, serve, look; says what it wrote, and fails where a picture is too large to be kept."""
    chromium = os.environ.get("WORLDEVENTS_TEST_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        print("no Chromium on this machine (make setup looks for one)", file=sys.stderr)
        return 1
    clock = ManualClock(NOW)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{folder}/screenshots.db")
        async with open_runtime(settings, clock=clock) as runtime:
            verbs = documents.Local(runtime.engine)
            await prepare(verbs, START, END)
            await replay(verbs, load_rows(None, START, NOW.date()))
            board = await verbs.leaderboard("lift-the-frost", limit=VIEWERS_PLACE)
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve(settings, host="127.0.0.1", port=0, clock=clock, on_ready=ready.set_result))
        await asyncio.wait([server, ready], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await server
        viewer = board["contributors"][-1]["userId"]
        size = await look(chromium, f"{await ready}/?user={viewer}", IMAGES / "page.png")
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)
    print(f"docs/images/page.png: {size:,} bytes")
    return 0 if size < LARGEST else 1


async def look(chromium: str, url: str, picture: Path) -> int:
    """Write a picture of a page once its elements live, and return its size in bytes."""
    picture.parent.mkdir(exist_ok=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        options = {
            "viewport": {"width": 1280, "height": 1000},
            "device_scale_factor": 0.7,
            "color_scheme": "dark",
            "reduced_motion": "reduce",
        }
        page = await browser.new_page(**options)
        await page.goto(url)
        for shown in ("community-goal-banner article", "goal-contributors [part=table]"):
            await page.locator(shown).nth(2).wait_for()
        shot = await page.screenshot(path=picture)
        await browser.close()
    return len(shot)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
