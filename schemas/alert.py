"""What alerting systems subscribe to."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.fields import ArmId, EpochMs, Route

Severity = Literal["info", "warning", "critical"]
Metric = Literal["quality", "cost", "latency", "reward", "success"]


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
    """Which arm it is about; of an experiment or a rollout, which variant."""
    type: Literal["drift", "warning", "experiment", "rollout"]
    severity: Severity
    metric: Metric
    before: Level
    after: Level
    detector: str
    action: Literal[
        "alert", "restart_arm", "adopted", "stopped", "advanced", "rolled_back", "completed"
    ]
    """What was done about it."""
    message: str
    segment: str
    state_version: int
    timestamp: EpochMs
