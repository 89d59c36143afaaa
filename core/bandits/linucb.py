"""LinUCB with disjoint linear models (Li, Chu, Langford and Schapire 2010, algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.bandits.linear import LinearArm, LinearBandit, products, squared_lengths
from schemas.policy import LinUCB

_TIE: Final = 1e-9
"""Scores that are this close to the best one are equal to it but for rounding."""


class LinUCBBandit(LinearBandit[Floats]):
    """Chooses the arm with the highest upper confidence bound on its predicted reward.

    Its own prior is the paper's: all weights are about 0.
    """

    def __init__(self, config: LinUCB, dim: int) -> None:
        super().__init__(config.ridge, dim)
        self._alpha = config.alpha

    def _derive(self, arm: LinearArm) -> Floats:
        return self._regression(arm)[0]

    def distribution(
        self,
        arms: Sequence[LinearArm],
        X: Floats,
        others: Sequence[LinearArm] = (),  # noqa: ARG002
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit: 1 for the arm with the best score; arms within 1e-9 of it share evenly."""
        return shares_of_the_best(self.scores(arms, X), penalties)

    def scores(self, arms: Sequence[LinearArm], X: Floats) -> Floats:
        """The bounds θᵀx + alpha sqrt(xᵀ A^-1 x) of each arm for each context: ``(n, K)``."""
        found = products([self.fit(arm) for arm in arms], X)
        bounds: Floats = found[:, :, -1] + self._alpha * np.sqrt(squared_lengths(found[:, :, :-1]))
        return bounds


def shares_of_the_best(scores: Floats, penalties: Floats | None) -> Floats:
    """Rows in which the best scores, less their penalties, share 1 evenly: ``(n, K)``."""
    if penalties is not None:
        scores = scores - penalties
    if len(scores) == 1:  # most of the time of small arrays is that of the calls
        row = scores[0].tolist()
        least = max(row) - _TIE
        best = [score >= least for score in row]
        share = 1.0 / sum(best)
        return np.array([[share if one else 0.0 for one in best]])
    tied = scores >= scores.max(axis=1, keepdims=True) - _TIE
    shares: Floats = tied / tied.sum(axis=1, keepdims=True)
    return shares
