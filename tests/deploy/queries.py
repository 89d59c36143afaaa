"""Checks PromQL against the metrics that workers have: names, labels, values, and what may be done.

`check` infers which labels every part of a query has, as Prometheus would, and so finds a label
that is not there, two sides that never match, and a rate of something that is no counter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args

import promql_parser as promql
from prometheus_client import CollectorRegistry, ProcessCollector

from schemas.alert import AlertType, Event, Severity
from schemas.dead_letter import DeadLetterReason
from schemas.decision import RejectionCode
from streams.metrics import ALL, Metric
from streams.notify.telemetry import Telemetry
from streams.settings import Topics

Kind = Literal["counter", "gauge"]
TARGET: Final = frozenset({"job", "instance"})
"""What Prometheus adds to everything that it scrapes."""
VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "type": get_args(AlertType),
    "severity": get_args(Severity),
    "event": get_args(Event),
    "reason": get_args(DeadLetterReason),
    "code": get_args(RejectionCode),
    "role": tuple(one.name for one in fields(Topics)),
    "job": ("thalweg", "thalweg-notify", "prometheus"),
    "alertstate": ("firing", "pending"),
}
"""What labels can say; what others can, their metric's meaning names."""
_OF_COUNTERS: Final = frozenset({"rate", "irate", "increase", "resets"})
_OF_GAUGES: Final = frozenset({"delta", "idelta", "deriv", "predict_linear"})
_VARIABLE: Final = re.compile(r"\$\{?\w+(:\w+)?\}?")


@dataclass(frozen=True)
class Series:
    """What is known of a name that queries may use."""

    kind: Kind
    labels: frozenset[str]
    meaning: str = ""


def notify_metrics() -> tuple[Metric, ...]:
    """What ``thalweg notify`` serves."""
    return tuple(
        Metric(family.name, family.type, family.documentation, made._labelnames)
        for made in vars(Telemetry()).values()
        if not isinstance(made, CollectorRegistry)
        for family in made.describe()
    )


SERVED: Final = (*ALL, *notify_metrics())
"""Every metric of workers and of ``thalweg notify``."""


def known(metrics: tuple[Metric, ...] = SERVED) -> dict[str, Series]:
    """Everything that a Prometheus which scrapes both has, recording rules aside."""
    found = {
        "up": Series("gauge", TARGET),
        "ALERTS": Series("gauge", TARGET | {"alertname", "alertstate", "severity"}),
    }
    for metric in metrics:
        kind: Kind = "gauge" if metric.kind == "gauge" else "counter"
        for sample in metric.samples:
            labels = TARGET | set(metric.labels) | ({"le"} if sample.endswith("_bucket") else set())
            found[sample] = Series(kind, labels, metric.meaning)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for family in registry.collect():
        for one in family.samples:
            kind = "counter" if family.type == "counter" else "gauge"
            found[one.name] = Series(kind, TARGET | set(one.labels))
    return found


@dataclass
class Checked:
    """What `check` found: the labels of the result (None of a scalar), and what is wrong."""

    names: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    labels: frozenset[str] | None = None


def check(query: str, series: Mapping[str, Series]) -> Checked:
    """Parse ``query`` (with Grafana's variables, if any) and check it against ``series``."""
    plain = query.replace("$__rate_interval", "5m").replace("$__range", "1h")
    checked = Checked()
    try:
        tree = promql.parse(plain)
    except ValueError as error:
        checked.problems.append(str(error))
        return checked
    checked.labels = _Walk(series, checked).labels(tree)
    return checked


