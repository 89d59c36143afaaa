"""Every metric of ``thalweg notify``, with its meaning. Labels are receivers and results."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Telemetry:
    """The metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.attempts = Counter(
            "thalweg_notify_attempts",
            "Requests to a receiver, by what became of them: accepted, transient, permanent.",
            ["receiver", "result"],
            registry=self.registry,
        )
        self.attempt_seconds = Histogram(
            "thalweg_notify_attempt_seconds",
            "Time from a request to its answer, or to giving up on it.",
            ["receiver"],
            registry=self.registry,
        )
        self.alerts = Counter(
            "thalweg_notify_alerts",
            "Alerts by what became of them: delivered, dead_letter, unwanted (not chosen for the "
            "receiver, or a repetition), lost (deleted from the topic before they were read).",
            ["receiver", "outcome"],
            registry=self.registry,
        )
        self.pending = Gauge(
            "thalweg_notify_pending",
            "Alerts that were read and are neither accepted nor dead letters yet.",
            ["receiver"],
            registry=self.registry,
        )
        self.down = Gauge(
            "thalweg_notify_receiver_down",
            "1 while a receiver takes nothing.",
            ["receiver"],
            registry=self.registry,
        )
        self.delay_seconds = Histogram(
            "thalweg_notify_delay_seconds",
            "Age of an alert's record when it was accepted.",
            ["receiver"],
            buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 3_600, 14_400),
            registry=self.registry,
        )
