"""LinUCB against the ridge regression that it claims to be, written out and solved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bandits.linear import cholesky
from core.bandits.linucb import LinUCBBandit
from schemas.policy import LinUCB, Prior
from tests.core.linear_reference import (
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

configs = st.builds(LinUCB, alpha=st.floats(0.0, 5.0), ridge=st.floats(0.01, 100.0))


def prior_of(prior: Prior | None) -> tuple[float, float]:
    return (0.0, 0.0) if prior is None else (prior.mean, prior.weight)


@settings(deadline=None, max_examples=60)
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
        solved = exact(dim, config.ridge, 0.25, prior_of(prior), history)
        expected.append(
            [solved.location(x) + config.alpha * np.sqrt(solved.variance(x)) for x in X]
        )
    assert bandit.scores(arms, X) == pytest.approx(np.array(expected).T, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(dim=dims, config=configs, prior=priors, history=lessons)
def test_the_mean_is_the_models_mean_prediction(
    dim: int, config: LinUCB, prior: Prior | None, history: Lessons
) -> None:
    """Over the contexts it has seen, and those that the ridge and the prior stand for."""
    bandit = LinUCBBandit(config, dim)
    solved = exact(dim, config.ridge, 0.25, prior_of(prior), history)
    weight = config.ridge + prior_of(prior)[1]
    predicted = weight * solved.theta[0] + sum(solved.location(x) for x, _ in history)
    assert bandit.mean(taught(bandit, history, prior)) == pytest.approx(
        float(predicted) / (weight + len(history)), abs=1e-9
    )


@pytest.mark.parametrize(("dim", "k"), [(1, 2), (2, 1), (3, 2), (10, 5), (27, 3), (64, 2)])
def test_a_score_has_the_same_bits_alone_in_any_batch_and_beside_any_arm(dim: int, k: int) -> None:
    bandit = LinUCBBandit(LinUCB(alpha=0.7), dim)
    arms = [taught(bandit, random_lessons(seed, dim, 50)) for seed in range(k)]
    X = np.array([x for x, _ in random_lessons(k, dim, 300)])
    X[:5, 1:] = 0.0
    whole = bandit.scores(arms, X)
    for size in (1, 2, 3, 17, 256):
        parts = [bandit.scores(arms, X[i : i + size]) for i in range(0, len(X), size)]
        assert np.vstack(parts).tobytes() == whole.tobytes()
    for j in range(k):
        assert bandit.scores(arms[j : j + 1], X)[:, 0].tobytes() == whole[:, j].tobytes()
    assert bandit.scores(arms, np.asfortranarray(X)).tobytes() == whole.tobytes()


def test_the_best_score_takes_all_and_equal_ones_share() -> None:
    bandit = LinUCBBandit(LinUCB(alpha=0.0), 2)
    x = np.array([1.0, 0.5])
    good, bad = (taught(bandit, [(x, reward)] * 9) for reward in (0.8, 0.2))
    almost, less = (taught(bandit, [(x, 0.8 * (1.0 - off))] * 9) for off in (1e-10, 1e-8))
    X = np.array([x, -x])
    assert bandit.distribution([bad, good, almost], X).tolist() == [
        [0.0, 0.5, 0.5],
        [1.0, 0.0, 0.0],
    ]
    assert bandit.distribution([bad, good, less], X[:1]).tolist() == [[0.0, 1.0, 0.0]]


def test_penalties_are_taken_off_the_scores() -> None:
    bandit = LinUCBBandit(LinUCB(alpha=0.0, ridge=1e-9), 2)
    x = np.array([1.0, 0.5])
    arms = [taught(bandit, [(x, reward)] * 9) for reward in (0.8, 0.7)]
    for dear, shares in ((0.05, [1.0, 0.0]), (0.1, [0.5, 0.5]), (0.15, [0.0, 1.0])):
        penalties = np.array([dear, 0.0])
        assert bandit.distribution(arms, x[None], penalties=penalties).tolist() == [shares]


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


def test_two_readers_of_one_arm_do_not_get_each_others_regression() -> None:
    x = np.array([[1.0, 1.0]])
    weak, strong = (LinUCBBandit(LinUCB(ridge=ridge), 2) for ridge in (1.0, 100.0))
    arm = taught(weak, [(x[0], 0.9)] * 3)
    apart = [bandit.scores([bandit.decode(bandit.encode(arm))], x) for bandit in (weak, strong)]
    assert [bandit.scores([arm], x) for bandit in (weak, strong, weak)] == [*apart, apart[0]]


def test_a_ridge_that_rounding_has_eaten_is_put_back() -> None:
    """A component that always equals the bias: without its ridge, A is singular."""
    bandit, x = LinUCBBandit(LinUCB(alpha=0.1, ridge=1e-30), 2), np.array([1.0, 1.0])
    arm = taught(bandit, [(x, 0.3)] * 4)
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(arm.S + 1e-30 * np.eye(2))
    assert bandit.scores([arm], x[None])[0, 0] == pytest.approx(0.3 + 0.1 * np.sqrt(1 / 4))
    assert bandit.scores([arm], np.array([[1.0, 0.0]]))[0, 0] > 1e3  # never seen apart


@settings(deadline=None)
@given(values=st.lists(st.floats(-1e50, 1e50), min_size=10, max_size=10))
def test_every_symmetric_matrix_has_some_factor(values: list[float]) -> None:
    """Even one that no rewards add up to must not end in numbers that are none."""
    A = np.zeros((4, 4))
    A[np.triu_indices(4)] = values
    A += A.T
    L = np.tril(cholesky(A))
    assert np.isfinite(L).all()
    assert (L.diagonal() > 0.0).all()


def test_linucb_learns_a_linear_problem() -> None:
    weights = np.array([[0.5, 0.4, 0.0, 0.0], [0.5, 0.0, 0.4, 0.0], [0.5, 0.0, 0.0, 0.4]])
    late, blind = [], []
    for seed in range(3):
        X = np.array([x for x, _ in random_lessons(seed, 4, 1_000)])
        X[:, 1:] = np.clip(X[:, 1:], -1.0, 1.0)
        bandit = LinUCBBandit(LinUCB(alpha=0.3), 4)
        regret = play(bandit, lambda arm, x: float(weights[arm] @ x), X, 3, 0.1, seed)
        late.append(regret[500:].mean())
        means = X @ weights.T
        blind.append((means.max(axis=1) - means.mean(axis=1)).mean())
    assert np.mean(late) < 0.02 * np.mean(blind)
