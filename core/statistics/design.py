"""What is asked of a comparison before it is run, and the smallest samples that give it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from scipy import optimize, special

MOST: Final = 10**12
"""Samples that large are never had: an effect that needs them is as good as none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What a comparison of one arm with ``comparisons`` others has to fulfil.

    Raises ValueError for values that contradict each other or their ranges.
    """

    alpha: float = 0.05
    """The chance of any false difference in all comparisons together; in (0, 0.5]."""
    power: float = 0.8
    """The chance, in each comparison, to find a difference as large as the planned one."""
    sides: Literal[1, 2] = 2
    """2: a difference in either direction counts. 1: only the planned direction is tested."""
    ratio: float = 1.0
    """How many times as large as the first arm's sample each other arm's one is."""
    comparisons: int = 1
    """How many arms are compared with the first one."""
    correction: Literal["bonferroni", "sidak"] = "bonferroni"
    """How alpha is shared: alpha / m, or 1 - (1 - alpha)^(1/m). The latter is a little larger and
    needs test statistics that are independent or positively dependent, as those of several arms
    against a common one are when the tests are two-sided (Šidák 1967)."""

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha <= 0.5:
            raise ValueError(
                f"alpha must lie between 0 and 0.5, e.g. 0.05, and not at {self.alpha:g}"
            )
        if not self.alpha < self.power < 1.0:
            raise ValueError(
                f"power must lie between alpha ({self.alpha:g}) and 1, e.g. 0.8, and not at "
                f"{self.power:g}"
            )
        if self.sides not in (1, 2):
            raise ValueError(f"sides must be 1 or 2, and not {self.sides}")
        if not 1e-3 <= self.ratio <= 1e3:
            raise ValueError(f"ratio must lie between 0.001 and 1000, and not at {self.ratio}")
        if self.comparisons < 1:
            raise ValueError(f"comparisons must be at least 1, and not {self.comparisons}")

    @property
    def alpha_each(self) -> float:
        """The significance level of each comparison."""
        if self.correction == "sidak":
            return -math.expm1(math.log1p(-self.alpha) / self.comparisons)
        return self.alpha / self.comparisons

    @property
    def tail(self) -> float:
        """The mass beyond one critical value of each comparison."""
        return self.alpha_each / self.sides

    @property
    def z(self) -> float:
        """The critical value of each comparison's normal statistic."""
        return float(-special.ndtri(self.tail))


@dataclass(frozen=True, slots=True)
class Effect:
    """A planned difference, and what it is counted in: of its own unit, or of the baseline."""

    value: float
    kind: Literal["absolute", "relative"]

    def applied_to(self, baseline: float) -> float:
        """What the baseline becomes: plus the value, or times 1 + the value."""
        if self.kind == "absolute":
            return baseline + self.value
        return baseline * (1.0 + self.value)


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How many samples a comparison needs."""

    first: int
    second: int
    """Of each other arm."""
    total: int
    """Of all arms together."""
    exact: float
    """The first arm's sample before it was rounded up."""
    power: float
    """What these samples give: the power that was asked for, or by rounding up a little more."""
    alpha_each: float


DEFAULT: Final = Design()


def smallest(power: Callable[[float, float], float], design: Design, least: int) -> SampleSize:
    """The smallest samples that reach the design's power, from ``least`` per arm on, rounded up.

    ``power(first, second)`` must not decrease in either. Raises ValueError if more than 10^12
    samples were needed.
    """

    def missing(n: float) -> float:
        return power(n, max(float(least), design.ratio * n)) - design.power

    low = high = float(least)
    while missing(high) < 0.0:
        if high > MOST:
            raise ValueError(
                "the effect is too small: it would need more than 10^12 samples to be found"
            )
        low, high = high, 2.0 * high
    exact = low if low == high else float(optimize.brentq(missing, low, high, xtol=1e-12 * low))
    first, second = _ceil(exact), max(least, _ceil(design.ratio * exact))
    return SampleSize(
        first=first,
        second=second,
        total=first + design.comparisons * second,
        exact=exact,
        power=power(first, second),
        alpha_each=design.alpha_each,
    )


def _ceil(value: float) -> int:
    """Rounded up, but for the last digits of what was found by iteration."""
    return math.ceil(value * (1.0 - 1e-11))
