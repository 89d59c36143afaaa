"""The estimated regret: its expectation, and how often its interval holds the truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.bandits.base import Bandit
from core.bandits.moments import GaussianArm
from core.bandits.registry import make_bandit
from core.bandits.thompson_beta import BetaArm
from core.statistics.proportions import Share, newcombe_interval
from core.statistics.regret import estimated_regret
from schemas.policy import ThompsonBeta, ThompsonGaussian

BETA = make_bandit(ThompsonBeta(), 0)
GAUSSIAN = make_bandit(ThompsonGaussian(), 0)
COUNTS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=5)


def beta_arm(n: float, wins: float) -> BetaArm:
    return BetaArm(1.0, 1.0, n, wins)


def thompson(means: np.ndarray, rounds: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Played and won, after Thompson sampling on each row of ``means``."""
    rng = np.random.default_rng(seed)
    played, won = np.zeros(means.shape), np.zeros(means.shape)
    rows = np.arange(len(means))
    for _ in range(rounds):
        arm = rng.beta(1.0 + won, 1.0 + played - won).argmax(axis=1)
        played[rows, arm] += 1.0
        won[rows, arm] += rng.random(len(means)) < means[rows, arm]
    return played, won


def gaussian_arm(n: float, wins: float) -> GaussianArm:
    mean = wins / n if n else 0.0
    return GaussianArm(n, mean, n * mean * (1.0 - mean), 0.5, 1.0)


def judged(
    means: np.ndarray, rounds: int, seed: int, *, beta: bool
) -> tuple[float, float, float, float]:
    """How often the interval held the true regret, missed it on either side, and the bias."""
    bandit: Bandit[Any] = BETA if beta else GAUSSIAN
    arm_of = beta_arm if beta else gaussian_arm
    below = above = bias = 0.0
    for mu, n, wins in zip(means, *thompson(means, rounds, seed), strict=True):
        truth = float(n @ (mu.max() - mu))
        arms = [arm_of(*arm) for arm in zip(n.tolist(), wins.tolist(), strict=True)]
        found = estimated_regret(bandit, arms, n.tolist())
        below += truth < found.interval.low - 1e-9
        above += truth > found.interval.high + 1e-9
        bias += found.estimate - truth
    count = len(means)
    return 1.0 - (below + above) / count, below / count, above / count, bias / count


@pytest.mark.parametrize(
    ("means", "beta", "runs"),
    [
        ((0.5, 0.5), False, 300),
        ((0.5, 0.5, 0.5), False, 300),
        ((0.6, 0.5, 0.4), False, 300),
        ((0.9, 0.88, 0.2), False, 300),
        ((0.05, 0.04), True, 60),
    ],
    ids=str,
)
def test_the_interval_holds_the_truth_whatever_the_arms(
    means: tuple[float, ...], beta: bool, runs: int
) -> None:
    """Also for equal arms, whose regret is 0: choosing the seemingly best one must not hide it."""
    covered, below, above, _ = judged(np.tile(means, (runs, 1)), 300, seed=11, beta=beta)
    assert covered >= 0.95
    assert max(below, above) <= 0.04


def test_the_estimate_is_right_on_average_over_the_prior() -> None:
    means = np.random.default_rng(2).uniform(size=(100, 2))
    covered, _, _, bias = judged(means, 150, seed=3, beta=True)
    assert covered >= 0.95
    lost = thompson(means, 150, seed=3)[0] * (means.max(axis=1, keepdims=True) - means)
    total = lost.sum(axis=1)
    # The spread of estimate - truth is below that of the truth.
    assert abs(bias) <= 3.0 * total.std() / np.sqrt(len(total))


