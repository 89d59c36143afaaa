"""A Gaussian process of the mean reward over the unit cube, from groups of noisy rewards.

Matérn 5/2 with a length scale per parameter (Rasmussen and Williams 2006, chapters 2, 4 and 5).
Point i has m_i rewards, of which only the count, the mean and the sum of squared deviations from
the mean matter: the likelihood of the n means and the within-group deviations is that of all
Σ m_i rewards (Binois, Gramacy and Ludkovski 2018, section 3.1), at the price of n points. So the
noise of a reward is learned from what the rewards of one point differ by, and, where every point
has one reward only, from how rough the means are.

Means are standardised to mean 0 and variance 1; hyperparameters are in these units. They maximise
the posterior density under weak log-normal priors, which keep a handful of points from being
explained by a length scale of nothing or by noise alone.

The result is the same for the same input on the same machine. With another processor or library
the last bits may differ. So a result must be kept, not computed again where another machine may
do it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.search.linalg import apply, inverse_root, product
from core.search.minimise import minimise

Theta = tuple[float, ...]
"""Logarithms of the d length scales, of the signal's variance and of a single reward's noise."""

_LENGTH: Final = (math.log(0.2), 0.8)
"""Mean and standard deviation of a log length scale in one dimension. In d dimensions distances
grow with √d, and the mean with them (Hvarfner, Hellsten and Nardi 2024)."""
_SIGNAL: Final = (0.0, 1.0)
_NOISE: Final = (math.log(1e-3), 3.0)
_LENGTH_BOUNDS: Final = (math.log(0.03), math.log(30.0))
_SIGNAL_BOUNDS: Final = (math.log(0.05), math.log(50.0))
_NOISE_BOUNDS: Final = (math.log(1e-8), math.log(1e5))
_JITTER: Final = 1e-9
"""Of the signal's variance, added to the diagonal."""
_EVALUATIONS: Final = 50
_SQRT5: Final = math.sqrt(5.0)


@dataclass(frozen=True, slots=True)
class Groups:
    """Rewards in groups, one for each of n distinct points; every group has at least one."""

    X: Floats
    """Shape ``(n, d)``."""
    counts: Floats
    means: Floats
    within: float
    """The sum over all rewards of the squared deviation from the mean of their group."""

    def standardised(self) -> tuple[Groups, float, float]:
        """The groups with means of mean 0 and variance 1, and the mean and the scale before."""
        shift = float(self.means.mean())
        scale = float(self.means.std())
        if not scale > 1e-9 * max(1.0, abs(shift)):
            scale = math.sqrt(self.within / max(1.0, float(self.counts.sum()))) or 1.0
        means = (self.means - shift) / scale
        return Groups(self.X, self.counts, means, self.within / scale**2), shift, scale


class Likelihood:
    """The negative log posterior density of the hyperparameters, with its gradient."""

    __slots__ = ("_counts", "_extra", "_mean", "_squares", "_std", "_within", "_y", "n")

    def __init__(self, groups: Groups) -> None:
        """``groups`` as they are: the caller standardises."""
        n, d = groups.X.shape
        self.n = n
        self._y = groups.means
        self._counts = groups.counts
        self._within = groups.within
        self._extra = float(groups.counts.sum()) - n
        self._squares = ((groups.X[:, None, :] - groups.X[None]) ** 2).reshape(n * n, d).T.copy()
        length, spread = _LENGTH
        self._mean = np.array([length + 0.5 * math.log(d)] * d + [_SIGNAL[0], _NOISE[0]])
        self._std = np.array([spread] * d + [_SIGNAL[1], _NOISE[1]])

    @property
    def curvature(self) -> Floats:
        """About the second derivatives near the least value, to start an optimiser with."""
        guess = self._std**-2.0 + 1.0
        guess[-1] += 0.5 * self._extra
        return np.asarray(guess)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """The value and the gradient at ``theta``, shape ``(d + 2,)``.

        Up to what does not depend on theta, the value is -log p(rewards | theta) - log p(theta).
        """
        n, y = self.n, self._y
        weights = np.exp(-2.0 * theta[:-2])
        signal, noise = math.exp(theta[-2]), math.exp(theta[-1])
        r = np.sqrt(5.0 * np.einsum("j,ji->i", weights, self._squares))
        decay = signal * np.exp(-r)
        K = (decay * (1.0 + r + r * r / 3.0)).reshape(n, n)
        spread = noise / self._counts
        A = K.copy()
        A.flat[:: n + 1] += spread + _JITTER * signal
        try:
            root = inverse_root(A)
        except ArithmeticError:
            return math.inf, np.zeros_like(theta)
        inverse = product(root.T, root)
        alpha = apply(inverse, y)
        off = (theta - self._mean) / self._std
        value = (
            0.5 * float(y @ alpha)
            - float(np.log(root.diagonal()).sum())
            + 0.5 * (self._extra * float(theta[-1]) + self._within / noise)
            + 0.5 * float(off @ off)
        )
        W = inverse - np.outer(alpha, alpha)  # the derivative of the value by A is W / 2
        gradient = off / self._std
        slope = (decay * (1.0 + r)) * W.ravel()
        gradient[:-2] += (5.0 / 6.0) * weights * np.einsum("ji,i->j", self._squares, slope)
        diagonal = W.diagonal()
        gradient[-2] += 0.5 * (float((W * K).sum()) + _JITTER * signal * float(diagonal.sum()))
        gradient[-1] += 0.5 * (float(diagonal @ spread) + self._extra - self._within / noise)
        return value, gradient


