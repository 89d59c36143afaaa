"""The scale in [0, 1] on which detectors see a metric, and the way back to its unit."""

from __future__ import annotations

from math import exp, floor, log, log10
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


def number(value: float) -> str:
    """A figure for people, of four digits and without exponents: 0.0000123, 0.91, 9120, 60,000."""
    size = abs(value)
    if size >= 9_999.5:
        return f"{value:,.0f}"
    if 1e-12 < size < 1e-4:
        return f"{value:.{3 - floor(log10(size))}f}".rstrip("0")
    return f"{value:.4g}"


def amount(metric: str, value: float) -> str:
    """A value of a metric with its unit."""
    return number(value) + unit(metric)


def share(value: float) -> str:
    """A share of 0 to 1 in per cent."""
    per_cent = 100.0 * value
    return f"{per_cent:.2g} %" if 0.0 < per_cent < 1.0 else f"{per_cent:.1f} %"


def span(ms: int) -> str:
    """A stretch of time in the largest unit that makes it at least 1: 20 s, 10 min, 2 h, 1 d."""
    for size, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if ms >= size:
            return f"{ms / size:.4g} {name}"
    return f"{ms} ms"


def higher_is_better(metric: str) -> bool:
    """Whether a rise is good news."""
    return metric in {"quality", "reward", "success"}
