"""Top-two Thompson sampling against its own algorithm run by Monte Carlo, and far out in the tails
against integrals over logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import special, stats

from core.bandits.base import Floats
from core.bandits.moments import GaussianArm
from core.bandits.posteriors import LogitBeta, Posteriors, StudentT
from core.bandits.quadrature import best_probabilities
from core.bandits.thompson_beta import BetaArm
from core.bandits.top_two import TopTwoBandit, challenger_probabilities
from schemas.policy import TopTwoThompson
from tests.core.thompson_reference import cdf, pdf

NO_CONTEXT = np.zeros((1, 1))

# Counts and means: leaders in doubt and likely ones, whose challengers do not take forever to draw.
RIVALS = [
    [(5, 0.5), (9, 0.6), (3, 0.4), (30, 0.55)],
    [(40, 0.3), (60, 0.6), (20, 0.5)],
    [(40, 0.3), (60, 0.62), (30, 0.5), (80, 0.55), (9, 0.2)],
    [(7, 0.5), (7, 0.5)],
]


def beta_arms(rivals: Sequence[tuple[float, float]]) -> list[BetaArm]:
    return [BetaArm(1.0, 1.0, float(n), n * mean) for n, mean in rivals]


def gaussian_arms(rivals: Sequence[tuple[float, float]]) -> list[GaussianArm]:
    return [GaussianArm(float(n), mean, n * 0.04, 0.5, 1.0) for n, mean in rivals]


def winners(posteriors: Posteriors, rng: np.random.Generator, size: int) -> Floats:
    """Which of the posteriors has the largest of each of ``size`` joint draws."""
    if isinstance(posteriors, LogitBeta):
        draws = [rng.beta(alpha, beta, size) for alpha, beta in posteriors.parameters]
    else:
        draws = [m + s * rng.standard_t(dof, size) for m, s, dof in posteriors.parameters]
    return np.argmax(draws, axis=0)


def by_russo(posteriors: Posteriors, leader_share: float, size: int) -> Floats:
    """How often each arm is played: a coin, and draws until one has another winner."""
    rng = np.random.default_rng(17)
    played = winners(posteriors, rng, size)
    redrawing = np.flatnonzero(rng.random(size) >= leader_share)
    leaders = played.copy()
    while redrawing.size:
        played[redrawing] = winners(posteriors, rng, redrawing.size)
        redrawing = redrawing[played[redrawing] == leaders[redrawing]]
    return np.bincount(played, minlength=len(posteriors.parameters)) / size


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("rivals", RIVALS)
@pytest.mark.parametrize("kind", ["beta", "gaussian"])
def test_shares_are_the_frequencies_of_the_algorithm(kind, rivals, share: float) -> None:
    bandit = TopTwoBandit(TopTwoThompson(posterior=kind, leader_share=share))
    arms = beta_arms(rivals) if kind == "beta" else gaussian_arms(rivals)
    shares = bandit.distribution(arms, NO_CONTEXT)[0]
    size = 30_000
    frequencies = by_russo(bandit._model.posteriors(arms, None), share, size)
    sigma = np.sqrt(shares * (1.0 - shares) / size)
    assert (np.abs(frequencies - shares) <= 4.5 * sigma + 1e-12).all()


def test_two_arms_swap_the_leaders_part() -> None:
    """With two arms the challenger is the other one, whatever the doubt."""
    bandit = TopTwoBandit(TopTwoThompson(leader_share=0.7))
    for rivals in RIVALS[1], [(1e6, 0.9), (1e6, 0.2)]:
        arms = gaussian_arms(rivals[:2])
        best = best_probabilities(bandit._model.posteriors(arms, None))
        shares = bandit.distribution(arms, NO_CONTEXT)[0]
        assert shares == pytest.approx(0.7 * best + 0.3 * best[::-1], abs=1e-12)


def test_with_the_whole_share_for_the_leader_it_is_thompson_sampling() -> None:
    bandit = TopTwoBandit(TopTwoThompson(leader_share=1.0))
    for rivals in RIVALS:
        arms = gaussian_arms(rivals)
        best = best_probabilities(bandit._model.posteriors(arms, None))
        assert bandit.distribution(arms, NO_CONTEXT)[0] == pytest.approx(best, abs=1e-15)


def logs_of_winning(posteriors: Posteriors, mass: float) -> Floats:
    """log ∫ f_k Π_{j≠k} F_j for each k: a plain sum, over logarithms, so that none is too small."""
    far = posteriors.ends(mass)
    y = np.linspace(far[0].min(), far[1].max(), 10_001)
    k = range(len(posteriors.parameters))
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        below = [np.log(cdf(posteriors, j, y)) for j in k]
        density = [np.log(pdf(posteriors, j, y)) for j in k]
    terms = [density[i] + sum(below[j] for j in k if j != i) for i in k]
    return special.logsumexp(terms, axis=1) + np.log(y[1] - y[0])


def spread_out(kind: str, n: float, seed: int, ahead: float) -> Posteriors:
    """Four arms with about ``n`` rewards; the first one is ahead by about so many deviations."""
    rng = np.random.default_rng(seed)
    counts = n * rng.uniform(0.3, 3.0, 4)
    steps = np.array([ahead, 0.0, -0.5, -1.0]) * 0.25 / np.sqrt(n)
    if kind == "student":
        return StudentT(np.array([0.5 + steps, 0.25 / np.sqrt(counts + 2.0), 4.0 + counts]).T)
    means = np.clip(0.5 + 1.6 * steps, 0.0, 1.0)
    return LogitBeta(np.array([1.0 + counts * means, 1.0 + counts * (1.0 - means)]).T)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [100.0, 1e4])
@pytest.mark.parametrize("kind", ["student", "beta"])
def test_challengers_of_an_all_but_certain_leader_are_those_of_the_tails(
    kind: str, n: float, seed: int
) -> None:
    """By the deviates alone, whether or not the quadrature still tells the challengers apart."""
    posteriors = spread_out(kind, n, seed, 9.0)
    logs = logs_of_winning(posteriors, 1e-250 if kind == "beta" else 1e-60)
    assert logs[0] == pytest.approx(0.0, abs=1e-3)
    likely = np.exp(logs[1:] - special.logsumexp(logs[1:]))
    certain = np.array([1.0, 0.0, 0.0, 0.0])
    challengers = challenger_probabilities(certain, posteriors)
    assert challengers[0] == 0.0
    assert challengers.sum() == pytest.approx(1.0, abs=1e-12)
    assert challengers[1:] == pytest.approx(likely, abs=0.06)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["student", "beta"])
def test_challengers_of_a_leader_in_some_doubt_are_exact(kind: str, seed: int) -> None:
    """With few rewards, where the deviates are rough; by integrals over logarithms."""
    posteriors = spread_out(kind, 12.0, seed, 5.0)
    best = best_probabilities(posteriors)
    assert 1e-5 < 1.0 - best[0] < 1e-2
    wins = np.exp(logs_of_winning(posteriors, 1e-13))
    expected = wins * [sum(np.delete(wins / (1.0 - wins), i)) for i in range(4)]
    assert challenger_probabilities(best, posteriors) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("kind", ["beta", "gaussian"])
def test_nothing_jumps_where_the_tails_take_over(kind: str) -> None:
    """The leader pulls away from its rivals by small steps, past the switch."""
    bandit = TopTwoBandit(TopTwoThompson(posterior=kind))
    previous, certainties = None, []
    for ahead in np.linspace(0.60, 0.90, 61).tolist():
        rivals = [(200.0, ahead), (200.0, 0.5), (150.0, 0.5), (200.0, 0.48)]
        arms = beta_arms(rivals) if kind == "beta" else gaussian_arms(rivals)
        certainties.append(best_probabilities(bandit._model.posteriors(arms, None))[0])
        shares = bandit.distribution(arms, NO_CONTEXT)[0]
        assert abs(shares.sum() - 1.0) <= 1e-12
        if previous is not None and certainties[-2] > 0.99:
            assert np.abs(shares - previous).max() <= 0.02
        previous = shares
    assert certainties[0] < 1.0 - 1e-6
    assert certainties[-1] == 1.0


def test_deviates_of_far_tails_are_those_of_normal_distributions_with_many_rewards() -> None:
    for gap in (0.5, 3.0, 30.0, 300.0):
        students = StudentT(np.array([(gap * 1e-4, 0.6e-4, 1e9), (0.0, 0.8e-4, 1e9)]))
        assert students.deviates(0) == pytest.approx([0.0, gap], rel=1e-3)
        assert students.deviates(1) == pytest.approx([0.0, 0.0])
    n, gap = 1e8, 20.0 * (2.0 * 0.3 * 0.7 / 1e8) ** 0.5
    betas = LogitBeta(np.array([(0.3 * n, 0.7 * n), ((0.3 - gap) * n, (0.7 + gap) * n)]))
    assert betas.deviates(0) == pytest.approx([0.0, 20.0], rel=1e-2)


def test_a_deviate_is_that_of_the_difference_of_two_ts() -> None:
    """If one of the two is known exactly, the difference is the t of the other one."""
    for dof in (4.0, 9.0, 100.0):
        for behind in (2.0, 5.0, 20.0):
            known, unsure = (1e-8, 1e6), (1.0, dof)
            for leader, rival in ((known, unsure), (unsure, known)):
                students = StudentT(np.array([(behind, *leader), (0.0, *rival)]))
                log = stats.norm.logsf(students.deviates(0)[1])
                assert log == pytest.approx(np.log(stats.t.sf(behind, dof)), rel=0.03)


def test_equal_challengers_share_to_the_last_bit_far_out_too() -> None:
    for kind, make in (("beta", beta_arms), ("gaussian", gaussian_arms)):
        bandit = TopTwoBandit(TopTwoThompson(posterior=kind))
        for top in (0.55, 0.9):
            arms = make([(500, 0.5), (500, top), (500, 0.5), (20, 0.3), (500, 0.5)])
            shares = bandit.distribution(arms, NO_CONTEXT)[0]
            assert shares[0] == shares[2] == shares[4] > 0.0
            assert abs(shares.sum() - 1.0) <= 1e-12
        certain = make([(1e7, 0.99), (1e7, 0.01), (1e7, 0.01)])
        assert bandit.distribution(certain, NO_CONTEXT)[0].tolist() == [0.5, 0.25, 0.25]


def test_two_equal_leaders_challenge_each_other() -> None:
    bandit = TopTwoBandit(TopTwoThompson(leader_share=0.9))
    arms = gaussian_arms([(1e6, 0.8), (1e6, 0.1), (1e6, 0.8)])
    assert bandit.distribution(arms, NO_CONTEXT)[0] == pytest.approx([0.5, 0.0, 0.5], abs=1e-12)


def test_a_penalty_makes_another_leader() -> None:
    bandit = TopTwoBandit(TopTwoThompson())
    arms = gaussian_arms([(1e4, 0.8), (1e4, 0.6), (1e4, 0.3)])
    free = bandit.distribution(arms, NO_CONTEXT)[0]
    paid = bandit.distribution(arms, NO_CONTEXT, (), np.array([1.0, 0.0, 0.0]))[0]
    assert free == pytest.approx([0.5, 0.5, 0.0], abs=1e-9)
    assert paid == pytest.approx([0.0, 0.5, 0.5], abs=1e-9)
