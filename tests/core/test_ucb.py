"""UCB1 and KL-UCB against their definitions, exact arithmetic and the paper's regret bound."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.bandits.kl_ucb import KLUCBBandit, farthest_mean
from core.bandits.moments import GaussianArm
from core.bandits.ucb1 import UCB1Bandit
from core.bandits.upper_bound import UpperBoundBandit
from schemas.policy import KLUCB, UCB1, Prior

X = np.zeros((1, 1))


def arm(n: float, mean: float) -> GaussianArm:
    return GaussianArm(n, mean if n else 0.0, 0.0, 0.5, 0.0)


def shares(bandit: UpperBoundBandit, *arms: GaussianArm, penalties=None) -> list[float]:
    if penalties is not None:
        penalties = np.array(penalties)
    return bandit.distribution(arms, X, (), penalties)[0].tolist()


def test_before_the_first_whole_reward_ucb1_takes_log_t_as_0() -> None:
    assert UCB1Bandit(UCB1()).bounds([0.5, 0.1], [0.5, 0.25]) == [0.5, 0.1]


def test_ucb1_plays_the_best_mean_plus_its_bound() -> None:
    # By hand with ln 100 = 4.6051702: 0.5 + 0.6786140, 0.6 + 0.9597052, 0.7 + 0.3627345.
    bandit = UCB1Bandit(UCB1())
    assert bandit.bounds([0.5, 0.6, 0.7], [20.0, 10.0, 70.0]) == pytest.approx(
        [1.1786140, 1.5597052, 1.0627345], abs=1e-6
    )
    assert shares(bandit, arm(20, 0.5), arm(10, 0.6), arm(70, 0.7)) == [0.0, 1.0, 0.0]
    assert shares(UCB1Bandit(UCB1(width=0.0)), arm(20, 0.5), arm(10, 0.6), arm(70, 0.7)) == [
        0.0,
        0.0,
        1.0,
    ]


@pytest.mark.parametrize("bandit", [UCB1Bandit(UCB1()), KLUCBBandit(KLUCB(c=3.0))])
def test_arms_without_a_reward_come_first_and_evenly(bandit: UpperBoundBandit) -> None:
    assert shares(bandit, arm(0, 0), arm(3, 1.0), arm(0, 0)) == [0.5, 0.0, 0.5]
    assert shares(bandit, arm(1e-10, 0.9), arm(3, 1.0)) == [1.0, 0.0]
    assert shares(bandit, arm(0, 0), arm(3, 1.0), penalties=[50.0, 0.0]) == [1.0, 0.0]
    assert shares(bandit, arm(0, 0), arm(0, 0), arm(0, 0)) == [1 / 3] * 3


@pytest.mark.parametrize("bandit", [UCB1Bandit(UCB1()), KLUCBBandit(KLUCB())])
def test_ties_within_a_billionth_share_evenly(bandit: UpperBoundBandit) -> None:
    third = arm(5, 0.2)
    assert shares(bandit, arm(5, 0.6), arm(5, 0.6 + 1e-11), third) == [0.5, 0.5, 0.0]
    assert shares(bandit, arm(5, 0.6), arm(5, 0.6 + 1e-7), third) == [0.0, 1.0, 0.0]
    assert shares(bandit, arm(5, 0.6), arm(5, 0.7), third, penalties=[0.1, 9.0, 0.0]) == [1, 0, 0]


@pytest.mark.parametrize("bandit", [UCB1Bandit(UCB1()), KLUCBBandit(KLUCB(c=1.0))])
def test_a_declared_prior_counts_as_that_many_rewards(bandit: UpperBoundBandit) -> None:
    x = np.zeros(1)
    with_prior = bandit.new(Prior(mean=0.75, weight=4.0))
    shown = bandit.new(None)
    for reward in (1.0, 1.0, 0.0, 1.0):
        bandit.learn(shown, x, reward)
    for reward in (0.3, 0.1, 0.4, 0.2, 0.3, 0.0):
        for rival in (arm(3, 0.8), arm(9, 0.7), arm(40, 0.75)):
            assert shares(bandit, with_prior, rival) == shares(bandit, shown, rival)
        assert shares(bandit, with_prior, shown) == [0.5, 0.5]
        bandit.learn(with_prior, x, reward)
        bandit.learn(shown, x, reward)


def divergence(p: float, q: float) -> float:
    """kl(p, q) with fifty digits."""
    with localcontext() as context:
        context.prec = 50
        a, b = Decimal(p), Decimal(q)
        one = Decimal(1)
        first = a * (a / b).ln() if a else Decimal(0)
        second = (one - a) * ((one - a) / (one - b)).ln() if a < one else Decimal(0)
        return float(first + second)


@settings(deadline=None, max_examples=300)
@example(p=2.2250738585e-313, level=1.0)
@example(p=5e-324, level=1e-13)
@given(
    p=st.one_of(st.floats(0.0, 1.0), st.floats(-12, -1).map(lambda e: 1.0 - 10.0**e)),
    level=st.floats(-13.0, 2.0).map(lambda e: 10.0**e),
)
def test_the_kl_bound_is_the_largest_mean_within_the_divergence(p: float, level: float) -> None:
    q = farthest_mean(p, level)
    assert p <= q <= 1.0
    if q - 1e-12 > p:
        assert divergence(p, q - 1e-12) <= level
    if q + 1e-12 < 1.0:
        assert divergence(p, q + 1e-12) >= level


def test_the_kl_bound_has_closed_forms_at_the_ends() -> None:
    assert farthest_mean(0.0, 0.7) == pytest.approx(1.0 - math.exp(-0.7), rel=1e-15)
    assert farthest_mean(1.0, 0.7) == 1.0
    assert farthest_mean(0.4, 0.0) == 0.4
    assert farthest_mean(0.5, 50.0) == 1.0
    # kl(1/2, q) = -ln(4 q (1 - q)) / 2
    assert farthest_mean(0.5, 0.3) == pytest.approx(0.5 + 0.5 * math.sqrt(1 - math.exp(-0.6)))


def test_kl_ucb_takes_log_t_and_c_log_log_t() -> None:
    means, counts = [0.2, 0.5, 0.9], [30.0, 60.0, 10.0]
    for c in (0.0, 3.0):
        level = math.log(100.0) + c * math.log(math.log(100.0))
        for n, p, q in zip(
            counts, means, KLUCBBandit(KLUCB(c=c)).bounds(means, counts), strict=True
        ):
            assert n * divergence(p, q) == pytest.approx(level, rel=1e-9)
    # ln ln t is taken as 0 until it is positive, and ln t too.
    assert KLUCBBandit(KLUCB(c=3.0)).bounds([0.5], [2.0]) == [farthest_mean(0.5, math.log(2) / 2)]
    assert KLUCBBandit(KLUCB(c=3.0)).bounds([0.5, 0.1], [0.5, 0.25]) == [0.5, 0.1]


def regret(bandit: UpperBoundBandit, means: list[float], steps: int, seed: int) -> float:
    """Of ``steps`` choices among arms with yes/no rewards."""
    rng = np.random.default_rng(seed)
    arms = [bandit.new(None) for _ in means]
    lost = 0.0
    for u, v in rng.random((steps, 2)).tolist():
        chances = np.cumsum(bandit.distribution(arms, X)[0])
        k = min(int(np.searchsorted(chances, u, side="right")), len(arms) - 1)
        bandit.learn(arms[k], X[0], float(v < means[k]))
        lost += max(means) - means[k]
    return lost


def test_the_regret_of_ucb1_is_below_the_bound_of_its_theorem() -> None:
    """Auer et al. (2002), theorem 1: 8 Σ ln n / Δ + (1 + π²/3) Σ Δ in expectation."""
    means, steps = [0.9, 0.6, 0.5], 3_000
    gaps = [0.3, 0.4]
    bound = sum(8.0 * math.log(steps) / gap for gap in gaps)
    bound += (1.0 + math.pi**2 / 3.0) * sum(gaps)
    found = [regret(UCB1Bandit(UCB1()), means, steps, seed) for seed in range(3)]
    assert 5.0 < np.mean(found) < bound


def test_kl_ucb_loses_less_than_ucb1_where_rewards_are_rare() -> None:
    """Garivier and Cappé (2011), section 5: means near 0, where Hoeffding's bound is loose."""
    means, steps = [0.1, 0.03, 0.02], 3_000
    ours = np.mean([regret(KLUCBBandit(KLUCB()), means, steps, seed) for seed in range(3)])
    theirs = np.mean([regret(UCB1Bandit(UCB1()), means, steps, seed) for seed in range(3)])
    assert ours < 0.5 * theirs
    # Lai and Robbins (1985): asymptotically at least Σ Δ / kl(mean, best) ln n.
    least = sum((0.1 - mean) / divergence(mean, 0.1) for mean in means[1:]) * math.log(steps)
    assert ours < 3.0 * least
