"""Thompson sampling with a Beta posterior per arm, for yes/no rewards (Thompson 1933)."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.bandits.moments import extra_penalties, for_each_row
from core.bandits.posteriors import SMALLEST_COUNT, LogitBeta, StudentT, beta_interval
from core.bandits.quadrature import best_probabilities
from schemas.policy import Prior

_VERSION: Final = 2
_STATE: Final = struct.Struct("<B4d")
_NORMAL: Final = 1e9
"""Degrees of freedom with which a t is a normal distribution."""


class BetaArm:
    """The prior Beta(prior_alpha, prior_beta) of an arm's mean reward, and its ``n`` rewards.

    ``wins`` is their sum; it cannot come out above n, as rounding keeps the order of sums.
    """

    __slots__ = ("n", "prior_alpha", "prior_beta", "wins")

    def __init__(self, prior_alpha: float, prior_beta: float, n: float, wins: float) -> None:
        self.prior_alpha = prior_alpha
        self.prior_beta = prior_beta
        self.n = n
        self.wins = wins

    @property
    def alpha(self) -> float:
        """Of the posterior."""
        return self.prior_alpha + self.wins

    @property
    def beta(self) -> float:
        """Of the posterior."""
        return self.prior_beta + (self.n - self.wins)


class ThompsonBetaBandit:
    """Chooses each arm with the probability that its draw from the posterior is the largest.

    A reward r between 0 and 1 counts as r of a success and 1 - r of a failure. The posterior mean
    is then right, and its spread that of yes/no rewards of this mean, which is the widest that
    rewards in [0, 1] can have: for graded rewards it explores longer than it needs to.
    """

    contextual = False
    pooled = False
    statistics = "beta"

    def new(self, prior: Prior | None, arm_id: str = "") -> BetaArm:  # noqa: ARG002
        """See Bandit. The own prior is Beta(1, 1), every mean being equally likely.

        A prior's ``weight`` is split by its mean into alpha and beta. Each is at least 0.1: a
        prior mean of 0 or 1 is an expectation, and never a certainty.
        """
        if prior is None:
            return BetaArm(1.0, 1.0, 0.0, 0.0)
        alpha = max(SMALLEST_COUNT, prior.weight * prior.mean)
        beta = max(SMALLEST_COUNT, prior.weight * (1.0 - prior.mean))
        return BetaArm(alpha, beta, 0.0, 0.0)

    def learn(
        self,
        arm: BetaArm,
        x: Floats,  # noqa: ARG002
        reward: float,
        others: Sequence[BetaArm] = (),  # noqa: ARG002
    ) -> None:
        """See Bandit."""
        arm.n += 1.0
        arm.wins += reward

    def distribution(
        self,
        arms: Sequence[BetaArm],
        X: Floats,
        others: Sequence[BetaArm] = (),  # noqa: ARG002
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit. Raises QuadratureError, which no posterior is known to cause."""
        return for_each_row(best_probabilities(self.posteriors(arms, penalties)), X)

    def posteriors(self, arms: Sequence[BetaArm], penalties: Floats | None) -> LogitBeta | StudentT:
        """What is drawn from: the Betas, or normal distributions if the penalties differ.

        A Beta that is moved has other ends than its rivals. The normal distributions have the
        means, less the penalties, and the variances of the Betas. They stand for them in the
        draw, and the probabilities are exactly those of this draw.
        """
        rows = np.array([(arm.alpha, arm.beta) for arm in arms])
        extra = extra_penalties(penalties)
        if extra is None:
            return LogitBeta(rows)
        total = rows.sum(axis=1)
        mean = rows[:, 0] / total
        deviation = np.sqrt(mean * (rows[:, 1] / total) / (total + 1.0))
        return StudentT(np.column_stack([mean - extra, deviation, np.full(len(arms), _NORMAL)]))

    def mean(self, arm: BetaArm) -> float:
        """See Bandit: the posterior mean."""
        alpha, beta = arm.alpha, arm.beta
        return alpha / (alpha + beta)

    def interval(self, arm: BetaArm, level: float) -> tuple[float, float]:
        """See Bandit: between two quantiles of the posterior."""
        return beta_interval(arm.alpha, arm.beta, level)

    def count(self, arm: BetaArm) -> float:
        """See Bandit."""
        return arm.n

    def faded(self, arm: BetaArm, weight: float) -> BetaArm:
        """See Bandit: as if each reward had been ``weight`` of one."""
        return BetaArm(arm.prior_alpha, arm.prior_beta, arm.n * weight, arm.wins * weight)

    def merged(self, arms: Sequence[BetaArm]) -> BetaArm:
        """See Bandit."""
        n, wins = sum(arm.n for arm in arms), sum(arm.wins for arm in arms)
        return BetaArm(arms[0].prior_alpha, arms[0].prior_beta, n, wins)

    def encode(self, arm: BetaArm) -> bytes:
        """See Bandit: the version, then the prior's alpha and beta, n and the rewards' sum."""
        return _STATE.pack(_VERSION, arm.prior_alpha, arm.prior_beta, arm.n, arm.wins)

    def decode(self, data: bytes, arm_id: str = "") -> BetaArm:  # noqa: ARG002
        """See Bandit."""
        if len(data) != _STATE.size or data[0] != _VERSION:
            raise ValueError(f"not a Beta state of version {_VERSION}: {data[:40]!r}")
        _, alpha, beta, n, wins = _STATE.unpack(data)
        proper = SMALLEST_COUNT <= alpha < math.inf and SMALLEST_COUNT <= beta < math.inf
        if not (proper and 0.0 <= wins <= n < math.inf):
            raise ValueError(f"not a Beta state: prior {alpha}, {beta}; {n} rewards, sum {wins}")
        return BetaArm(alpha, beta, n, wins)
