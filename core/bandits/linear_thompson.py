"""Contextual Thompson sampling by Bayesian linear regression, with exact propensities.

Thompson sampling for linear rewards is Agrawal and Goyal's (2013); here the noise is unknown, as
in the linear posterior of Riquelme, Tucker and Snoek (2018), and each arm has weights of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.bandits.linear import LinearArm, LinearBandit, products, squared_lengths
from core.bandits.moments import extra_penalties
from core.bandits.posteriors import StudentT
from core.bandits.quadrature import best_probabilities
from schemas.policy import LinearThompson

_FINEST: Final = 1e-8
"""The smallest scale of a posterior: closer means are alike, and doubles near 1 end at 1e-16."""

Posterior = tuple[Floats, float, float]
"""The model that scores a context, the squared scale of the noise, and degrees of freedom."""


class LinearThompsonBandit(LinearBandit[Posterior]):
    """Chooses each arm with the probability that its drawn weights predict the largest reward.

    The weights and the noise variance of an arm are normal-inverse-gamma, so that its prediction
    for one context is Student's t, independent of the other arms', and the probability that it
    is the largest has an exact quadrature. An arm without a prior is believed to earn 0.5: at 0,
    one that was never tried could not rival one that earns 0.9.
    """

    own_mean = 0.5

    def __init__(self, config: LinearThompson, dim: int) -> None:
        super().__init__(config.ridge, dim, config.prior_std)

    def _derive(self, arm: LinearArm) -> Posterior:
        model, shift = self._regression(arm)
        return model, *self._noise(arm, model[-1], shift)

    def distribution(
        self,
        arms: Sequence[LinearArm],
        X: Floats,
        others: Sequence[LinearArm] = (),  # noqa: ARG002
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit. Raises QuadratureError, which no posterior is known to cause."""
        known: dict[bytes, Floats] = {}
        shares = np.empty((len(X), len(arms)))
        for row, posterior in zip(shares, self.posteriors(arms, X, penalties), strict=True):
            key = posterior.tobytes()  # equal contexts need one quadrature
            if key not in known:
                known[key] = best_probabilities(StudentT(posterior))
            row[:] = known[key]
        return shares

    def posteriors(
        self, arms: Sequence[LinearArm], X: Floats, penalties: Floats | None = None
    ) -> Floats:
        """Location, scale and degrees of freedom of each arm's prediction: ``(n, K, 3)``."""
        models, variances, dof = zip(*map(self.fit, arms), strict=True)
        found = products(models, X)
        t = np.empty((len(X), len(arms), 3))
        extra = extra_penalties(penalties)
        t[:, :, 0] = found[:, :, -1] if extra is None else found[:, :, -1] - np.array(extra)
        scales = np.sqrt(np.array(variances) * squared_lengths(found[:, :, :-1]))
        t[:, :, 1] = np.maximum(scales, _FINEST)
        t[:, :, 2] = dof
        return t
