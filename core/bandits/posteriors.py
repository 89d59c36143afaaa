"""The posteriors that Thompson sampling draws from, in a form that quadrature can take exactly.

Each class holds K posteriors of one family over one common variable, and answers what
``core.bandits.quadrature`` asks: where they live, their densities, their distribution functions.
"""

from __future__ import annotations

import math
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

SMALLEST_COUNT = 0.1
"""The smallest parameter of a Beta posterior. Below about 0.04 its tail leaves the doubles."""


class Posteriors(Protocol):
    """K posteriors over one variable that grows with the mean reward."""

    parameters: Floats
    """Shape ``(K, P)``. Equal rows are equal posteriors."""
    centre: Floats
    """Shape ``(K,)``: where each density is largest."""
    scale: Floats
    """Shape ``(K,)``: how far from its centre a density falls by about e^(-1/2)."""

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Some of the posteriors, by index or mask."""
        ...

    def ends(self, mass: float) -> tuple[Floats, Floats]:
        """Points below and above which each posterior keeps about ``mass``; ``(K,)`` each."""
        ...

    def density(self, y: Floats) -> Floats:
        """Densities at ``y``: shape ``(K, *y.shape)``, relative error about 1e-13."""
        ...

    def cdf(self, y: float) -> Floats:
        """The mass below ``y``, shape ``(K,)``."""
        ...


class LogitBeta:
    """Beta(alpha, beta) of a probability x, as densities of its logit y = log(x / (1 - x)).

    The logit keeps the order of draws and so their maximum, and there the density is smooth and
    log-concave on the whole line, for every alpha and beta: f(y) = x^alpha (1-x)^beta / B. The
    poles that x^(alpha-1) has at 0 and 1 are gone. ``parameters`` has the columns alpha, beta.
    """

    def __init__(self, parameters: Floats) -> None:
        self.parameters = parameters
        self._alpha, self._beta = parameters.T
        self.centre: Floats = np.log(self._alpha) - np.log(self._beta)
        self.scale: Floats = np.sqrt(1.0 / self._alpha + 1.0 / self._beta)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Some of the posteriors, by index or mask."""
        return type(self)(self.parameters[rows])

    def ends(self, mass: float) -> tuple[Floats, Floats]:
        """The quantiles of ``mass`` and 1 - ``mass``."""
        low = special.betaincinv(self._alpha, self._beta, mass)
        high = special.betaincinv(self._beta, self._alpha, mass)
        return np.log(low) - np.log1p(-low), np.log1p(-high) - np.log(high)

    def density(self, y: Floats) -> Floats:
        """Shape ``(K, *y.shape)``.

        With p <= q the two parameters, u = ±(y - centre) the distance from the peak (mirrored if
        alpha is the larger) and r = p / (p + q), the log-density falls from its peak by
        (p + q) log(1 + r (e^u - 1)) - p u: no term is much larger than the sum, so no digits
        cancel, however many rewards there are.
        """
        shape = (-1,) + (1,) * y.ndim
        p = np.minimum(self._alpha, self._beta)
        q = np.maximum(self._alpha, self._beta)
        n = p + q
        peak = np.array([_logit_beta_peak(*row) for row in self.parameters.tolist()])
        u = y - self.centre.reshape(shape)
        u *= np.where(self._alpha <= self._beta, 1.0, -1.0).reshape(shape)
        fall = np.expm1(u)
        fall *= (p / n).reshape(shape)
        np.log1p(fall, out=fall)
        fall *= -n.reshape(shape)
        u *= p.reshape(shape)
        fall += u
        np.exp(fall, out=fall)
        fall *= peak.reshape(shape)
        return fall

    def cdf(self, y: float) -> Floats:
        """The mass below the logit ``y``, from whichever side keeps the digits."""
        if y < 0.0:
            return np.asarray(special.betainc(self._alpha, self._beta, special.expit(y)))
        return np.asarray(special.betaincc(self._beta, self._alpha, special.expit(-y)))


class StudentT:
    """Student's t with a location, a scale and degrees of freedom: the columns of parameters."""

    def __init__(self, parameters: Floats) -> None:
        self.parameters = parameters
        self.centre, self.scale, self._dof = parameters.T

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Some of the posteriors, by index or mask."""
        return type(self)(self.parameters[rows])

    def ends(self, mass: float) -> tuple[Floats, Floats]:
        """The quantiles of ``mass`` and 1 - ``mass``."""
        reach = special.stdtrit(self._dof, mass) * self.scale
        return self.centre + reach, self.centre - reach

    def density(self, y: Floats) -> Floats:
        """Shape ``(K, *y.shape)``; the ratio of Gammas by ``poch``, which keeps large counts."""
        shape = (-1,) + (1,) * y.ndim
        dof = self._dof
        peak = special.poch(dof / 2.0, 0.5) / (np.sqrt(math.pi * dof) * self.scale)
        z = y - self.centre.reshape(shape)
        z /= (self.scale * np.sqrt(dof)).reshape(shape)
        z *= z
        np.log1p(z, out=z)
        z *= (-(dof + 1.0) / 2.0).reshape(shape)
        np.exp(z, out=z)
        z *= peak.reshape(shape)
        return z

    def cdf(self, y: float) -> Floats:
        """The mass below ``y``."""
        return np.asarray(special.stdtr(self._dof, (y - self.centre) / self.scale))


def _stirling_error(x: float) -> float:
    """What Stirling's formula leaves out: log Γ(x) - [(x - ½) log x - x + ½ log 2π].

    Abramowitz and Stegun 6.1.41; below 30 the difference itself, which is exact enough there.
    """
    if x > 30.0:
        return (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * x * x)) / (x * x)) / x
    return math.lgamma(x) - ((x - 0.5) * math.log(x) - x + 0.5 * math.log(2.0 * math.pi))


def _logit_beta_peak(alpha: float, beta: float) -> float:
    """The density of the logit at its largest, log(alpha / beta): sqrt(alpha beta / 2π(alpha +
    beta)) times the three Stirling errors, as their leading terms cancel."""
    n = alpha + beta
    excess = _stirling_error(n) - _stirling_error(alpha) - _stirling_error(beta)
    return math.sqrt(alpha * beta / (2.0 * math.pi * n)) * math.exp(excess)
