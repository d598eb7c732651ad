"""What is counted and timed while the system runs, as Prometheus metrics: names and help stand in one table here.

Every runtime has a registry of its own; nothing is registered in the process as a whole.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_SIZES = (1, 4, 16, 64, 256, 1024)
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Telemetry:
    """The metrics of one runtime."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.answers = Counter(
            "worldevents_answers",
            "Contributions answered, by goal and by answer: counted, held, late, duplicate, or the code of a refusal.",
            ["goal", "answer"],
            registry=registry,
        )
        self.batch_size = Histogram(
            "worldevents_batch_size",
            "Contributions handed to the store in one call.",
            buckets=_SIZES,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "worldevents_batch_seconds",
            "Time the store took to apply one batch, in seconds.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.waiting = Gauge(
            "worldevents_waiting",
            "Contributions that wait for the next call to the store.",
            registry=registry,
        )
        self.subscribers = Gauge(
            "worldevents_subscribers",
            "Watchers of live updates.",
            registry=registry,
        )
        self.delivered = Counter(
            "worldevents_delivered",
            "Live messages put before watchers: each message once for each of them.",
            registry=registry,
        )
        self.stalled = Counter(
            "worldevents_stalled",
            "Watchers that were ended because they did not read.",
            registry=registry,
        )

        self.outbox_waiting = Gauge(
            "worldevents_outbox_waiting",
            "Contributions in the store that wait for the ledger, at the syncer's last look.",
            registry=registry,
        )
        self.outbox_lag = Gauge(
            "worldevents_outbox_lag_seconds",
            "For how long the oldest of them waits.",
            registry=registry,
        )
        self.drained = Counter(
            "worldevents_drained",
            "Contributions that this process carried from the store to the ledger.",
            registry=registry,
        )
        self.repairs = Counter(
            "worldevents_repairs",
            "Contributions that the store had counted twice, and took back.",
            registry=registry,
        )
        self.dead_letters = Counter(
            "worldevents_dead_letters",
            "Entries of the outbox that the ledger could not keep.",
            registry=registry,
        )
        self.differences = Counter(
            "worldevents_differences",
            "Comparisons that found the store and the ledger at different sums.",
            registry=registry,
        )
        self.rebuilds = Counter(
            "worldevents_rebuilds",
            "Goals that were built in the store from the ledger.",
            registry=registry,
        )

    def exposition(self) -> tuple[bytes, str]:
        """Everything as Prometheus reads it, and the content type of that."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
