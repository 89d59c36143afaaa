"""What the linear algorithms share: an arm's sums, its ridge regression, and their products.

An arm's rewards are modelled as r = θᵀx + noise. Before the first reward, θ is about
(mean, 0, ..., 0), as component 0 of a context is the bias; the precision of that belief, in units
of the noise's, is D = diag(ridge + weight, ridge, ..., ridge). With S = Σ x xᵀ and b = Σ r x, the
posterior of θ has the precision A = D + S and the mean (mean, 0, ..., 0) + δ, where
A δ = b - mean S[:, 0].

A state is the sums and the prior, without the ridge: forgetting scales the sums and cannot lose
the ridge, and algorithms with different ridges, or of different kinds, read the same states.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, Self, TypeVar, cast

import numpy as np
from scipy import special
from scipy.linalg import lapack

from core.bandits.base import Floats
from schemas.policy import Prior

_VERSION: Final = 2
_HEAD: Final = 4
"""The doubles before the sums of the contexts: the prior's mean and weight, n and Σ r²."""
_DOUBLES: Final = np.finfo(np.float64)
_LARGEST: Final = 1e60
"""More than any sum can reach; products of four stay finite."""
_SHAPE: Final = 2.0
"""The shape of the noise variance's inverse gamma: the smallest whole one with a mean."""

Fit = TypeVar("Fit")


class LinearArm:
    """What an arm has seen, as sums: they replay exactly, which updated inverses do not.

    ``S`` is Σ x xᵀ, ``b`` is Σ r x, ``squares`` is Σ r², and ``n`` counts the rewards. The prior
    has weight 0 where there is none, and then each algorithm has its own.
    """

    __slots__ = ("S", "_fit", "_reader", "b", "mean", "n", "squares", "weight")

    def __init__(
        self, S: Floats, b: Floats, n: float, squares: float, mean: float, weight: float
    ) -> None:
        self.S = S
        self.b = b
        self.n = n
        self.squares = squares
        self.mean = mean
        self.weight = weight
        self._fit: object = None
        self._reader: object = None

    def add(self, x: Floats, reward: float) -> None:
        """Count one reward for the context ``x``."""
        self.S += x[:, None] * x
        self.b += reward * x
        self.n += 1.0
        self.squares += reward * reward
        self._reader = None

    def scaled(self, weight: float) -> Self:
        """A copy whose sums are ``weight`` times these, and whose prior is the same."""
        # 0.0 is added because 0 times a negative sum is -0.0, and has other bytes than 0.
        return type(self)(
            weight * self.S + 0.0,
            weight * self.b + 0.0,
            weight * self.n,
            weight * self.squares,
            self.mean,
            self.weight,
        )


