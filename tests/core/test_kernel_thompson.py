"""Kernel Thompson sampling: its features, its kernel, and what lines cannot learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.bandits.base import Floats
from core.bandits.kernel_thompson import KernelThompsonBandit, frequencies
from core.bandits.linear_thompson import LinearThompsonBandit
from core.bandits.linucb import LinUCBBandit
from schemas.policy import KernelThompson, LinearThompson, LinUCB, Prior
from tests.core.linear_reference import play, random_lessons, taught


def contexts(seed: int, dim: int, n: int) -> Floats:
    rng = np.random.default_rng(seed)
    X = np.hstack([np.ones((n, 1)), rng.uniform(-1.0, 1.0, (n, dim - 1))])
    return np.asarray(np.float64(np.float32(X)))


@pytest.mark.parametrize("components", [16, 64, 256])
@pytest.mark.parametrize(("dim", "length_scale"), [(2, 0.5), (4, 1.0), (27, 2.0), (27, 5.0)])
def test_products_of_features_are_the_gaussian_kernel(
    components: int, dim: int, length_scale: float
) -> None:
    bandit = KernelThompsonBandit(
        KernelThompson(components=components, length_scale=length_scale), dim
    )
    X = contexts(0, dim, 60)
    squares = ((X[:, None] - X[None]) ** 2).sum(axis=2)
    kernel = np.exp(-squares / (2.0 * length_scale**2))
    features = bandit.features(X)
    assert features.shape == (60, components + 1)
    assert (features[:, 0] == 1.0).all()
    error = features[:, 1:] @ features[:, 1:].T - kernel
    assert np.sqrt((error**2).mean()) < 1.3 / np.sqrt(components)
    assert np.abs(error.diagonal()).max() < 1e-6


def test_frequencies_are_normal_and_orthogonal_in_blocks() -> None:
    found = frequencies(128, 27)
    assert (found[:, 0] == 0.0).all()
    for start in range(0, 128, 26):
        block = found[start : start + 26, 1:]
        gram = block @ block.T
        assert gram - np.diag(gram.diagonal()) == pytest.approx(np.zeros_like(gram), abs=1e-5)
    assert stats.kstest(found[:, 1:].ravel(), "norm").pvalue > 0.01
    assert stats.kstest((found**2).sum(axis=1), stats.chi2(26).cdf).pvalue > 0.01
    means = found[:, 1:].mean(axis=0) * np.sqrt(128)
    assert np.abs(means).max() < 4.0


def test_frequencies_of_one_feature_are_independent_normal_numbers() -> None:
    found = frequencies(128, 2)[:, 1]
    assert len(set(found.tolist())) == 128
    assert stats.kstest(found, "norm").pvalue > 0.01


def test_frequencies_never_change() -> None:
    """What was learned with other ones would be worth nothing."""
    expected = [[0.12836178, -0.13992471, -0.53729838], [0.48674047, 0.57704347, -0.03399185]]
    assert frequencies(2, 4)[:, 1:].ravel() == pytest.approx(np.ravel(expected), abs=1e-6)


def test_contexts_of_the_bias_alone_are_all_alike() -> None:
    bandit = KernelThompsonBandit(KernelThompson(components=4), 1)
    expected = [1.0, np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0]
    assert bandit.features(np.ones((1, 1)))[0] == pytest.approx(expected, abs=1e-7)


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(
        st.lists(st.floats(-1.0, 1.0, width=32), min_size=3, max_size=3), min_size=1, max_size=40
    ),
    length_scale=st.sampled_from([1e-3, 0.3, 1.0, 1e3]),
)
def test_features_have_the_same_bits_alone_and_in_a_batch(
    rows: list[list[float]], length_scale: float
) -> None:
    bandit = KernelThompsonBandit(KernelThompson(components=10, length_scale=length_scale), 4)
    X = np.array([[1.0, *row] for row in rows])
    alone = [bandit.features(x[None]) for x in X]
    assert np.vstack(alone).tobytes() == bandit.features(X).tobytes()


@pytest.mark.parametrize("components", [2, 64, 256])
def test_a_row_has_the_same_bits_alone_and_in_a_batch(components: int) -> None:
    bandit = KernelThompsonBandit(KernelThompson(components=components), 5)
    arms = [taught(bandit, random_lessons(seed, 5, 30)) for seed in range(2)]
    X = contexts(1, 5, 5)
    whole = bandit.distribution([*arms, arms[0]], X)
    assert (whole[:, 0] == whole[:, 2]).all()
    for i in range(len(X)):
        assert bandit.distribution([*arms, arms[0]], X[i : i + 1]).tobytes() == whole[i].tobytes()


def test_it_is_linear_thompson_sampling_on_its_features() -> None:
    config = KernelThompson(components=12, prior_std=0.4, ridge=0.3)
    bandit = KernelThompsonBandit(config, 4)
    linear = LinearThompsonBandit(LinearThompson(prior_std=0.4, ridge=0.3), 13)
    X, rng = contexts(2, 4, 60), np.random.default_rng(0)
    mapped, rewards = bandit.features(X), rng.random(60).tolist()
    ours = [taught(bandit, list(zip(X[i::2], rewards[i::2], strict=True))) for i in range(2)]
    theirs = [taught(linear, list(zip(mapped[i::2], rewards[i::2], strict=True))) for i in range(2)]
    dear = np.array([0.1, 0.0])
    assert (
        bandit.distribution(ours, X, penalties=dear).tobytes()
        == linear.distribution(theirs, mapped, penalties=dear).tobytes()
    )
    assert [bandit.mean(arm) for arm in ours] == [linear.mean(arm) for arm in theirs]


def test_predictions_are_those_of_a_gaussian_process() -> None:
    """With the kernel 1 + exp(-|x - y|² / 2) over ridge, noise 1, around the own prior's mean."""
    bandit = KernelThompsonBandit(KernelThompson(components=256, ridge=0.5), 3)
    X, at = contexts(3, 3, 80), contexts(4, 3, 20)

    def kernel(a: Floats, b: Floats) -> Floats:
        return (1.0 + np.exp(-((a[:, None] - b[None]) ** 2).sum(axis=2) / 2.0)) / 0.5

    rewards = 0.5 + 0.3 * np.sin(3.0 * X[:, 1]) * X[:, 2]
    solved = np.linalg.solve(kernel(X, X) + np.eye(80), np.eye(80))
    mean = 0.5 + kernel(at, X) @ solved @ (rewards - 0.5)
    spread = np.diag(kernel(at, at) - kernel(at, X) @ solved @ kernel(X, at))
    rate = 0.25**2 + (rewards - 0.5) @ solved @ (rewards - 0.5) / 2.0
    arm = taught(bandit, list(zip(X, rewards.tolist(), strict=True)))
    location, scale, dof = bandit.posteriors([arm], at)[:, 0].T
    assert location == pytest.approx(mean, abs=0.03)
    assert scale == pytest.approx(np.sqrt(rate / (dof / 2.0) * spread), rel=0.1)


