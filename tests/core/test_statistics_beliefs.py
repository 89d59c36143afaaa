"""Beliefs read through intervals, against the algorithms' exact posteriors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from core.bandits.base import Bandit
from core.bandits.registry import make_bandit
from core.statistics.beliefs import Beliefs
from schemas.policy import (
    KLUCB,
    UCB1,
    EpsilonGreedy,
    FixedSplit,
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

NO_CONTEXT = np.zeros((1, 0))
BETA = make_bandit(ThompsonBeta(), 0)


def beta_arms(*counts: tuple[int, int]) -> list[object]:
    """Arms that have learned from so many ones and so many zeros."""
    return [taught(BETA, [1.0] * ones + [0.0] * zeros) for ones, zeros in counts]


def taught(bandit: Bandit[object], rewards: list[float], prior: Prior | None = None) -> object:
    arm = bandit.new(prior)
    for reward in rewards:
        bandit.learn(arm, np.zeros(0), reward)
    return arm


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=5))
def test_betas_as_integrated_directly(counts: list[tuple[int, int]]) -> None:
    posteriors = [stats.beta(1 + ones, 1 + zeros) for ones, zeros in counts]
    beliefs = Beliefs.of(BETA, beta_arms(*counts))
    y = np.linspace(0.0, 1.0, 20_001)
    best = np.prod([posterior.cdf(y) for posterior in posteriors], axis=0)
    mean_of_best = 1.0 - integrate.simpson(best, x=y)
    widest = max(posterior.std() for posterior in posteriors)
    assert beliefs.means == pytest.approx([p.mean() for p in posteriors], abs=1e-3 * widest)
    assert beliefs.mean_of_best == pytest.approx(mean_of_best, abs=1e-3 * widest)
    exact = BETA.distribution(beta_arms(*counts), NO_CONTEXT)[0]
    assert beliefs.best_probabilities == pytest.approx(exact, abs=1e-3)
    assert beliefs.best_probabilities.sum() == pytest.approx(1.0)


def test_students_as_thompson_sampling_has_them() -> None:
    bandit = make_bandit(ThompsonGaussian(), 0)
    rng = np.random.default_rng(3)
    arms = [taught(bandit, rng.beta(a, 5.0, n).tolist()) for a, n in [(5, 3), (6, 60), (5.5, 400)]]
    exact = bandit.distribution(arms, NO_CONTEXT)[0]
    assert Beliefs.of(bandit, arms).best_probabilities == pytest.approx(exact, abs=1e-3)


def test_equal_arms_share_evenly_also_at_the_ends_of_the_scale() -> None:
    bandit = make_bandit(ThompsonGaussian(prior_std=0.5), 0)
    for mean in (0.0, 0.5, 1.0):
        arms = [bandit.new(Prior(mean=mean, weight=1.0)) for _ in range(4)]
        beliefs = Beliefs.of(bandit, arms)
        assert beliefs.best_probabilities == pytest.approx([0.25] * 4)
        assert beliefs.mean_of_best >= beliefs.means.max()


def test_mass_beyond_the_scale_stands_at_its_end() -> None:
    """A t around 0.95 with a quarter of its mass above 1: clipped, as every draw would be."""
    bandit = make_bandit(ThompsonGaussian(prior_std=0.1), 0)
    arm = bandit.new(Prior(mean=0.95, weight=1.0))
    draws = np.clip(stats.t(4, 0.95, 0.1 * np.sqrt(0.5)).rvs(400_000, random_state=5), 0.0, 1.0)
    beliefs = Beliefs.of(bandit, [arm, arm])
    assert beliefs.means == pytest.approx([draws.mean()] * 2, abs=5e-4)
    best = np.maximum(draws[::2], draws[1::2])
    assert beliefs.mean_of_best == pytest.approx(best.mean(), abs=5e-4)


def test_arms_of_very_different_widths() -> None:
    counts = [(300_000, 200_000), (1, 1), (30, 20)]
    arms = [BETA.decode(BETA.encode(arm)) for arm in beta_arms((3, 2), (1, 1), (30, 20))]
    for _ in range(5):
        arms[0] = BETA.merged([arms[0]] * 10)
    exact = BETA.distribution(arms, NO_CONTEXT)[0]
    assert Beliefs.of(BETA, arms).best_probabilities == pytest.approx(exact, abs=1e-3)
    assert BETA.count(arms[0]) == sum(counts[0])


@pytest.mark.parametrize(
    "algorithm",
    [
        ThompsonGaussian(), ThompsonBeta(), TopTwoThompson(), EpsilonGreedy(), UCB1(), KLUCB(),
        Softmax(), FixedSplit(), LinUCB(), HybridLinUCB(), LinearThompson(),
        KernelThompson(components=8),
    ],
    ids=lambda algorithm: type(algorithm).__name__,
)  # fmt: skip
@pytest.mark.parametrize("forgetting", [None, SlidingWindow(rewards=400)], ids=["all", "window"])
def test_every_algorithm_has_beliefs(algorithm, forgetting) -> None:
    """200 rewards of about .8 against 200 of about .3 leave no doubt, whatever the algorithm."""
    bandit = make_bandit(algorithm, 3, forgetting)
    rng = np.random.default_rng(1)
    arms = [bandit.new(None, "good"), bandit.new(None, "bad")]
    for _ in range(200):
        for arm, mean in zip(arms, (0.8, 0.3), strict=True):
            x = np.array([1.0, *rng.uniform(0.0, 1.0, 2)])
            others = [other for other in arms if other is not arm]
            bandit.learn(arm, x, mean + rng.uniform(-0.1, 0.1), others)
    beliefs = Beliefs.of(bandit, arms)
    assert beliefs.best_probabilities[0] > 0.99
    assert beliefs.means == pytest.approx([bandit.mean(arm) for arm in arms], abs=0.02)
