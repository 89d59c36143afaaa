"""Boltzmann exploration: shares that grow exponentially with the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.bandits.base import Floats
from core.bandits.moments import GaussianArm, MomentsBandit, for_each_row, scores_after
from schemas.policy import Softmax


class SoftmaxBandit(MomentsBandit):
    """Chooses each arm with a probability in proportion to exp(mean / temperature).

    Means are those of the posterior, so that arms without a reward have a place among the others.
    Sutton and Barto (2018), "Reinforcement learning", equation 2.11, with means as preferences.
    """

    def __init__(self, config: Softmax) -> None:
        super().__init__()
        self._temperature = config.temperature

    def distribution(
        self,
        arms: Sequence[GaussianArm],
        X: Floats,
        others: Sequence[GaussianArm] = (),  # noqa: ARG002
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit."""
        scores = scores_after([self.mean(arm) for arm in arms], penalties)
        best = max(scores)
        shares = np.array([math.exp((score - best) / self._temperature) for score in scores])
        return for_each_row(shares / shares.sum(), X)
