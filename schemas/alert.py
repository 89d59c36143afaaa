"""What alerting systems subscribe to."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.fields import ArmId, EpochMs, Route

Severity = Literal["info", "warning", "critical"]
Metric = Literal["quality", "cost", "latency", "reward"]


class Level(Struct, frozen=True):
    """A metric over one stretch of its stream, in the metric's own unit."""

    mean: float
    n: int


class Alert(Struct, frozen=True):
    """One detection, on ``llm.drift``, keyed by its route."""

    alert_id: str
    """The same for every redelivery of the same detection."""
    route: Route
    arm: ArmId
    type: Literal["drift", "warning"]
    severity: Severity
    metric: Metric
    before: Level
    after: Level
    detector: str
    action: Literal["alert", "restart_arm"]
    """What was done about it."""
    message: str
    segment: str
    state_version: int
    timestamp: EpochMs
