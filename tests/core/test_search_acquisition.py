"""Expected improvement against Monte Carlo and exact numbers, and its maximiser against a grid."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special

from core.bandits.base import Floats
from core.search.acquisition import log_expected_improvement, propose_by_expected_improvement
from core.search.gp import Groups, Posterior
from core.search.space import Dimension, Space

NOTHING = np.empty(0)


def log_ei(mean: float, std: float, best: float) -> float:
    return float(log_expected_improvement(np.array([mean]), np.array([std]), best)[0])


@pytest.mark.parametrize(
    ("mean", "std", "best"), [(0.0, 1.0, 0.0), (0.7, 0.1, 0.75), (0.3, 0.5, 0.9), (2.0, 0.3, 1.0)]
)
def test_the_expected_improvement_is_that_of_simulation(
    mean: float, std: float, best: float
) -> None:
    draws = np.random.default_rng(1).normal(mean, std, 400_000)
    improvements = np.maximum(draws - best, 0.0)
    error = improvements.std() / math.sqrt(len(draws))
    assert math.exp(log_ei(mean, std, best)) == pytest.approx(improvements.mean(), abs=4.0 * error)


@given(z=st.floats(-35.0, 10.0), std=st.floats(1e-3, 1e3))
def test_the_logarithm_is_that_of_the_integral(z: float, std: float) -> None:
    # h(z) = ∫_{-∞}^z Φ, here with t = z - s and the factor exp(-z²/2) of the tail taken out.
    def scaled(s: float) -> float:
        return math.exp(float(special.log_ndtr(z - s)) + 0.5 * min(z, 0.0) ** 2)

    value, _ = integrate.quad(scaled, 0.0, 40.0, epsabs=0.0, epsrel=1e-11, limit=200, points=[1.0])
    expected = math.log(std) + math.log(value) - 0.5 * min(z, 0.0) ** 2
    assert log_ei(z * std, std, 0.0) == pytest.approx(expected, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("z", [-50, -400, -999, -1001, -1e5, -1e9])
def test_far_out_the_logarithm_follows_its_series(z: float) -> None:
    # h(z) = φ(z) / z² (1 - 3/z² + 15/z⁴ - ...) for z to minus infinity.
    series = float(1 - 3 / Fraction(z) ** 2 + 15 / Fraction(z) ** 4 - 105 / Fraction(z) ** 6)
    expected = -0.5 * z * z - 0.5 * math.log(2.0 * math.pi) - 2.0 * math.log(-z) + math.log(series)
    assert log_ei(z, 1.0, 0.0) == pytest.approx(expected, rel=1e-12, abs=2e-8)


def test_more_mean_and_more_doubt_promise_more() -> None:
    assert log_ei(0.6, 0.1, 0.7) > log_ei(0.5, 0.1, 0.7)
    assert log_ei(0.6, 0.2, 0.7) > log_ei(0.6, 0.1, 0.7)
    zs = np.sort(np.concatenate([-np.logspace(-6, 6, 500), np.linspace(-2, 5, 500)]))
    values = log_expected_improvement(zs, np.ones_like(zs), 0.0)
    assert (np.diff(values) >= 0.0).all()


def model(seed: int, d: int, n: int = 12) -> tuple[Posterior, Floats]:
    rng = np.random.default_rng(seed)
    X = rng.random((n, d))
    groups = Groups(X, np.ones(n), np.sin(5.0 * X[:, 0]) + np.cos(4.0 * X[:, -1]), 0.0)
    theta = (*[math.log(0.3)] * d, 0.0, math.log(1e-4))
    return Posterior(theta, groups, groups.counts, np.empty((0, d)), NOTHING), X


@pytest.mark.parametrize("seed", range(5))
def test_the_proposal_promises_as_much_as_the_best_of_a_fine_grid(seed: int) -> None:
    posterior, X = model(seed, 2)
    space = Space((Dimension(0.0, 1.0), Dimension(0.0, 1.0)))
    found = propose_by_expected_improvement(posterior, space, X, frozenset(), seed)
    assert found is not None
    values, improvement = found
    axis = np.linspace(0.0, 1.0, 201)
    lattice = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    best = float(posterior.mean(X).max())
    scores = log_expected_improvement(*posterior.mean_and_std(lattice), best)
    assert math.log(improvement) >= float(scores.max()) - 1e-3
    at = log_expected_improvement(*posterior.mean_and_std(np.array([values])), best)
    assert math.log(improvement) == pytest.approx(float(at[0]), abs=1e-3)


def test_of_integers_the_best_that_is_not_taken_is_proposed() -> None:
    posterior, X = model(3, 2)
    space = Space((Dimension(0.0, 4.0, integer=True), Dimension(1.0, 3.0, integer=True)))
    every = [(float(a), float(b)) for a in range(5) for b in range(1, 4)]
    points = np.array([space.point(values) for values in every])
    best = float(posterior.mean(X).max())
    scores = log_expected_improvement(*posterior.mean_and_std(points), best)
    ranked = [every[i] for i in np.argsort(-scores)]
    for rank in (0, 1, 5):
        found = propose_by_expected_improvement(
            posterior, space, X, frozenset(ranked[:rank]), seed=1
        )
        assert found is not None
        assert found[0] == ranked[rank]
    assert propose_by_expected_improvement(posterior, space, X, frozenset(every), 1) is None
