"""Reads the monitor and the worker when Prometheus asks; nothing is prepared in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from streams import metrics
from streams.metrics import OTHER, REFUSALS
from streams.monitor.counts import ArmCounts, RouteCounts, Spread
from streams.monitor.history import Recent
from streams.monitor.monitor import Monitor
from streams.monitor.view import ArmNow, BudgetNow, WorkerView

_FAMILIES: Final[Mapping[str, Callable[..., Any]]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "summary": SummaryMetricFamily,
}
Values = Iterator[tuple[list[str], tuple[Any, ...]]]
"""The labels of a series beyond the route, and what its family's ``add_metric`` takes."""
Budgets = Callable[[Iterable[tuple[int, str]]], Iterable[BudgetNow]]
"""Of routes, each with its partition, how those with a budget stand with it."""


def _per_arm(values: Callable[[ArmCounts], tuple[Any, ...]]) -> Callable[[RouteCounts], Values]:
    def of(counts: RouteCounts) -> Values:
        for arm, found in counts.arms.items():
            yield [arm], values(found)

    return of


def _calls(counts: RouteCounts) -> Values:
    for arm, found in counts.arms.items():
        yield [arm, "true"], (found.succeeded,)
        yield [arm, "false"], (found.failed,)


def _spread(spread: Spread) -> tuple[Any, ...]:
    return spread.cumulative(), spread.total


_COUNTS: Final[Mapping[metrics.Metric, Callable[[RouteCounts], Values]]] = {
    metrics.ROUTE_DECISIONS: _per_arm(lambda arm: (arm.decisions,)),
    metrics.ROUTE_EXPLORATIONS: _per_arm(lambda arm: (arm.explorations,)),
    metrics.ROUTE_REWARD: _per_arm(lambda arm: (arm.rewards, arm.reward)),
    metrics.ROUTE_COST: _per_arm(lambda arm: (arm.costs, arm.cost)),
    metrics.ROUTE_LATENCY: _per_arm(lambda arm: _spread(arm.latency)),
    metrics.ROUTE_CALLS: _calls,
    metrics.ROUTE_JOINED: lambda counts: iter([([], (counts.joined,))]),
    metrics.ROUTE_TIME_TO_REWARD: lambda counts: iter([([], _spread(counts.delay))]),
}


def _of_arms(value: Callable[[ArmNow], float | None]) -> Callable[[Recent], Values]:
    def of(recent: Recent) -> Values:
        for arm in recent.arms:
            found = value(arm)
            if found is not None:
                yield [arm.arm], (found,)

    return of


def _of_route(value: Callable[[Recent], float | None]) -> Callable[[Recent], Values]:
    def of(recent: Recent) -> Values:
        found = value(recent)
        if found is not None:
            yield [], (found,)

    return of


_GAUGES: Final[Mapping[metrics.Metric, Callable[[Recent], Values]]] = {
    metrics.ROUTE_REWARD_MEAN: _of_arms(lambda arm: arm.reward),
    metrics.ROUTE_REWARD_VARIANCE: _of_arms(lambda arm: arm.variance),
    metrics.ROUTE_ARM_SHARE: _of_arms(lambda arm: arm.share if arm.decided else None),
    metrics.ROUTE_EXPLORATION: _of_route(lambda recent: recent.exploration),
    metrics.ROUTE_CONVERGENCE: _of_route(lambda recent: recent.convergence),
    metrics.ROUTE_REGRET: _of_route(lambda recent: recent.regret),
    metrics.ROUTE_JOIN: _of_route(lambda recent: recent.join_rate),
}


class RouteCollector(Collector):
    """What happened to routes: the named ones by name, all others as one.

    Families are made one by one, so that a caller may let others work in between.
    """

    def __init__(self, monitor: Monitor, now_ms: Callable[[], int]) -> None:
        self._monitor = monitor
        self._now_ms = now_ms

    def collect(self) -> Iterator[Metric]:
        """The families of one scrape."""
        monitor, now_ms = self._monitor, self._now_ms()
        named = [(route.name, route.counts, route.detail) for route in monitor.named]
        counted = [*((name, counts) for name, counts, _ in named), (OTHER, monitor.others)]
        for metric, of_counts in _COUNTS.items():
            yield _made(
                metric,
                (
                    ([name, *labels], values)
                    for name, counts in counted
                    for labels, values in of_counts(counts)
                ),
            )
        recents = [
            (name, Recent(detail, now_ms)) for name, _, detail in named if detail is not None
        ]
        for metric, of_recent in _GAUGES.items():
            yield _made(
                metric,
                (
                    ([name, *labels], values)
                    for name, recent in recents
                    for labels, values in of_recent(recent)
                ),
            )
        delay = monitor.delay
        yield _made(metrics.TIME_TO_REWARD, [([], _spread(delay))])
        refused = [([result], (monitor.refused[result],)) for result in REFUSALS]
        yield _made(metrics.REWARDS, [(["counted"], (sum(delay.counts),)), *refused])
        alerts = sorted(monitor.alert_counts.items())
        yield _made(metrics.ALERTS, [(list(labels), (count,)) for labels, count in alerts])


class BudgetCollector(Collector):
    """How the routes that have a name in the metrics stand with their budgets."""

    def __init__(self, monitor: Monitor, budgets: Budgets) -> None:
        self._monitor = monitor
        self._budgets = budgets

    def collect(self) -> Iterator[Metric]:
        """The families of one scrape."""
        named = [(route.partition, route.name) for route in self._monitor.named]
        found = list(self._budgets(named))
        yield _made(metrics.ROUTE_BUDGET_DEBT, [([one.route], (one.debt_usd,)) for one in found])
        yield _made(metrics.ROUTE_BUDGET_HELD, [([one.route], (one.held,)) for one in found])


class WorkerCollector(Collector):
    """How the worker is at the time of the scrape."""

    def __init__(self, status: Callable[[], WorkerView]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """The families of one scrape."""
        status = self._status()
        for metric, value in (
            (metrics.READY, float(status.phase == "ready")),
            (metrics.LOOP_AGE, status.loop_age_s),
            (metrics.PARTITIONS, status.topic_partitions),
            (metrics.PARTITIONS_OWNED, len(status.partitions)),
            (metrics.RECOVERY_LEFT, status.recovery_left),
            (metrics.INBOX_RECORDS, status.inbox_records),
            (metrics.INBOX_BYTES, status.inbox_bytes),
            (metrics.ROUTES, status.routes),
            (metrics.OPEN_DECISIONS, status.open_decisions),
            (metrics.STATE_KEYS, status.state_keys),
            (metrics.STATE_BYTES, status.state_bytes),
        ):
            yield _made(metric, [([], (value,))])
        lags = sorted(status.lag.items())
        yield _made(metrics.LAG_RECORDS, [([role], (lag.records,)) for role, lag in lags])
        yield _made(metrics.LAG_SECONDS, [([role], (lag.seconds,)) for role, lag in lags])
        yield _made(metrics.BUILD_INFO, [([status.version], (1,))])
        yield _made(
            metrics.INCIDENTS,
            [([one.type, one.severity], (one.count,)) for one in status.incidents],
        )


def _made(metric: metrics.Metric, series: Iterable[tuple[list[str], tuple[Any, ...]]]) -> Metric:
    family = _FAMILIES[metric.kind](metric.name, metric.meaning, labels=metric.labels)
    for labels, values in series:
        family.add_metric(labels, *values)
    made: Metric = family
    return made
