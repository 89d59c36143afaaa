"""LinUCB with disjoint linear models (Li, Chu, Langford and Schapire 2010, algorithm 1)."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from core.bandits.base import Floats
from schemas.policy import LinUCB, Prior

TIE: Final = 1e-9
"""Scores that close to the best are ties: they are as far apart as rounding may put them."""
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BHd")


class LinUCBArm:
    """The sums of one arm: A = ridge I + Σ x xᵀ and b = Σ r x, and how many rewards they hold.

    Sums replay exactly. The inverse and the weights are derived from them, never updated.
    """

    __slots__ = ("A", "_derived", "b", "n")

    def __init__(self, A: Floats, b: Floats, n: float) -> None:
        self.A = A
        self.b = b
        self.n = n
        self._derived: Floats | None = None

    def add(self, x: Floats, reward: float) -> None:
        """Count one reward."""
        self.A += x[:, None] * x
        self.b += reward * x
        self.n += 1.0
        self._derived = None

    @property
    def derived(self) -> Floats:
        """The rows of the inverse of A, and below them the weights: shape ``(d + 1, d)``."""
        if self._derived is None:
            inverse = np.linalg.inv(self.A)
            inverse = (inverse + inverse.T) / 2.0
            self._derived = np.vstack([inverse, inverse @ self.b])
        return self._derived


class LinUCBBandit:
    """Chooses the arm with the highest upper confidence bound of a linear model of its reward."""

    contextual = True

    def __init__(self, config: LinUCB, dim: int) -> None:
        self._alpha = config.alpha
        self._ridge = config.ridge
        self._dim = dim
        self._upper = np.triu_indices(dim)

    def new(self, prior: Prior | None) -> LinUCBArm:
        """A model without rewards; a prior counts as ``weight`` of them on the bias (x[0] = 1)."""
        A = np.eye(self._dim) * self._ridge
        b = np.zeros(self._dim)
        if prior is not None:
            A[0, 0] += prior.weight
            b[0] += prior.weight * prior.mean
        return LinUCBArm(A, b, 0.0)

    def learn(self, arm: LinUCBArm, x: Floats, reward: float) -> None:
        """See Bandit."""
        arm.add(x, reward)

    def distribution(self, arms: Sequence[LinUCBArm], X: Floats) -> Floats:
        """See Bandit: all on the best score θᵀx + α sqrt(xᵀA⁻¹x), shared where scores tie."""
        scores = self.scores(arms, X)
        best = scores >= scores.max(axis=1, keepdims=True) - TIE
        shares: Floats = best / best.sum(axis=1, keepdims=True)
        return shares

    def scores(self, arms: Sequence[LinUCBArm], X: Floats) -> Floats:
        """The upper bounds, shape ``(n, K)``.

        Elementwise operations in a fixed order: a row's bits do not depend on the other rows, as
        those of a matrix product may.
        """
        models = np.stack([arm.derived for arm in arms])
        projected = np.zeros((len(X), len(arms), self._dim + 1))
        columns = [j for j in range(self._dim) if X[:, j].any()]
        for j in columns:
            projected += models[None, :, :, j] * X[:, j, None, None]
        spread = np.zeros((len(X), len(arms)))
        for j in columns:
            spread += projected[:, :, j] * X[:, j, None]
        bounds: Floats = projected[:, :, -1] + self._alpha * np.sqrt(np.maximum(spread, 0.0))
        return bounds

    def mean(self, arm: LinUCBArm) -> float:
        """The prediction for the mean of the contexts that the arm has seen."""
        seen = arm.A[0].copy()
        seen[0] -= self._ridge
        return float(arm.derived[-1] @ seen / seen[0]) if seen[0] > 0.0 else 0.0

    def count(self, arm: LinUCBArm) -> float:
        """See Bandit."""
        return arm.n

    def encode(self, arm: LinUCBArm) -> bytes:
        """Version, d, n, then the upper triangle of A and b as little-endian doubles."""
        packed = np.concatenate([arm.A[self._upper], arm.b]).astype("<f8")
        return _HEAD.pack(_VERSION, self._dim, arm.n) + packed.tobytes()

    def decode(self, data: bytes) -> LinUCBArm:
        """See Bandit."""
        dim = self._dim
        size = dim * (dim + 1) // 2 + dim
        if len(data) != _HEAD.size + 8 * size:
            raise ValueError(f"{len(data)} bytes are no LinUCB state of dimension {dim}")
        version, stored_dim, n = _HEAD.unpack_from(data)
        if (version, stored_dim) != (_VERSION, dim) or not math.isfinite(n):
            raise ValueError(f"no LinUCB state of version {_VERSION} and dimension {dim}")
        packed = np.frombuffer(data, "<f8", offset=_HEAD.size).astype(np.float64)
        A = np.zeros((dim, dim))
        A[self._upper] = packed[: size - dim]
        A.T[self._upper] = packed[: size - dim]
        return LinUCBArm(A, packed[size - dim :].copy(), n)
