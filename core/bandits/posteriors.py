"""The posteriors that Thompson sampling draws from, in a form that quadrature can take exactly.

Each class holds K posteriors of one family over one common variable, and answers what
``core.bandits.quadrature`` asks: where they live, their densities, their distribution functions.
"""

from __future__ import annotations

import math
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from core.bandits.base import Floats

Rows = NDArray[np.intp] | NDArray[np.bool_]

SMALLEST_COUNT: Final = 0.1
"""The smallest parameter of a Beta posterior. Below about 0.04 its tails leave the doubles."""
_STEPS: Final = 50
_CLOSE: Final = 1e-10
"""A step of Newton's method that is the last one, in units of the scale: the next is its square."""


class Posteriors(Protocol):
    """K posteriors over one variable that grows with the mean reward."""

    parameters: Floats
    """Shape ``(K, P)``. Equal rows are equal posteriors."""
    centre: Floats
    """Shape ``(K,)``: where each density is largest."""
    scale: Floats
    """Shape ``(K,)``: how far from its centre a density falls by about e^(-1/2)."""

    def take(self, rows: Rows) -> Self:
        """Some of the posteriors, by index or mask."""
        ...

    def ends(self, mass: float) -> tuple[Floats, Floats]:
        """Points below and above which each posterior keeps about ``mass``: ``(K,)`` each."""
        ...

    def density(self, y: Floats) -> Floats:
        """The densities at ``y``: shape ``(K, a, b)`` for ``(a, b)``, exact to about 1e-12."""
        ...

    def cdf(self, y: float) -> Floats:
        """The mass below ``y``: shape ``(K,)``."""
        ...

    def deviates(self, leader: int) -> Floats:
        """How far each posterior is from a draw above the one of ``leader``: shape ``(K,)``.

        As a standard normal deviate z: the probability is about Φ(-z), also where it is too small
        for a double. 0 for posteriors that are not behind, the leader's own among them.
        """
        ...


class LogitBeta:
    """Beta(alpha, beta) of a probability x, as densities of its logit y = log(x / (1 - x)).

    The logit keeps the order of draws, and so which of them is the largest. Its density
    x^alpha (1 - x)^beta / B(alpha, beta) is smooth and log-concave on the whole line for every
    alpha and beta, where that of x has poles at 0 and 1 if they are below 1. ``parameters`` has
    the columns alpha and beta, at least SMALLEST_COUNT.
    """

    def __init__(self, parameters: Floats) -> None:
        self.parameters = parameters
        self._alpha: Floats = parameters[:, 0]
        self._beta: Floats = parameters[:, 1]
        self.centre: Floats = np.log(self._alpha) - np.log(self._beta)
        self.scale: Floats = np.sqrt(1.0 / self._alpha + 1.0 / self._beta)
        self._p: Floats = np.minimum(self._alpha, self._beta)
        self._q: Floats = np.maximum(self._alpha, self._beta)
        self._n: Floats = self._alpha + self._beta
        self._mirror: Floats = np.where(self._alpha <= self._beta, 1.0, -1.0)

    def take(self, rows: Rows) -> Self:
        """See Posteriors."""
        return type(self)(self.parameters[rows])

    def ends(self, mass: float) -> tuple[Floats, Floats]:
        """See Posteriors: where the density has fallen to ``mass`` times its peak, or just beyond.

        By Newton's method on the fall that ``density`` describes. It is convex, so from a point
        beyond the end every step stays beyond. Not by betaincinv, which loses its way at large
        counts: scipy 1.17's betaincinv(1e3, 1e9, 1e-11) is 1.9e-6, above the mean of 1e-6.
        """
        p, q, n = self._p, self._q, self._n
        depth = -math.log(mass)
        normal = self.scale * math.sqrt(2.0 * depth)
        u = np.stack([-depth / p - normal, depth / q + np.log1p(normal + normal * normal / 2.0)])
        for _ in range(2):
            w = np.expm1(u)
            slope = p * q / n * w / (1.0 + p / n * w)
            u -= (n * np.log1p(p / n * w) - p * u - depth) / slope
        u *= self._mirror
        return self.centre + u.min(axis=0), self.centre + u.max(axis=0)

    def density(self, y: Floats) -> Floats:
        """See Posteriors.

        With p <= q the two parameters, u = ±(y - centre) the distance from the peak (mirrored if
        alpha is the larger) and r = p / (p + q), the log-density falls from its peak by
        (p + q) log(1 + r (e^u - 1)) - p u. No term is much larger than the sum, so no digits
        cancel, however many rewards there are.
        """
        p, n = self._p, self._n
        peak = np.array([_logit_peak(alpha, beta) for alpha, beta in self.parameters.tolist()])
        u = y - self.centre[:, None, None]
        u *= self._mirror[:, None, None]
        f: Floats = np.expm1(u)
        f *= (p / n)[:, None, None]
        np.log1p(f, out=f)
        f *= -n[:, None, None]
        u *= p[:, None, None]
        f += u
        np.exp(f, out=f)
        f *= peak[:, None, None]
        return f

    def cdf(self, y: float) -> Floats:
        """See Posteriors: from whichever side of the logit keeps the digits of x."""
        if y < 0.0:
            return np.asarray(special.betainc(self._alpha, self._beta, special.expit(y)))
        return np.asarray(special.betaincc(self._beta, self._alpha, special.expit(-y)))

    def deviates(self, leader: int) -> Floats:
        """See Posteriors: by the principle of large deviations for yes/no rewards.

        The cheapest way past the leader is that both have the mean of all their counts. That costs
        W = n kl(mean, common) + n' kl(mean', common), and z² / 2 is this W.
        """
        both_alpha, both = self._alpha + self._alpha[leader], self._n + self._n[leader]
        common, rest = both_alpha / both, (self._beta + self._beta[leader]) / both
        cost = special.rel_entr(self._alpha, self._n * common)
        cost += special.rel_entr(self._beta, self._n * rest)
        cost += special.rel_entr(self._alpha[leader], self._n[leader] * common)
        cost += special.rel_entr(self._beta[leader], self._n[leader] * rest)
        behind = self.centre < self.centre[leader]
        return np.where(behind, np.sqrt(2.0 * np.maximum(cost, 0.0)), 0.0)

    def quantiles(self, tail: float) -> Floats:
        """The logits below which each posterior has the mass ``tail``, up to 1/2: shape ``(K,)``.

        By Newton's method on the logarithm of the distribution function. It is concave, as the
        density is log-concave: after one step from anywhere, all further ones go up to the root.
        """
        y = self.ends(tail)[0]
        for _ in range(_STEPS):
            mass = self._mass_below(y)
            step = mass * np.log(tail / mass) / self.density(y[:, None, None])[:, 0, 0]
            y = y + step
            if (np.abs(step) <= _CLOSE * self.scale).all():
                break
        return y

    def _mass_below(self, y: Floats) -> Floats:
        """The mass of each posterior below its own ``y``: shape ``(K,)``."""
        left = special.betainc(self._alpha, self._beta, special.expit(y))
        right = special.betaincc(self._beta, self._alpha, special.expit(-y))
        return np.where(y < 0.0, left, right)


