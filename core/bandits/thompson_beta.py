"""Thompson sampling with a Beta posterior per arm, for yes/no rewards (Thompson 1933)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.bandits.posteriors import SMALLEST_COUNT, LogitBeta
from core.bandits.quadrature import best_probabilities
from schemas.policy import Prior, ThompsonBeta

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
    """Chooses an arm with the probability that it is the best one.

    A graded reward r counts as r of a success and 1 - r of a failure: the mean is right, the
    spread that of yes/no rewards, so it explores more than graded rewards would need.
    """

    contextual = False

    def __init__(self, config: ThompsonBeta) -> None:
        self._config = config

    def new(self, prior: Prior | None) -> BetaArm:
        """Without a prior: Beta(1, 1), uniform."""
        if prior is None:
            return BetaArm(1.0, 1.0, 0.0)
        alpha = max(prior.mean * prior.weight, SMALLEST_COUNT)
        return BetaArm(alpha, max((1.0 - prior.mean) * prior.weight, SMALLEST_COUNT), 0.0)

    def learn(self, arm: BetaArm, x: Floats, reward: float) -> None:  # noqa: ARG002
        """See Bandit."""
        arm.alpha += reward
        arm.beta += 1.0 - reward
        arm.n += 1.0

    def distribution(self, arms: Sequence[BetaArm], X: Floats) -> Floats:
        """See Bandit."""
        row = best_probabilities(LogitBeta(np.array([(arm.alpha, arm.beta) for arm in arms])))
        return np.broadcast_to(row, (len(X), len(arms)))

    def mean(self, arm: BetaArm) -> float:
        """See Bandit."""
        return arm.alpha / (arm.alpha + arm.beta)

    def count(self, arm: BetaArm) -> float:
        """See Bandit."""
        return arm.n

    def encode(self, arm: BetaArm) -> bytes:
        """See Bandit."""
        return _STATE.pack(_VERSION, arm.alpha, arm.beta, arm.n)

    def decode(self, data: bytes) -> BetaArm:
        """See Bandit."""
        if len(data) != _STATE.size or data[0] != _VERSION:
            raise ValueError(f"{len(data)} bytes are no Beta state of version {_VERSION}")
        return BetaArm(*_STATE.unpack(data)[1:])
