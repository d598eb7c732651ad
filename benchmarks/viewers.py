"""Live updates before many viewers: every one has the last value, how long it took, and what a viewer costs.

A server of its own process, and viewers over SSE and over WebSockets in processes of theirs, all on this machine. The
goal moves twice a second for as long as is asked. The first figure is how the processor time for one delivery grows
with the number of viewers; the second what others notice of a thousand viewers who never read.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2

from benchmarks.door import served
from benchmarks.event import GOAL, open_event
from benchmarks.measuring import Figure, Report, arguments, compared, databases, tell
from worldevents import Settings, open_runtime

SIZES: Final = (1_000, 2_000, 5_000, 10_000)
SECONDS: Final = 60
PER_SECOND: Final = 2
DEAF: Final = 1_000
SETTLE_S: Final = 1.0
"""How long the last value may take until everybody has it; more is an error."""
WANTED_GROWTH: Final = 1.2
"""How much dearer a delivery may be before the most viewers than before the fewest; 1 is linear."""
WANTED_P99: Final = 1.5
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run showed."""

    viewers: int
    deliveries: int
    p50_ms: float
    p99_ms: float
    processor: float
    """The share of one processor that the server had."""
    each_us: float
    """Processor time for one delivery."""
    grown_kb: float
    """How much resident memory the server had more than before the first viewer, at most."""

    @property
    def each_kb(self) -> float:
        """Resident memory for one viewer."""
        return self.grown_kb / self.viewers


class Observed:
    """A server process, looked at from outside."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    @property
    def processor_s(self) -> float:
        """The processor time that it has had, in seconds."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def resident_kb(self) -> float:
        """Its resident memory."""
        return int((self._folder / "statm").read_text().split()[1]) * _PAGE / 1_000


