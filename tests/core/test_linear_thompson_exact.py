"""Linear Thompson sampling: its posterior in fractions, its propensities by Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bandits.base import Floats
from core.bandits.linear import LinearArm
from core.bandits.linear_thompson import LinearThompsonBandit
from core.bandits.linucb import LinUCBBandit
from schemas.policy import LinearThompson, LinUCB, Prior
from tests.core.linear_reference import (
    Exact,
    Lessons,
    contexts,
    dims,
    exact,
    lessons,
    play,
    priors,
    random_lessons,
    taught,
)

configs = st.builds(LinearThompson, prior_std=st.floats(0.01, 2.0), ridge=st.floats(0.01, 100.0))


def solved(
    config: LinearThompson, dim: int, prior: Prior | None, lessons: Lessons, times: int = 1
) -> Exact:
    known = (0.5, 0.0) if prior is None else (prior.mean, prior.weight)
    return exact(dim, config.ridge, config.prior_std, known, lessons, times)


def t_of(posterior: Exact, x: Floats) -> list[float]:
    variance = float(posterior.rate / posterior.shape) * posterior.variance(x)
    return [posterior.location(x), np.sqrt(variance), 2.0 * float(posterior.shape)]


def doubled(bandit: LinearThompsonBandit, arm: LinearArm, times: int) -> LinearArm:
    for _ in range(times):
        arm = bandit.merged([arm, arm])
    return arm


@settings(deadline=None, max_examples=80)
@given(dim=dims, config=configs, prior=priors, history=lessons, data=st.data())
def test_the_posterior_of_a_prediction_is_the_exact_t(
    dim: int, config: LinearThompson, prior: Prior | None, history: Lessons, data: st.DataObject
) -> None:
    bandit = LinearThompsonBandit(config, dim)
    X = np.array(data.draw(st.lists(contexts, min_size=1, max_size=4)))
    found = bandit.posteriors([taught(bandit, history, prior)], X)[:, 0]
    expected = [t_of(solved(config, dim, prior, history), x) for x in X]
    assert found == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9)


def one_hot_lessons(seed: int, n: int) -> list[tuple[Floats, float]]:
    """A bias, a one-hot of 4 that sums to it, and a number: only the ridge makes them regular."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        x = np.zeros(6)
        x[0] = x[1 + rng.integers(4)] = 1.0
        x[5] = np.float32(rng.random())
        found.append((x, float(np.float32(0.2 + 0.1 * x[1] + 0.3 * x[5] + 0.1 * rng.random()))))
    return found


@pytest.mark.parametrize("ridge", [1.0, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("doublings", [0, 15, 30])
def test_near_singular_designs_and_billions_of_rewards(ridge: float, doublings: int) -> None:
    config = LinearThompson(ridge=ridge)
    bandit, history = LinearThompsonBandit(config, 6), one_hot_lessons(0, 40)
    arm = doubled(bandit, taught(bandit, history), doublings)
    posterior = solved(config, 6, None, history, 2**doublings)
    for x, _ in history[:5]:  # what was seen is predicted well, however singular A is
        location, scale, dof = bandit.posteriors([arm], x[None])[0, 0]
        expected = t_of(posterior, x)
        assert location == pytest.approx(expected[0], abs=1e-7)
        assert scale == pytest.approx(expected[1], rel=1e-4)
        assert dof == expected[2]
    apart = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])  # two of one choice: never seen
    _, scale, _ = bandit.posteriors([arm], apart[None])[0, 0]
    cond = 40 * 2**doublings / ridge
    if cond < 1e12:
        assert scale == pytest.approx(t_of(posterior, apart)[1], rel=1e-15 * cond + 1e-6)
    else:
        assert scale > 1e3 * t_of(posterior, history[0][0])[1]


def test_rewards_that_a_line_fits_exactly_leave_the_priors_noise() -> None:
    config = LinearThompson(prior_std=1e-3, ridge=1e-6)
    bandit = LinearThompsonBandit(config, 3)
    rng = np.random.default_rng(0)
    X = np.hstack([np.ones((2_000, 1)), rng.random((2_000, 2))])
    history = [(x, float(x @ [0.3, 0.2, 0.4])) for x in X]
    _, scale, dof = bandit.posteriors([taught(bandit, history)], np.ones((1, 3)))[0, 0]
    variance = np.ones(3) @ np.linalg.inv(X.T @ X + 1e-6 * np.eye(3)) @ np.ones(3)
    pull = 1e-6 * (0.2**2 + 0.2**2 + 0.4**2)  # the weights' distance from the prior's (.5, 0, 0)
    rate = 1e-3**2 + pull / 2.0
    assert scale == pytest.approx(np.sqrt(rate / (dof / 2.0) * variance), rel=1e-4)


def drawn(bandit: LinearThompsonBandit, arms: list[Exact], x: Floats, n: int, seed: int) -> Floats:
    """How often each arm is best, by draws of noise variances and weights."""
    rng = np.random.default_rng(seed)
    rewards = []
    for arm in arms:
        variance = float(arm.rate) / rng.gamma(float(arm.shape), size=n)
        L = np.linalg.cholesky(np.array(arm.inverse, dtype=float))
        theta = np.array(arm.theta, dtype=float)[:, None]
        theta = theta + np.sqrt(variance) * (L @ rng.normal(size=(len(L), n)))
        rewards.append(x @ theta)
    return np.bincount(np.argmax(rewards, axis=0), minlength=len(arms)) / n


