"""Epsilon-greedy, softmax and fixed splits, whose shares can be told by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.bandits.epsilon_greedy import EpsilonGreedyBandit
from core.bandits.fixed_split import FixedSplitBandit
from core.bandits.moments import GaussianArm, MomentsBandit
from core.bandits.softmax import SoftmaxBandit
from schemas.policy import EpsilonGreedy, FixedSplit, Prior, Softmax

X = np.zeros((1, 1))


def arm(n: float, mean: float, arm_id: str = "") -> GaussianArm:
    """With a declared prior that weighs next to nothing, so that ``mean`` is its mean."""
    return GaussianArm(n, mean, 0.0, mean, 1e-9, arm_id)


def shares(bandit: MomentsBandit, *arms: GaussianArm, penalties=None) -> list[float]:
    if penalties is not None:
        penalties = np.array(penalties)
    return bandit.distribution(arms, X, (), penalties)[0].tolist()


def test_epsilon_is_spread_evenly_and_the_rest_goes_to_the_best_mean() -> None:
    bandit = EpsilonGreedyBandit(EpsilonGreedy(epsilon=0.3))
    assert shares(bandit, arm(9, 0.2), arm(9, 0.8), arm(9, 0.5)) == pytest.approx([0.1, 0.8, 0.1])
    tied = shares(bandit, arm(9, 0.8), arm(5, 0.8 + 1e-12), arm(9, 0.5))
    assert tied == pytest.approx([0.45, 0.45, 0.1])
    paid = shares(bandit, arm(9, 0.2), arm(9, 0.8), arm(9, 0.5), penalties=[0.0, 0.5, 0.1])
    assert paid == pytest.approx([0.1, 0.1, 0.8])
    assert shares(EpsilonGreedyBandit(EpsilonGreedy(epsilon=1.0)), arm(9, 0.2), arm(9, 0.8)) == [
        0.5,
        0.5,
    ]
    assert shares(EpsilonGreedyBandit(EpsilonGreedy(epsilon=0.0)), arm(9, 0.2), arm(9, 0.8)) == [
        0.0,
        1.0,
    ]


def test_epsilon_falls_with_the_rewards_of_all_given_arms() -> None:
    bandit = EpsilonGreedyBandit(EpsilonGreedy(epsilon=0.4, decay_after=20.0))
    for counts, epsilon in (
        ((0.0, 0.0), 0.4),
        ((2.0, 3.0), 0.4),
        ((8.0, 12.0), 0.4),
        ((8.0, 32.0), 0.2),
        ((5e5, 1.5e6), 0.4e-5),
    ):
        found = shares(bandit, arm(counts[0], 0.2), arm(counts[1], 0.9))
        assert found == pytest.approx([epsilon / 2.0, 1.0 - epsilon / 2.0], rel=1e-9)


def test_an_arm_without_rewards_stands_where_its_prior_puts_it() -> None:
    bandit = EpsilonGreedyBandit(EpsilonGreedy(epsilon=0.0))
    seen = bandit.new(None)
    for _ in range(50):
        bandit.learn(seen, X[0], 0.7)
    assert shares(bandit, seen, bandit.new(None)) == [1.0, 0.0]
    assert shares(bandit, seen, bandit.new(Prior(mean=0.9, weight=0.1))) == [0.0, 1.0]


def test_softmax_shares_are_in_proportion_to_the_exponentials() -> None:
    means = [0.2, 0.5, 0.6]
    arms = [arm(9, mean) for mean in means]
    for temperature in (0.05, 0.1, 1.0, 100.0):
        weights = [math.exp(mean / temperature) for mean in means]
        expected = [weight / sum(weights) for weight in weights]
        bandit = SoftmaxBandit(Softmax(temperature=temperature))
        assert shares(bandit, *arms) == pytest.approx(expected, rel=1e-12)
        moved = shares(bandit, *arms, penalties=[0.0, 0.3, 0.4])
        assert moved == pytest.approx([1 / 3] * 3, rel=1e-9)


def test_softmax_at_a_temperature_of_about_0_is_greedy_and_overflows_nowhere() -> None:
    for temperature in (1e-6, 5e-324):
        bandit = SoftmaxBandit(Softmax(temperature=temperature))
        assert shares(bandit, arm(9, 1.0), arm(9, 0.0), arm(9, 1.0)) == [0.5, 0.0, 0.5]
        assert shares(bandit, arm(9, 0.5), arm(9, 0.4), penalties=[1e300, 0.0]) == [0.0, 1.0]


def test_a_fixed_split_is_what_was_asked_for_among_the_given_arms() -> None:
    bandit = FixedSplitBandit(FixedSplit(shares={"a": 6.0, "b": 3.0, "c": 0.0, "d": 1.0}))
    a, b, c, d = (
        arm(9, mean, name) for name, mean in zip("abcd", (0.1, 0.9, 0.5, 0.3), strict=True)
    )
    assert shares(bandit, a, b, c, d) == pytest.approx([0.6, 0.3, 0.0, 0.1])
    assert shares(bandit, d, b) == pytest.approx([0.25, 0.75])
    assert shares(bandit, b, c, arm(2, 0.9, "unnamed")) == [1.0, 0.0, 0.0]
    assert shares(bandit, c, arm(2, 0.9, "unnamed")) == [0.5, 0.5]
    assert shares(bandit, a, b, penalties=[100.0, 0.0]) == pytest.approx([2 / 3, 1 / 3])
    even = FixedSplitBandit(FixedSplit())
    assert shares(even, a, b, c, d) == [0.25] * 4


def test_a_fixed_split_of_any_numbers_sums_to_one() -> None:
    for scale in (1e-320, 1e-300, 1.0, 1e308):
        split = FixedSplitBandit(FixedSplit(shares={"a": scale, "b": scale, "c": scale / 2.0}))
        found = shares(split, *(arm(1, 0.5, name) for name in "abc"))
        assert found == pytest.approx([0.4, 0.4, 0.2], rel=1e-3)
        assert abs(sum(found) - 1.0) <= 1e-12


def test_a_fixed_split_knows_its_arms_from_what_new_and_decode_are_told() -> None:
    bandit = FixedSplitBandit(FixedSplit(shares={"a": 1.0}))
    a, b = bandit.new(None, "a"), bandit.new(Prior(), "b")
    bandit.learn(b, X[0], 1.0)
    copies = [bandit.decode(bandit.encode(it), name) for it, name in ((a, "a"), (b, "b"))]
    assert shares(bandit, *copies) == [1.0, 0.0]
    assert shares(bandit, bandit.faded(copies[1], 0.5), bandit.merged([a, b])) == [0.0, 1.0]