def test_a_prior_predicts_its_mean_everywhere() -> None:
    bandit = KernelThompsonBandit(KernelThompson(), 4)
    arm = bandit.new(Prior(mean=0.8, weight=3.0))
    locations = bandit.posteriors([arm], contexts(5, 4, 9))[:, 0, 0]
    assert locations == pytest.approx(np.full(9, 0.8), abs=1e-12)


def xor(arm: int, x: Floats) -> float:
    """Arm 1 is good where the two components have the same sign, arm 0 where they have not."""
    return 0.8 if (x[1] * x[2] > 0.0) == bool(arm) else 0.2


def test_it_learns_what_no_line_fits() -> None:
    regrets = dict.fromkeys(("kernel", "line", "bound"), 0.0)
    for seed in range(2):
        X = np.random.default_rng(seed).choice([-1.0, 1.0], size=(500, 3))
        X[:, 0] = 1.0
        bandits = {
            "kernel": KernelThompsonBandit(KernelThompson(components=32), 3),
            "line": LinearThompsonBandit(LinearThompson(), 3),
            "bound": LinUCBBandit(LinUCB(), 3),
        }
        for name, bandit in bandits.items():
            regrets[name] += play(bandit, xor, X, 2, 0.1, seed).sum()
    uniform = 2 * 500 * 0.3
    assert regrets["kernel"] < 0.05 * uniform
    assert regrets["line"] > 0.7 * uniform
    assert regrets["bound"] > 0.7 * uniform
