"""Means and their difference: t intervals, and Welch's test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from scipy import special

from core.statistics.interval import Alternative, Interval, check_level, p_value


@dataclass(frozen=True, slots=True)
class Sample:
    """What of ``n`` >= 2 independent values a t test needs: their mean and their variance.

    ``variance`` is the unbiased one, by n - 1. Raises ValueError for fewer values, a negative
    variance, or what is not finite.
    """

    n: float
    mean: float
    variance: float

    def __post_init__(self) -> None:
        finite = math.isfinite(self.n) and math.isfinite(self.mean) and self.variance < math.inf
        if not (finite and self.n >= 2.0 and self.variance >= 0.0):
            raise ValueError(
                f"a sample of {self.n} values with mean {self.mean} and variance {self.variance}: "
                "expected at least 2 values, all finite"
            )

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The sample that ``values`` are. Raises ValueError for fewer than 2."""
        n = len(values)
        if n < 2:
            raise ValueError(f"{n} values have no variance; at least 2 are needed")
        mean = math.fsum(values) / n
        return cls(float(n), mean, math.fsum((value - mean) ** 2 for value in values) / (n - 1))

    @property
    def squared_error(self) -> float:
        """The square of the mean's standard error."""
        return self.variance / self.n


@dataclass(frozen=True, slots=True)
class MeanTest:
    """Two means compared; ``difference`` is the second one minus the first."""

    difference: float
    interval: Interval
    """Of the difference, two-sided whatever the test."""
    t: float
    dof: float
    """Welch's degrees of freedom, a real number."""
    p_value: float
    alternative: Alternative


def mean_interval(sample: Sample, level: float = 0.95) -> Interval:
    """Student's interval of a mean. Raises ValueError for a level outside (0, 1)."""
    reach = _t_quantile(level, sample.n - 1.0) * math.sqrt(sample.squared_error)
    return Interval(sample.mean - reach, sample.mean + reach, level)


def welch_test(
    first: Sample,
    second: Sample,
    *,
    alternative: Alternative = "two-sided",
    level: float = 0.95,
) -> MeanTest:
    """The t test of second against first, which may have different variances (Welch 1947).

    Two samples without any variance differ with certainty (t is infinite) or not at all (t is 0);
    their degrees of freedom are then those of equal variances. The test and the interval are made
    for one look at data of fixed size. Raises ValueError for a level outside (0, 1).
    """
    difference = second.mean - first.mean
    error = math.sqrt(first.squared_error + second.squared_error)
    dof = welch_dof(first.n, first.variance, second.n, second.variance)
    if error > 0.0:
        t = difference / error
    else:
        t = math.copysign(math.inf, difference) if difference else 0.0
    reach = _t_quantile(level, dof) * error
    return MeanTest(
        difference=difference,
        interval=Interval(difference - reach, difference + reach, level),
        t=t,
        dof=dof,
        p_value=p_value(float(special.stdtr(dof, t)), float(special.stdtr(dof, -t)), alternative),
        alternative=alternative,
    )


def welch_dof(n1: float, variance1: float, n2: float, variance2: float) -> float:
    """The degrees of freedom of a difference of means (Satterthwaite 1946, Welch 1947).

    At least min(n1, n2) - 1 and at most n1 + n2 - 2, which it also is if both variances are 0.
    """
    a, b = variance1 / n1, variance2 / n2
    if a + b == 0.0:
        return n1 + n2 - 2.0
    share = a / (a + b)
    return 1.0 / (share**2 / (n1 - 1.0) + (1.0 - share) ** 2 / (n2 - 1.0))


def _t_quantile(level: float, dof: float) -> float:
    check_level(level)
    return float(-special.stdtrit(dof, (1.0 - level) / 2.0))
