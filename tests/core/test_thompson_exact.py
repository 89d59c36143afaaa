"""Thompson sampling's propensities against Monte Carlo, adaptive quadrature and closed forms."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import integrate, stats

from core.bandits import quadrature
from core.bandits.base import Floats
from core.bandits.moments import GaussianArm
from core.bandits.posteriors import LogitBeta, Posteriors, StudentT
from core.bandits.quadrature import QuadratureError, best_probabilities
from core.bandits.thompson_beta import ThompsonBetaBandit
from core.bandits.thompson_gaussian import ThompsonGaussianBandit
from schemas.policy import Prior, ThompsonGaussian
from tests.core.thompson_reference import (
    adaptive,
    brute_force,
    first_beats_second,
    wide_betas,
    wide_students,
)

NO_CONTEXT = np.zeros((1, 1))


def beta(*rows: tuple[float, float]) -> LogitBeta:
    return LogitBeta(np.array(rows))


def student(*rows: tuple[float, float, float]) -> StudentT:
    return StudentT(np.array(rows))


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("make", [wide_betas, wide_students])
def test_propensities_are_right_for_posteriors_of_every_width(make, seed: int) -> None:
    posteriors = make(seed)
    shares = best_probabilities(posteriors)
    assert np.abs(shares - brute_force(posteriors)).max() <= 1e-8
    assert abs(shares.sum() - 1.0) <= 1e-12
    assert shares[-1] == shares[0]


@pytest.mark.parametrize(
    "posteriors",
    [
        beta((1, 1), (1, 1), (2, 1)),
        beta((0.1, 0.1), (0.5, 0.5), (0.1, 3)),
        beta((9, 3), (80, 40), (1, 1), (650, 300)),
        beta((30_000, 10_000), (30_100, 9_900), (3, 1)),
        student((0.0, 0.25, 4), (-0.1, 0.25, 4)),
        student((0.0, 0.1, 4), (-0.05, 0.001, 1_000), (-0.3, 0.5, 5)),
        student((0.0, 1.0, 3), (-3.0, 0.2, 2), (-1.0, 0.1, 3)),
    ],
    ids=lambda posteriors: str(posteriors.parameters.tolist()),
)
def test_propensities_are_those_of_adaptive_quadrature(posteriors: Posteriors) -> None:
    expected = [adaptive(posteriors, k) for k in range(len(posteriors.parameters))]
    assert best_probabilities(posteriors) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    "numbers",
    [(1, 1, 1, 2), (3, 5, 4, 4), (90, 10, 180, 25), (3_000, 1_000, 2_990, 1_010), (1, 400, 5, 900)],
)
def test_propensities_of_two_betas_have_a_closed_form(numbers: tuple[int, int, int, int]) -> None:
    expected = first_beats_second(*numbers)
    share = best_probabilities(beta(numbers[:2], numbers[2:]))[0]
    assert share == pytest.approx(expected, abs=1e-9)


def drawn_arms() -> Iterator[tuple[Floats, Floats]]:
    """Arms that learned at random: their propensities, and a million draws from their posteriors.

    The draws go by the textbook: a Beta, or a variance from the inverse gamma and then a normal.
    """
    rng = np.random.default_rng(7)
    size = 1_000_000
    for rewards in (2, 30):
        bernoulli, graded = ThompsonBetaBandit(), ThompsonGaussianBandit(ThompsonGaussian())
        yes_no = [bernoulli.new(Prior(mean=0.3, weight=w)) for w in (0.5, 2.0, 8.0)]
        grades = [graded.new(Prior(mean=0.6, weight=w)) for w in (0.5, 2.0, 8.0)]
        for arm in yes_no:
            for reward in rng.random(rewards) < 0.6:
                bernoulli.learn(arm, NO_CONTEXT[0], float(reward))
        for arm in grades:
            for reward in rng.beta(4.0, 2.0, rewards):
                graded.learn(arm, NO_CONTEXT[0], float(reward))
        draws = np.array([rng.beta(arm.alpha, arm.beta, size) for arm in yes_no])
        yield bernoulli.distribution(yes_no, NO_CONTEXT)[0], draws
        draws = np.empty((3, size))
        for row, arm in zip(draws, grades, strict=True):
            weight = arm.prior_weight + arm.n
            mean = (arm.prior_weight * arm.prior_mean + arm.n * arm.mean) / weight
            off = arm.prior_weight * arm.n * (arm.mean - arm.prior_mean) ** 2 / weight
            variance = (0.25**2 + (arm.m2 + off) / 2.0) / rng.gamma(2.0 + arm.n / 2.0, 1.0, size)
            row[:] = rng.normal(mean, np.sqrt(variance / weight))
        yield graded.distribution(grades, NO_CONTEXT)[0], draws


def test_propensities_are_the_frequencies_of_draws() -> None:
    for shares, draws in drawn_arms():
        frequencies = np.bincount(draws.argmax(axis=0), minlength=3) / draws.shape[1]
        sigma = np.sqrt(shares * (1.0 - shares) / draws.shape[1])
        assert (np.abs(frequencies - shares) <= 5.0 * sigma).all()


def test_the_posterior_of_a_mean_is_the_normal_likelihood_with_the_variance_integrated_out() -> (
    None
):
    bandit, prior = (
        ThompsonGaussianBandit(ThompsonGaussian(prior_std=0.2)),
        Prior(mean=0.4, weight=3),
    )
    arm, rewards = bandit.new(prior), np.array([0.9, 0.4, 1.0, 0.7, 0.85])
    for reward in rewards:
        bandit.learn(arm, NO_CONTEXT[0], float(reward))

    off = np.square(rewards - rewards.mean()).sum()

    def joint(log_variance: float, mean: float) -> float:
        variance = math.exp(log_variance)
        squares = off + 5 * (rewards.mean() - mean) ** 2 + prior.weight * (mean - prior.mean) ** 2
        normals = math.exp(-squares / (2.0 * variance)) * variance ** -((5 + 1) / 2)
        inverse_gamma = math.exp(-(0.2**2) / variance) * variance**-3.0
        return normals * inverse_gamma * variance

    means = np.linspace(-0.5, 2.0, 101)
    density = np.array([integrate.quad(joint, -12.0, 12.0, args=(mean,))[0] for mean in means])
    density /= integrate.simpson(density, x=means)
    posterior = StudentT(np.array([bandit.posterior(arm)]))
    assert posterior.density(means[None])[0, 0] == pytest.approx(density, rel=2e-4, abs=2e-4)
    assert bandit.mean(arm) == pytest.approx((0.4 * 3 + rewards.sum()) / 8)


def test_before_any_reward_the_mean_has_the_standard_deviation_of_its_prior() -> None:
    bandit = ThompsonGaussianBandit(ThompsonGaussian(prior_std=0.3))
    for prior, variance in ((None, 0.09), (Prior(mean=0.2, weight=4.0), 0.09 / 4.0)):
        mean, scale, dof = bandit.posterior(bandit.new(prior))
        assert stats.t.var(dof, mean, scale) == pytest.approx(variance)
        assert mean == (0.5 if prior is None else 0.2)


def test_arms_that_never_varied_are_compared_down_to_a_hundred_millionth() -> None:
    bandit = ThompsonGaussianBandit(ThompsonGaussian())
    certain = [GaussianArm(1e18, mean, 0.0, 0.5, 1.0) for mean in (0.9, 0.9 - 1e-8, 0.4)]
    shares = bandit.distribution([*certain, bandit.new(None)], NO_CONTEXT)[0]
    rest = stats.t.sf(0.4 / (0.25 / math.sqrt(2.0)), 4)
    two = stats.norm.cdf(1.0 / math.sqrt(2.0))
    assert shares == pytest.approx([two * (1 - rest), (1 - two) * (1 - rest), 0, rest], abs=1e-7)


def test_graded_rewards_count_as_fractions_and_priors_are_split_by_their_mean() -> None:
    bandit = ThompsonBetaBandit()
    arm = bandit.new(Prior(mean=0.75, weight=4.0))
    bandit.learn(arm, NO_CONTEXT[0], 0.3)
    bandit.learn(arm, NO_CONTEXT[0], 1.0)
    assert (arm.alpha, arm.beta, arm.n) == pytest.approx((4.3, 1.7, 2.0))
    certain = bandit.new(Prior(mean=1.0, weight=4.0))
    assert (certain.alpha, certain.beta) == (4.0, 0.1)
    own = bandit.new(None)
    assert (own.alpha, own.beta, own.n) == (1.0, 1.0, 0.0)


def test_no_declared_prior_is_one_of_a_half_that_is_worth_one_reward() -> None:
    bandit = ThompsonGaussianBandit(ThompsonGaussian())
    own, declared = bandit.new(None), bandit.new(Prior(mean=0.5, weight=1.0))
    for reward in (0.9, 0.2, 0.7):
        assert bandit.posterior(own) == bandit.posterior(declared)
        assert bandit.mean(own) == bandit.mean(declared)
        bandit.learn(own, NO_CONTEXT[0], reward)
        bandit.learn(declared, NO_CONTEXT[0], reward)


def test_a_penalty_moves_the_posterior_of_graded_rewards() -> None:
    """The shares of two t's by the distribution of their difference, integrated by scipy."""
    bandit = ThompsonGaussianBandit(ThompsonGaussian())
    arms = [bandit.new(Prior(mean=mean, weight=9.0)) for mean in (0.5, 0.6)]
    one, other = (stats.t(dof, mean, scale) for mean, scale, dof in map(bandit.posterior, arms))
    for penalties in ((0.0, 0.1), (0.3, 0.2), (5.0, 5.1)):
        extra = penalties[1] - penalties[0]
        won, _ = integrate.quad(
            lambda y, e=extra: one.pdf(y) * other.cdf(y + e), -40, 40, points=[0.4, 0.5, 0.6]
        )
        shares = bandit.distribution(arms, NO_CONTEXT, (), np.array(penalties))[0]
        assert shares == pytest.approx([won, 1.0 - won], abs=1e-8)
    even = bandit.distribution(arms, NO_CONTEXT, (), np.array([0.0, 0.1]))[0]
    assert even == pytest.approx([0.5, 0.5], abs=1e-8)