class LinearBandit(Generic[Fit]):
    """All of a linear algorithm but what it derives from an arm, and its distribution.

    ``prior_std`` is the standard deviation of a reward around its line, as believed before the
    first. The noise variance is inverse gamma of shape 2 with the mean prior_std².
    """

    contextual = True
    pooled = False
    own_mean = 0.0
    """The prior mean of an arm without a prior, as certain as the ridge makes it."""

    def __init__(self, ridge: float, dim: int, prior_std: float = 0.25) -> None:
        self.statistics = f"linear dim={dim}"
        self._ridge = ridge
        self._dim = dim
        self._ridges = ridge * np.eye(dim)
        self._prior_variance = prior_std**2
        rows, columns = np.triu_indices(dim)
        self._upper = rows * dim + columns
        self._lower = columns * dim + rows

    def new(self, prior: Prior | None, arm_id: str = "") -> LinearArm:  # noqa: ARG002
        """See Bandit.

        With a prior, the weight of the bias (component 0 of a context, always 1) is about the
        prior mean, and as certain as if ``weight`` contexts with nothing else had shown it.
        """
        mean, weight = (0.0, 0.0) if prior is None else (prior.mean, prior.weight)
        d = self._dim
        return LinearArm(np.zeros((d, d)), np.zeros(d), 0.0, 0.0, mean, weight)

    def learn(
        self,
        arm: LinearArm,
        x: Floats,
        reward: float,
        others: Sequence[LinearArm] = (),  # noqa: ARG002
    ) -> None:
        """See Bandit."""
        arm.add(x, reward)

    @abstractmethod
    def _derive(self, arm: LinearArm) -> Fit:
        """What the algorithm reads of an arm; computed once per reward."""
        ...

    def fit(self, arm: LinearArm) -> Fit:
        """What this algorithm derives from the arm; kept until the arm learns."""
        if arm._reader is not self:
            arm._fit = self._derive(arm)
            arm._reader = self
        return cast(Fit, arm._fit)

    def _mean(self, arm: LinearArm) -> float:
        return arm.mean if arm.weight > 0.0 else self.own_mean

    def _precision(self, arm: LinearArm) -> Floats:
        """The diagonal of the prior's precision D: shape ``(d,)``."""
        D = np.full(self._dim, self._ridge)
        D[0] += arm.weight
        return D

    def _regression(self, arm: LinearArm, rows: int = 0) -> tuple[Floats, Floats]:
        """What scores a context, shape ``(d + 1 + rows, d)``, and δ, shape ``(d,)``.

        The first d rows are L^-1, where A = L Lᵀ: xᵀ A^-1 x is the squared length of L^-1 x, and
        cannot come out below 0. The next one is the posterior mean of θ. The caller fills the
        others.
        """
        d = self._dim
        A = arm.S + self._ridges
        A[0, 0] += arm.weight
        model = np.empty((d + 1 + rows, d))
        model[:d] = root = lapack.dtrtri(cholesky(A), lower=1)[0]
        mean = self._mean(arm)
        shift: Floats = root.T @ (root @ (arm.b - mean * arm.S[0] if mean else arm.b))
        model[d] = shift
        model[d, 0] += mean
        return model, shift

    def _noise(self, arm: LinearArm, theta: Floats, shift: Floats) -> tuple[float, float]:
        """The scale squared and the degrees of freedom of the noise's posterior.

        The posterior of xᵀθ is Student's t around xᵀ ``theta`` with this many degrees of freedom;
        the square of its scale is this times xᵀ A^-1 x (normal-inverse-gamma: Bishop 2006, exercise
        3.12 and 3.13). Σ r² loses digits where the line fits well, but no more than what moves the
        variance by about n times the smallest part of a double, and xᵀ A^-1 x is about 1 / n.
        """
        misfit = arm.squares + float(theta @ (arm.S @ theta - 2.0 * arm.b))
        pull = float(self._precision(arm) @ (shift * shift))
        rate = (_SHAPE - 1.0) * self._prior_variance + (max(misfit, 0.0) + pull) / 2.0
        shape = _SHAPE + arm.n / 2.0
        return rate / shape, 2.0 * shape

    def mean(self, arm: LinearArm) -> float:
        """See Bandit: the model's mean prediction, over the seen contexts and the prior's.

        The row of the bias in A θ = D (mean, 0, ..., 0) + b says that all predictions add up to
        its right side, and A[0, 0] is their number.
        """
        weight = self._ridge + arm.weight
        return float((weight * self._mean(arm) + arm.b[0]) / (weight + arm.S[0, 0]))

    def interval(self, arm: LinearArm, level: float) -> tuple[float, float]:
        """See Bandit: of the mean that ``mean`` estimates.

        The mean context is c = A[:, 0] / A[0, 0], so that cᵀ A^-1 c = 1 / A[0, 0].
        """
        model, shift = self._regression(arm)
        variance, dof = self._noise(arm, model[-1], shift)
        scale = math.sqrt(variance / (self._ridge + arm.weight + arm.S[0, 0]))
        reach = scale * float(special.stdtrit(dof, (1.0 + level) / 2.0))
        mean = self.mean(arm)
        return min(max(mean - reach, 0.0), 1.0), min(max(mean + reach, 0.0), 1.0)

    def count(self, arm: LinearArm) -> float:
        """See Bandit."""
        return arm.n

    def faded(self, arm: LinearArm, weight: float) -> LinearArm:
        """See Bandit."""
        return arm.scaled(weight)

    def merged(self, arms: Sequence[LinearArm]) -> LinearArm:
        """See Bandit."""
        first, *rest = arms
        whole = first.scaled(1.0)
        for arm in rest:
            whole.S += arm.S
            whole.b += arm.b
            whole.n += arm.n
            whole.squares += arm.squares
        return whole

    def encode(self, arm: LinearArm) -> bytes:
        """See Bandit: the version, then little-endian doubles: the prior's mean and weight, n,
        Σ r², b, and the upper triangle of S by rows.
        """
        head = [arm.mean, arm.weight, arm.n, arm.squares]
        values = np.concatenate([head, arm.b, arm.S.take(self._upper)])
        return bytes([_VERSION]) + values.astype("<f8", copy=False).tobytes()

    def decode(self, data: bytes, arm_id: str = "") -> LinearArm:  # noqa: ARG002
        """See Bandit. The length tells the dimension."""
        d = self._dim
        if len(data) != 1 + 8 * (_HEAD + d + len(self._upper)) or data[0] != _VERSION:
            raise ValueError(
                f"not a linear state of version {_VERSION} and dimension {d}: "
                f"{len(data)} bytes, beginning with {data[:8]!r}"
            )
        values = np.frombuffer(data, "<f8", offset=1).astype(np.float64)
        mean, weight, n, squares = values[:_HEAD].tolist()
        S = np.empty((d, d))
        S.put(self._upper, values[_HEAD + d :])
        S.put(self._lower, values[_HEAD + d :])
        least = min(weight, n, squares, S.diagonal().min())
        if not (np.abs(values) <= _LARGEST).all() or least < 0.0:
            raise ValueError("not a linear state: it holds values that no rewards add up to")
        return LinearArm(S, values[_HEAD : _HEAD + d].copy(), n, squares, mean, weight)


