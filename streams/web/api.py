"""The page's JSON: one record per address under ``/api``.

Times are in ms since the epoch, money is in USD, latency in ms; ``None`` stands for what is not
known. No record holds the present time, so that an idle worker's answers stay equal and cost a
reader nothing.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from core.routing.summarised import RouteSummary
from schemas.alert import Action, AlertType, Event, Level, Metric, Severity
from streams.monitor.view import Lag, RouteHistory, RouteLine

Whereabouts = Literal["here", "elsewhere", "unknown"]
"""Of a route: this worker's; of a partition of another worker's; ours, but never heard of."""


Goodness = Literal["quality", "reward"]


class Incident(Struct, frozen=True):
    """What an incident has come to, by the newest of its events that are remembered."""

    id: str
    route: str
    arm: str
    segment: str
    of: str
    type: AlertType
    severity: Severity
    """The gravest of its events."""
    metric: Metric
    event: Event
    opened: int
    updated: int
    resolved: int | None
    message: str
    detections: int
    action: Action
    """The latest that was more than an alert."""
    before: Level | None
    after: Level | None


class Peer(Struct, frozen=True):
    """Another worker of the group, as far as the group knows it."""

    url: str
    partitions: list[int]


class Worker(Struct, frozen=True):
    """How the worker is; part of every view."""

    phase: str
    reason: str
    owned: list[int]
    partitions: int
    """Of each topic, over all workers."""
    peers: list[Peer]
    routes: int
    per_second: float | None
    """Decisions per second of late, over all its routes."""
    lag_records: int
    lag_seconds: float
    cycle_ms: float | None
    """Mean time to apply a cycle."""
    version: str
    brokers: str


class Line(Struct, frozen=True):
    """One route in the list."""

    line: RouteLine
    open: int
    """Its open incidents."""
    severity: Severity | None
    """The gravest of these."""


class Overview(Struct, frozen=True):
    """A page of the list of routes, and the newest incidents of all."""

    worker: Worker
    open_alerts: int
    charts: bool
    """Whether the charts' library is installed."""
    total: int
    matching: int
    page: int
    size: int
    routes: list[Line]
    incidents: list[Incident]


class RouteView(Struct, frozen=True):
    """One route."""

    open_alerts: int
    route: str
    whereabouts: Whereabouts
    partition: int
    owner: str | None
    """The page of the worker that serves it, where that is another one and the group knows."""
    charts: bool
    """Whether the charts' library is installed."""
    history: RouteHistory | None
    summary: RouteSummary | None
    policy: dict[str, Any] | None
    """The policy in force, as published; None without one."""
    front_by: Goodness
    """What arms are compared by, besides their cost."""
    front: list[str]
    """Arms that no other arm beats in both."""
    open: int
    severity: Severity | None
    """How many of its incidents are open, and the gravest of these."""
    incidents: list[Incident]


class Alerts(Struct, frozen=True):
    """Incidents of this worker's routes, the newest first."""

    open_alerts: int
    total: int
    matching: int
    incidents: list[Incident]


class Partition(Struct, frozen=True):
    """One partition of the group."""

    number: int
    owned: bool
    url: str | None
    """The page of its worker, if it is another one and the group knows."""


class Cycles(Struct, frozen=True):
    """What the engine's loop has done since the worker's start; means in ms."""

    cycles: int
    records: int
    apply_ms: float | None
    records_per_cycle: float | None
    ack_ms: float | None
    publish_ms: float | None
    changelog_records: int
    changelog_bytes: int
    rebalances: int
    stale: int
    """Partitions lost to owners that the group did not announce."""
    recovery_ms: float | None
    """How long the last recovery took."""


class Reason(Struct, frozen=True):
    """What was refused for one reason."""

    reason: str
    count: int


class Engine(Struct, frozen=True):
    """How the engine does."""

    open_alerts: int
    worker: Worker
    recovery_left: int
    recovered: int
    inbox_records: int
    open_decisions: int
    state_keys: int
    state_bytes: int
    lag: dict[str, Lag]
    cycles: Cycles
    partitions: list[Partition]
    rejections: list[Reason]
    dead_letters: list[Reason]
