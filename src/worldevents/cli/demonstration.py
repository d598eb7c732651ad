"""The demonstration: the system with its page, and a past month that goes by in it.

The clock is simulated and begins with December 2023; the rest is the system as it always is. What was lifted on a day
is told in that day's afternoon, evenly. The afternoons on which anybody lifted go by at one speed, and all other hours,
in which nothing happens, twenty times as fast; with a speed every hour is as long as any other. When all is told the
clock stands at the beginning of the month's last day and runs on in real time: the event has one more day.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from worldevents.cli import output, replaying
from worldevents.cli.commands.serve import serving, tell_addresses

if TYPE_CHECKING:
    from worldevents.demo.pace import SimulatedClock
    from worldevents.demo.replay import ReplayReport
    from worldevents.documents import Verbs
    from worldevents.importers.openpowerlifting import Row
    from worldevents.runtime import Runtime

T = TypeVar("T")

LAST_DAY = timedelta(days=1)
"""How much of the event is left when all is told: a page that stays open shows it running."""

WINDOW_S = 30 * 86_400
"""How long Redis knows an id and one may wait for the ledger: hours of the simulated clock are a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Where a demo is to be served, and how it ends."""

    host: str
    port: int
    is_open: bool
    """Whether only this machine reaches it, and may do everything; else others may read."""
    exit_when_done: bool
    as_json: bool
    redis_url: str = ""
    database_url: str | None = None
    """None: one of its own, removed afterwards."""


def clock_for(rows: list[Row], *, speed: float | None, seconds: float) -> SimulatedClock:
    """The month in so many seconds, or at a speed."""
    from worldevents.demo import pace
    from worldevents.demo.replay import midnight

    starts_at, ends_at = midnight(replaying.FIRST_DAY), midnight(replaying.END_DAY) - LAST_DAY
    if speed == replaying.MAX:
        return pace.LeapingClock(starts_at, ends_at, time.monotonic)
    if speed is not None:
        return pace.TimelineClock(pace.steady(starts_at, ends_at, speed), time.monotonic)
    days = {row.date for row in rows}
    return pace.TimelineClock(pace.lively(days, starts_at, ends_at, seconds=seconds), time.monotonic)


async def show(rows: list[Row], clock: SimulatedClock, wanted: Wanted) -> bool:
    """Serve and replay until somebody ends it; says whether the month was over by then."""
    from worldevents.api.app import create_app
    from worldevents.demo import replay
    from worldevents.documents import Local

    server = serving()
    with closing(server.bound(wanted.host, wanted.port)) as listener:
        async with _opened(clock, wanted) as runtime:
            verbs = Local(runtime.engine)
            await replay.prepare(verbs, replaying.FIRST_DAY, replaying.END_DAY)
            async with server.listening(create_app(runtime), listener, hub=runtime.hub) as leaving:
                url = server.url_of(listener)
                tell_addresses(url)
                output.note(f"In another terminal: worldevents goals show lift-the-frost --watch --server {url}")
                report = await _until(leaving, _replay(verbs, rows, clock))
                if report is None:
                    return False
                if wanted.as_json:
                    output.document(report.document())
                    sys.stdout.flush()
                else:
                    replaying.draw(report.document(), report.refusals)
                if not wanted.exit_when_done:
                    output.note(f"December is over; {url} stays as it is. Ctrl-C ends it.")
                    await leaving
                return True


@asynccontextmanager
async def _opened(clock: SimulatedClock, wanted: Wanted) -> AsyncIterator[Runtime]:
    """The system on its database. Where it is not open, others may read, and no more."""
    from worldevents.auth import KeyKind, new_key
    from worldevents.runtime import open_runtime
    from worldevents.settings import Settings

    made = new_key("demo", kind=KeyKind.PUBLIC, created_at=clock.now(), randomness=secrets.token_bytes(32))
    with tempfile.TemporaryDirectory(prefix="worldevents-") as folder:
        page_key = None if wanted.is_open else made.text
        database_url = wanted.database_url or f"sqlite:///{folder}/demo.db"
        settings = Settings.load(
            database_url=database_url,
            redis_url=wanted.redis_url,
            dedupe_window_s=WINDOW_S,
            lag_max_s=WINDOW_S,
            page_key=page_key,
            # Whatever stands in the environment is for goals that are none of a demo's.
            supabase_url="",
            webhooks=False,
        )
        async with open_runtime(settings, clock=clock) as runtime:
            if not wanted.is_open:
                await runtime.ledger.add_key(made.key)
                await runtime.access.refresh()
            yield runtime


async def _replay(verbs: Verbs, rows: list[Row], clock: SimulatedClock) -> ReplayReport:
    from worldevents.demo import replay

    clock.begin()
    with replaying.progress(len(rows)) as advance:
        report = await replay.replay(verbs, rows, on_progress=advance, pace=clock.reach)
    clock.rest()
    return report


async def _until(leaving: asyncio.Task[None], work: Coroutine[Any, Any, T]) -> T | None:
    """What some work leads to; None where the server is asked to leave before it is done."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        await asyncio.wait({task})
