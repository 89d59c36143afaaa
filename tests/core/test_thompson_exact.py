"""Thompson sampling's propensities against Monte Carlo, adaptive quadrature and closed forms."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy import integrate, special, stats

from core.bandits import quadrature
from core.bandits.posteriors import Floats, LogitBeta, Posteriors, StudentT
from core.bandits.quadrature import QuadratureError, best_probabilities
from core.bandits.thompson_beta import ThompsonBetaBandit
from core.bandits.thompson_gaussian import ThompsonGaussianBandit
from schemas.policy import Prior, ThompsonGaussian

NO_CONTEXT = np.zeros((1, 1))


def beta(*rows: tuple[float, float]) -> LogitBeta:
    return LogitBeta(np.array(rows))


def student(*rows: tuple[float, float, float]) -> StudentT:
    return StudentT(np.array(rows))


# Posteriors of every kind that a route can hold: few and many rewards, means at the ends, equal
# arms, and widths that differ by four orders of magnitude.


def wide_betas(seed: int) -> LogitBeta:
    rng = np.random.default_rng(seed)
    k, kind = int(rng.integers(2, 21)), seed % 5
    n = 10 ** rng.uniform(-0.5, 6.0, k)
    mean = [
        rng.random(k),
        rng.beta(0.3, 0.3, k),
        1.0 - 10 ** rng.uniform(-6, -1, k),
        10 ** rng.uniform(-6, -1, k),
        np.clip(0.7 + 0.5 * rng.normal(size=k) / np.sqrt(n), 0.01, 0.99),
    ][kind]
    parameters = np.maximum(np.array([n * mean, n * (1.0 - mean)]).T, 0.1)
    parameters[rng.integers(k)] = (1.0, 1.0)
    parameters[-1] = parameters[0]
    return LogitBeta(parameters)


def wide_students(seed: int) -> StudentT:
    rng = np.random.default_rng(seed)
    k, kind = int(rng.integers(2, 21)), seed % 4
    n = np.where(rng.random(k) < 0.2, 0.0, np.floor(10 ** rng.uniform(0.0, 6.0, k)))
    scale = 0.25 / np.sqrt(2.0 + n) if kind < 2 else 10 ** rng.uniform(-6.0, 0.0, k)
    mean = np.full(k, 0.7) if kind == 0 else 0.7 + rng.normal(size=k) * scale
    if kind == 3:
        mean = rng.random(k)
    parameters = np.array([mean - mean.max(), scale, 4.0 + n]).T
    parameters[-1] = parameters[0]
    return StudentT(parameters)


def cdf(posteriors: Posteriors, k: int, y: Floats) -> Floats:
    if isinstance(posteriors, LogitBeta):
        a, b = posteriors.parameters[k]
        left, right = (
            special.betainc(a, b, special.expit(y)),
            special.betaincc(b, a, special.expit(-y)),
        )
        return np.where(y < 0, left, right)
    mean, scale, dof = posteriors.parameters[k]
    return special.stdtr(dof, (y - mean) / scale)


def pdf(posteriors: Posteriors, k: int, y: Floats) -> Floats:
    if isinstance(posteriors, LogitBeta):
        a, b = posteriors.parameters[k]
        log = -a * np.logaddexp(0.0, -y) - b * np.logaddexp(0.0, y) - special.betaln(a, b)
        return np.exp(log)
    mean, scale, dof = posteriors.parameters[k]
    return stats.t.pdf(y, dof, mean, scale)


def brute_force(posteriors: Posteriors) -> Floats:
    """Far more panels and nodes, with scipy's distribution functions at every node."""
    k = len(posteriors.parameters)
    low, high = posteriors.ends(1e-14)
    parts = np.concatenate([np.linspace(0.0, 1.0, 20), np.geomspace(1e-5, 1.0, 20)])
    sides = [np.outer(end - posteriors.centre, parts).T + posteriors.centre for end in (low, high)]
    edges = np.unique(np.clip(sides, low.max(), high.max()))
    points, weights = leggauss(16)
    half = np.diff(edges)[:, None] / 2.0
    y = (edges[:-1, None] + half * (1.0 + points)).ravel()
    weights = (half * weights).ravel()
    below = [cdf(posteriors, j, y) for j in range(k)]
    won = []
    for i in range(k):
        others = np.prod([below[j] for j in range(k) if j != i], axis=0)
        won.append(float((weights * others * pdf(posteriors, i, y)).sum()))
    total = sum(won)
    assert total == pytest.approx(1.0, abs=1e-7)  # scipy's own rounding at a million counts
    return np.array(won) / total


def adaptive(posteriors: Posteriors, k: int) -> float:
    """∫_0^1 Π_{j≠k} F_j(Q_k(u)) du: no density and no tail in it, but a kink at each rival."""
    parameters = posteriors.parameters
    if isinstance(posteriors, LogitBeta):
        frozen = [stats.beta(a, b) for a, b in parameters]
    else:
        frozen = [stats.t(dof, mean, scale) for mean, scale, dof in parameters]
    others = [it for j, it in enumerate(frozen) if j != k]
    kinks = sorted(
        float(frozen[k].cdf(other.ppf(u)))
        for other in others
        for u in (1e-9, 1e-4, 0.02, 0.5, 0.98, 1 - 1e-4, 1 - 1e-9)
    )
    edges = np.unique([0.0, *kinks, 1.0])
    total = 0.0
    for left, right in pairwise(edges):
        total += integrate.quad(
            lambda u: math.prod(other.cdf(frozen[k].ppf(u)) for other in others),
            left,
            right,
            epsabs=1e-11,
            epsrel=1e-11,
            limit=60,
        )[0]
    return total


def first_beats_second(a1: int, b1: int, a2: int, b2: int) -> float:
    """P(X > Y) for integer Betas: Σ_{i<a1} B(a2 + i, b1 + b2) / ((b1 + i) B(1 + i, b1) B(a2, b2)).

    The incomplete Beta function of an integer is a finite sum of binomial terms; see Evan Miller,
    "Formulas for Bayesian A/B testing", eq. 6.
    """
    i = np.arange(a1)
    log = special.betaln(a2 + i, b1 + b2) - np.log(b1 + i)
    return float(np.exp(log - special.betaln(1 + i, b1) - special.betaln(a2, b2)).sum())


@pytest.mark.parametrize("seed", range(40))
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
    posterior = StudentT(np.array([bandit._posterior(arm)]))
    assert posterior.density(means[None])[0, 0] == pytest.approx(density, rel=2e-4, abs=2e-4)
    assert bandit.mean(arm) == pytest.approx((0.4 * 3 + rewards.sum()) / 8)


def test_before_any_reward_the_mean_has_the_standard_deviation_of_its_prior() -> None:
    bandit = ThompsonGaussianBandit(ThompsonGaussian(prior_std=0.3))
    for prior, variance in ((None, 0.09), (Prior(mean=0.2, weight=4.0), 0.09 / 4.0)):
        mean, scale, dof = bandit._posterior(bandit.new(prior))
        assert stats.t.var(dof, mean, scale) == pytest.approx(variance)
        assert mean == (0.5 if prior is None else 0.2)


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


def test_an_arm_that_cannot_win_has_no_share() -> None:
    shares = best_probabilities(beta((9_000, 1_000), (9_010, 990), (1_000, 9_000)))
    assert shares[2] == 0.0
    assert shares[:2] == pytest.approx(best_probabilities(beta((9_000, 1_000), (9_010, 990))))


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
