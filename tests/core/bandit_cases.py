"""Every algorithm of the registry, with and without forgetting, and arms for it to learn of."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from core.bandits.base import Bandit, Floats
from core.bandits.registry import make_bandit
from schemas.policy import (
    KLUCB,
    UCB1,
    Algorithm,
    Discount,
    EpsilonGreedy,
    FixedSplit,
    Forgetting,
    HybridLinUCB,
    KernelThompson,
    LinearThompson,
    LinUCB,
    Prior,
    SlidingWindow,
    Softmax,
    ThompsonBeta,
    ThompsonGaussian,
    TopTwoThompson,
)

DIM = 4


class Case(NamedTuple):
    algorithm: Algorithm
    forgetting: Forgetting | None = None

    def make(self) -> Bandit[Any]:
        return make_bandit(self.algorithm, DIM, self.forgetting)

    def __repr__(self) -> str:
        forgetting = "" if self.forgetting is None else f", {self.forgetting}"
        return f"{self.algorithm}{forgetting}"


STATIONARY = [
    Case(algorithm)
    for algorithm in (
        ThompsonBeta(),
        ThompsonGaussian(),
        ThompsonGaussian(prior_std=1e-3),
        ThompsonGaussian(prior_std=10.0),
        TopTwoThompson(),
        TopTwoThompson(posterior="beta", leader_share=0.8),
        EpsilonGreedy(),
        EpsilonGreedy(epsilon=0.3, decay_after=10.0),
        UCB1(),
        KLUCB(),
        KLUCB(c=3.0),
        Softmax(),
        Softmax(temperature=1e-3),
        FixedSplit(),
        FixedSplit(shares={"a": 3.0, "b": 1.0}),
        LinUCB(),
        LinUCB(alpha=0.0, ridge=1e-6),
        LinUCB(alpha=100.0, ridge=1e6),
        HybridLinUCB(),
        LinearThompson(),
        KernelThompson(components=8),
    )
]
FORGETTING = [
    Case(algorithm, forgetting)
    for algorithm, forgetting in (
        (ThompsonBeta(), Discount()),
        (ThompsonGaussian(), Discount(factor=0.9)),
        (TopTwoThompson(), Discount()),
        (UCB1(), Discount()),
        (FixedSplit(shares={"a": 3.0, "b": 1.0}), Discount()),
        (LinUCB(), Discount()),
        (HybridLinUCB(), Discount()),
        (ThompsonBeta(), SlidingWindow(rewards=40)),
        (ThompsonGaussian(), SlidingWindow()),
        (KLUCB(), SlidingWindow()),
        (FixedSplit(shares={"a": 3.0, "b": 1.0}), SlidingWindow()),
        (LinearThompson(), SlidingWindow()),
        (HybridLinUCB(), SlidingWindow(rewards=40)),
    )
]
CASES = STATIONARY + FORGETTING
PRIORS = [None, Prior(), Prior(mean=0.0, weight=50.0), Prior(mean=1.0, weight=1e-3)]

Lesson = tuple[Floats, float]

contexts = st.lists(
    st.sampled_from([0.0, 1.0, -1.0, 1 / 3, 0.7, 1e-9, 12.5]), min_size=DIM, max_size=DIM
).map(np.array)
lessons = st.lists(st.tuples(contexts, st.sampled_from([0.0, 1.0, 0.5, 0.1, 1 / 3])), max_size=12)
histories = st.lists(lessons, min_size=1, max_size=5)


def taught(
    bandit: Bandit[Any], lessons: list[Lesson], prior: Prior | None = None, arm_id: str = ""
) -> Any:
    """An arm that was the only one of its policy when it learned."""
    arm = bandit.new(prior, arm_id)
    for x, reward in lessons:
        bandit.learn(arm, x, reward)
    return arm


def taught_together(bandit: Bandit[Any], seed: int, k: int, n: int) -> list[Any]:
    """``k`` arms "a", "b", ... of one policy that have learned ``n`` rewards at random."""
    rng = np.random.default_rng(seed)
    arms = [bandit.new(None, chr(ord("a") + i)) for i in range(k)]
    for (x, reward), i in zip(
        random_lessons(seed + 1, n), rng.integers(k, size=n).tolist(), strict=True
    ):
        bandit.learn(arms[i], x, reward, arms[:i] + arms[i + 1 :])
    return arms


def random_lessons(seed: int, n: int) -> list[Lesson]:
    rng = np.random.default_rng(seed)
    return [(np.append(1.0, rng.normal(size=DIM - 1)), float(rng.random())) for _ in range(n)]


def is_distribution(rows: Floats, n: int, k: int) -> None:
    assert rows.shape == (n, k)
    assert rows.dtype == np.float64
    assert (rows >= 0.0).all()
    assert np.abs(rows.sum(axis=1) - 1.0).max() <= 1e-12
