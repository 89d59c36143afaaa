"""Hybrid LinUCB against the paper's algorithm 2 as printed, and the joint regression it solves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bandits.base import Floats
from core.bandits.hybrid_linucb import HybridLinUCBBandit
from core.bandits.linucb import LinUCBBandit
from schemas.policy import HybridLinUCB, LinUCB, Prior
from tests.core.linear_reference import (
    Lessons,
    contexts,
    dims,
    lessons,
    priors,
    random_lessons,
    taught,
)


class AlgorithmTwo:
    """Li et al. (2010), algorithm 2, line by line, for z = x, with a ridge of 1 as printed."""

    def __init__(self, alpha: float, dim: int, k: int) -> None:
        self.alpha = alpha
        self.A0, self.b0 = np.eye(dim), np.zeros(dim)
        self.A = [np.eye(dim) for _ in range(k)]
        self.B = [np.zeros((dim, dim)) for _ in range(k)]
        self.b = [np.zeros(dim) for _ in range(k)]

    def scores(self, x: Floats) -> Floats:
        z, found = x, []
        A0 = np.linalg.inv(self.A0)
        beta = A0 @ self.b0
        for A, B, b in zip(map(np.linalg.inv, self.A), self.B, self.b, strict=True):
            theta = A @ (b - B @ beta)
            s = z @ A0 @ z - 2.0 * z @ A0 @ B.T @ A @ x + x @ A @ x + x @ A @ B @ A0 @ B.T @ A @ x
            found.append(z @ beta + x @ theta + self.alpha * np.sqrt(s))
        return np.array(found)

    def learn(self, a: int, x: Floats, r: float) -> None:
        z = x
        inverse = np.linalg.inv(self.A[a])
        self.A0 += self.B[a].T @ inverse @ self.B[a]
        self.b0 += self.B[a].T @ inverse @ self.b[a]
        self.A[a] += np.outer(x, x)
        self.B[a] += np.outer(x, z)
        self.b[a] += r * x
        inverse = np.linalg.inv(self.A[a])
        self.A0 += np.outer(z, z) - self.B[a].T @ inverse @ self.B[a]
        self.b0 += r * z - self.B[a].T @ inverse @ self.b[a]


@settings(deadline=None, max_examples=50)
@given(data=st.data(), dim=dims, k=st.integers(1, 4), alpha=st.floats(0.0, 3.0))
def test_scores_are_those_of_the_papers_algorithm(
    data: st.DataObject, dim: int, k: int, alpha: float
) -> None:
    bandit, paper = HybridLinUCBBandit(HybridLinUCB(alpha=alpha), dim), AlgorithmTwo(alpha, dim, k)
    arms = [bandit.new(None) for _ in range(k)]
    steps = st.tuples(st.integers(0, k - 1), contexts, st.floats(0.0, 1.0))
    for a, x, r in data.draw(st.lists(steps, max_size=25)):
        paper.learn(a, x, r)
        bandit.learn(arms[a], x, r, [*arms[:a], *arms[a + 1 :]])
    for x in data.draw(st.lists(contexts, min_size=1, max_size=3)):
        assert bandit.scores(arms, x[None])[0] == pytest.approx(paper.scores(x), abs=1e-8)


def joint(
    config: HybridLinUCB, dim: int, arms: Sequence[tuple[Prior | None, Lessons]], X: Floats
) -> Floats:
    """The bounds from one ridge regression on (β, θ_1, ..., θ_K), solved densely."""
    k = len(arms)
    unknowns = dim * (1 + k)
    gram = np.diag([config.shared_ridge] * dim + [config.ridge] * dim * k)
    moment = np.zeros(unknowns)
    for a, (prior, history) in enumerate(arms):
        own = dim * (1 + a)
        if prior is not None:
            gram[own, own] += prior.weight
            moment[own] += (config.ridge + prior.weight) * prior.mean
        for x, reward in history:
            row = np.zeros(unknowns)
            row[:dim] = row[own : own + dim] = x
            gram += np.outer(row, row)
            moment += reward * row
    weights, inverse = np.linalg.solve(gram, moment), np.linalg.inv(gram)
    found = np.empty((len(X), k))
    for i, x in enumerate(X):
        for a in range(k):
            row = np.zeros(unknowns)
            row[:dim] = row[dim * (1 + a) : dim * (2 + a)] = x
            found[i, a] = row @ weights + config.alpha * np.sqrt(row @ inverse @ row)
    return found


configs = st.builds(
    HybridLinUCB,
    alpha=st.floats(0.0, 3.0),
    ridge=st.floats(0.01, 100.0),
    shared_ridge=st.floats(0.01, 100.0),
)
known = st.lists(st.tuples(priors, lessons), min_size=1, max_size=4)


@settings(deadline=None, max_examples=60)
@given(dim=dims, config=configs, arms=known, absent=known, data=st.data())
def test_scores_are_those_of_the_joint_regression_of_all_arms(
    dim: int,
    config: HybridLinUCB,
    arms: list[tuple[Prior | None, Lessons]],
    absent: list[tuple[Prior | None, Lessons]],
    data: st.DataObject,
) -> None:
    """Of those that cannot be chosen as well."""
    bandit = HybridLinUCBBandit(config, dim)
    X = np.array(data.draw(st.lists(contexts, min_size=1, max_size=3)))
    states, others = (
        [taught(bandit, history, prior) for prior, history in some] for some in (arms, absent)
    )
    expected = joint(config, dim, [*arms, *absent], X)[:, : len(arms)]
    assert bandit.scores(states, X, others) == pytest.approx(expected, rel=1e-8, abs=1e-7)


def test_what_one_arm_teaches_of_a_context_helps_an_arm_that_has_seen_nothing() -> None:
    bandit, rng = (
        HybridLinUCBBandit(HybridLinUCB(alpha=0.0, ridge=10.0), 3),
        np.random.default_rng(0),
    )
    X = np.hstack([np.ones((300, 1)), rng.random((300, 2))])
    rewards = (X @ [0.1, 0.8, 0.0]).tolist()
    seen = [taught(bandit, list(zip(X[i::3], rewards[i::3], strict=True))) for i in range(3)]
    new, at = bandit.new(None), np.array([[1.0, 1.0, 0.5], [1.0, 0.0, 0.5]])
    assert bandit.scores([new], at, seen)[:, 0] == pytest.approx([0.9, 0.1], abs=0.1)
    assert bandit.scores([new], at).tolist() == [[0.0], [0.0]]


def test_the_confidence_is_never_below_0_nor_lost_to_rounding() -> None:
    """The paper's four terms, as printed, cancel to noise here."""
    config = HybridLinUCB(alpha=1.0, ridge=1e-6, shared_ridge=1e-6)
    bandit = HybridLinUCBBandit(config, 3)
    flat = HybridLinUCBBandit(HybridLinUCB(alpha=0.0, ridge=1e-6, shared_ridge=1e-6), 3)
    arms = [taught(bandit, random_lessons(seed, 3, 200)) for seed in range(2)]
    for _ in range(20):
        arms = [bandit.merged([arm, arm]) for arm in arms]
    X = np.array([x for x, _ in random_lessons(5, 3, 50)])
    widths = bandit.scores(arms, X) - flat.scores(arms, X)
    total = [np.einsum("ni,ij,nj->n", X, np.linalg.inv(arm.S), X) for arm in arms]
    assert widths == pytest.approx(np.sqrt(np.array(total)).T, rel=1e-3)


