"""Shares and their difference: score intervals, and the z test of two shares."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from core.statistics.interval import Alternative, Interval, normal_quantile, p_value


@dataclass(frozen=True, slots=True)
class Share:
    """``successes`` among ``n`` trials. Weighted sums are allowed: neither must be whole.

    Raises ValueError unless 0 <= successes <= n and n > 0, both finite.
    """

    successes: float
    n: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.successes <= self.n and 0.0 < self.n < math.inf):
            raise ValueError(
                f"{self.successes} successes in {self.n} trials: expected at least one trial, and "
                "no more successes than trials"
            )

    @property
    def value(self) -> float:
        """The observed share, in [0, 1]."""
        return self.successes / self.n


@dataclass(frozen=True, slots=True)
class ProportionTest:
    """Two shares compared; ``difference`` is the second one minus the first."""

    difference: float
    interval: Interval
    """Of the difference, by Newcombe's hybrid score method, two-sided whatever the test."""
    z: float
    p_value: float
    alternative: Alternative


def wilson_interval(share: Share, level: float = 0.95) -> Interval:
    """The score interval of a share (Wilson 1927): those p whose z test keeps the observed one.

    It never leaves [0, 1], and is right for few trials and for shares at or near 0 and 1, where
    estimate ± z standard errors is not. Raises ValueError for a level outside (0, 1).
    """
    half = normal_quantile(level) ** 2 / 2.0
    n, hits = share.n, share.successes
    misses = n - hits
    reach = math.sqrt(2.0 * half * (hits * misses / n + half / 2.0))
    # The limits are the roots of (n + z²) p² - (2 hits + z²) p + hits² / n. By their product, as
    # no digits cancel: the lower one from the successes, the upper one from the failures.
    low = hits / n * (hits / (hits + half + reach))
    high = 1.0 - misses / n * (misses / (misses + half + reach))
    return Interval(low, max(share.value, high), level)


def newcombe_interval(first: Share, second: Share, level: float = 0.95) -> Interval:
    """The interval of second - first, of the two Wilson intervals (Newcombe 1998, method 10).

    Each limit is as far off as the Wilson limits on that side, added as independent errors are.
    It never leaves [-1, 1]. Raises ValueError for a level outside (0, 1).
    """
    a, b = wilson_interval(first, level), wilson_interval(second, level)
    difference = second.value - first.value
    down = math.hypot(second.value - b.low, a.high - first.value)
    up = math.hypot(b.high - second.value, first.value - a.low)
    return Interval(max(-1.0, difference - down), min(1.0, difference + up), level)


def two_proportion_test(
    first: Share,
    second: Share,
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> ProportionTest:
    """The z test of second against first, with the variance of the pooled share under H0.

    Two shares that are both 0 or both 1 do not differ: z is 0. The test and the interval are made
    for one look at data of fixed size: repeated looks need always-valid inference instead. Raises
    ValueError for a level outside (0, 1).
    """
    difference = second.value - first.value
    pooled = (first.successes + second.successes) / (first.n + second.n)
    error = math.sqrt(pooled * (1.0 - pooled) * (1.0 / first.n + 1.0 / second.n))
    z = difference / error if error > 0.0 else 0.0
    return ProportionTest(
        difference=difference,
        interval=newcombe_interval(first, second, level),
        z=z,
        p_value=p_value(float(special.ndtr(z)), float(special.ndtr(-z)), alternative),
        alternative=alternative,
    )
