"""Thompson sampling with a Beta posterior per arm, for yes/no rewards (Thompson 1933)."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.bandits.posteriors import SMALLEST_COUNT, LogitBeta
from core.bandits.quadrature import best_probabilities
from schemas.policy import Prior

_VERSION: Final = 1
_STATE: Final = struct.Struct("<B3d")


class BetaArm:
    """The posterior Beta(alpha, beta) of an arm's mean reward, and how many rewards made it."""

    __slots__ = ("alpha", "beta", "n")

    def __init__(self, alpha: float, beta: float, n: float) -> None:
        self.alpha = alpha
        self.beta = beta
        self.n = n


class ThompsonBetaBandit:
    """Chooses each arm with the probability that its draw from the posterior is the largest.

    A reward r between 0 and 1 counts as r of a success and 1 - r of a failure. The posterior mean
    is then right, and its spread that of yes/no rewards of this mean, which is the widest that
    rewards in [0, 1] can have: for graded rewards it explores longer than it needs to.
    """

    contextual = False

    def new(self, prior: Prior | None) -> BetaArm:
        """See Bandit. The own prior is Beta(1, 1), every mean being equally likely.

        A prior's ``weight`` is split by its mean into alpha and beta. Each is at least 0.1: a
        prior mean of 0 or 1 is an expectation, and never a certainty.
        """
        if prior is None:
            return BetaArm(1.0, 1.0, 0.0)
        alpha = max(SMALLEST_COUNT, prior.weight * prior.mean)
        beta = max(SMALLEST_COUNT, prior.weight * (1.0 - prior.mean))
        return BetaArm(alpha, beta, 0.0)

    def learn(self, arm: BetaArm, x: Floats, reward: float) -> None:  # noqa: ARG002
        """See Bandit."""
        arm.alpha += reward
        arm.beta += 1.0 - reward
        arm.n += 1.0

    def distribution(self, arms: Sequence[BetaArm], X: Floats) -> Floats:
        """See Bandit. Raises QuadratureError, which no posterior is known to cause."""
        shares = best_probabilities(LogitBeta(np.array([(arm.alpha, arm.beta) for arm in arms])))
        return np.tile(shares, (len(X), 1))

    def mean(self, arm: BetaArm) -> float:
        """See Bandit: the posterior mean."""
        return arm.alpha / (arm.alpha + arm.beta)

    def count(self, arm: BetaArm) -> float:
        """See Bandit."""
        return arm.n

    def encode(self, arm: BetaArm) -> bytes:
        """See Bandit: the version, then alpha, beta and n as little-endian doubles."""
        return _STATE.pack(_VERSION, arm.alpha, arm.beta, arm.n)

    def decode(self, data: bytes) -> BetaArm:
        """See Bandit."""
        if len(data) != _STATE.size or data[0] != _VERSION:
            raise ValueError(f"not a Beta state of version {_VERSION}: {data[:32]!r}")
        _, alpha, beta, n = _STATE.unpack(data)
        if not (SMALLEST_COUNT <= alpha < math.inf and SMALLEST_COUNT <= beta < math.inf):
            raise ValueError(f"not a Beta posterior: alpha {alpha}, beta {beta}")
        return BetaArm(alpha, beta, n)
