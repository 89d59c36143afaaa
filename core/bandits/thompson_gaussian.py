"""Thompson sampling for graded rewards whose mean and variance are both unknown."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.bandits.posteriors import StudentT
from core.bandits.quadrature import best_probabilities
from schemas.policy import Prior, ThompsonGaussian

_VERSION: Final = 1
_STATE: Final = struct.Struct("<B5d")
_OWN_PRIOR: Final = Prior(mean=0.5, weight=1.0)
_SHAPE: Final = 2.0
"""The shape a0 of the variance's inverse gamma: the smallest whole one with a mean (a0 > 1)."""
_FINEST: Final = 1e-8
"""The smallest scale of a posterior: closer means are alike, and doubles near 1 end at 1e-16."""


class GaussianArm:
    """The rewards of an arm in Welford's form, and the prior of its mean.

    ``n`` rewards with the mean ``mean`` and the sum ``m2`` of their squared distances from it.
    """

    __slots__ = ("m2", "mean", "n", "prior_mean", "prior_weight")

    def __init__(
        self, n: float, mean: float, m2: float, prior_mean: float, prior_weight: float
    ) -> None:
        self.n = n
        self.mean = mean
        self.m2 = m2
        self.prior_mean = prior_mean
        self.prior_weight = prior_weight


class ThompsonGaussianBandit:
    """Chooses each arm with the probability that its draw from the posterior is the largest.

    The conjugate prior is normal-inverse-gamma (Murphy 2007, "Conjugate Bayesian analysis of the
    Gaussian distribution", section 6): the variance of a reward is inverse gamma of shape 2 with
    the mean prior_std², and given the variance, the mean is normal around the prior mean as if
    ``weight`` rewards had shown it. The posterior of the mean is Student's t with 4 + n degrees
    of freedom. Before the first reward its standard deviation is prior_std / sqrt(weight).
    """

    contextual = False

    def __init__(self, config: ThompsonGaussian) -> None:
        self._prior_variance = config.prior_std**2

    def new(self, prior: Prior | None) -> GaussianArm:
        """See Bandit. The own prior is a mean of 0.5 that is worth one reward."""
        known = prior or _OWN_PRIOR
        return GaussianArm(0.0, 0.0, 0.0, known.mean, known.weight)

    def learn(self, arm: GaussianArm, x: Floats, reward: float) -> None:  # noqa: ARG002
        """See Bandit. Welford (1962): sums of squares would lose the variance of close rewards."""
        arm.n += 1.0
        off = reward - arm.mean
        arm.mean += off / arm.n
        arm.m2 += off * (reward - arm.mean)

    def distribution(self, arms: Sequence[GaussianArm], X: Floats) -> Floats:
        """See Bandit. Raises QuadratureError, which no posterior is known to cause."""
        shares = best_probabilities(StudentT(np.array([self._posterior(arm) for arm in arms])))
        return np.tile(shares, (len(X), 1))

    def _posterior(self, arm: GaussianArm) -> tuple[float, float, float]:
        """Location, scale and degrees of freedom of the mean's t (Murphy 2007, eq. 194 to 203)."""
        weight = arm.prior_weight + arm.n
        shape = _SHAPE + arm.n / 2.0
        off = arm.mean - arm.prior_mean
        rate = (
            (_SHAPE - 1.0) * self._prior_variance
            + arm.m2 / 2.0
            + arm.prior_weight * arm.n * off * off / (2.0 * weight)
        )
        scale = math.sqrt(rate / (shape * weight))
        return self.mean(arm), max(scale, _FINEST), 2.0 * shape

    def mean(self, arm: GaussianArm) -> float:
        """See Bandit: the posterior mean."""
        total = arm.prior_weight * arm.prior_mean + arm.n * arm.mean
        return total / (arm.prior_weight + arm.n)

    def count(self, arm: GaussianArm) -> float:
        """See Bandit."""
        return arm.n

    def encode(self, arm: GaussianArm) -> bytes:
        """See Bandit: the version, then five little-endian doubles."""
        return _STATE.pack(_VERSION, arm.n, arm.mean, arm.m2, arm.prior_mean, arm.prior_weight)

    def decode(self, data: bytes) -> GaussianArm:
        """See Bandit."""
        if len(data) != _STATE.size or data[0] != _VERSION:
            raise ValueError(f"not a Gaussian state of version {_VERSION}: {data[:48]!r}")
        _, *values = _STATE.unpack(data)
        n, _, m2, _, prior_weight = values
        if not all(map(math.isfinite, values)) or n < 0.0 or m2 < 0.0 or prior_weight <= 0.0:
            raise ValueError(f"not a Gaussian state: {values}")
        return GaussianArm(*values)