@pytest.mark.parametrize(("dim", "k"), [(1, 2), (2, 1), (10, 5), (27, 3), (64, 2)])
def test_a_score_has_the_same_bits_alone_and_in_any_batch(dim: int, k: int) -> None:
    bandit = HybridLinUCBBandit(HybridLinUCB(), dim)
    arms = [taught(bandit, random_lessons(seed, dim, 50)) for seed in range(k + 1)]
    X = np.array([x for x, _ in random_lessons(k, dim, 100)])
    whole = bandit.scores(arms[:k], X, arms[k:])
    for size in (1, 3, 17):
        parts = [bandit.scores(arms[:k], X[i : i + size], arms[k:]) for i in range(0, 100, size)]
        assert np.vstack(parts).tobytes() == whole.tobytes()
    copies = [bandit.decode(bandit.encode(arm)) for arm in arms]
    assert bandit.scores(copies[:k], X, copies[k:]).tobytes() == whole.tobytes()


def test_nothing_is_shared_behind_a_great_shared_ridge() -> None:
    alone = LinUCBBandit(LinUCB(alpha=0.5, ridge=2.0), 4)
    hybrid = HybridLinUCBBandit(HybridLinUCB(alpha=0.5, ridge=2.0, shared_ridge=1e6), 4)
    arms = [taught(alone, random_lessons(seed, 4, 30)) for seed in range(3)]
    X = np.array([x for x, _ in random_lessons(9, 4, 20)])
    assert hybrid.scores(arms, X) == pytest.approx(alone.scores(arms, X), abs=1e-3)


def test_penalties_are_taken_off_the_scores() -> None:
    bandit = HybridLinUCBBandit(HybridLinUCB(), 3)
    arms = [taught(bandit, random_lessons(seed, 3, 30)) for seed in range(3)]
    X = np.array([x for x, _ in random_lessons(9, 3, 20)])
    dear = np.array([0.0, 0.1, 0.2])
    best = (bandit.scores(arms, X) - dear).argmax(axis=1)
    assert bandit.distribution(arms, X, penalties=dear).argmax(axis=1).tolist() == best.tolist()


def regret(bandit: HybridLinUCBBandit | LinUCBBandit, weights: Floats, X: Floats) -> float:
    """Of 20 arms of which every request may get 3."""
    rng = np.random.default_rng(0)
    arms, total = [bandit.new(None) for _ in weights], 0.0
    for x in X:
        some = rng.permutation(len(arms))[:3].tolist()
        others = [arm for i, arm in enumerate(arms) if i not in some]
        shares = bandit.distribution([arms[i] for i in some], x[None], others)[0]
        chosen = some[int(rng.choice(3, p=shares))]
        means = weights[some] @ x
        reward = float(np.clip(weights[chosen] @ x + 0.1 * rng.normal(), 0.0, 1.0))
        bandit.learn(arms[chosen], x, reward, [arm for arm in arms if arm is not arms[chosen]])
        total += means.max() - weights[chosen] @ x
    return total


def test_sharing_pays_where_many_arms_have_weights_in_common() -> None:
    apart = shared = 0.0
    for seed in range(3, 6):
        rng = np.random.default_rng(seed)
        X = np.hstack([np.ones((300, 1)), rng.random((300, 5))])
        weights = np.array([0.2, 0.3, 0.1, -0.1, 0.2, 0.0]) + 0.05 * rng.normal(size=(20, 6))
        apart += regret(LinUCBBandit(LinUCB(alpha=0.2), 6), weights, X)
        config = HybridLinUCB(alpha=0.2, ridge=10.0, shared_ridge=0.1)
        shared += regret(HybridLinUCBBandit(config, 6), weights, X)
    assert shared < 0.75 * apart