def test_with_penalties_betas_are_drawn_as_normals_of_their_means_and_variances() -> None:
    bandit = ThompsonBetaBandit()
    arms = [bandit.new(Prior(mean=mean, weight=w)) for mean, w in ((0.5, 40.0), (0.7, 30.0))]
    betas = [stats.beta(arm.alpha, arm.beta) for arm in arms]
    penalties = np.array([0.05, 0.2])
    gap = betas[0].mean() - betas[1].mean() + 0.15
    expected = stats.norm.cdf(gap / math.hypot(betas[0].std(), betas[1].std()))
    share = bandit.distribution(arms, NO_CONTEXT, (), penalties)[0, 0]
    assert share == pytest.approx(expected, abs=1e-7)
    draws = [it.rvs(400_000, random_state=i) for i, it in enumerate(betas)]
    frequency = (draws[0] - 0.05 > draws[1] - 0.2).mean()
    assert share == pytest.approx(frequency, abs=0.01)  # what the normals stand for


@pytest.mark.parametrize(
    ("bandit", "values"),
    [
        (ThompsonBetaBandit(), (0.01, 1.0, 0.0, 0.0)),
        (ThompsonBetaBandit(), (1.0, math.inf, 0.0, 0.0)),
        (ThompsonBetaBandit(), (1.0, 1.0, 2.0, 2.1)),
        (ThompsonBetaBandit(), (1.0, 1.0, 2.0, -0.1)),
        (ThompsonBetaBandit(), (1.0, 1.0, math.inf, 0.5)),
        (ThompsonGaussianBandit(ThompsonGaussian()), (-1.0, 0.5, 0.0, 0.5, 1.0)),
        (ThompsonGaussianBandit(ThompsonGaussian()), (1.0, 1.5, 0.1, 0.5, 1.0)),
        (ThompsonGaussianBandit(ThompsonGaussian()), (1.0, 0.5, -0.1, 0.5, 1.0)),
        (ThompsonGaussianBandit(ThompsonGaussian()), (1.0, 0.5, 0.1, -0.5, 1.0)),
        (ThompsonGaussianBandit(ThompsonGaussian()), (1.0, 0.5, 0.1, 0.5, -1.0)),
        (ThompsonGaussianBandit(ThompsonGaussian()), (1.0, 0.5, 0.1, 0.5, math.nan)),
    ],
)
def test_a_state_that_no_rewards_could_make_is_refused(bandit, values) -> None:
    version = bandit.encode(bandit.new(None))[0]
    with pytest.raises(ValueError, match=r"not a .*state.*:"):
        bandit.decode(struct.pack(f"<B{len(values)}d", version, *values))


