"""The scale in [0, 1] on which detectors see a metric, and the way back to its unit."""

from __future__ import annotations

from math import exp, log
from typing import Final, Literal

from schemas.reward import Outcome

WatchedMetric = Literal["quality", "reward", "cost", "latency", "success", "tokens"]
_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "cost": (1e-6, 1.0),
    "latency": (10.0, 600_000.0),
    "tokens": (1.0, 1e6),
}
"""USD, ms and tokens: raw log-normal values would alarm on every stream."""
_UNITS: Final = {"cost": " USD", "latency": " ms", "tokens": " tokens"}


def measured(
    metric: WatchedMetric, outcome: Outcome, quality: float | None, reward: float | None
) -> float | None:
    """The metric in its own unit; None where it was not measured.

    ``quality`` is that of evaluations and signals together, by the policy's objective.
    """
    if metric == "quality":
        return quality
    if metric == "reward":
        return reward
    if metric == "cost":
        return outcome.cost_usd
    if metric == "latency":
        return outcome.latency_ms
    if metric == "success":
        return None if outcome.success is None else float(outcome.success)
    return outcome.output_tokens


def scaled(metric: str, value: float) -> float:
    """A measured value in [0, 1].

    Cost, latency and tokens are mapped by their logarithm between fixed bounds (1e-6 to 1 USD,
    10 ms to 10 min, 1 to a million), so a mean of scaled values is a geometric mean of the
    measured ones.
    """
    bounds = _BOUNDS.get(metric)
    if bounds is None:
        return value
    low, high = bounds
    if value <= low:
        return 0.0
    if value >= high:
        return 1.0
    return log(value / low) / log(high / low)


def in_units(metric: str, value: float) -> float:
    """The inverse of ``scaled``."""
    bounds = _BOUNDS.get(metric)
    if bounds is None:
        return value
    low, high = bounds
    return low * exp(value * log(high / low))


def is_logarithmic(metric: str) -> bool:
    """Whether the metric is judged by its logarithm."""
    return metric in _BOUNDS


def unit(metric: str) -> str:
    """What to write behind a value; "" for what has no unit."""
    return _UNITS.get(metric, "")


def higher_is_better(metric: str) -> bool:
    """Whether a rise is good news."""
    return metric in {"quality", "reward", "success"}
