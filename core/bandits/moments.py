"""What every algorithm shares that reads of its arms' rewards only their number, mean and variance.

They read each other's states, so that a policy may change from one to another and keep all that
was learned.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy import special

from core.bandits.base import Floats
from schemas.policy import Prior

_VERSION: Final = 1
_STATE: Final = struct.Struct("<B5d")
_OWN_MEAN: Final = 0.5
_OWN_WEIGHT: Final = 1.0
_SHAPE: Final = 2.0
"""The shape a0 of the variance's inverse gamma: the smallest whole one with a mean (a0 > 1)."""
_FINEST: Final = 1e-8
"""The smallest scale of a posterior: closer means are alike, and doubles near 1 end at 1e-16."""
_PRIOR_STD: Final = 0.25
_TIE: Final = 1e-9
"""Scores that are this close to the best one are equal to it but for rounding."""


class GaussianArm:
    """The rewards of an arm in Welford's form, and the prior of its mean.

    ``n`` rewards with the mean ``mean`` and the sum ``m2`` of their squared distances from it;
    without rewards all three are 0. ``prior_weight`` 0 says that no prior was declared.
    ``arm_id`` is known from elsewhere, and no part of the bytes.
    """

    __slots__ = ("arm_id", "m2", "mean", "n", "prior_mean", "prior_weight")

    def __init__(
        self,
        n: float,
        mean: float,
        m2: float,
        prior_mean: float,
        prior_weight: float,
        arm_id: str = "",
    ) -> None:
        self.n = n
        self.mean = mean
        self.m2 = m2
        self.prior_mean = prior_mean
        self.prior_weight = prior_weight
        self.arm_id = arm_id


