"""LinUCB with disjoint linear models (Li, Chu, Langford and Schapire 2010, algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.linalg import lapack

from core.bandits.base import Floats
from schemas.policy import LinUCB, Prior

_VERSION: Final = 1
_TIE: Final = 1e-9
"""Scores that are this close to the best one are equal to it but for rounding."""


class LinUCBArm:
    """One arm's ridge regression, as sums: they replay exactly, which updated inverses do not.

    ``A`` is ridge times the identity plus Σ x xᵀ, ``b`` is Σ r x, and ``n`` counts the rewards.
    """

    __slots__ = ("A", "_model", "b", "n")

    def __init__(self, A: Floats, b: Floats, n: float) -> None:
        self.A = A
        self.b = b
        self.n = n
        self._model: Floats | None = None

    def add(self, x: Floats, reward: float) -> None:
        """Count one reward for the context ``x``."""
        self.A += x[:, None] * x
        self.b += reward * x
        self.n += 1.0
        self._model = None

    @property
    def model(self) -> Floats:
        """What scores a context: shape ``(d, d + 1)``, computed once per reward.

        The first d columns are L^-T, where A = L Lᵀ: xᵀ A^-1 x is the square of x L^-T, and cannot
        come out below 0. The last one is the weights A^-1 b.
        """
        if self._model is None:
            inverse = lapack.dtrtri(_cholesky(self.A), lower=1)[0]
            self._model = np.column_stack([inverse.T, inverse.T @ (inverse @ self.b)])
        return self._model


class LinUCBBandit:
    """Chooses the arm with the highest upper confidence bound on its predicted reward."""

    contextual = True

    def __init__(self, config: LinUCB, dim: int) -> None:
        self._alpha = config.alpha
        self._ridge = config.ridge
        self._dim = dim
        self._upper = np.triu_indices(dim)

    def new(self, prior: Prior | None) -> LinUCBArm:
        """See Bandit. The own prior is the algorithm's: all weights are about 0.

        With a prior, the weight of the bias (component 0 of a context, always 1) is about the
        prior mean, and as certain as if ``weight`` contexts with nothing else had shown it.
        """
        A = self._ridge * np.eye(self._dim)
        b = np.zeros(self._dim)
        if prior is not None:
            A[0, 0] += prior.weight
            b[0] = A[0, 0] * prior.mean
        return LinUCBArm(A, b, 0.0)

    def learn(self, arm: LinUCBArm, x: Floats, reward: float) -> None:
        """See Bandit."""
        arm.add(x, reward)

    def distribution(self, arms: Sequence[LinUCBArm], X: Floats) -> Floats:
        """See Bandit: 1 for the arm with the best score; arms within 1e-9 of it share evenly."""
        scores = self.scores(arms, X)
        tied = scores >= scores.max(axis=1, keepdims=True) - _TIE
        shares: Floats = tied / tied.sum(axis=1, keepdims=True)
        return shares

    def scores(self, arms: Sequence[LinUCBArm], X: Floats) -> Floats:
        """The bounds θᵀx + alpha sqrt(xᵀ A^-1 x) of each arm for each context: shape ``(n, K)``.

        Every sum is taken in the order of the components, elementwise: a matrix product would
        choose its order by n, and a decision would depend on which others are in its batch.
        """
        models = np.stack([arm.model for arm in arms])
        products = np.zeros((len(X), len(arms), self._dim + 1))
        for j in np.flatnonzero(X.any(axis=0)).tolist():  # a component that is 0 adds 0
            products[:, :, j:] += models[:, j, j:] * X[:, j, None, None]
        squares = products[:, :, :-1]
        squares *= squares
        spread = np.add.accumulate(squares, axis=2)[:, :, -1]
        bounds: Floats = products[:, :, -1] + self._alpha * np.sqrt(spread)
        return bounds

    def mean(self, arm: LinUCBArm) -> float:
        """See Bandit: the model's mean prediction, over the seen contexts and the prior's.

        A θ = b, whose row of the bias says that the sum of all predictions is b[0], and A[0, 0]
        is their number.
        """
        return float(arm.b[0] / arm.A[0, 0])

    def count(self, arm: LinUCBArm) -> float:
        """See Bandit."""
        return arm.n

    def encode(self, arm: LinUCBArm) -> bytes:
        """See Bandit: the version, then A's upper triangle, b and n as little-endian doubles."""
        values = np.concatenate([arm.A[self._upper], arm.b, [arm.n]])
        return bytes([_VERSION]) + values.astype("<f8", copy=False).tobytes()

    def decode(self, data: bytes) -> LinUCBArm:
        """See Bandit. The length tells the dimension."""
        triangle = len(self._upper[0])
        if len(data) != 1 + 8 * (triangle + self._dim + 1) or data[0] != _VERSION:
            raise ValueError(
                f"not a LinUCB state of version {_VERSION} and dimension {self._dim}: "
                f"{len(data)} bytes, beginning with {data[:8]!r}"
            )
        values = np.frombuffer(data, "<f8", offset=1).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("not a LinUCB state: it holds values that are not finite")
        A = np.empty((self._dim, self._dim))
        A[self._upper] = A.T[self._upper] = values[:triangle]
        return LinUCBArm(A, values[triangle:-1].copy(), float(values[-1]))


def _cholesky(A: Floats) -> Floats:
    """The lower L of A = L Lᵀ.

    One-hot components sum to the bias, so that only the ridge keeps A positive definite. Where
    rounding has eaten the ridge, as much of it as rounding can eat is put back.
    """
    factor, failed = lapack.dpotrf(A, lower=1)
    if failed:
        lost = 8.0 * len(A) * float(np.finfo(np.float64).eps * A.trace())
        factor, _ = lapack.dpotrf(A + lost * np.eye(len(A)), lower=1)
    return np.asarray(factor)