@pytest.mark.parametrize("k", [1, 2, 7, 64])
def test_equal_arms_share_exactly_equally(k: int) -> None:
    assert best_probabilities(beta(*[(3.7, 1.9)] * k)).tolist() == [1.0 / k] * k
    pair = best_probabilities(beta(*[(3.7, 1.9)] * k, (2.0, 5.0), *[(3.7, 1.9)] * k))
    assert len(set(np.delete(pair, k).tolist())) == 1


def test_digits_survive_a_billion_rewards_and_scales_below_a_millionth() -> None:
    gap = 2.0 * math.sqrt(0.9 * 0.1 / 1e9)
    n = 1e9
    shares = best_probabilities(beta((0.9 * n, 0.1 * n), ((0.9 - gap) * n, (0.1 + gap) * n)))
    sigma = math.sqrt(2.0 * 0.9 * 0.1 / n)
    assert shares[0] == pytest.approx(stats.norm.cdf(gap / sigma), abs=1e-5)
    shares = best_probabilities(student((0.0, 1e-9, 1e9), (-1e-9, 1e-9, 1e9), (-1.0, 0.3, 4.0)))
    two = stats.norm.cdf(1.0 / math.sqrt(2.0))
    rest = stats.t.sf(1.0 / 0.3, 4.0)
    assert shares == pytest.approx([two * (1 - rest), (1 - two) * (1 - rest), rest], abs=1e-6)


