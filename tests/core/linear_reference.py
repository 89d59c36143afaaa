"""Bayesian linear regression written out in fractions, and what the tests of it draw from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from core.bandits.base import Floats
from core.bandits.linear import LinearArm
from schemas.policy import Prior

Lessons = Sequence[tuple[Floats, float]]

dims = st.shared(st.integers(2, 5), key="dim")
contexts = dims.flatmap(
    lambda dim: st.lists(st.floats(-3.0, 3.0, width=16), min_size=dim - 1, max_size=dim - 1).map(
        lambda rest: np.array([1.0, *rest])
    )
)
lessons = st.lists(st.tuples(contexts, st.floats(0.0, 1.0, width=16)), max_size=12)
priors = st.none() | st.builds(Prior, mean=st.floats(0.0, 1.0), weight=st.floats(0.01, 100.0))


def taught(bandit: Any, lessons: Lessons, prior: Prior | None = None) -> LinearArm:
    arm: LinearArm = bandit.new(prior)
    for x, reward in lessons:
        bandit.learn(arm, x, reward)
    return arm


def random_lessons(seed: int, dim: int, n: int) -> list[tuple[Floats, float]]:
    rng = np.random.default_rng(seed)
    X = np.hstack([np.ones((n, 1)), rng.normal(size=(n, dim - 1))])
    return list(zip(X, rng.random(n).tolist(), strict=True))


class Exact(NamedTuple):
    """The normal-inverse-gamma posterior, without a rounding."""

    theta: list[Fraction]
    inverse: list[list[Fraction]]
    shape: Fraction
    rate: Fraction

    def location(self, x: Floats) -> float:
        return float(sum(t * v for t, v in zip(self.theta, map(Fraction, x.tolist()), strict=True)))

    def variance(self, x: Floats) -> float:
        """xᵀ A^-1 x."""
        v = [Fraction(value) for value in x.tolist()]
        return float(
            sum(a * entry * b for a, row in zip(v, self.inverse, strict=True)
                for entry, b in zip(row, v, strict=True))
        )  # fmt: skip


def exact(
    dim: int,
    ridge: float,
    prior_std: float,
    prior: tuple[float, float],
    lessons: Lessons,
    times: int = 1,
) -> Exact:
    """The posterior for a prior (mean, weight) after every lesson was seen ``times`` times.

    The prior is a regression on rows of its own: ridge |θ - θ0|² + weight (θ[0] - mean)².
    """
    mean, weight = map(Fraction, prior)
    rows = []
    for i in range(dim):
        unit = [Fraction(int(i == j)) for j in range(dim)]
        rows.append((Fraction(ridge), unit, mean if i == 0 else Fraction(0)))
    rows.append((weight, [Fraction(int(j == 0)) for j in range(dim)], mean))
    for x, reward in lessons:
        rows.append((Fraction(times), [Fraction(v) for v in x.tolist()], Fraction(reward)))
    gram = [[sum((w * x[i] * x[j] for w, x, _ in rows), Fraction(0)) for j in range(dim)]
            for i in range(dim)]  # fmt: skip
    moment = [sum((w * x[i] * r for w, x, r in rows), Fraction(0)) for i in range(dim)]
    inverse = inverted(gram)
    theta = [sum((a * m for a, m in zip(row, moment, strict=True)), Fraction(0)) for row in inverse]
    misfit = sum(
        (w * (r - sum(t * v for t, v in zip(theta, x, strict=True))) ** 2 for w, x, r in rows),
        Fraction(0),
    )
    shape = 2 + Fraction(times * len(lessons), 2)
    return Exact(theta, inverse, shape, Fraction(prior_std) ** 2 + misfit / 2)


def inverted(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    """By Gauss and Jordan; positive definite, so that every pivot is positive."""
    n = len(matrix)
    rows = [[*row, *(Fraction(int(i == j)) for j in range(n))] for i, row in enumerate(matrix)]
    for i in range(n):
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for j in range(n):
            if j != i:
                factor = rows[j][i]
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[n:] for row in rows]


def play(
    bandit: Any, reward: Callable[[int, Floats], float], X: Floats, k: int, noise: float, seed: int
) -> Floats:
    """The regret of each step: what the best arm would have earned there beyond the chosen one."""
    rng = np.random.default_rng(seed)
    arms = [bandit.new(None) for _ in range(k)]
    regrets = []
    for x in X:
        chosen = int(rng.choice(k, p=bandit.distribution(arms, x[None])[0]))
        means = [reward(arm, x) for arm in range(k)]
        bandit.learn(arms[chosen], x, float(np.clip(means[chosen] + noise * rng.normal(), 0, 1)))
        regrets.append(max(means) - means[chosen])
    return np.array(regrets)