class MomentsBandit:
    """All of a Bandit but ``distribution``.

    The conjugate prior is normal-inverse-gamma (Murphy 2007, "Conjugate Bayesian analysis of the
    Gaussian distribution", section 6): the variance of a reward is inverse gamma of shape 2 with
    the mean prior_std², and given the variance, the mean is normal around the prior mean as if
    ``weight`` rewards had shown it. The posterior of the mean is Student's t with 4 + n degrees
    of freedom. Before the first reward its standard deviation is prior_std / sqrt(weight).
    """

    contextual = False
    pooled = False
    statistics = "moments"

    def __init__(self, prior_std: float = _PRIOR_STD) -> None:
        self._prior_variance = prior_std**2

    def new(self, prior: Prior | None, arm_id: str = "") -> GaussianArm:
        """See Bandit. The own prior is a mean of 0.5 that is worth one reward."""
        if prior is None:
            return GaussianArm(0.0, 0.0, 0.0, _OWN_MEAN, 0.0, arm_id)
        return GaussianArm(0.0, 0.0, 0.0, prior.mean, prior.weight, arm_id)

    def learn(
        self,
        arm: GaussianArm,
        x: Floats,  # noqa: ARG002
        reward: float,
        others: Sequence[GaussianArm] = (),  # noqa: ARG002
    ) -> None:
        """See Bandit. Welford (1962): sums of squares would lose the variance of close rewards."""
        before = arm.n
        n = arm.n = before + 1.0
        off = reward - arm.mean
        arm.mean += off / n
        arm.m2 += off * off * (before / n)

    def posterior(self, arm: GaussianArm) -> tuple[float, float, float]:
        """Location, scale and degrees of freedom of the mean's t (Murphy 2007, eq. 194 to 203)."""
        prior_weight = arm.prior_weight or _OWN_WEIGHT
        n, mean, prior_mean = arm.n, arm.mean, arm.prior_mean
        weight = prior_weight + n
        shape = _SHAPE + n / 2.0
        off = mean - prior_mean
        rate = (
            (_SHAPE - 1.0) * self._prior_variance
            + arm.m2 / 2.0
            + prior_weight * n * off * off / (2.0 * weight)
        )
        scale = math.sqrt(rate / (shape * weight))
        location = (prior_weight * prior_mean + n * mean) / weight
        return location, max(scale, _FINEST), 2.0 * shape

    def mean(self, arm: GaussianArm) -> float:
        """See Bandit: the posterior mean."""
        prior_weight = arm.prior_weight or _OWN_WEIGHT
        return (prior_weight * arm.prior_mean + arm.n * arm.mean) / (prior_weight + arm.n)

    def interval(self, arm: GaussianArm, level: float) -> tuple[float, float]:
        """See Bandit: of the posterior's t."""
        location, scale, dof = self.posterior(arm)
        reach = -scale * float(special.stdtrit(dof, (1.0 - level) / 2.0))
        return max(0.0, location - reach), min(1.0, location + reach)

    def count(self, arm: GaussianArm) -> float:
        """See Bandit."""
        return arm.n

    def faded(self, arm: GaussianArm, weight: float) -> GaussianArm:
        """See Bandit: as if each reward had been ``weight`` of one."""
        n = arm.n * weight
        mean, m2 = (arm.mean, arm.m2 * weight) if n else (0.0, 0.0)
        return GaussianArm(n, mean, m2, arm.prior_mean, arm.prior_weight, arm.arm_id)

    def merged(self, arms: Sequence[GaussianArm]) -> GaussianArm:
        """See Bandit. By the formula of Chan, Golub and LeVeque (1979) for two parts of a whole."""
        first = arms[0]
        n, mean, m2 = first.n, first.mean, first.m2
        for arm in arms[1:]:
            if not arm.n:
                continue
            before = n
            n += arm.n
            off = arm.mean - mean
            mean = min(1.0, max(0.0, mean + off * (arm.n / n)))
            m2 += arm.m2 + off * off * before * (arm.n / n)
        return GaussianArm(n, mean, m2, first.prior_mean, first.prior_weight, first.arm_id)

    def encode(self, arm: GaussianArm) -> bytes:
        """See Bandit: the version, then five little-endian doubles."""
        return _STATE.pack(_VERSION, arm.n, arm.mean, arm.m2, arm.prior_mean, arm.prior_weight)

    def decode(self, data: bytes, arm_id: str = "") -> GaussianArm:
        """See Bandit."""
        if len(data) != _STATE.size or data[0] != _VERSION:
            raise ValueError(f"not a state of moments of version {_VERSION}: {data[:48]!r}")
        _, *values = _STATE.unpack(data)
        n, mean, m2, prior_mean, prior_weight = values
        if not (
            all(map(math.isfinite, values))
            and min(n, m2, prior_weight) >= 0.0
            and min(mean, prior_mean) >= 0.0
            and max(mean, prior_mean) <= 1.0
        ):
            raise ValueError(f"not a state of moments: {values}")
        return GaussianArm(n, mean, m2, prior_mean, prior_weight, arm_id)


def extra_penalties(penalties: Floats | None) -> list[float] | None:
    """What each arm's penalty is above the lowest one; None if all are equal.

    A part that all arms share moves no arm past another. Left in, it would move the last bits.
    """
    if penalties is None:
        return None
    values: list[float] = penalties.tolist()
    least = min(values)
    return [it - least for it in values] if max(values) > least else None


def scores_after(scores: list[float], penalties: Floats | None) -> list[float]:
    """The scores less what the penalties differ by."""
    extra = extra_penalties(penalties)
    if extra is None:
        return scores
    return [score - much for score, much in zip(scores, extra, strict=True)]


def evenly_among_best(scores: list[float]) -> Floats:
    """Equal shares for the arms whose score is the best one within 1e-9: shape ``(K,)``."""
    least = max(scores) - _TIE
    best = [score >= least for score in scores]
    share = 1.0 / sum(best)
    return np.array([share if it else 0.0 for it in best])


def for_each_row(shares: Floats, X: Floats) -> Floats:
    """The same shares for every context: shape ``(n, K)``."""
    return np.repeat(shares[None], len(X), axis=0)