@settings(max_examples=15, deadline=None)
@given(COUNTS, st.integers(0, 10))
def test_the_estimate_is_the_mean_over_draws_from_the_posteriors(
    counts: list[tuple[int, int]], seed: int
) -> None:
    arms = [beta_arm(wins + losses, wins) for wins, losses in counts]
    n = np.array([wins + losses for wins, losses in counts]) + 1.0
    draws = stats.beta(*np.transpose([(1 + w, 1 + l) for w, l in counts])).rvs(  # noqa: E741
        (20_000, len(counts)), random_state=seed
    )
    regrets = n.sum() * draws.max(axis=1) - draws @ n
    found = estimated_regret(BETA, arms, n.tolist())
    margin = 5.0 * regrets.std() / np.sqrt(len(regrets)) + 2e-3 * n.sum() * draws.std(axis=0).max()
    assert found.estimate == pytest.approx(regrets.mean(), abs=margin)
    below, above = (regrets < found.interval.low).mean(), (regrets > found.interval.high).mean()
    assert below <= 0.03
    assert above <= 0.03


def test_for_two_arms_the_upper_end_is_that_of_a_difference() -> None:
    """Two arms share the error, so each has a level of 97.5 %; the contrast is 100 (μ1 - μ2)."""
    n, wins = (50_000.0, 30_000.0), (50_000.0, 20_000.0)
    found = estimated_regret(BETA, [beta_arm(*n), beta_arm(*wins)], [500.0, 100.0])
    difference = newcombe_interval(Share(20_000, 50_000), Share(30_000, 50_000), 0.975)
    assert found.interval.high == pytest.approx(100 * difference.high, rel=1e-3)
    assert found.estimate == pytest.approx(20.0, abs=0.05)
    # Robbins (1970): sqrt(1.0002 (log(5001) + 2 log(40))) standard errors, of .0030984.
    lowest = 100 * (0.2 - math.sqrt(1.0002 * (math.log(5_001) + 2 * math.log(40))) * 0.0030984)
    assert found.interval.low == pytest.approx(lowest, rel=1e-3)


def test_one_arm_has_no_regret() -> None:
    found = estimated_regret(BETA, [beta_arm(10, 4)], [10])
    assert (found.estimate, found.interval.low) == (0.0, 0.0)
    assert found.interval.high == 0.0


@settings(max_examples=15, deadline=None)
@given(COUNTS, st.floats(0.5, 0.98))
def test_a_higher_level_gives_a_wider_interval(counts: list[tuple[int, int]], level: float) -> None:
    arms = [beta_arm(wins + losses, wins) for wins, losses in counts]
    served = [wins + losses for wins, losses in counts]
    wide = estimated_regret(BETA, arms, served, level + 0.01)
    narrow = estimated_regret(BETA, arms, served, level)
    assert wide.interval.low <= narrow.interval.low + 1e-9
    assert wide.interval.high >= narrow.interval.high - 1e-9
    assert wide.estimate == narrow.estimate
    assert 0.0 <= narrow.interval.low <= narrow.estimate <= narrow.interval.high


def test_per_request_and_for_the_next_request() -> None:
    bandit = GAUSSIAN
    arms = [bandit.new(None) for _ in range(2)]
    rng = np.random.default_rng(4)
    for arm, mean in zip(arms, (0.7, 0.5), strict=True):
        for _ in range(400):
            bandit.learn(arm, np.zeros(0), mean + rng.uniform(-0.2, 0.2))
    total = estimated_regret(bandit, arms, [900, 100])
    assert total.per_request().estimate == pytest.approx(total.estimate / 1_000)
    assert total.per_request().interval.high == pytest.approx(total.interval.high / 1_000)
    after = estimated_regret(bandit, arms, [0.9, 0.1])
    assert after.estimate == pytest.approx(total.per_request().estimate, abs=1e-12)
    with pytest.raises(ValueError, match="no request"):
        estimated_regret(bandit, arms, [0, 0]).per_request()


@pytest.mark.parametrize("served", [[1.0], [1.0, -1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_counts_that_do_not_fit_are_refused(served: list[float]) -> None:
    with pytest.raises(ValueError, match="one count"):
        estimated_regret(BETA, [beta_arm(3, 1), beta_arm(3, 2)], served)
    with pytest.raises(ValueError, match="level"):
        estimated_regret(BETA, [beta_arm(3, 1)], [1.0], level=95.0)
