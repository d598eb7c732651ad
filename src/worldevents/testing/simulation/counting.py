"""Metrics that only add up: thousands of schedules a minute have nobody who reads what the library keeps for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from prometheus_client import Counter, Gauge, Histogram

from worldevents.telemetry import Telemetry


class _Sum:
    """What is said to a metric of any kind; counted, without labels."""

    def __init__(self) -> None:
        self.value = 0.0

    def labels(self, *_values: str) -> _Sum:
        return self

    def inc(self, amount: float = 1) -> None:
        self.value += amount

    def observe(self, amount: float) -> None:
        """Nobody asks how it is spread."""

    def set_function(self, function: Callable[[], float]) -> None:
        """Nobody asks how much it is."""


class Counting(Telemetry):
    """The metrics of one schedule: every counter, by its name, and nothing of when or how long."""

    def __init__(self) -> None:
        self._sums: dict[str, _Sum] = {}
        super().__init__()

    def value(self, name: str) -> float:
        """What a counter came to. Raises KeyError where there is none of this name."""
        return self._sums[name].value

    def _counter(self, name: str, what: str, labels: Sequence[str] = ()) -> Counter:
        del what, labels
        return cast("Counter", self._sums.setdefault(name, _Sum()))

    def _gauge(self, name: str, what: str) -> Gauge:
        del name, what
        return cast("Gauge", _Sum())

    def _histogram(self, name: str, what: str, buckets: Sequence[float]) -> Histogram:
        del name, what, buckets
        return cast("Histogram", _Sum())
