"""From a contribution's receipt to its paint in Chromium, while a thousand contributions a second are counted.

One page follows the goal by Supabase's wire, another by `EventSource`; each notes when the browser painted which value.
A contribution has been seen when a value that holds it was painted. Needs a Chromium, as the tests of the page do.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import httpx2
from playwright.async_api import Browser, Page, async_playwright

from benchmarks.door import served
from benchmarks.event import GOAL, open_event
from benchmarks.measuring import Figure, Report, arguments, databases, tell
from worldevents import Settings, open_runtime

PER_SECOND: Final = 1_000
SECONDS: Final = 30
WANTED_MS: Final = 600
BURST: Final = 20
"""Contributions in one request: fifty requests a second make a thousand contributions."""
FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")

_PAGES: Final = {
    "WebSocket": """
        const socket = new WebSocket(`${url.replace('http', 'ws')}/realtime/v1/websocket?vsn=2.0.0&apikey=x`);
        socket.onopen = () => socket.send('["1","1","realtime:community_goals","phx_join",{}]');
        socket.onmessage = ({ data }) => {
          const [, , , event, payload] = JSON.parse(data);
          if (event === 'broadcast' && payload.event === 'goal_update') show(payload.newValue);
        };""",
    "EventSource": """
        const stream = new EventSource(`${url}/v1/stream`);
        stream.addEventListener('goal_update', ({ data }) => show(JSON.parse(data).newValue));""",
}
_SHOW: Final = """(url) => {
    window.painted = [];
    const value = document.body.appendChild(document.createElement('output'));
    const show = (told) => {
      value.textContent = told;
      // The frame after the one that was asked for begins when this one has been painted.
      requestAnimationFrame(() => requestAnimationFrame((at) => painted.push([told, performance.timeOrigin + at])));
    };
    %s
}"""


async def measure(database: Path, browser: Browser, *, per_second: int, seconds: float) -> dict[str, list[float]]:
    """How long each contribution took until it was painted, in milliseconds, on each page."""
    async with open_runtime(Settings(database_url=f"sqlite:///{database}")) as runtime:
        await runtime.engine.publish(open_event(), author="benchmark")
    with served(["benchmarks.viewers", "--serve", f"sqlite:///{database}"]) as (host, port):
        url = f"http://{host}:{port}"
        async with AsyncExitStack() as stack:
            pages = {kind: await _opened(browser, url, script) for kind, script in _PAGES.items()}
            client = await stack.enter_async_context(httpx2.AsyncClient(base_url=url))
            receipts = await _contribute(client, per_second=per_second, seconds=seconds)
            found = {}
            for kind, page in pages.items():
                await page.wait_for_function("(last) => painted.some(([value]) => value === last)", arg=receipts[-1][0])
                found[kind] = _waits(receipts, await page.evaluate("painted"))
                await page.close()
    return found


async def _opened(browser: Browser, url: str, script: str) -> Page:
    page = await browser.new_page()
    # Any page of the same origin that lets a script in.
    await page.goto(f"{url}/version")
    await page.evaluate(_SHOW % script, url)
    await page.wait_for_function("painted.length > 0")
    return page


async def _contribute(client: httpx2.AsyncClient, *, per_second: int, seconds: float) -> list[tuple[float, float]]:
    """The total with each contribution, and when its receipt was here, in milliseconds since 1970."""
    numbers, receipts, began = itertools.count(), [], time.monotonic()
    for turn in range(int(seconds * per_second / BURST)):
        await asyncio.sleep(max(0.0, began + turn * BURST / per_second - time.monotonic()))
        items = [
            {"goalId": GOAL, "contributionId": f"c{next(numbers)}", "userId": f"u{n}", "amount": 1}
            for n in range(BURST)
        ]
        answer = (await client.post("/v1/contributions", json={"items": items})).raise_for_status()
        now = time.time() * 1_000
        receipts += [(one["receipt"]["currentValue"], now) for one in answer.json()["results"]]
    return sorted(receipts)


def _waits(receipts: Sequence[tuple[float, float]], painted: Sequence[tuple[float, float]]) -> list[float]:
    values = [value for value, _ in painted]
    return sorted(painted[bisect_left(values, value)][1] - at for value, at in receipts)


async def _run(chosen: Any, database: Path) -> dict[str, list[float]]:
    from tests.web.conftest import find_chromium  # noqa: PLC0415 - where the tests find theirs

    path = find_chromium()
    if path is None:
        raise SystemExit("no Chromium on this machine (make setup looks for one)")
    async with async_playwright() as running:
        browser = await running.chromium.launch(executable_path=path, args=FLAGS)
        return await measure(database, browser, per_second=chosen.per_second, seconds=chosen.seconds)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and tell."""
    parser = arguments(__doc__ or "", rounds=1)
    parser.add_argument("--per-second", type=int, default=PER_SECOND)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    chosen = parser.parse_args(argv)
    with databases(chosen.folder) as new:
        rounds = [asyncio.run(_run(chosen, new())) for _ in range(chosen.rounds)]
    figures, notes = [], {}
    for kind in _PAGES:
        waits = [one[kind] for one in rounds]
        p99 = [one[len(one) * 99 // 100] for one in waits]
        ratio = statistics.median(p99) / WANTED_MS
        sides = {"p50": [statistics.median(one) for one in waits], "p99": p99}
        figures.append(Figure(kind, "ms", sides, ratio, f"p99 < {WANTED_MS} ms, ratio < 1", met=ratio < 1))
        notes[f"{kind}, longest"] = f"{max(one[-1] for one in waits):.0f} ms of {len(waits[0]):,} contributions"
    tell(Report("From a receipt to its paint", figures, notes), as_json=chosen.json)


if __name__ == "__main__":
    main()
