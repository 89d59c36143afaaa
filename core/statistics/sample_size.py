"""Sample size, power and detectable effect of a comparison of two shares or two means.

For each kind of outcome one function gives the power of given samples; the sample size and the
detectable effect are its inverses, so that the three never contradict each other. Power counts both
rejection regions of a two-sided test, also the one on the wrong side, which matters only for tiny
effects. All of it is for one look at the data, when they are complete.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
from scipy import optimize, special

from core.bandits.base import Floats
from core.statistics.design import DEFAULT, Design, SampleSize, smallest
from core.statistics.means import welch_dof

Variance = Literal["pooled", "unpooled"]
"""Of the z test under H0: that of the common share (as two_proportion_test takes it; Fleiss, Levin
and Paik 2003, eq. 4.14 without continuity correction), or that of two different shares."""


def proportions_power(
    baseline: float,
    other: float,
    first: float,
    second: float,
    design: Design = DEFAULT,
    variance: Variance = "pooled",
) -> float:
    """The chance that the z test tells two shares apart, by the normal approximation.

    The first arm has the share ``baseline``, in (0, 1), in ``first`` samples, the second one
    ``other``, in [0, 1], in ``second``. The approximation is good from about 5 expected successes
    and failures in each arm on. Raises ValueError for shares or samples out of range.
    """
    _check_share("baseline", baseline, strict=True)
    _check_share("the other share", other, strict=False)
    _check_samples(first, second, 1)
    spread = math.sqrt(baseline * (1.0 - baseline) / first + other * (1.0 - other) / second)
    null = spread
    if variance == "pooled":
        common = (first * baseline + second * other) / (first + second)
        null = math.sqrt(common * (1.0 - common) * (1.0 / first + 1.0 / second))
    critical, shift = design.z * null / spread, abs(other - baseline) / spread
    found = float(special.ndtr(shift - critical))
    if design.sides == 2:
        found += float(special.ndtr(-shift - critical))
    return found


def proportions_sample_size(
    baseline: float,
    other: float,
    design: Design = DEFAULT,
    variance: Variance = "pooled",
) -> SampleSize:
    """The smallest samples with which the z test tells ``other`` from ``baseline``.

    Raises ValueError for shares out of range, equal ones, or a difference too small to be found.
    """
    _check_effect(other - baseline)
    return smallest(
        lambda first, second: proportions_power(baseline, other, first, second, design, variance),
        design,
        least=1,
    )


def proportions_detectable(
    baseline: float,
    first: float,
    second: float,
    design: Design = DEFAULT,
    variance: Variance = "pooled",
    direction: Literal["up", "down"] = "up",
) -> float:
    """The share next to ``baseline`` that these samples tell from it with the design's power.

    Raises ValueError for values out of range, and where not even a share of 1 (up) or 0 (down)
    would be told from it.
    """
    end = 1.0 if direction == "up" else 0.0

    def missing(other: float) -> float:
        return proportions_power(baseline, other, first, second, design, variance) - design.power

    if missing(end) < 0.0:
        raise ValueError(
            f"with {first:g} and {second:g} samples not even a share of {end:g} is told from "
            f"{baseline:g} with power {design.power:g}: take more samples"
        )
    return float(optimize.brentq(missing, baseline, end, xtol=1e-12))


def means_power(
    difference: float,
    std: float,
    first: float,
    second: float,
    design: Design = DEFAULT,
    std_second: float | None = None,
) -> float:
    """The chance that Welch's t test finds a difference of means, by the noncentral t.

    ``std`` is the standard deviation of one value, > 0, in the second arm too unless
    ``std_second`` says otherwise. Exact for normal values, equal deviations and equal samples, and
    close for others (means are about normal, Welch's degrees of freedom about right). Raises
    ValueError for values out of range; samples are at least 2.
    """
    other = std if std_second is None else std_second
    if not (0.0 < std < math.inf and 0.0 < other < math.inf):
        raise ValueError(f"standard deviations must be above 0, and not {std} and {other}")
    _check_samples(first, second, 2)
    dof = welch_dof(first, std**2, second, other**2)
    shift = abs(difference) / math.sqrt(std**2 / first + other**2 / second)
    reach = float(-special.stdtrit(dof, design.tail)) * _chi_ratios(dof)
    found = special.ndtr(shift - reach)
    if design.sides == 2:
        found += special.ndtr(-shift - reach)
    return float(found @ _WEIGHTS)


def means_sample_size(
    difference: float,
    std: float,
    design: Design = DEFAULT,
    std_second: float | None = None,
) -> SampleSize:
    """The smallest samples with which Welch's t test finds ``difference``.

    Raises ValueError as ``means_power`` does, and for a difference that is 0 or too small.
    """
    _check_effect(difference)
    return smallest(
        lambda first, second: means_power(difference, std, first, second, design, std_second),
        design,
        least=2,
    )


def means_detectable(
    std: float,
    first: float,
    second: float,
    design: Design = DEFAULT,
    std_second: float | None = None,
) -> float:
    """The smallest difference of means > 0 that these samples find with the design's power.

    Raises ValueError as ``means_power`` does.
    """

    def missing(difference: float) -> float:
        return means_power(difference, std, first, second, design, std_second) - design.power

    high = max(std, std_second or 0.0)
    while missing(high) < 0.0:
        high *= 2.0
    return float(optimize.brentq(missing, 0.0, high, xtol=1e-12 * high))


_Z: Final = np.arange(-8.5, 8.625, 0.125)
_WEIGHTS: Final = np.exp(-0.5 * _Z**2) * (0.125 / math.sqrt(2.0 * math.pi))
"""The trapezoidal rule for means over a standard normal, which is exact here to about 1e-13."""


def _chi_ratios(dof: float) -> Floats:
    """An estimated standard deviation over the true one, at each normal quantile of _Z.

    A noncentral t exceeds c where a normal with its shift exceeds c times this ratio. scipy's own
    nctdtr is NaN for about one in ten of the arguments that occur here.
    """
    half = dof / 2.0
    lower = special.gammaincinv(half, special.ndtr(_Z))
    upper = special.gammainccinv(half, special.ndtr(-_Z))
    ratios: Floats = np.sqrt(np.where(_Z < 0.0, lower, upper) / half)
    return ratios


def _check_share(name: str, value: float, *, strict: bool) -> None:
    inside = 0.0 < value < 1.0 if strict else 0.0 <= value <= 1.0
    if not inside:
        raise ValueError(f"{name} must be a share between 0 and 1, and not {value:g}")


def _check_samples(first: float, second: float, least: int) -> None:
    if min(first, second) < least:
        raise ValueError(
            f"each arm needs at least {least} samples, and not {first:g} and {second:g}"
        )


def _check_effect(difference: float) -> None:
    if difference == 0.0 or not math.isfinite(difference):
        raise ValueError(f"the effect must be a difference other than 0, and not {difference:g}")
