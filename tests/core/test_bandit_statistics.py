"""What core.bandits.base.Bandit promises of what was learned: fading, merging and intervals."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from core.bandits.base import Bandit, Floats
from schemas.policy import Discount, LinUCB, Prior, ThompsonGaussian
from tests.core.bandit_cases import (
    CASES,
    DIM,
    PRIORS,
    STATIONARY,
    Case,
    random_lessons,
    taught,
    taught_together,
)

LEVELS = (0.8, 0.95, 0.999)
IMMOVABLE = Case(LinUCB(alpha=100.0, ridge=1e6))
"""Its prior outweighs any rewards of these tests."""
WIDE = [
    Case(ThompsonGaussian(prior_std=10.0)),
    Case(ThompsonGaussian(), Discount(factor=0.9)),
]
"""Their intervals are wider than need be: by the prior, and as ten equal rewards tell less of a
mean than forty of falling weight that sum to ten."""
X = np.array([x for x, _ in random_lessons(9, 10)])

every_case = pytest.mark.parametrize("case", CASES, ids=repr)
every_stationary_case = pytest.mark.parametrize("case", STATIONARY, ids=repr)
without_contexts = pytest.mark.parametrize(
    "case", [case for case in CASES if not case.make().contextual], ids=repr
)


def alike(bandit: Bandit[Any], one: Any, other: Any) -> None:
    """Equal but for rounding, by all that an arm can be asked."""
    assert bandit.count(one) == pytest.approx(bandit.count(other), rel=1e-12, abs=1e-300)
    assert bandit.mean(one) == pytest.approx(bandit.mean(other), rel=1e-9, abs=1e-12)
    assert bandit.interval(one, 0.9) == pytest.approx(bandit.interval(other, 0.9), abs=1e-9)
    rival = taught(bandit, random_lessons(8, 30))
    shares: list[Floats] = [bandit.distribution([it, rival], X) for it in (one, other)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-7)


@pytest.mark.parametrize("prior", PRIORS)
@every_case
def test_an_arm_that_fades_to_one_is_itself_and_to_nothing_is_new(
    case: Case, prior: Prior | None
) -> None:
    bandit = case.make()
    for lessons in ([], random_lessons(2, 30)):
        arm = taught(bandit, lessons, prior, "a")
        state = bandit.encode(arm)
        assert bandit.encode(bandit.faded(arm, 1.0)) == state
        assert bandit.encode(bandit.faded(arm, 0.0)) == bandit.encode(bandit.new(prior, "a"))
        half = bandit.faded(arm, 0.5)
        assert bandit.count(half) == pytest.approx(bandit.count(arm) / 2.0)
        bandit.learn(half, X[0], 1.0)
        assert bandit.encode(arm) == state


@every_case
def test_fading_twice_is_fading_once_by_the_product(case: Case) -> None:
    bandit = case.make()
    arm = taught(bandit, random_lessons(2, 60), Prior(mean=0.3, weight=5.0))
    for first, second in ((0.5, 0.3), (0.9, 1e-6), (1.0, 0.7)):
        twice = bandit.faded(bandit.faded(arm, first), second)
        alike(bandit, twice, bandit.faded(arm, first * second))


@every_stationary_case
def test_two_halves_of_what_was_learned_are_the_whole(case: Case) -> None:
    bandit = case.make()
    arm = taught(bandit, random_lessons(2, 60), Prior(mean=0.3, weight=5.0))
    parts = [bandit.faded(arm, weight) for weight in (0.25, 0.75)]
    alike(bandit, bandit.merged(parts), arm)


@every_case
def test_what_fades_becomes_uncertain_and_goes_back_to_its_prior(case: Case) -> None:
    bandit = case.make()
    arm = taught(bandit, [(x, 0.9) for x, _ in random_lessons(2, 60)], Prior(mean=0.1, weight=2.0))
    faded = [bandit.faded(arm, weight) for weight in (1.0, 0.3, 0.1, 0.03, 0.0)]
    means = [bandit.mean(it) for it in faded]
    assert means == sorted(means, reverse=True)
    assert means[-1] == pytest.approx(0.1)
    if case != IMMOVABLE:
        assert width(bandit, faded[1], 0.5) > width(bandit, arm, 0.5)


@every_stationary_case
def test_parts_that_are_merged_are_the_whole(case: Case) -> None:
    bandit, lessons = case.make(), random_lessons(4, 60)
    prior = Prior(mean=0.7, weight=3.0)
    whole = taught(bandit, lessons, prior)
    for cuts in ((0, 60), (0, 1, 60), (0, 20, 20, 59, 60)):
        parts = [
            taught(bandit, lessons[start:end], Prior() if i else prior)
            for i, (start, end) in enumerate(pairwise(cuts))
        ]
        states = [bandit.encode(part) for part in parts]
        merged = bandit.merged(parts)
        alike(bandit, merged, whole)
        bandit.learn(merged, X[0], 1.0)
        assert [bandit.encode(part) for part in parts] == states


@every_case
def test_an_arm_merged_alone_or_with_new_ones_is_itself(case: Case) -> None:
    bandit = case.make()
    arms = taught_together(bandit, 3, 2, 40)
    for arm, arm_id in zip(arms, "ab", strict=True):
        state = bandit.encode(arm)
        assert bandit.encode(bandit.merged([arm])) == state
        alike(bandit, bandit.merged([arm, bandit.new(Prior(mean=1.0, weight=9.0))]), arm)
        alike(bandit, bandit.merged([bandit.new(None, arm_id), arm]), arm)
        assert bandit.encode(arm) == state


def width(bandit: Bandit[Any], arm: Any, level: float) -> float:
    low, high = bandit.interval(arm, level)
    assert 0.0 <= low < high <= 1.0
    return high - low


@pytest.mark.parametrize("prior", [None, Prior(), Prior(mean=0.9, weight=20.0)])
@every_case
def test_an_interval_holds_the_mean_grows_with_its_level_and_shrinks_with_rewards(
    case: Case, prior: Prior | None
) -> None:
    bandit, lessons = case.make(), random_lessons(6, 400)
    arms = [taught(bandit, lessons[:n], prior) for n in (0, 20, 400)]
    for arm in arms:
        ends = [bandit.interval(arm, level) for level in LEVELS]
        lows, highs = zip(*ends, strict=True)
        assert sorted(lows, reverse=True) == list(lows)
        assert sorted(highs) == list(highs)
        assert lows[0] <= bandit.mean(arm) <= highs[0]
    if bandit.count(arms[2]) > 2.0 * bandit.count(arms[1]) and case != IMMOVABLE:
        assert width(bandit, arms[1], 0.5) > width(bandit, arms[2], 0.5)


@without_contexts
def test_an_interval_holds_the_true_mean_about_as_often_as_it_says(case: Case) -> None:
    bandit, rng, x = case.make(), np.random.default_rng(11), np.zeros(DIM)
    held, trials = 0, 600
    for truth in rng.uniform(0.2, 0.8, trials).tolist():
        if "beta" in bandit.statistics:
            rewards = (rng.random(40) < truth).astype(float)
        else:
            rewards = rng.beta(8.0 * truth, 8.0 * (1.0 - truth), 40)
        low, high = bandit.interval(taught(bandit, [(x, r) for r in rewards.tolist()]), 0.9)
        held += low <= truth <= high
    sigma = (0.9 * 0.1 / trials) ** 0.5
    assert held / trials >= 0.9 - 4.0 * sigma
    assert held / trials <= 0.9 + 4.0 * sigma or case in WIDE
