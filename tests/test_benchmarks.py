"""The benchmarks run and count right: tiny sizes, and nothing about time."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import crowd, door, front, grants, library, measuring, memory, painted, ranking, viewers
from tests.conftest import missing
from tests.web.conftest import driver, find_chromium

pytestmark = pytest.mark.slow

Program = Callable[[list[str]], None]


def told(capsys: pytest.CaptureFixture[str], program: Program, *options: str) -> dict[str, Any]:
    """Run a program for one document."""
    program(["--json", "--rounds", "2", *options])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize(
    ("program", "options", "sides"),
    [
        (library.main, ("--scale", "0.01"), {"plain sqlite3", "worldevents"}),
        (door.main, ("--scale", "0.01"), {"worldevents"}),
        (ranking.main, ("--small", "10", "--large", "1500", "--calls", "20"), {"10", "1,500"}),
        (memory.main, ("--contributors", "100"), {"empty", "full"}),
        (grants.main, ("--contributors", "1500", "--quiet", "0.2"), {"quiet", "busy"}),
    ],
    ids=["library", "door", "ranking", "memory", "grants"],
)
def test_a_benchmark_runs(
    capsys: pytest.CaptureFixture[str], program: Program, options: tuple[str, ...], sides: set[str]
) -> None:
    """Each program checks what it counted, and tells every round of both sides and the machine."""
    document = told(capsys, program, *options)
    assert {"measured_at", "python", "sqlite", "system", "processors", "load"} == set(document["machine"])
    assert document["figures"]
    for figure in document["figures"]:
        assert sides <= set(figure["sides"])
        assert [2, 2] == [len(values) for values in figure["sides"].values()]
        assert all(value > 0 for values in figure["sides"].values() for value in values)


@pytest.mark.usefixtures("redis_server", "postgres")
def test_the_benchmark_of_redis_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It counts in Redis and in PostgreSQL what it has told, and says what things take."""
    document = told(capsys, front.main, "--scale", "0.001")
    assert {"COPY", "syncer"} == set(document["figures"][-1]["sides"])
    assert all(value > 0 for one in document["figures"] for values in one["sides"].values() for value in values)
    assert any(name.startswith("rebuild of 1,024") for name in document["notes"])


def test_the_benchmark_of_viewers_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Every viewer has the last value, or it ends with an error; and each update came to each of them."""
    options = ("--rounds", "1", "--sizes", "50", "100", "--seconds", "1.5", "--deaf", "20")
    document = told(capsys, viewers.main, *options)
    assert ["50", "100"] == list(document["figures"][0]["sides"])
    assert " 300 deliveries " in document["notes"]["100 viewers, run 1"]


@pytest.mark.real
def test_the_benchmark_of_paints_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Every contribution was painted on both pages."""
    if find_chromium() is None:
        missing("no Chromium on this machine (make setup looks for one)")
    driver()
    document = told(capsys, painted.main, "--rounds", "1", "--per-second", "200", "--seconds", "2")
    assert ["WebSocket", "EventSource"] == [one["name"] for one in document["figures"]]
    assert all("400 contributions" in note for note in document["notes"].values())


def test_a_wrong_count_is_no_measurement(tmp_path: Path) -> None:
    """A file that does not hold what was told ends the program."""
    database = asyncio.run(crowd.crowded(lambda: tmp_path / "ledger.db", 3))
    with pytest.raises(RuntimeError, match="4 were told, in the file are 3"):
        library.check(database, 4)


def test_rounds_take_turns() -> None:
    """A ratio is the median of the rounds' own ratios, so that what slows a whole round is no part of it."""
    order: list[str] = []
    values = iter([10.0, 5.0, 100.0, 70.0, 1.0, 0.9])

    def side(name: str) -> Callable[[], float]:
        return lambda: order.append(name) or next(values)  # type: ignore[func-returns-value]

    figure = measuring.compared("both", "1/s", measuring.in_turns(3, {"a": side("a"), "b": side("b")}), at_least=0.6)
    assert ["a", "b"] * 3 == order
    assert (0.7, True) == (figure.ratio, figure.met)
