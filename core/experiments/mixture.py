"""Normal mixtures: bounds that a sum of outcomes ever crosses with a chance of at most alpha.

For a process S of variance V, with exp(λ S - λ² V / 2) a supermartingale for each λ (a Gaussian
random walk; asymptotically any sum of independent errors with V as estimated), the mean of that
over λ is one too, and ever exceeds 1 / alpha with a chance of at most alpha (Ville 1939). With
λ normal about 0 with variance 1 / rho this is Robbins' mixture (1970), the mSPRT of Johari,
Pekelis and Walsh (2017), and the two-sided normal mixture of Howard, Ramdas, McAuliffe and Sekhon
(2021, section 3); with the half of it where λ > 0, their one-sided one. ``rho`` and
``variance`` are in the same unit, and above 0.
"""

from __future__ import annotations

import math
from typing import Final

from scipy import special

_ROOT_2: Final = math.sqrt(2.0)
_TWICE_DENSITY: Final = 2.0 / math.sqrt(2.0 * math.pi)
_STEPS: Final = 50
"""Far more than Newton's method needs, which is about 5."""


def two_sided_log_evidence(score: float, variance: float, rho: float) -> float:
    """The log of the mixture: against S having no drift, in either direction."""
    total = variance + rho
    return 0.5 * (math.log(rho / total) + score * score / total)


def one_sided_log_evidence(score: float, variance: float, rho: float) -> float:
    """The log of the mixture over λ > 0: against S having no drift or one below 0."""
    total = variance + rho
    tail = float(special.log_ndtr(score / math.sqrt(total)))
    return 0.5 * (math.log(4.0 * rho / total) + score * score / total) + tail


def two_sided_bound(variance: float, rho: float, alpha: float) -> float:
    """How far from 0 a driftless S is at any time with a chance of at most alpha in (0, 1)."""
    total = variance + rho
    return math.sqrt(total * (math.log(total / rho) - 2.0 * math.log(alpha)))


def one_sided_bound(variance: float, rho: float, alpha: float) -> float:
    """How far above 0 a driftless S is at any time with a chance of at most alpha in (0, 1)."""
    root = math.sqrt(variance + rho)
    # In z = S / root, with log(2 Φ(z)) + z² / 2 = aim: convex, so Newton's steps from the right,
    # where Φ = 1/2 is taken, come down to the root, which is above 0.
    aim = 0.5 * math.log((variance + rho) / rho) - math.log(alpha)
    z = math.sqrt(2.0 * aim)
    for _ in range(_STEPS):
        twice = math.erfc(-z / _ROOT_2)  # 2 Φ(z)
        slope = z + _TWICE_DENSITY * math.exp(-0.5 * z * z) / twice
        step = (math.log(twice) + 0.5 * z * z - aim) / slope
        z -= step
        if abs(step) <= 1e-14 * z:
            break
    return z * root


def best_rho(variance: float, alpha: float) -> float:
    """The rho whose two-sided bound is the lowest at ``variance`` (Howard et al. 2021).

    The one-sided bound is about the lowest with twice the alpha.
    """
    return variance / _ratio(alpha)


def rho_for_effect(effect: float, alpha: float) -> float:
    """The rho that is best where a drift of ``effect`` per unit of variance meets the bound.

    With k = V / rho, the lowest bound is sqrt((k + 1) V); effect · V meets it at
    V = (k + 1) / effect². So the mixture's standard deviation is about 0.94 of the effect.
    """
    k = _ratio(alpha)
    return (k + 1.0) / (k * effect * effect)


def _ratio(alpha: float) -> float:
    """The k = V / rho with k = log(1 + k) + 2 log(1 / alpha), by Lambert's W, for alpha < 1."""
    return -1.0 - float(special.lambertw(-alpha * alpha / math.e, -1).real)
