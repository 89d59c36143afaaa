"""What the engine counts and times as it works, in a registry of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from core.routing.part import Inputs, Part
from streams import metrics
from streams.durable.owner import Batch
from streams.metrics import Metric
from streams.monitor.collector import BudgetCollector, Budgets, RouteCollector, WorkerCollector
from streams.monitor.monitor import Monitor
from streams.monitor.view import WorkerView

_REWARD_RESULTS: Final[Mapping[str, str]] = {
    "late_reward": "late",
    "contradicting_reward": "contradicting",
    "unknown_request": "unknown",
    "unknown_arm": "unknown_arm",
    "empty_outcome": "empty",
    "held_rewards_full": "held_full",
}
"""What became of a reward, by the reason of its dead letter."""


class _Answer(msgspec.Struct):
    status: str
    code: str = ""


_answer: Final = msgspec.json.Decoder(_Answer).decode


class Telemetry:
    """The counters and histograms of one worker."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._records = self._counter(metrics.RECORDS_APPLIED)
        self._cycle_records = self._histogram(metrics.CYCLE_RECORDS)
        self._cycle_seconds = self._histogram(metrics.CYCLE_SECONDS)
        self._ack_seconds = self._histogram(metrics.ACK_SECONDS)
        self._publish_seconds = self._histogram(metrics.PUBLISH_SECONDS)
        self._changelog_records = self._counter(metrics.CHANGELOG_RECORDS)
        self._changelog_bytes = self._counter(metrics.CHANGELOG_BYTES)
        self._decisions = self._counter(metrics.DECISIONS)
        self._rejections = self._counter(metrics.REJECTIONS)
        self._outputs = self._counter(metrics.OUTPUTS)
        self._dead_letters = self._counter(metrics.DEAD_LETTERS)
        self._claims = self._counter(metrics.CLAIMS)
        self._stale = self._counter(metrics.STALE_OWNERS)
        self._rebalances = self._counter(metrics.REBALANCES)
        self._recovered = self._counter(metrics.RECOVERED)
        self._recovery_seconds = Gauge(
            metrics.RECOVERY_SECONDS.name,
            metrics.RECOVERY_SECONDS.meaning,
            registry=self.registry,
        )

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name,
            metric.meaning,
            metric.labels,
            buckets=metric.buckets,
            registry=self.registry,
        )

    def follow(
        self, status: Callable[[], WorkerView], now_ms: Callable[[], int], budgets: Budgets
    ) -> None:
        """Show at each scrape how the worker is, and what the monitor has seen."""
        self.registry.register(RouteCollector(self._monitor, now_ms))
        self.registry.register(BudgetCollector(self._monitor, budgets))
        self.registry.register(WorkerCollector(status))

    def applied(self, inputs: Inputs) -> None:
        """A slice of a partition's records was applied."""
        for role, count in (
            ("policies", inputs.policies_taken),
            ("requests", inputs.requests_taken),
            ("rewards", inputs.rewards_taken),
        ):
            if count:
                self._records.labels(role).inc(count)

    def cycle(self, records: int, seconds: float) -> None:
        """One cycle was applied in memory."""
        self._cycle_records.observe(records)
        self._cycle_seconds.observe(seconds)

    def appended(self, batch: Batch) -> None:
        """One batch was sent to the changelog."""
        self._changelog_records.inc(len(batch.records))
        self._changelog_bytes.inc(sum(len(key) + len(value or b"") for key, value in batch.records))

    def durable(self, seconds: float) -> None:
        """One cycle's batches were acked and stored."""
        self._ack_seconds.observe(seconds)

    def sent(self, seconds: float) -> None:
        """The outputs of some cycles were acked."""
        self._publish_seconds.observe(seconds)

    def published(self, part: Part) -> list[dict[str, Any]]:
        """The outputs of one part were acked; returns its dead letters."""
        self._decisions.inc(len(part.decisions))
        letters = []
        for output in part.outbox:
            self._outputs.labels(output.role).inc()
            if output.role == "decisions":
                answer = _answer(output.value)
                if answer.status == "rejected":
                    self._rejections.labels(answer.code).inc()
            elif output.role == "dead_letters":
                letter = orjson.loads(output.value)
                self._dead_letters.labels(letter["reason"]).inc()
                result = _REWARD_RESULTS.get(letter["reason"])
                if result is not None:
                    self._monitor.refused[result] += 1
                letters.append(letter)
        return letters

    def adopted(self, partition: int, routes: Iterable[str]) -> None:
        """Policies of these routes came into force, maybe before their first request."""
        self._monitor.know(partition, routes)

    def claimed(self, partitions: int) -> None:
        """So many partitions were claimed."""
        self._claims.inc(partitions)

    def recovered(self, records: int, seconds: float) -> None:
        """The partitions of an assignment are up to date and claimed."""
        self._recovered.inc(records)
        self._recovery_seconds.set(seconds)

    def revoked(self) -> None:
        """The group took the partitions back."""
        self._rebalances.inc()

    def stale(self) -> None:
        """A partition was lost to a newer owner."""
        self._stale.inc()
