"""What is counted and timed while the system runs, as Prometheus metrics: names and help stand in one table here.

Every runtime has a registry of its own; nothing is registered in the process as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_SIZES = (1, 4, 16, 64, 256, 1024)
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Telemetry:
    """The metrics of one runtime."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = self._counter(
            "answers",
            "Contributions answered, by goal and by answer: counted, held, late, duplicate, or the code of a refusal.",
            ["goal", "answer"],
        )
        self.batch_size = self._histogram("batch_size", "Contributions handed to the store in one call.", _SIZES)
        self.batch_seconds = self._histogram(
            "batch_seconds", "Time the store took to apply one batch, in seconds.", _SECONDS
        )
        self.waiting = self._gauge("waiting", "Contributions that wait for the next call to the store.")
        self.subscribers = self._gauge("subscribers", "Watchers of live updates.")
        self.delivered = self._counter(
            "delivered", "Live messages put before watchers: each message once for each of them."
        )
        self.stalled = self._counter("stalled", "Watchers that were ended because they did not read.")
        self.outward = self._counter(
            "outward",
            "Messages published to another project, by result: sent; retried, once for each try that failed; refused"
            " there; dropped, for too many waited.",
            ["result"],
        )
        self.webhooks = self._counter(
            "webhooks",
            "Attempts to deliver a webhook, by result: delivered; retried, later; dead, for good.",
            ["result"],
        )
        self.outbox_waiting = self._gauge(
            "outbox_waiting", "Contributions in the store that wait for the ledger, at the syncer's last look."
        )
        self.outbox_lag = self._gauge("outbox_lag_seconds", "For how long the oldest of them waits.")
        self.drained = self._counter("drained", "Contributions that this process carried from the store to the ledger.")
        self.repairs = self._counter("repairs", "Contributions that the store had counted twice, and took back.")
        self.dead_letters = self._counter("dead_letters", "Entries of the outbox that the ledger could not keep.")
        self.differences = self._counter(
            "differences", "Comparisons that found the store and the ledger at different sums."
        )
        self.lost_at_most = self._counter(
            "lost_at_most",
            "Contributions that waited for the ledger when the store's memory was last seen before it was lost.",
        )
        self.rebuilds = self._counter("rebuilds", "Goals that were built in the store from the ledger.")

    def _counter(self, name: str, what: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(f"worldevents_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(f"worldevents_{name}", what, registry=self.registry)

    def _histogram(self, name: str, what: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"worldevents_{name}", what, buckets=buckets, registry=self.registry)

    def exposition(self) -> tuple[bytes, str]:
        """Everything as Prometheus reads it, and the content type of that."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
