"""What is usual, by a window of values: the centre and the unit in which distance counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

_NORMAL: Final = 0.6745
"""The median absolute deviation of a normal variable, in standard deviations."""


class Usual(NamedTuple):
    """Values from ``lower`` to ``upper`` have the score 0, and one ``unit`` beyond them 1."""

    center: float
    lower: float
    upper: float
    unit: float


def robust_z(ordered: Sequence[float], least_mad: float) -> Usual:
    """The modified z-score, .6745 (x - median) / MAD.

    Iglewicz and Hoaglin 1993, "How to detect and handle outliers".
    """
    center, spread = _median_and_mad(ordered, least_mad)
    return Usual(center, center, center, spread / _NORMAL)


def mad(ordered: Sequence[float], least_mad: float) -> Usual:
    """Distance from the median in median absolute deviations."""
    center, spread = _median_and_mad(ordered, least_mad)
    return Usual(center, center, center, spread)


def iqr(ordered: Sequence[float], least_mad: float) -> Usual:
    """Distance beyond the nearer quartile in interquartile ranges (Tukey 1977).

    Quartiles are interpolated linearly (type 7 of Hyndman and Fan 1996). The least range is twice
    the least MAD, as it is for symmetric distributions.
    """
    lower, upper = _quantile(ordered, 0.25), _quantile(ordered, 0.75)
    return Usual(_quantile(ordered, 0.5), lower, upper, max(upper - lower, 2.0 * least_mad))


def _median_and_mad(ordered: Sequence[float], least_mad: float) -> tuple[float, float]:
    center = _quantile(ordered, 0.5)
    half = len(ordered) // 2
    deviation = _distance(ordered, center, half + 1)
    if len(ordered) % 2 == 0:
        deviation = 0.5 * (_distance(ordered, center, half) + deviation)
    return center, max(deviation, least_mad)


def _distance(ordered: Sequence[float], center: float, count: int) -> float:
    """How far the farthest of the ``count`` values nearest to ``center`` is; they are neighbours,
    so bisection finds them.
    """
    low, high = 0, len(ordered) - count
    while low < high:
        middle = (low + high) // 2
        if center - ordered[middle] > ordered[middle + count] - center:
            low = middle + 1
        else:
            high = middle
    return max(center - ordered[low], ordered[low + count - 1] - center)


def _quantile(ordered: Sequence[float], share: float) -> float:
    at = share * (len(ordered) - 1)
    below = int(at)
    part = at - below
    if not part:
        return ordered[below]
    return ordered[below] + part * (ordered[below + 1] - ordered[below])