@contextmanager
def watching(url: str, kind: str, count: int, epoch: float) -> Iterator[subprocess.Popen[str]]:
    """So many viewers, who have the state when the context opens."""
    command = [sys.executable, "-m", "benchmarks.watchers", url, kind, str(count), str(epoch)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the viewers did not get to the server")
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What those viewers have seen."""
    answer, _ = process.communicate("\n")
    found: dict[str, Any] = json.loads(answer)
    return found


def move(client: httpx2.Client, numbers: Iterator[int], total_ms: int, epoch: float) -> int:
    """Bring the goal to the present moment, in milliseconds since the epoch: that is its value from now on."""
    now_ms = int((time.monotonic() - epoch) * 1_000)
    amount = (now_ms - total_ms) / 1_000
    body = {"contributionId": f"c{next(numbers)}", "userId": "somebody", "amount": f"{amount:.3f}"}
    client.post(f"/v1/goals/{GOAL}/contributions", json=body).raise_for_status()
    return now_ms


def run(database: Path, sizes: dict[str, int], seconds: float) -> Run:
    """Watch a new server with so many viewers of each kind."""
    asyncio.run(_publish(database))
    with ExitStack() as stack:
        (host, port), pid = stack.enter_context(_server(database))
        url, epoch = f"http://{host}:{port}", time.monotonic() - 1
        client = stack.enter_context(httpx2.Client(base_url=url))
        numbers = itertools.count()
        total_ms = move(client, numbers, 0, epoch)
        server, before_kb = Observed(pid), Observed(pid).resident_kb
        crowds = [stack.enter_context(watching(url, kind, count, epoch)) for kind, count in sizes.items() if count]
        began_s, began, updates, most_kb = server.processor_s, time.monotonic(), 0, server.resident_kb
        while time.monotonic() < began + seconds:
            updates += 1
            time.sleep(max(0.0, began + updates / PER_SECOND - time.monotonic()))
            total_ms = move(client, numbers, total_ms, epoch)
            most_kb = max(most_kb, server.resident_kb)
        processor_s, took = server.processor_s - began_s, time.monotonic() - began
        time.sleep(SETTLE_S)
        found = [one for one in map(told, crowds) if one]
        return _summed(found, sizes, total_ms / 1_000, processor_s=processor_s, took=took, grown_kb=most_kb - before_kb)


async def _publish(database: Path) -> None:
    async with open_runtime(Settings(database_url=f"sqlite:///{database}")) as runtime:
        await runtime.engine.publish(open_event(), author="benchmark")


@contextmanager
def _server(database: Path) -> Iterator[tuple[tuple[str, int], int]]:
    with served(["benchmarks.viewers", "--serve", f"sqlite:///{database}"]) as (host, port):
        answer = httpx2.get(f"http://{host}:{port}/metrics")
        answer.raise_for_status()
        yield (host, port), _pid_of(port)


def _pid_of(port: int) -> int:
    """The process that listens at a port of this machine: a child of this one."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for child in map(int, children):
        if f"{port:04X}" in Path(f"/proc/{child}/net/tcp").read_text() and b"--serve" in _command(child):
            return child
    raise RuntimeError("the server is not there")


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _summed(
    found: Sequence[dict[str, Any]],
    sizes: dict[str, int],
    last: float,
    *,
    processor_s: float,
    took: float,
    grown_kb: float,
) -> Run:
    viewers = sum(count for kind, count in sizes.items() if not kind.endswith("-deaf"))
    for one in found:
        if one["last"] != [last] or one["ended"]:
            raise RuntimeError(f"the goal stands at {last}; viewers have {one['last']}, {one['ended']} have gone")
    latencies = sorted(itertools.chain.from_iterable(one["latencies"] for one in found))
    deliveries = len(latencies)
    return Run(
        viewers=viewers,
        deliveries=deliveries,
        p50_ms=latencies[deliveries // 2] * 1_000,
        p99_ms=latencies[deliveries * 99 // 100] * 1_000,
        processor=processor_s / took,
        each_us=processor_s / deliveries * 1e6,
        grown_kb=grown_kb,
    )


def serve(database: str) -> None:
    """Be the server."""
    from worldevents import serving  # noqa: PLC0415 - only in the server's process

    serving.run(
        Settings(database_url=database, log_level="warning"),
        host="127.0.0.1",
        port=0,
        on_ready=lambda url: print(json.dumps({"url": url}), flush=True),  # noqa: T201 - as `serve --json` does
    )


def _halves(viewers: int) -> dict[str, int]:
    return {"sse": viewers // 2, "ws": viewers - viewers // 2}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and tell."""
    parser = arguments(__doc__ or "", rounds=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="viewers, half of each kind")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--deaf", type=int, default=DEAF, help="viewers who never read")
    parser.add_argument("--serve", metavar="DATABASE", help="what this program asks itself")
    chosen = parser.parse_args(argv)
    if chosen.serve:
        serve(chosen.serve)
        return
    sizes: list[int] = chosen.sizes
    figures: list[Figure] = []
    notes: dict[str, Any] = {}
    with databases(chosen.folder) as new:
        runs = {size: [run(new(), _halves(size), chosen.seconds) for _ in range(chosen.rounds)] for size in sizes}
        for size, of_size in runs.items():
            notes |= {f"{size:,} viewers, run {number}": _told(one) for number, one in enumerate(of_size, 1)}
        each = {f"{size:,}": [one.each_us for one in runs[size]] for size in (sizes[0], sizes[-1])}
        figures.append(compared("processor time of a delivery", "us", each, below=WANTED_GROWTH))
        for kind in ("sse", "ws"):
            alone = [run(new(), {kind: sizes[0]}, chosen.seconds) for _ in range(chosen.rounds)]
            beside = [
                run(new(), {kind: sizes[0], f"{kind}-deaf": chosen.deaf}, chosen.seconds) for _ in range(chosen.rounds)
            ]
            both = {"alone": [one.p99_ms for one in alone], "beside the deaf": [one.p99_ms for one in beside]}
            figures.append(compared(f"p99 of {kind}", "ms", both, below=WANTED_P99))
            more_kb = (beside[-1].grown_kb - alone[-1].grown_kb) / max(chosen.deaf, 1)
            notes |= {
                f"{kind} alone": _told(alone[-1]),
                f"{kind} beside {chosen.deaf:,} deaf": _told(beside[-1]),
                f"one deaf {kind}": f"{more_kb:.1f} kB more, at most",
            }
    tell(Report("Live updates by viewers", figures, notes), as_json=chosen.json)


def _told(one: Run) -> str:
    return (
        f"p50 {one.p50_ms:.1f} ms, p99 {one.p99_ms:.1f} ms, {one.deliveries:,} deliveries of {one.each_us:.1f} us, "
        f"{one.processor:.0%} of a processor, {one.each_kb:.1f} kB a viewer"
    )


if __name__ == "__main__":
    main()