def default_theta(groups: Groups) -> Theta:
    """Where a fit of standardised groups starts when nothing better is known."""
    n, d = groups.X.shape
    extra = float(groups.counts.sum()) - n
    noise = math.log(max(groups.within / extra, 1e-8)) if extra > 0.0 else math.log(1e-2)
    low, high = _NOISE_BOUNDS
    return (*[_LENGTH[0] + 0.5 * math.log(d)] * d, _SIGNAL[0], min(max(noise, low), high))


def fit(groups: Groups, starts: list[Theta]) -> Theta:
    """The hyperparameters of the standardised ``groups`` with the greatest posterior density that
    is reached from the ``starts``, with at most 50 evaluations from each.
    """
    likelihood = Likelihood(groups)
    d = groups.X.shape[1]
    low, high = np.array([*[_LENGTH_BOUNDS] * d, _SIGNAL_BOUNDS, _NOISE_BOUNDS]).T
    found = [
        minimise(likelihood, np.array(start), low, high, likelihood.curvature, _EVALUATIONS)
        for start in starts
    ]
    best, _ = min(found, key=lambda end: end[1])
    return tuple(best.tolist())


class Posterior:
    """What is known of the mean reward: Gaussian at every point of the cube.

    ``groups`` are the rewards that are there. ``planned`` are the counts that the points of
    ``groups`` will have when what is under way has come, and ``ahead``, shape ``(q, d)``, further
    points under way, with ``ahead_counts``. What is under way is believed to turn out as the mean
    says: so the mean stays, and the variance is what will be left (Ginsbourger, Le Riche and
    Carraro 2010, kriging believer; Desautels, Krause and Burdick 2014).

    Raises ArithmeticError when the covariance of the points has no Cholesky factor.
    """

    __slots__ = ("_X", "_alpha", "_n", "_root", "_scale", "_shift", "_signal", "_weights")

    def __init__(
        self,
        theta: Theta,
        groups: Groups,
        planned: Floats,
        ahead: Floats,
        ahead_counts: Floats,
    ) -> None:
        standard, self._shift, self._scale = groups.standardised()
        self._weights = np.exp(-np.array(theta[:-2]))
        self._signal, noise = math.exp(theta[-2]), math.exp(theta[-1])
        self._n = len(groups.X)
        self._X = np.concatenate([groups.X, ahead]) * self._weights
        counts = np.concatenate([planned, ahead_counts])
        K = self._kernel(self._X)
        inner = self._inverse_root(K[: self._n, : self._n], noise / groups.counts)
        self._alpha = apply(inner.T, apply(inner, standard.means))
        self._root = self._inverse_root(K, noise / counts)

    def mean(self, points: Floats) -> Floats:
        """The posterior means at ``points`` of shape ``(q, d)``, in units of reward."""
        return self._mean(self._kernel(points * self._weights))

    def mean_and_std(self, points: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations of the mean reward (not of a single one)."""
        k = self._kernel(points * self._weights)
        v = product(k, self._root.T)
        left = self._signal - np.einsum("ij,ij->i", v, v)
        return self._mean(k), self._scale * np.sqrt(np.maximum(left, 1e-12 * self._signal))

    def _mean(self, k: Floats) -> Floats:
        explained = apply(k[:, : self._n], self._alpha)
        return np.asarray(self._shift + self._scale * explained)

    def _kernel(self, scaled: Floats) -> Floats:
        """The covariance of points, already divided by the length scales, with all of ``_X``."""
        r2 = (
            (scaled**2).sum(axis=1)[:, None]
            + (self._X**2).sum(axis=1)
            - 2.0 * product(scaled, self._X.T)
        )
        r = _SQRT5 * np.sqrt(np.maximum(r2, 0.0))
        return np.asarray(self._signal * (1.0 + r + r * r / 3.0) * np.exp(-r))

    def _inverse_root(self, K: Floats, spread: Floats) -> Floats:
        """The inverse of the lower Cholesky factor of ``K`` with ``spread`` on the diagonal."""
        A = K.copy()
        A.flat[:: len(A) + 1] += spread + _JITTER * self._signal
        return inverse_root(A)
