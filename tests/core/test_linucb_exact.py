"""LinUCB against the ridge regression that it claims to be, written out and solved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bandits.base import Floats
from core.bandits.linucb import LinUCBArm, LinUCBBandit
from schemas.policy import LinUCB, Prior

Lessons = list[tuple[Floats, float]]

dims = st.shared(st.integers(2, 7), key="dim")
contexts = dims.flatmap(
    lambda dim: st.lists(st.floats(-3.0, 3.0, width=32), min_size=dim - 1, max_size=dim - 1).map(
        lambda rest: np.array([1.0, *rest])
    )
)
lessons = st.lists(st.tuples(contexts, st.floats(0.0, 1.0)), max_size=30)
priors = st.none() | st.builds(Prior, mean=st.floats(0.0, 1.0), weight=st.floats(0.01, 100.0))
configs = st.builds(LinUCB, alpha=st.floats(0.0, 5.0), ridge=st.floats(0.01, 100.0))


def taught(bandit: LinUCBBandit, lessons: Lessons, prior: Prior | None = None) -> LinUCBArm:
    arm = bandit.new(prior)
    for x, reward in lessons:
        bandit.learn(arm, x, reward)
    return arm


def solved(
    config: LinUCB, dim: int, prior: Prior | None, lessons: Lessons
) -> tuple[Floats, Floats]:
    """The covariance shape and the weights of ridge regression, from its rows.

    Minimise ridge |θ - θ0|² + weight (θ[0] - mean)² + Σ (θᵀx - r)², with θ0 = (mean, 0, ...).
    """
    mean, weight = (0.0, 0.0) if prior is None else (prior.mean, prior.weight)
    bias = np.eye(dim)[0]
    rows = [*np.sqrt(config.ridge) * np.eye(dim), np.sqrt(weight) * bias, *(x for x, _ in lessons)]
    targets = [
        *np.sqrt(config.ridge) * mean * bias,
        np.sqrt(weight) * mean,
        *(r for _, r in lessons),
    ]
    design = np.array(rows)
    gram = design.T @ design
    return np.linalg.inv(gram), np.linalg.solve(gram, design.T @ np.array(targets))


@settings(deadline=None, max_examples=150)
@given(dim=dims, config=configs, prior=priors, first=lessons, second=lessons, data=st.data())
def test_scores_are_those_of_the_solved_ridge_regression(
    dim: int,
    config: LinUCB,
    prior: Prior | None,
    first: Lessons,
    second: Lessons,
    data: st.DataObject,
) -> None:
    bandit = LinUCBBandit(config, dim)
    arms = [taught(bandit, first, prior), taught(bandit, second, prior)]
    X = np.array(data.draw(st.lists(contexts, min_size=1, max_size=4)))
    expected = []
    for history in (first, second):
        inverse, theta = solved(config, dim, prior, history)
        expected.append(X @ theta + config.alpha * np.sqrt(np.einsum("ni,ij,nj->n", X, inverse, X)))
    assert bandit.scores(arms, X) == pytest.approx(np.array(expected).T, rel=1e-8, abs=1e-8)


@settings(deadline=None, max_examples=100)
@given(dim=dims, config=configs, prior=priors, history=lessons)
def test_the_mean_is_the_models_mean_prediction(
    dim: int, config: LinUCB, prior: Prior | None, history: Lessons
) -> None:
    """Over the contexts it has seen, and those that the ridge and the prior stand for."""
    bandit = LinUCBBandit(config, dim)
    arm = taught(bandit, history, prior)
    _, theta = solved(config, dim, prior, history)
    weight = config.ridge + (0.0 if prior is None else prior.weight)
    predicted = weight * theta[0] + sum(float(theta @ x) for x, _ in history)
    assert bandit.mean(arm) == pytest.approx(predicted / (weight + len(history)), abs=1e-8)


def random_arms(bandit: LinUCBBandit, dim: int, k: int) -> tuple[list[LinUCBArm], Floats]:
    rng = np.random.default_rng(dim)
    X = np.hstack([np.ones((300, 1)), rng.normal(size=(300, dim - 1))])
    X[:, dim // 2] = 0.0
    arms = [
        taught(bandit, [(x, rng.random()) for x in X[rng.integers(300, size=50)]]) for _ in range(k)
    ]
    return arms, X


@pytest.mark.parametrize(("dim", "k"), [(2, 1), (3, 2), (10, 5), (27, 3), (64, 2)])
def test_a_score_has_the_same_bits_alone_in_any_batch_and_beside_any_arm(dim: int, k: int) -> None:
    bandit = LinUCBBandit(LinUCB(alpha=0.7), dim)
    arms, X = random_arms(bandit, dim, k)
    X[:5, 1:] = 0.0  # alone, these contexts have components to skip; in the batch they have not
    whole = bandit.scores(arms, X)
    for size in (1, 2, 3, 17, 256):
        parts = [bandit.scores(arms, X[i : i + size]) for i in range(0, len(X), size)]
        assert np.vstack(parts).tobytes() == whole.tobytes()
    for j in range(k):
        assert bandit.scores(arms[j : j + 1], X)[:, 0].tobytes() == whole[:, j].tobytes()


def test_the_best_score_takes_all_and_equal_ones_share() -> None:
    bandit = LinUCBBandit(LinUCB(alpha=0.0), 2)
    x = np.array([1.0, 0.5])
    good, bad = (taught(bandit, [(x, reward)] * 9) for reward in (0.8, 0.2))
    almost = taught(bandit, [(x, 0.8)] * 9)
    almost.b *= 1.0 - 1e-10
    X = np.array([x, -x])
    assert bandit.distribution([bad, good, almost], X).tolist() == [
        [0.0, 0.5, 0.5],
        [1.0, 0.0, 0.0],
    ]
    almost.b *= 1.0 - 1e-8
    almost = bandit.decode(bandit.encode(almost))
    assert bandit.distribution([bad, good, almost], X[:1]).tolist() == [[0.0, 1.0, 0.0]]


def test_a_prior_predicts_its_mean_and_yields_to_as_many_rewards_as_it_is_worth() -> None:
    bandit = LinUCBBandit(LinUCB(alpha=0.0, ridge=1e-9), 3)
    arm, x = bandit.new(Prior(mean=0.9, weight=10.0)), np.array([1.0, 0.0, 0.0])
    assert bandit.scores([arm], x[None])[0, 0] == pytest.approx(0.9)
    for _ in range(10):
        bandit.learn(arm, x, 0.1)
    assert bandit.scores([arm], x[None])[0, 0] == pytest.approx(0.5)


def test_the_bound_narrows_only_where_the_arm_has_been() -> None:
    bandit = LinUCBBandit(LinUCB(alpha=1.0), 3)
    seen, unseen = np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0])
    arm = taught(bandit, [(seen, 0.0)] * 1_000)
    here, there = bandit.scores([arm], np.array([seen, unseen]))[:, 0]
    assert here < 0.05
    assert there > 1.0


def test_learning_drops_what_was_derived() -> None:
    bandit = LinUCBBandit(LinUCB(), 2)
    arm, x = bandit.new(None), np.array([[1.0, 1.0]])
    before = bandit.scores([arm], x)[0, 0]
    bandit.learn(arm, x[0], 0.0)
    assert bandit.scores([arm], x)[0, 0] < before


def test_a_ridge_that_rounding_has_eaten_is_put_back() -> None:
    """A component that always equals the bias: without its ridge, A is singular."""
    bandit, x = LinUCBBandit(LinUCB(alpha=0.1, ridge=1e-30), 2), np.array([1.0, 1.0])
    arm = taught(bandit, [(x, 0.3)] * 4)
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(arm.A)
    assert bandit.scores([arm], x[None])[0, 0] == pytest.approx(0.3 + 0.1 * np.sqrt(1 / 4))
    assert bandit.scores([arm], np.array([[1.0, 0.0]]))[0, 0] > 1e3  # never seen apart


def test_a_state_of_another_dimension_is_refused() -> None:
    data = LinUCBBandit(LinUCB(), 5).encode(LinUCBBandit(LinUCB(), 5).new(None))
    with pytest.raises(ValueError, match="dimension 4"):
        LinUCBBandit(LinUCB(), 4).decode(data)