class _Walk:
    """One query; collects into ``checked``."""

    def __init__(self, series: Mapping[str, Series], checked: Checked) -> None:
        self._series = series
        self._checked = checked

    def labels(self, node: Any) -> frozenset[str] | None:
        """The labels of a part's result; None of a scalar or a string."""
        match type(node).__name__:
            case "NumberLiteral" | "StringLiteral":
                return None
            case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
                return self.labels(node.expr)
            case "MatrixSelector":
                return self.labels(node.vector_selector)
            case "VectorSelector":
                return self._selected(node)
            case "AggregateExpr":
                return self._aggregated(node)
            case "Call":
                return self._called(node)
            case "BinaryExpr":
                return self._combined(node)
        raise AssertionError(f"no rule for {type(node).__name__}")

    def _selected(self, node: Any) -> frozenset[str]:
        series = self._series.get(node.name)
        if series is None:
            self._wrong(f"there is no metric {node.name}")
            return frozenset()
        self._checked.names.add(node.name)
        for matcher in node.matchers.matchers:
            self._need({matcher.name}, series.labels, node.name)
            self._check_value(series, node.name, matcher)
        return series.labels

    def _check_value(self, series: Series, name: str, matcher: Any) -> None:
        if _VARIABLE.search(matcher.value):
            return
        for value in matcher.value.split("|"):
            allowed = VALUES.get(matcher.name)
            fits = value in allowed if allowed else bool(
                re.search(rf"\b{re.escape(value)}\b", series.meaning)
            )  # fmt: skip
            if value and not fits:
                self._wrong(f"{name} has no {matcher.name}={value!r}")

    def _aggregated(self, node: Any) -> frozenset[str]:
        inner = self.labels(node.expr) or frozenset()
        named = frozenset(node.modifier.labels) if node.modifier else frozenset()
        self._need(named, inner, node.expr.prettify())
        if str(node.op) in {"topk", "bottomk"}:
            return inner
        if node.modifier and node.modifier.type == promql.AggModifierType.Without:
            return inner - named
        return named

    def _called(self, node: Any) -> frozenset[str] | None:
        name = node.func.name
        parts = [self.labels(part) for part in node.args]
        for part in node.args:
            if type(part).__name__ == "MatrixSelector":
                self._check_kind(name, part.vector_selector.name)
        labels = next((one for one in parts if one is not None), frozenset())
        if name == "histogram_quantile":
            self._need({"le"}, labels, node.args[1].prettify())
            return labels - {"le"}
        if name in {"scalar", "time"}:
            return None
        return frozenset() if name in {"vector", "absent", "absent_over_time"} else labels

    def _check_kind(self, function: str, name: str) -> None:
        series = self._series.get(name)
        if series is None:
            return
        if function in _OF_COUNTERS and series.kind != "counter":
            self._wrong(f"{function}({name}): it is no counter")
        if function in _OF_GAUGES and series.kind != "gauge":
            self._wrong(f"{function}({name}): it is no gauge")

    def _combined(self, node: Any) -> frozenset[str] | None:
        left, right = self.labels(node.lhs), self.labels(node.rhs)
        if left is None or right is None:
            return left if right is None else right
        matching = node.modifier.matching if node.modifier else None
        operator = str(node.op)
        if matching is None:
            if left != right and operator != "or":
                self._wrong(f"{sorted(left)} {operator} {sorted(right)}: these never match")
            return left
        named = frozenset(matching.labels)
        on = matching.type == promql.LabelModifierType.Include
        self._need(named, left | right if not on else left & right, node.prettify())
        if not on and left - named != right - named:
            self._wrong(f"{node.prettify()}: the sides never match")
        if operator in {"and", "or", "unless"}:
            return left
        carried = frozenset(node.modifier.group_labels or ())
        if node.modifier.card == promql.VectorMatchCardinality.OneToOne:
            return named if on else left - named
        self._need(carried, right | left, node.prettify())
        many = left if node.modifier.card == promql.VectorMatchCardinality.ManyToOne else right
        return many | carried

    def _need(self, labels: set[str] | frozenset[str], there: frozenset[str], what: str) -> None:
        for label in sorted(labels - there):
            self._wrong(f"{what} has no label {label!r}, only {', '.join(sorted(there)) or 'none'}")

    def _wrong(self, problem: str) -> None:
        self._checked.problems.append(problem)