@pytest.mark.parametrize("k", [2, 3, 6])
def test_propensities_are_how_often_drawn_weights_predict_the_most(k: int) -> None:
    config, n = LinearThompson(), 400_000
    bandit = LinearThompsonBandit(config, 3)
    histories = [random_lessons(seed, 3, 3 * seed) for seed in range(k)]
    arms = [taught(bandit, history) for history in histories]
    posteriors = [solved(config, 3, None, history) for history in histories]
    for seed, x in enumerate([np.array([1.0, 0.3, -0.8]), np.array([1.0, 2.0, 0.0])]):
        shares = bandit.distribution(arms, x[None])[0]
        frequencies = drawn(bandit, posteriors, x, n, seed)
        error = np.sqrt(shares * (1.0 - shares) / n)
        assert (np.abs(shares - frequencies) <= 4.5 * error + 1e-9).all()


def test_penalties_are_taken_off_the_predictions() -> None:
    bandit = LinearThompsonBandit(LinearThompson(), 3)
    arms = [taught(bandit, random_lessons(seed, 3, 30)) for seed in range(3)]
    X, dear = np.array([x for x, _ in random_lessons(9, 3, 4)]), np.array([0.0, 0.05, 0.3])
    free, priced = bandit.posteriors(arms, X), bandit.posteriors(arms, X, dear)
    assert priced[:, :, 0] == pytest.approx(free[:, :, 0] - dear, abs=1e-15)
    assert (priced[:, :, 1:] == free[:, :, 1:]).all()
    shares = bandit.distribution(arms, X, penalties=dear)
    assert (shares[:, 2] < bandit.distribution(arms, X)[:, 2]).all()
    even = bandit.distribution(arms[:1] * 2, X, penalties=np.array([0.1, 0.1]))
    assert (even == 0.5).all()


@pytest.mark.parametrize(("dim", "k"), [(1, 2), (2, 3), (10, 5), (27, 3), (64, 2)])
def test_a_row_has_the_same_bits_alone_in_any_batch_and_beside_equal_rows(dim: int, k: int) -> None:
    bandit = LinearThompsonBandit(LinearThompson(), dim)
    arms = [taught(bandit, random_lessons(seed, dim, 50)) for seed in range(k)]
    X = np.array([x for x, _ in random_lessons(k, dim, 40)])
    X[30:] = X[:10]
    whole = bandit.distribution(arms, X)
    assert (whole[30:] == whole[:10]).all()
    for size in (1, 3, 17):
        parts = [bandit.distribution(arms, X[i : i + size]) for i in range(0, len(X), size)]
        assert np.vstack(parts).tobytes() == whole.tobytes()


@settings(deadline=None, max_examples=100)
@given(
    data=st.data(),
    prior_std=st.floats(1e-6, 10.0),
    ridge=st.sampled_from([1e-30, 1e-12, 1e-6, 1.0, 1e6]),
    doublings=st.lists(st.integers(0, 40), min_size=2, max_size=4),
)
def test_every_state_has_a_distribution(
    data: st.DataObject, prior_std: float, ridge: float, doublings: list[int]
) -> None:
    bandit = LinearThompsonBandit(LinearThompson(prior_std=prior_std, ridge=ridge), 3)
    entries = st.sampled_from([0.0, 1.0, -1.0, 1e-9, 1 / 3, 12.5])
    vectors = st.lists(entries, min_size=3, max_size=3).map(np.array)
    histories = st.lists(st.tuples(vectors, st.sampled_from([0.0, 0.1, 0.5, 1.0])), max_size=6)
    arms = [
        doubled(bandit, taught(bandit, data.draw(histories), data.draw(priors)), times)
        for times in doublings
    ]
    X = np.array(data.draw(st.lists(vectors, min_size=1, max_size=3)))
    shares = bandit.distribution(arms, X)
    assert (shares >= 0.0).all()
    assert np.abs(shares.sum(axis=1) - 1.0).max() <= 1e-12


def test_an_arm_without_rewards_rivals_one_that_earns_much() -> None:
    """Where a prior mean of 0 would starve it."""
    bandit, x = LinearThompsonBandit(LinearThompson(), 3), np.array([[1.0, 0.5, 0.5]])
    good = taught(bandit, [(x[0], 0.9)] * 100)
    assert bandit.distribution([good, bandit.new(None)], x)[0, 1] > 0.05
    assert bandit.distribution([good, bandit.new(Prior(mean=0.0, weight=9.0))], x)[0, 1] < 0.01


def test_what_linucb_learned_is_read_as_it_is() -> None:
    ucb, thompson = LinUCBBandit(LinUCB(), 3), LinearThompsonBandit(LinearThompson(), 3)
    assert ucb.statistics == thompson.statistics
    history = random_lessons(0, 3, 50)
    arm = thompson.decode(ucb.encode(taught(ucb, history)))
    own = taught(thompson, history)
    X = np.eye(3)
    assert thompson.posteriors([arm], X).tobytes() == thompson.posteriors([own], X).tobytes()
    assert ucb.scores([arm], X).tobytes() == ucb.scores([taught(ucb, history)], X).tobytes()


def test_linear_thompson_learns_a_linear_problem() -> None:
    weights = np.array([[0.5, 0.4, 0.0, 0.0], [0.5, 0.0, 0.4, 0.0], [0.5, 0.0, 0.0, 0.4]])
    late, blind = [], []
    for seed in range(3):
        X = np.array([x for x, _ in random_lessons(seed, 4, 800)])
        X[:, 1:] = np.clip(X[:, 1:], -1.0, 1.0)
        bandit = LinearThompsonBandit(LinearThompson(), 4)
        regret = play(bandit, lambda arm, x: float(weights[arm] @ x), X, 3, 0.1, seed)
        late.append(regret[400:].mean())
        means = X @ weights.T
        blind.append((means.max(axis=1) - means.mean(axis=1)).mean())
    assert np.mean(late) < 0.03 * np.mean(blind)
