"""What the monitor shows: plain records, ready for JSON.

Times are in ms since the epoch and are the records' own, money is in USD, latency in ms. Everything
was counted since ``since``, when this worker took the partition (or, of a detailed history, since
the route was given one). ``None`` stands for what was not observed.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from schemas.alert import Alert, AlertType, Severity

Sort = Literal["traffic", "name", "reward", "cost", "latest"]
Phase = Literal["starting", "recovering", "claiming", "ready", "rebalancing", "stopping", "failed"]


class RouteLine(Struct, frozen=True):
    """One line of the list of routes."""

    route: str
    partition: int
    since: int
    decided: int
    explored: int
    rewards: int
    """Decisions that got their reward."""
    reward: float | None
    """Mean reward."""
    cost_usd: float | None
    """Mean cost of a call."""
    p95: float | None
    """The 95th percentile of latency in ms, within 2.5 %, over the 15 to 18 minutes before
    ``latest``; None for a route without a history."""
    per_minute: float
    """Decisions per minute of late: faded by half every minute."""
    latest: int
    """When the last decision or reward was; 0 for never."""
    alerts: int
    """Alerts of severity warning or critical that were opened."""
    detailed: bool
    """Whether it has a history; if not, asking for one begins it."""


class RouteList(Struct, frozen=True):
    """A stretch of the list of routes that match a search."""

    total: int
    """How many match."""
    routes: list[RouteLine]


class ArmNow(Struct, frozen=True):
    """One arm over the last 15 minutes."""

    arm: str
    decided: int
    share: float
    """Of the route's decisions; 0 where there are none."""
    explored: int
    rewards: int
    reward: float | None
    """Mean reward."""
    variance: float | None
    """Sample variance of the rewards; None for fewer than two."""
    low: float | None
    high: float | None
    """The 95 % interval of the mean reward by Student's t; None for fewer than two."""
    quality: float | None
    """Mean quality as rewards told it; None where none did. Signals are not part of it."""
    cost_usd: float | None
    """Mean cost of a call."""
    total_cost_usd: float
    p50: float | None
    p95: float | None
    p99: float | None
    """Latency quantiles in ms, within 2.5 %; of the last 15 to 18 minutes."""
    error_rate: float | None
    """Share of failed calls among those whose reward told it."""


class ArmCurve(Struct, frozen=True):
    """One arm over time: a value per bucket of the history, in its order."""

    arm: str
    decided: list[int]
    explored: list[int]
    rewards: list[int]
    reward: list[float | None]
    low: list[float | None]
    high: list[float | None]
    """The 95 % interval of the bucket's mean reward, as in ``ArmNow``."""
    cost_usd: list[float | None]
    """Mean cost of a call."""
    p50: list[float | None]
    p95: list[float | None]
    p99: list[float | None]
    failed: list[int]
    delay_ms: list[float | None]
    """Mean time from a decision to its reward."""


class JoinCurve(Struct, frozen=True):
    """By the minute in which decisions were made: how many, and how many have got their reward."""

    at: list[int]
    decided: list[int]
    joined: list[int]


class Mark(Struct, frozen=True):
    """An alert, to be shown on the curves."""

    at: int
    arm: str
    type: str
    severity: str
    event: str
    metric: str
    message: str
    alert_id: str
    incident_id: str


class RouteHistory(Struct, frozen=True):
    """A route over time, in buckets of equal length."""

    route: str
    partition: int
    since: int
    step_ms: int
    """Length of a bucket: 10 s for windows up to 15 minutes, else 1 minute."""
    at: list[int]
    """When each bucket begins; the last one is not over yet."""
    curves: list[ArmCurve]
    arms: list[ArmNow]
    """Both in the order of the arms' decisions over the last 15 minutes, the most first."""
    joins: JoinCurve
    join_rate: float | None
    """Of the decisions made between 20 and 10 minutes ago."""
    exploration: float | None
    """Share of the decisions of the last 15 minutes where another arm was likelier."""
    convergence: float | None
    """Share of the most chosen arm among the decisions of the last 15 minutes."""
    regret: float | None
    """Over the last 15 minutes: the best arm's mean reward less the mean of all rewards."""
    marks: list[Mark]


class AlertList(Struct, frozen=True):
    """The newest alerts of all routes, newest first."""

    alerts: list[Alert]


class Lag(Struct, frozen=True):
    """How far an input topic is behind, over the worker's partitions."""

    records: int
    seconds: float


class OpenIncidents(Struct, frozen=True):
    """How many incidents of one kind are open."""

    type: AlertType
    severity: Severity
    count: int


class BudgetNow(Struct, frozen=True):
    """How a route stands with its budget."""

    route: str
    debt_usd: float
    """What was spent beyond the budget; negative for savings."""
    held: bool
    """Whether the budget is kept, as ``core.budget.Pacer.held`` has it."""


class WorkerView(Struct, frozen=True):
    """How the worker is."""

    phase: Phase
    reason: str
    """Why it is not ready, in words; "" while it is."""
    partitions: list[int]
    topic_partitions: int
    """Of each topic, over all workers."""
    recovery_left: int
    """Changelog records that recovery has still to read."""
    recovered: int
    """Changelog records that the last recovery has read, by their offsets."""
    loop_age_s: float
    """Since the engine's loop last turned."""
    lag: dict[str, Lag]
    """By role: policies, requests, rewards."""
    inbox_records: int
    inbox_bytes: int
    open_decisions: int
    routes: int
    state_keys: int
    state_bytes: int
    incidents: list[OpenIncidents]
    version: str
