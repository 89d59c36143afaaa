"""The states that all linear algorithms share: sums that forget, merge and travel, and a prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.bandits.hybrid_linucb import HybridLinUCBBandit
from core.bandits.kernel_thompson import KernelThompsonBandit
from core.bandits.linear_thompson import LinearThompsonBandit
from core.bandits.linucb import LinUCBBandit
from schemas.policy import HybridLinUCB, KernelThompson, LinearThompson, LinUCB, Prior
from tests.core.linear_reference import (
    Lessons,
    dims,
    exact,
    lessons,
    priors,
    random_lessons,
    taught,
)

MAKE = {
    "linucb": lambda dim: LinUCBBandit(LinUCB(), dim),
    "hybrid_linucb": lambda dim: HybridLinUCBBandit(HybridLinUCB(), dim),
    "linear_thompson": lambda dim: LinearThompsonBandit(LinearThompson(), dim),
    "kernel_thompson": lambda dim: KernelThompsonBandit(KernelThompson(components=8), dim),
}
every_algorithm = pytest.mark.parametrize("name", MAKE)


@every_algorithm
@settings(deadline=None, max_examples=40)
@given(dim=dims, prior=priors, history=lessons, weight=st.floats(0.0, 1.0))
def test_fading_leaves_the_prior_and_scales_what_was_learned(
    name: str, dim: int, prior: Prior | None, history: Lessons, weight: float
) -> None:
    bandit: Any = MAKE[name](dim)
    arm = taught(bandit, history, prior)
    before = bandit.encode(arm)
    assert bandit.encode(bandit.faded(arm, 0.0)) == bandit.encode(bandit.new(prior))
    assert bandit.encode(bandit.faded(arm, 1.0)) == before
    faded = bandit.faded(arm, weight)
    assert bandit.count(faded) == pytest.approx(weight * len(history))
    assert pytest.approx(weight * arm.S) == faded.S
    bandit.learn(faded, np.ones(dim), 1.0)
    assert bandit.encode(arm) == before


@every_algorithm
@settings(deadline=None, max_examples=40)
@given(dim=dims, prior=priors, first=lessons, second=lessons)
def test_merging_gives_the_arm_that_has_seen_everything(
    name: str, dim: int, prior: Prior | None, first: Lessons, second: Lessons
) -> None:
    bandit: Any = MAKE[name](dim)
    parts = [taught(bandit, first, prior), taught(bandit, second, Prior(mean=0.1, weight=9.0))]
    before = [bandit.encode(part) for part in parts]
    merged, whole = bandit.merged(parts), taught(bandit, [*first, *second], prior)
    values = [np.frombuffer(bandit.encode(arm), "<f8", offset=1) for arm in (merged, whole)]
    assert values[0] == pytest.approx(values[1], rel=1e-12, abs=1e-12)
    bandit.learn(merged, np.ones(dim), 1.0)
    assert [bandit.encode(part) for part in parts] == before
    assert bandit.encode(bandit.merged(parts[:1])) == before[0]


@settings(deadline=None, max_examples=40)
@given(dim=dims, prior=priors, history=lessons, weight=st.floats(0.05, 1.0))
def test_a_faded_arm_keeps_its_ridge(
    dim: int, prior: Prior | None, history: Lessons, weight: float
) -> None:
    """It predicts as the regression in which every reward weighs that much."""
    bandit = LinUCBBandit(LinUCB(alpha=1.0, ridge=0.5), dim)
    known = (0.0, 0.0) if prior is None else (prior.mean, prior.weight)
    rows = [(np.sqrt(weight) * x, float(np.sqrt(weight) * r)) for x, r in history]
    solved = exact(dim, 0.5, 0.25, known, rows)
    X = np.vstack([np.eye(dim), np.ones(dim)])
    found = bandit.scores([bandit.faded(taught(bandit, history, prior), weight)], X)[:, 0]
    expected = [solved.location(x) + np.sqrt(solved.variance(x)) for x in X]
    assert found == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9)


def test_one_state_serves_every_linear_algorithm_and_ridge() -> None:
    bandits: list[Any] = [
        LinUCBBandit(LinUCB(ridge=3.0), 4),
        LinearThompsonBandit(LinearThompson(), 4),
        HybridLinUCBBandit(HybridLinUCB(), 4),
    ]
    assert {bandit.statistics for bandit in bandits} == {"linear dim=4"}
    states = {bandit.encode(taught(bandit, random_lessons(0, 4, 20))) for bandit in bandits}
    assert len(states) == 1
    for bandit in bandits:
        assert bandit.encode(bandit.decode(*states)) in states


def test_statistics_of_other_features_have_other_names() -> None:
    names = [
        KernelThompsonBandit(KernelThompson(components=c, length_scale=s), dim).statistics
        for c, s, dim in ((8, 1.0, 4), (10, 1.0, 4), (8, 2.0, 4), (8, 1.0, 5))
    ]
    assert len({*names, LinUCBBandit(LinUCB(), 4).statistics, "linear dim=9"}) == 6
    same = KernelThompson(components=8, ridge=9.0, prior_std=1.0)
    assert KernelThompsonBandit(same, 4).statistics == names[0]


@every_algorithm
@settings(deadline=None, max_examples=40)
@given(dim=dims, prior=priors, history=lessons, level=st.floats(0.5, 0.999))
def test_an_interval_is_that_of_the_prediction_for_the_mean_context(
    name: str, dim: int, prior: Prior | None, history: Lessons, level: float
) -> None:
    """The mean over seen contexts, and over those that prior and ridge stand for: a bias alone."""
    bandit: Any = MAKE[name](dim)
    own = 0.5 if "thompson" in name else 0.0
    known = (own, 0.0) if prior is None else (prior.mean, prior.weight)
    rows = history
    if name == "kernel_thompson":
        rows = [(bandit.features(x[None])[0], reward) for x, reward in history]
        dim = 9
    solved = exact(dim, 1.0, 0.25, known, rows)
    total = 1.0 + known[1] + len(rows)
    x = ((1.0 + known[1]) * np.eye(dim)[0] + sum(x for x, _ in rows)) / total
    t = stats.t(
        2.0 * float(solved.shape),
        solved.location(x),
        np.sqrt(float(solved.rate / solved.shape) * solved.variance(x)),
    )
    arm = taught(bandit, history, prior)
    low, high = bandit.interval(arm, level)
    assert (low, high) == pytest.approx(np.clip(t.interval(level), 0.0, 1.0), abs=1e-8)
    assert low <= min(max(bandit.mean(arm), 0.0), 1.0) <= high


def test_an_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    """Rewards on a line with normal noise, over 400 arms; without a prior to lean on."""
    rng = np.random.default_rng(1)
    bandit = LinearThompsonBandit(LinearThompson(ridge=1e-3), 3)
    held = 0
    for _ in range(400):
        X = np.hstack([np.ones((60, 1)), rng.random((60, 2))])
        truth = X @ np.array([0.3, 0.2, 0.2])
        rewards = truth + 0.1 * rng.normal(size=60)
        arm = taught(bandit, list(zip(X, rewards.tolist(), strict=True)))
        low, high = bandit.interval(arm, 0.9)
        held += low <= truth.mean() <= high
    # The prior's noise of 0.25 is worth 4 rewards, which makes 60 rewards' intervals a bit wider.
    assert 0.88 <= held / 400 <= 0.98


@every_algorithm
def test_numbers_that_no_rewards_add_up_to_are_refused(name: str) -> None:
    bandit: Any = MAKE[name](3)
    good = bandit.encode(taught(bandit, random_lessons(0, 3, 5)))
    values = np.frombuffer(good, "<f8", offset=1)
    triangle = 4 + len(bandit.new(None).b)  # where S[0, 0] is
    for at, bad in ((0, np.nan), (1, -1.0), (2, -1.0), (3, -0.1), (5, np.inf), (triangle, -1.0)):
        broken = values.copy()
        broken[at] = bad
        with pytest.raises(ValueError, match="not a linear state"):
            bandit.decode(good[:1] + broken.tobytes())
    bandit.decode(good)


@every_algorithm
def test_sums_of_no_contexts_still_give_a_distribution(name: str) -> None:
    """A state of finite numbers can still be nobody's: it must not end the worker."""
    bandit: Any = MAKE[name](3)
    arm, rival = (taught(bandit, random_lessons(seed, 3, 9)) for seed in range(2))
    arm.S[:] = np.where(np.eye(len(arm.S)) == 1.0, 1.0, 1e9)
    arm = bandit.decode(bandit.encode(arm))
    shares = bandit.distribution([arm, rival], np.eye(3))
    assert shares.sum(axis=1) == pytest.approx(np.ones(3))


def test_a_state_of_another_dimension_is_refused() -> None:
    data = LinUCBBandit(LinUCB(), 5).encode(LinUCBBandit(LinUCB(), 5).new(None))
    with pytest.raises(ValueError, match="dimension 4"):
        LinUCBBandit(LinUCB(), 4).decode(data)
