"""LinUCB with hybrid linear models (Li, Chu, Langford and Schapire 2010, algorithm 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from core.bandits.base import Floats
from core.bandits.linear import LinearArm, LinearBandit, cholesky, products, squared_lengths
from core.bandits.linucb import shares_of_the_best
from schemas.policy import HybridLinUCB


class Piece(NamedTuple):
    """What one arm adds to the models of all, in the notation of core.bandits.linear."""

    model: Floats
    """Shape ``(2d + 1, d)``: L^-1, θ, and D A^-1, which is I - S A^-1."""
    information: Floats
    """Shape ``(d, d)``: what the arm's rewards tell of the shared weights, S - S A^-1 S."""
    pull: Floats
    """Shape ``(d,)``: b - S A^-1 b, for rewards less what the prior expects."""


class HybridLinUCBBandit(LinearBandit[Piece]):
    """Chooses the arm with the highest upper confidence bound; arms share a part of their weights.

    Rewards are (β + θ)ᵀx + noise with β shared by all arms of the policy and θ the arm's own; the
    paper's shared features z are the context x. Before the first reward, β is about 0 with the
    precision ``shared_ridge``, and θ is what the arm's prior says, with the precision D. The
    paper's algorithm keeps the sums A0 and b0 of the shared weights and updates them; here they
    are derived from the arms' sums, which are the paper's but for the ridge, as z = x makes
    B = Σ x zᵀ = S. So an arm that is forgotten or removed takes with it what it taught.

    ``mean`` and ``interval`` tell of an arm by its own rewards alone.
    """

    pooled = True

    def __init__(self, config: HybridLinUCB, dim: int) -> None:
        super().__init__(config.ridge, dim)
        self._alpha = config.alpha
        self._shared_ridge = config.shared_ridge

    def _derive(self, arm: LinearArm) -> Piece:
        d, D = self._dim, self._precision(arm)
        model, shift = self._regression(arm, rows=d)
        scaled = model[:d] * D
        model[d + 1 :] = scaled.T @ model[:d]
        # S - S A^-1 S = D - D A^-1 D, which does not cancel where S is large.
        information = np.diag(D) - scaled.T @ scaled
        return Piece(model, information, D * shift)

    def distribution(
        self,
        arms: Sequence[LinearArm],
        X: Floats,
        others: Sequence[LinearArm] = (),
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit: 1 for the arm with the best score; arms within 1e-9 of it share evenly."""
        return shares_of_the_best(self.scores(arms, X, others), penalties)

    def scores(
        self, arms: Sequence[LinearArm], X: Floats, others: Sequence[LinearArm] = ()
    ) -> Floats:
        """The bounds (β + θ)ᵀx + alpha sqrt(s) of each arm for each context: shape ``(n, K)``.

        With u = x - S A^-1 x, the paper's four terms of s are xᵀ A^-1 x + uᵀ A0^-1 u, and
        (β + θ)ᵀx is the prediction of the arm without the shared part, plus βᵀu. Neither needs a
        difference, and s cannot come out below 0.
        """
        d, n = self._dim, len(X)
        pieces = [self.fit(arm) for arm in arms]
        own = products([piece.model for piece in pieces], X)
        u = own[:, :, d + 1 :].reshape(n * len(arms), d)
        shared = products([self._shared([*pieces, *map(self.fit, others)])], u)
        shared = shared.reshape(n, len(arms), d + 1)
        s = squared_lengths(own[:, :, :d]) + squared_lengths(shared[:, :, :d])
        bounds: Floats = own[:, :, d] + shared[:, :, d] + self._alpha * np.sqrt(s)
        return bounds

    def _shared(self, pieces: Sequence[Piece]) -> Floats:
        """The shared regression, shape ``(d + 1, d)``: L0^-1 with A0 = L0 L0ᵀ, and β."""
        d = self._dim
        A0 = self._shared_ridge * np.eye(d)
        b0 = np.zeros(d)
        for piece in pieces:
            A0 += piece.information
            b0 += piece.pull
        model = np.empty((d + 1, d))
        model[:d] = root = lapack.dtrtri(cholesky(A0), lower=1)[0]
        model[d] = root.T @ (root @ b0)
        return model