def test_digits_survive_means_within_a_trillionth_of_one() -> None:
    """There 1 - x is a Gamma over alpha, and a share of two Gammas is a Beta."""
    shares = best_probabilities(beta((1e12, 0.1), (1e15, 1e3)))
    assert shares[0] == pytest.approx(stats.beta.cdf(1e-3 / 1.001, 0.1, 1e3), abs=1e-9)


def test_an_arm_that_cannot_win_has_no_share() -> None:
    shares = best_probabilities(beta((9_000, 1_000), (9_010, 990), (1_000, 9_000)))
    assert shares[2] == 0.0
    assert shares[:2] == pytest.approx(best_probabilities(beta((9_000, 1_000), (9_010, 990))))


def test_no_error_of_the_antiderivatives_makes_a_probability_negative() -> None:
    """Those of the last arm's rivals are about -1e-10 where it lives, and its integral -1e-29."""
    strong = (7.001762922, 0.2090232013)
    rows = (strong, strong, (37.83365063, 0.6995578801), (243.539412, 434.8703772))
    shares = best_probabilities(beta(*rows))
    assert shares[3] == 0.0
    assert shares == pytest.approx(brute_force(beta(*rows)), abs=1e-9)


class _TooWide(LogitBeta):
    """Claims scales that give far too wide panels, as no real family does."""

    def __init__(self, parameters: Floats) -> None:
        super().__init__(parameters)
        self.scale *= 100.0

    def ends(self, mass: float) -> tuple[Floats, Floats]:
        low, high = super().ends(mass)
        return low - 20.0, high + 20.0


class _Defective(LogitBeta):
    """A density that lost a thousandth of its mass."""

    def density(self, y: Floats) -> Floats:
        return super().density(y) * 0.999


def test_panels_that_are_too_wide_are_halved_until_the_sum_is_right() -> None:
    rows = np.array([(40.0, 60.0), (35.0, 65.0), (4.0, 9.0)])
    posteriors = _TooWide(rows)
    edges = quadrature._edges(posteriors, *posteriors.ends(1e-11), 1.0)
    raw = quadrature._integrals(posteriors, np.ones(3, np.intp), edges)
    assert abs(raw.sum() - 1.0) > 1e-6
    assert best_probabilities(posteriors) == pytest.approx(
        best_probabilities(LogitBeta(rows)), abs=1e-8
    )


def test_a_sum_that_stays_wrong_is_an_error_that_names_the_posteriors() -> None:
    with pytest.raises(QuadratureError, match=r"sum to 0\.9\d+ instead of 1.*\[40\.0, 60\.0\]"):
        best_probabilities(_Defective(np.array([(40.0, 60.0), (35.0, 65.0)])))