class StudentT:
    """Student's t: ``parameters`` has the columns location, scale and degrees of freedom."""

    def __init__(self, parameters: Floats) -> None:
        self.parameters = parameters
        self.centre: Floats = parameters[:, 0]
        self.scale: Floats = parameters[:, 1]
        self._dof: Floats = parameters[:, 2]

    def take(self, rows: Rows) -> Self:
        """See Posteriors."""
        return type(self)(self.parameters[rows])

    def ends(self, mass: float) -> tuple[Floats, Floats]:
        """See Posteriors: the quantiles of ``mass`` and 1 - ``mass``."""
        reach = self.scale * special.stdtrit(self._dof, mass)
        return self.centre + reach, self.centre - reach

    def density(self, y: Floats) -> Floats:
        """See Posteriors: Γ(n/2 + ½) / (Γ(n/2) s sqrt(πn)) (1 + ((y - m) / s)² / n)^(-(n + 1)/2).

        n are the degrees of freedom. The ratio of Gammas is Pochhammer's symbol, which keeps its
        digits for large n.
        """
        root = np.sqrt(self._dof)
        peak = special.poch(self._dof / 2.0, 0.5) / (math.sqrt(math.pi) * root * self.scale)
        f: Floats = y - self.centre[:, None, None]
        f /= (self.scale * root)[:, None, None]
        f *= f
        np.log1p(f, out=f)
        f *= (-0.5 * (self._dof + 1.0))[:, None, None]
        np.exp(f, out=f)
        f *= peak[:, None, None]
        return f

    def cdf(self, y: float) -> Floats:
        """See Posteriors."""
        return np.asarray(special.stdtr(self._dof, (y - self.centre) / self.scale))

    def deviates(self, leader: int) -> Floats:
        """See Posteriors: the difference of two t's as one t with Welch's degrees of freedom.

        Its deviate by Wallace (1959), "Bounds on normal approximations to Student's and the
        chi-square distributions", which holds in the tails as well.
        """
        own, its = np.square(self.scale), float(self.scale[leader]) ** 2
        both = own + its
        dof = both * both / (own * own / self._dof + its * its / self._dof[leader])
        square = np.square(np.maximum(self.centre[leader] - self.centre, 0.0)) / both
        shrink = (8.0 * dof + 1.0) / (8.0 * dof + 3.0)
        return np.asarray(shrink * np.sqrt(dof * np.log1p(square / dof)))


def _logit_peak(alpha: float, beta: float) -> float:
    """The density of the logit where it is largest, at log(alpha / beta).

    With n = alpha + beta this is alpha^alpha beta^beta / (n^n B(alpha, beta)), whose leading terms
    cancel but for sqrt(alpha beta / 2πn) and the errors of Stirling's formula.
    """
    n = alpha + beta
    excess = _stirling_error(n) - _stirling_error(alpha) - _stirling_error(beta)
    return math.sqrt(alpha * beta / (2.0 * math.pi * n)) * math.exp(excess)


def _stirling_error(x: float) -> float:
    """What Stirling's formula leaves out: log Γ(x) - [(x - ½) log x - x + ½ log 2π].

    By its series (Abramowitz and Stegun 6.1.41); below 30, where that is not exact enough but
    little cancels, by the difference itself.
    """
    if x > 30.0:
        return (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1260.0 * x * x)) / (x * x)) / x
    return math.lgamma(x) - ((x - 0.5) * math.log(x) - x + 0.5 * math.log(2.0 * math.pi))


def beta_interval(alpha: float, beta: float, level: float) -> tuple[float, float]:
    """The central interval of Beta(alpha, beta) with the mass ``level``.

    Not by betaincinv, for the reason that LogitBeta.ends names.
    """
    both_ways = LogitBeta(np.array([(alpha, beta), (beta, alpha)]))
    low, high = both_ways.quantiles((1.0 - level) / 2.0).tolist()
    return float(special.expit(low)), float(special.expit(-high))
