"""What every benchmark needs: rounds that take turns, the machine's facts, a table and a JSON document."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Side = Callable[[], float]
"""One measurement of one side; what it answers is a rate, a time or a size, as the benchmark says."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Two sides measured in turns, and what is claimed about their ratio."""

    name: str
    unit: str
    sides: Mapping[str, Sequence[float]]
    """Every round of each side, in the order in which they were run."""
    ratio: float
    """The median of the rounds' own ratios, second side to first: what disturbs the machine disturbs both sides."""
    wanted: str
    met: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What one program found."""

    title: str
    figures: Sequence[Figure]
    notes: Mapping[str, Any] = field(default_factory=dict)


def in_turns(rounds: int, sides: Mapping[str, Side]) -> dict[str, list[float]]:
    """Measure each side once in every round: A B, A B, A B."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            found[name].append(measure())
    return found


def compared(
    name: str, unit: str, sides: Mapping[str, Sequence[float]], *, at_least: float | None = None, below: float = 0
) -> Figure:
    """The second side beside the first: its ratio has to be at least so much, or below so much."""
    first, second = sides.values()
    ratio = statistics.median(b / a for a, b in zip(first, second, strict=True))
    wanted = f"< {below:g}" if at_least is None else f">= {at_least:g}"
    return Figure(name, unit, sides, ratio, wanted, ratio < below if at_least is None else ratio >= at_least)


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }


def tell(report: Report, *, as_json: bool) -> None:
    """Print a report for a reader, or as one JSON document for a program."""
    facts = machine()
    if as_json:
        document = {"title": report.title, "machine": facts, **asdict(report)}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    lines = [report.title, "  " + ", ".join(f"{name} {value}" for name, value in facts.items())]
    for one in report.figures:
        medians = ", ".join(f"{side} {statistics.median(values):,.4g}" for side, values in one.sides.items())
        verdict = "met" if one.met else "MISSED"
        lines.append(f"  {one.name:<36} {medians} {one.unit}; ratio {one.ratio:.2f} (wanted {one.wanted}: {verdict})")
    lines += [f"  {name}: {value}" for name, value in report.notes.items()]
    sys.stdout.write("\n".join(lines) + "\n")


def arguments(description: str, *, rounds: int) -> argparse.ArgumentParser:
    """The options that all programs share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds of each side (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where databases are made (default: the system's temporary folder)")
    return parser


@contextmanager
def databases(folder: Path | None) -> Iterator[Callable[[], Path]]:
    """Names of files that are not there yet, in a folder that goes with the context."""
    with tempfile.TemporaryDirectory(prefix="worldevents-benchmark-", dir=folder) as inside:
        numbers = iter(range(sys.maxsize))
        yield lambda: Path(inside) / f"{next(numbers)}.db"
