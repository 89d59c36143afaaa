"""What alerting systems subscribe to."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.fields import EpochMs, Route

Severity = Literal["info", "warning", "critical"]
Metric = Literal[
    "quality",
    "reward",
    "cost",
    "latency",
    "success",
    "tokens",
    "mix",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "error_rate",
    "join_rate",
    "regret_rate",
    "exploration_rate",
    "arm_share",
    "update_rate",
    "health",
]
AlertType = Literal[
    "drift",
    "warning",
    "anomaly",
    "threshold",
    "join",
    "guardrail",
    "budget",
    "experiment",
    "rollout",
]
Event = Literal["opened", "updated", "resolved", "notice"]
Action = Literal[
    "alert",
    "restart_arm",
    "discount_arm",
    "explore_arm",
    "set_aside",
    "reinstated",
    "adopted",
    "stopped",
    "advanced",
    "rolled_back",
    "completed",
]


class Level(Struct, frozen=True):
    """A metric over one stretch of its stream, in the metric's own unit."""

    mean: float
    n: int


class Alert(Struct, frozen=True):
    """One event of an incident, on ``llm.drift``, keyed by its route.

    Detections of the same kind about the same thing belong to one incident, from the first one
    (``opened``) until it is over (``resolved``). What is over as soon as it is told, such as the
    result of an experiment, is a ``notice``.
    """

    alert_id: str
    """Of this event; the same for every redelivery of it."""
    incident_id: str
    """The same for all events of an incident."""
    event: Event
    route: Route
    arm: str
    """Which arm it is about; of an experiment or a rollout, which variant; "" for the route."""
    type: AlertType
    severity: Severity
    metric: Metric
    before: Level | None
    """What was usual; None where nothing is compared with."""
    after: Level | None
    """What was seen; None where nothing was measured."""
    detector: str
    action: Action
    """What was done about it."""
    detections: int
    """How many the incident has had so far, those without an event of their own too."""
    opened: EpochMs
    """When the incident began."""
    message: str
    segment: str
    state_version: int
    timestamp: EpochMs
    of: str = ""
    """What it is about, besides the arm: a threshold's name, or what of the request mix moved."""
