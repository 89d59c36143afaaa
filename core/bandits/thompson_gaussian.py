"""Thompson sampling for graded rewards: mean and variance unknown, per arm."""

from __future__ import annotations

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
_DEFAULT: Final = Prior(mean=0.5, weight=1.0)
_SHAPE: Final = 1.0
"""The inverse-gamma prior of the variance: worth two rewards, so that t has two degrees first."""


class GaussianArm:
    """Welford's sums of the rewards (count, mean, squared deviations), and the prior's mean and weight."""

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
    """Chooses an arm with the probability that its mean is the highest.

    Normal-inverse-gamma conjugate prior (Murphy 2007, section 3): the mean's posterior is a
    Student t with 2a degrees of freedom, location m and scale sqrt(b / (a κ)).
    """

    contextual = False

    def __init__(self, config: ThompsonGaussian) -> None:
        self._prior_variance = config.prior_std**2

    def new(self, prior: Prior | None) -> GaussianArm:
        """Without a prior: mean 0.5, worth one reward."""
        known = _DEFAULT if prior is None else prior
        return GaussianArm(0.0, 0.0, 0.0, known.mean, known.weight)

    def learn(self, arm: GaussianArm, x: Floats, reward: float) -> None:  # noqa: ARG002
        """See Bandit."""
        arm.n += 1.0
        change = reward - arm.mean
        arm.mean += change / arm.n
        arm.m2 += change * (reward - arm.mean)

    def _posterior(self, arm: GaussianArm) -> tuple[float, float, float]:
        weight = arm.prior_weight + arm.n
        gap = arm.mean - arm.prior_mean
        a = _SHAPE + arm.n / 2.0
        b = (
            _SHAPE * self._prior_variance
            + arm.m2 / 2.0
            + arm.prior_weight * arm.n * gap * gap / (2.0 * weight)
        )
        return self.mean(arm), (b / (a * weight)) ** 0.5, 2.0 * a

    def distribution(self, arms: Sequence[GaussianArm], X: Floats) -> Floats:
        """See Bandit."""
        row = best_probabilities(StudentT(np.array([self._posterior(arm) for arm in arms])))
        return np.broadcast_to(row, (len(X), len(arms)))

    def mean(self, arm: GaussianArm) -> float:
        """See Bandit."""
        total = arm.prior_weight * arm.prior_mean + arm.n * arm.mean
        return total / (arm.prior_weight + arm.n)

    def count(self, arm: GaussianArm) -> float:
        """See Bandit."""
        return arm.n

    def encode(self, arm: GaussianArm) -> bytes:
        """See Bandit."""
        return _STATE.pack(
            _VERSION, arm.n, arm.mean, arm.m2, arm.prior_mean, arm.prior_weight
        )

    def decode(self, data: bytes) -> GaussianArm:
        """See Bandit."""
        if len(data) != _STATE.size or data[0] != _VERSION:
            raise ValueError(f"{len(data)} bytes are no Gaussian state of version {_VERSION}")
        return GaussianArm(*_STATE.unpack(data)[1:])
