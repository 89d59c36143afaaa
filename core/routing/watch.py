"""What the detectors of an arm see, and the alert that a detection makes."""

from __future__ import annotations

from hashlib import blake2b
from math import exp, log
from typing import Final, Literal

from core.drift.adwin import Cut
from schemas.alert import Alert, Level, Metric, Severity
from schemas.reward import Outcome

_BOUNDS: Final[dict[str, tuple[float, float]]] = {"cost": (1e-6, 1.0), "latency": (10.0, 600_000.0)}
"""USD and ms; ADWIN needs values in [0, 1], and raw log-normal ones would alarm on every stream."""
_UNITS: Final = {"cost": " USD", "latency": " ms"}


def observed(
    metric: Metric, outcome: Outcome, quality: float | None, reward: float | None
) -> float | None:
    """The value in [0, 1] that the metric's detector sees; None where it was not measured.

    ``quality`` is that of evaluations and signals together, by the policy's objective.
    Cost and latency are mapped by their logarithm between fixed bounds (1e-6 to 1 USD, 10 ms to
    10 min), so a mean of the mapped values is a geometric mean of the measured ones.
    """
    if metric == "quality":
        return quality
    if metric == "reward":
        return reward
    value = outcome.cost_usd if metric == "cost" else outcome.latency_ms
    if value is None:
        return None
    low, high = _BOUNDS[metric]
    if value <= low:
        return 0.0
    if value >= high:
        return 1.0
    return log(value / low) / log(high / low)


def in_units(metric: Metric, mapped: float) -> float:
    """The inverse of ``observed``: quality and reward as they are, USD, or ms."""
    if metric not in _BOUNDS:
        return mapped
    low, high = _BOUNDS[metric]
    return low * exp(mapped * log(high / low))


def alert_of(
    cut: Cut,
    *,
    route: str,
    segment: str,
    arm: str,
    metric: Metric,
    action: Literal["alert", "restart_arm"],
    request_id: str,
    state_version: int,
    timestamp: int,
) -> Alert:
    """The alert of one detection. Its id names the detection: replay gives the same."""
    before, after = in_units(metric, cut.before_mean), in_units(metric, cut.after_mean)
    higher_is_better = metric in {"quality", "reward"}
    worse = (after < before) == higher_is_better
    severity: Severity = "info"
    if worse:
        severity = "warning" if cut.level == "warning" else "critical"
    identity = "\0".join((route, segment, arm, metric, cut.level, request_id, str(state_version)))
    unit = _UNITS.get(metric, "")
    where = f" in segment {segment}" if segment else ""
    moved = "fell" if after < before else "rose"
    verb = "may have changed" if cut.level == "warning" else moved
    message = (
        f"{metric} of arm {arm} on route {route}{where} {verb}: "
        f"{before:.4g}{unit} over {cut.before_n} rewards, then {after:.4g}{unit} over the last "
        f"{cut.after_n}"
    )
    if action == "restart_arm":
        message += "; the arm was restarted and is being explored again"
    return Alert(
        alert_id=blake2b(identity.encode(), digest_size=16).hexdigest(),
        route=route,
        arm=arm,
        type=cut.level,
        severity=severity,
        metric=metric,
        before=Level(before, cut.before_n),
        after=Level(after, cut.after_n),
        detector="adwin",
        action=action,
        message=message,
        segment=segment,
        state_version=state_version,
        timestamp=timestamp,
    )
