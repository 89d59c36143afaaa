"""The problems of the regret study: what every algorithm meets, arm for arm and reward for reward.

A world fixes, for one seed, every context and every reward of every arm at every step. So all
algorithms meet the same luck (common random numbers), and their difference is theirs alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """One seed of a problem."""

    X: Floats
    """Contexts, shape ``(T, d)``; component 0 is 1."""
    means: Floats
    """The expected reward of each arm at each step, shape ``(T, K)``."""
    rewards: Floats
    """What each arm pays if it is chosen at that step, shape ``(T, K)``, in [0, 1]."""


@dataclass(frozen=True)
class Problem:
    """One problem; ``family`` says which algorithms are made for it."""

    name: str
    title: str
    family: str
    arms: int
    steps: int
    build: Callable[[np.random.Generator, int], tuple[Floats, Floats, Floats]]
    bound: float | None = None
    """The regret per unit of log T that no consistent algorithm stays below (Lai and Robbins)."""
    changes: int = 0
    """How often the means change."""

    def world(self, seed: int, steps: int) -> World:
        """The world of a seed, of its own generator."""
        return World(*self.build(np.random.default_rng([seed, len(self.name)]), steps))

    def lower_bound(self, steps: int) -> float | None:
        """The Lai-Robbins bound at ``steps``, asymptotic: small T may well be below it."""
        return None if self.bound is None else self.bound * math.log(steps)


def _bernoulli(rng: np.random.Generator, means: Floats) -> Floats:
    return (rng.random(means.shape) < means).astype(float)


def bernoulli(name: str, title: str, means: list[float]) -> Problem:
    """Yes/no rewards with fixed means."""

    def build(rng: np.random.Generator, steps: int) -> tuple[Floats, Floats, Floats]:
        table = np.tile(np.array(means), (steps, 1))
        return np.ones((steps, 1)), table, _bernoulli(rng, table)

    best = max(means)
    bound = sum((best - m) / kl(m, best) for m in means if m < best)
    return Problem(name, title, "yes/no", len(means), 2_000, build, bound)


def kl(p: float, q: float) -> float:
    """The divergence of two Bernoulli distributions."""
    return p * math.log(p / q) + (1.0 - p) * math.log((1.0 - p) / (1.0 - q))


def _graded(rng: np.random.Generator, steps: int) -> tuple[Floats, Floats, Floats]:
    """Judged answers: Beta rewards of standard deviation about 0.13 around close means."""
    means = np.tile([0.70, 0.74, 0.78, 0.80, 0.83], (steps, 1))
    return np.ones((steps, 1)), means, rng.beta(8.0 * means, 8.0 * (1.0 - means))


def _switching(rng: np.random.Generator, steps: int) -> tuple[Floats, Floats, Floats]:
    """Three arms, yes/no; the best one fails and recovers, and another one rises."""
    levels = np.array([[0.8, 0.6, 0.4], [0.3, 0.6, 0.4], [0.3, 0.6, 0.9], [0.8, 0.6, 0.2]])
    means = np.repeat(levels, -(-steps // len(levels)), axis=0)[:steps]
    return np.ones((steps, 1)), means, _bernoulli(rng, means)


def _degrading(rng: np.random.Generator, steps: int) -> tuple[Floats, Floats, Floats]:
    """Graded rewards as in the recorded data; the best arm is worth 0.75 in the middle third."""
    levels = np.array([[0.79, 0.93, 0.90], [0.79, 0.70, 0.90], [0.79, 0.93, 0.90]])
    means = np.repeat(levels, -(-steps // len(levels)), axis=0)[:steps]
    return np.ones((steps, 1)), means, rng.beta(8.0 * means, 8.0 * (1.0 - means))


def _linear(rng: np.random.Generator, steps: int) -> tuple[Floats, Floats, Floats]:
    """Five arms, nine features in [-1, 1] and a bias; noise of 0.1."""
    X = np.column_stack([np.ones(steps), rng.uniform(-1.0, 1.0, (steps, 9))])
    weights = rng.normal(0.0, 0.07, (10, 5))
    weights[0] = 0.5
    means = np.clip(X @ weights, 0.0, 1.0)
    return X, means, np.clip(means + rng.normal(0.0, 0.1, means.shape), 0.0, 1.0)


def _xor(rng: np.random.Generator, steps: int) -> tuple[Floats, Floats, Floats]:
    """Two arms; which one is right depends on the sign of the product of two features."""
    X = np.column_stack([np.ones(steps), rng.uniform(-1.0, 1.0, (steps, 2))])
    same = X[:, 1] * X[:, 2] > 0.0
    means = np.column_stack([np.where(same, 0.8, 0.3), np.where(same, 0.3, 0.8)])
    return X, means, _bernoulli(rng, means)


def _sparse(rng: np.random.Generator, steps: int) -> tuple[Floats, Floats, Floats]:
    """Six fields of ten values, one-hot, and four arms: only the first field matters."""
    values = rng.integers(0, 10, (steps, 6))
    X = np.zeros((steps, 61))
    X[:, 0] = 1.0
    X[np.arange(steps)[:, None], 1 + 10 * np.arange(6) + values] = 1.0
    table = rng.uniform(0.3, 0.7, (10, 4))
    table[np.arange(10), rng.integers(0, 4, 10)] = 0.9
    means = table[values[:, 0]]
    return X, means, _bernoulli(rng, means)


PROBLEMS = [
    bernoulli("two-wide", "2 arms, .9 and .6 (Auer et al. 2002, 1)", [0.9, 0.6]),
    bernoulli("two-close", "2 arms, .9 and .8 (Auer et al., 2)", [0.9, 0.8]),
    bernoulli("two-middle", "2 arms, .55 and .45 (Auer et al., 3)", [0.55, 0.45]),
    bernoulli("ten", "10 arms, .9 and 9 of .6 (Auer et al., 11)", [0.9] + 9 * [0.6]),
    bernoulli(
        "ten-mixed",
        "10 arms, .9, .8 to .6 (Auer et al., 12)",
        [0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.6, 0.6, 0.6],
    ),
    bernoulli("ten-even", "10 arms, .5 and 9 of .4 (Chapelle and Li 2011)", [0.5] + 9 * [0.4]),
    Problem("graded", "5 arms, graded rewards, .70 to .83", "graded", 5, 2_000, _graded),
    Problem("switching", "3 arms, yes/no, 3 changes", "moving", 3, 4_000, _switching, changes=3),
    Problem("degrading", "3 arms, graded, 2 changes", "moving", 3, 1_824, _degrading, changes=2),
    Problem("linear", "linear, 5 arms, d = 10", "linear", 5, 1_500, _linear),
    Problem("xor", "exclusive or, 2 arms, d = 3", "curved", 2, 1_500, _xor),
    Problem("sparse", "6 one-hot fields, 1 matters, d = 61", "sparse", 4, 2_000, _sparse),
]
