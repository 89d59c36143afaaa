"""Credible intervals against exact sums, limits and the posterior's own moments."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from core.bandits.posteriors import LogitBeta, beta_interval
from core.bandits.thompson_beta import ThompsonBetaBandit
from core.bandits.thompson_gaussian import ThompsonGaussianBandit
from core.bandits.ucb1 import UCB1Bandit
from schemas.policy import UCB1, Prior, ThompsonGaussian

NO_CONTEXT = np.zeros(1)


def mass_below(alpha: int, beta: int, x: float) -> float:
    """Of Beta(alpha, beta) with whole parameters: a tail of a binomial, summed as fractions."""
    n, p = alpha + beta - 1, Fraction(x)
    return float(sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(alpha, n + 1)))


@pytest.mark.parametrize("level", [0.1, 0.5, 0.95, 0.9999])
@pytest.mark.parametrize(("alpha", "beta"), [(1, 1), (1, 7), (5, 5), (30, 2), (40, 60)])
def test_a_beta_interval_leaves_half_the_rest_on_each_side(
    alpha: int, beta: int, level: float
) -> None:
    low, high = beta_interval(alpha, beta, level)
    tail = (1.0 - level) / 2.0
    assert mass_below(alpha, beta, low) == pytest.approx(tail, rel=1e-9)
    assert 1.0 - mass_below(alpha, beta, high) == pytest.approx(tail, rel=1e-9)


@settings(deadline=None, max_examples=200)
@given(
    alpha=st.floats(-1.0, 9.0).map(lambda e: 10.0**e),
    beta=st.floats(-1.0, 9.0).map(lambda e: 10.0**e),
    tail=st.floats(-12.0, -0.31).map(lambda e: 10.0**e),
)
def test_quantiles_of_betas_of_every_size_have_the_mass_they_ask_for(
    alpha: float, beta: float, tail: float
) -> None:
    y = LogitBeta(np.array([(alpha, beta)])).quantiles(tail)[0]
    if y < 0.0:
        mass = special.betainc(alpha, beta, special.expit(y))
    else:
        mass = special.betaincc(beta, alpha, special.expit(-y))
    assert mass == pytest.approx(tail, rel=1e-6)


def test_a_beta_interval_is_that_of_a_gamma_where_the_mean_is_about_0() -> None:
    """As Beta(a, b) b goes to a Gamma of a. scipy 1.17's betaincinv is off by its double here."""
    low, high = beta_interval(1e3, 1e9, 0.95)
    assert [low * 1e9, high * 1e9] == pytest.approx(stats.gamma.ppf([0.025, 0.975], 1e3), rel=1e-5)
    low, high = beta_interval(1e9, 1e3, 0.95)
    mirrored = stats.gamma.ppf([0.975, 0.025], 1e3) / 1e9
    assert [1.0 - low, 1.0 - high] == pytest.approx(mirrored, rel=1e-5)


def test_a_beta_interval_is_that_of_a_normal_after_a_trillion_rewards() -> None:
    sigma = (0.3 * 0.7 / 1e12) ** 0.5
    low, high = beta_interval(0.3e12, 0.7e12, 0.95)
    assert [low - 0.3, high - 0.3] == pytest.approx([-1.959964 * sigma, 1.959964 * sigma], rel=1e-3)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_a_gaussian_interval_has_its_level_of_the_posterior(level: float) -> None:
    """The normal likelihood times the prior, with the variance integrated out numerically."""
    bandit, prior = (
        ThompsonGaussianBandit(ThompsonGaussian(prior_std=0.1)),
        Prior(mean=0.5, weight=2),
    )
    rewards = np.array([0.4, 0.55, 0.45, 0.5, 0.62])
    arm = bandit.new(prior)
    for reward in rewards.tolist():
        bandit.learn(arm, NO_CONTEXT, reward)
    low, high = bandit.interval(arm, level)

    def density(mean: float) -> float:
        squares = np.square(rewards - mean).sum() + 2.0 * (mean - 0.5) ** 2

        def joint(precision: float) -> float:  # the variance's inverse gamma is its gamma
            return precision**3 * precision**1.0 * np.exp(-precision * (squares / 2.0 + 0.01))

        return integrate.quad(joint, 0.0, np.inf)[0]

    whole, _ = integrate.quad(density, -4.0, 5.0, points=[0.3, 0.5, 0.7], limit=200)
    within, _ = integrate.quad(density, low, high)
    assert within / whole == pytest.approx(level, abs=1e-5)
    below, _ = integrate.quad(density, -4.0, low, points=[0.2])
    assert below / whole == pytest.approx((1.0 - level) / 2.0, abs=1e-5)


def test_intervals_end_at_0_and_1() -> None:
    bandit = ThompsonGaussianBandit(ThompsonGaussian(prior_std=3.0))
    assert bandit.interval(bandit.new(None), 0.95) == (0.0, 1.0)
    sure = bandit.new(Prior(mean=1.0, weight=100.0))
    low, high = bandit.interval(sure, 0.95)
    assert 0.0 < low < high == 1.0
    beta = ThompsonBetaBandit()
    low, high = beta.interval(beta.new(Prior(mean=0.0, weight=5.0)), 0.999999)
    assert 0.0 <= low < high <= 1.0


def test_algorithms_without_a_posterior_of_their_own_take_that_of_graded_rewards() -> None:
    thompson, ucb1 = ThompsonGaussianBandit(ThompsonGaussian()), UCB1Bandit(UCB1())
    arm = ucb1.new(None)
    for reward in (0.2, 0.9, 0.7):
        ucb1.learn(arm, NO_CONTEXT, reward)
        assert ucb1.interval(arm, 0.9) == thompson.interval(arm, 0.9)
        assert ucb1.mean(arm) == thompson.mean(arm)
