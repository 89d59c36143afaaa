"""Thompson sampling for graded rewards whose mean and variance are both unknown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.bandits.base import Floats
from core.bandits.moments import GaussianArm, MomentsBandit, extra_penalties, for_each_row
from core.bandits.posteriors import StudentT
from core.bandits.quadrature import best_probabilities
from schemas.policy import ThompsonGaussian


class ThompsonGaussianBandit(MomentsBandit):
    """Chooses each arm with the probability that its draw from the posterior is the largest."""

    def __init__(self, config: ThompsonGaussian) -> None:
        super().__init__(config.prior_std)

    def distribution(
        self,
        arms: Sequence[GaussianArm],
        X: Floats,
        others: Sequence[GaussianArm] = (),  # noqa: ARG002
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit. Raises QuadratureError, which no posterior is known to cause."""
        return for_each_row(best_probabilities(self.posteriors(arms, penalties)), X)

    def posteriors(self, arms: Sequence[GaussianArm], penalties: Floats | None) -> StudentT:
        """What is drawn from: the t of each arm's mean, moved down by its penalty."""
        parameters = np.array([self.posterior(arm) for arm in arms])
        extra = extra_penalties(penalties)
        if extra is not None:
            parameters[:, 0] -= extra
        return StudentT(parameters)