def products(models: Sequence[Floats], X: Floats) -> Floats:
    """The product of each of K models, shape ``(m, d)``, and each row of X: ``(n, K, m)``.

    Each number is one dot product over contiguous components, taken by a loop whose order depends
    on d alone. A matrix product would choose its order by n, and a decision would depend on which
    others are in its batch.
    """
    if len(X) == 1:
        rows: Floats = np.einsum("ij,nj->ni", np.concatenate(models), X)
        return rows.reshape(1, len(models), -1)
    X = np.ascontiguousarray(X)
    found = np.empty((len(X), len(models), len(models[0])))
    for k, model in enumerate(models):
        np.einsum("ij,nj->ni", model, X, out=found[:, k])
    return found


def squared_lengths(vectors: Floats) -> Floats:
    """The sums of squares along the last axis, contiguous: ``(n, K)`` for ``(n, K, d)``."""
    return np.asarray(np.einsum("nki,nki->nk", vectors, vectors))


def cholesky(A: Floats) -> Floats:
    """The lower L of A = L Lᵀ.

    One-hot components sum to the bias, so that only the ridge keeps A positive definite. Where
    rounding has eaten the ridge, as much of it as rounding can eat is put back, or more if that
    does not do.
    """
    # The transpose of a symmetric matrix in C's order is itself in Fortran's, and is not copied.
    factor, failed = lapack.dpotrf(A.T, lower=1)
    lost = 8.0 * len(A) * float(_DOUBLES.eps * np.abs(A).max() + _DOUBLES.tiny) if failed else 0.0
    while failed and lost < np.inf:
        factor, failed = lapack.dpotrf(A + lost * np.eye(len(A)), lower=1)
        lost *= 16.0
    return np.asarray(factor)
