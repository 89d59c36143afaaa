"""Every metric of a worker, with its meaning. Labels are roles and reasons, never routes."""

from __future__ import annotations

from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from core.routing.part import Part
from streams.durable.owner import Batch

_CYCLE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Telemetry:
    """The metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._records = Counter(
            "thalweg_records_applied",
            "Input records that were applied: policies, requests and rewards.",
            registry=self.registry,
        )
        self._apply_seconds = Histogram(
            "thalweg_cycle_apply_seconds",
            "Time to apply one cycle's records in memory.",
            buckets=_CYCLE_BUCKETS,
            registry=self.registry,
        )
        self._ack_seconds = Histogram(
            "thalweg_changelog_ack_seconds",
            "Time from sending a cycle's state changes to their acks and the local writes.",
            buckets=_CYCLE_BUCKETS,
            registry=self.registry,
        )
        self._changelog_records = Counter(
            "thalweg_changelog_records", "Records written to the changelog.", registry=self.registry
        )
        self._changelog_bytes = Counter(
            "thalweg_changelog_bytes",
            "Bytes of keys and values written to the changelog.",
            registry=self.registry,
        )
        self._decisions = Counter(
            "thalweg_decisions", "Decisions made and published.", registry=self.registry
        )
        self._outputs = Counter(
            "thalweg_outputs",
            "Other messages published: repeated or rejecting answers, alerts, dead letters.",
            ["role"],
            registry=self.registry,
        )
        self._dead_letters = Counter(
            "thalweg_dead_letters", "Dead letters by reason.", ["reason"], registry=self.registry
        )
        self._owned = Gauge(
            "thalweg_partitions_owned", "Partitions claimed by this worker.", registry=self.registry
        )
        self._claims = Counter(
            "thalweg_claims", "Partitions claimed since the start.", registry=self.registry
        )
        self._stale = Counter(
            "thalweg_stale_owners",
            "Partitions dropped because another worker had claimed them.",
            registry=self.registry,
        )

    def applied(self, records: int, seconds: float) -> None:
        """One cycle was applied in memory."""
        self._records.inc(records)
        self._apply_seconds.observe(seconds)

    def appended(self, batch: Batch) -> None:
        """One batch was sent to the changelog."""
        self._changelog_records.inc(len(batch.records))
        self._changelog_bytes.inc(sum(len(key) + len(value or b"") for key, value in batch.records))

    def durable(self, seconds: float) -> None:
        """One cycle's batches were acked and stored."""
        self._ack_seconds.observe(seconds)

    def published(self, part: Part) -> list[dict[str, Any]]:
        """The outputs of one part were acked; returns its dead letters."""
        self._decisions.inc(len(part.decisions))
        letters = []
        for output in part.outbox:
            self._outputs.labels(output.role).inc()
            if output.role == "dead_letters":
                letter = orjson.loads(output.value)
                self._dead_letters.labels(letter["reason"]).inc()
                letters.append(letter)
        return letters

    def claimed(self, owned: int) -> None:
        """The worker owns that many partitions now, all newly claimed."""
        self._claims.inc(owned)
        self._owned.set(owned)

    def stale(self, owned: int) -> None:
        """A partition was lost to a newer owner; that many are left."""
        self._stale.inc()
        self._owned.set(owned)
