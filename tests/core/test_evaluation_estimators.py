"""Off-policy estimators against their formulas in plain loops, and against the truth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.evaluation.estimators import (
    Contributions,
    NoOverlapError,
    dm,
    dr,
    estimate_all,
    ips,
    sndr,
    snips,
)
from core.evaluation.logged import Logged
from core.evaluation.support import effective_size, support_of

N_REPEATS = 400


def made(seed: int, n: int, arms: int, *, sharp: float = 1.0) -> tuple[Logged, Any]:
    """A log of a softmax policy over contexts, with another one as the candidate, and a model."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    own = np.exp(x @ rng.normal(size=(3, arms)) * sharp)
    own /= own.sum(axis=1, keepdims=True)
    other = np.exp(x @ rng.normal(size=(3, arms)) * sharp)
    other /= other.sum(axis=1, keepdims=True)
    chosen = np.array([rng.choice(arms, p=row) for row in own])
    rewards = rng.uniform(size=n)
    log = Logged(chosen, own[np.arange(n), chosen], rewards, other)
    return log, rng.uniform(size=(n, arms))


def by_loops(log: Logged, q: Any, cap: float) -> dict[str, float]:
    """The formulas, term by term."""
    n, arms = log.candidate.shape
    iw = [log.candidate[i][log.chosen[i]] / log.propensities[i] for i in range(n)]
    r = log.rewards
    at = [q[i][log.chosen[i]] for i in range(n)]
    base = [sum(log.candidate[i][a] * q[i][a] for a in range(arms)) for i in range(n)]
    mean_iw = sum(iw) / n
    return {
        "ips": sum(iw[i] * r[i] for i in range(n)) / n,
        "clipped": sum(min(iw[i], cap) * r[i] for i in range(n)) / n,
        "snips": sum(iw[i] * r[i] / mean_iw for i in range(n)) / n,
        "dm": sum(base) / n,
        "dr": sum(base[i] + iw[i] * (r[i] - at[i]) for i in range(n)) / n,
        "sndr": sum(base[i] + iw[i] * (r[i] - at[i]) / mean_iw for i in range(n)) / n,
        "switch_dr": sum(
            base[i] + (iw[i] * (r[i] - at[i]) if iw[i] <= cap else 0.0) for i in range(n)
        )
        / n,
    }


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 40),
    arms=st.integers(1, 6),
    cap=st.floats(0.1, 10.0),
)
def test_every_estimator_is_its_formula(seed: int, n: int, arms: int, cap: float) -> None:
    log, model = made(seed, n, arms)
    found = estimate_all(log, model, cap)
    expected = by_loops(log, model, cap)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-9), name
        assert found[name].linearised.mean() == pytest.approx(value, abs=1e-9), name


def test_the_default_cap_is_the_root_of_the_rows() -> None:
    log, model = made(3, 64, 3, sharp=3.0)
    assert log.weights.max() > 8.0
    expected = by_loops(log, model, 8.0)
    for name, found in estimate_all(log, model).items():
        assert found.value == pytest.approx(expected[name], abs=1e-9)


def test_a_candidate_equal_to_the_log_earns_what_the_log_earned() -> None:
    rng = np.random.default_rng(1)
    p = np.array([0.2, 0.3, 0.5])
    chosen = rng.choice(3, p=p, size=50)
    log = Logged(chosen, p[chosen], rng.uniform(size=50), np.tile(p, (50, 1)))
    mean, interval = log.on_policy(0.9)
    for found in (ips(log), snips(log)):
        assert found.value == pytest.approx(mean, abs=1e-12)
        limits = found.interval(0.9)
        assert (limits.low, limits.high) == pytest.approx((interval.low, interval.high), abs=1e-12)
    low, high = stats.t.interval(0.9, 49, mean, stats.sem(log.rewards))
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_a_perfect_model_leaves_doubly_robust_no_variance_beyond_its_own() -> None:
    log, model = made(5, 200, 4)
    perfect = Logged(log.chosen, log.propensities, model[np.arange(200), log.chosen], log.candidate)
    assert dr(perfect, model).value == pytest.approx(dm(perfect, model).value, abs=1e-12)
    assert sndr(perfect, model).interval() == pytest.approx(dm(perfect, model).interval())


def test_the_interval_of_a_ratio_is_the_delta_methods() -> None:
    """The variance of sum(w r) / sum(w) to first order, written out."""
    log, _ = made(7, 500, 3)
    w, r = log.weights, log.rewards
    value = sum(w * r) / sum(w)
    variance = sum((w[i] * (r[i] - value)) ** 2 for i in range(500)) / sum(w) ** 2
    reach = stats.t.ppf(0.975, 499) * math.sqrt(variance * 500 / 499)
    interval = snips(log).interval()
    assert (interval.low, interval.high) == pytest.approx((value - reach, value + reach))


def test_bootstrap_intervals_are_near_scipys() -> None:
    log, model = made(9, 300, 3)
    w, r = log.weights, log.rewards
    for found, statistic, samples in (
        (ips(log), lambda a, axis: a.mean(axis=axis), (w * r,)),
        (snips(log), lambda a, b, axis: a.sum(axis=axis) / b.sum(axis=axis), (w * r, w)),
        (dr(log, model), lambda a, axis: a.mean(axis=axis), (dr(log, model).plain,)),
    ):
        expected = stats.bootstrap(
            samples, statistic, paired=True, method="percentile", n_resamples=4_000,
            rng=np.random.default_rng(2),
        )  # fmt: skip
        interval = found.interval(0.95, "bootstrap")
        near = 0.1 * (interval.high - interval.low)
        assert interval.low == pytest.approx(expected.confidence_interval.low, abs=near)
        assert interval.high == pytest.approx(expected.confidence_interval.high, abs=near)
        assert interval == found.interval(0.95, "bootstrap")


class World:
    """Contexts of two kinds, three arms, Bernoulli rewards; all values are known."""

    shares = np.array([0.6, 0.4])
    means = np.array([[0.2, 0.5, 0.8], [0.7, 0.4, 0.3]])
    logging = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    candidate = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
    truth = float(shares @ (candidate * means).sum(axis=1))
    # Wrong on purpose, and the same everywhere: doubly robust must not mind.
    model = np.array([[0.5, 0.5, 0.5], [0.4, 0.4, 0.4]])

    def log(self, rng: Any, n: int) -> tuple[Logged, Any]:
        kinds = (rng.uniform(size=n) > self.shares[0]).astype(int)
        edges = self.logging.cumsum(axis=1)[kinds]
        chosen = (rng.uniform(size=(n, 1)) > edges).sum(axis=1)
        rewards = (rng.uniform(size=n) < self.means[kinds, chosen]).astype(float)
        log = Logged(chosen, self.logging[kinds, chosen], rewards, self.candidate[kinds])
        return log, self.model[kinds]


@pytest.mark.parametrize("name", ["ips", "snips", "dr", "sndr"])
def test_intervals_cover_the_true_value_as_often_as_they_say(name: str) -> None:
    world, rng = World(), np.random.default_rng(2024)
    covered = 0
    values = []
    for _ in range(N_REPEATS):
        log, model = world.log(rng, 400)
        found = estimate_all(log, model)[name]
        interval = found.interval(0.9)
        covered += interval.low <= world.truth <= interval.high
        values.append(found.value)
    # A 90 % interval covers fewer than 0.857 of 400 times with chance 0.003.
    assert 0.857 < covered / N_REPEATS < 0.94
    assert np.mean(values) == pytest.approx(world.truth, abs=4 * np.std(values) / 20)


def test_bootstrap_intervals_cover_the_true_value() -> None:
    world, rng = World(), np.random.default_rng(7)
    covered = 0
    for _ in range(30):
        log, model = world.log(rng, 200)
        interval = dr(log, model).interval(0.9, "bootstrap")
        covered += interval.low <= world.truth <= interval.high
    assert covered >= 22  # of Binomial(30, 0.9) with chance 0.998


def test_clipping_is_low_and_the_direct_method_as_wrong_as_its_model() -> None:
    world = World()
    log, model = world.log(np.random.default_rng(3), 200_000)
    found = estimate_all(log, model, cap=2.0)
    assert found["clipped"].value < world.truth - 0.05
    assert found["dm"].value == pytest.approx(0.46, abs=0.002)
    assert found["dr"].value == pytest.approx(world.truth, abs=0.01)


def test_the_difference_to_the_log_is_paired() -> None:
    """A candidate like the log but for one context differs by that alone."""
    log, _ = made(11, 300, 3)
    found = snips(log).minus(log.rewards)
    assert found.value == pytest.approx(snips(log).value - log.rewards.mean(), abs=1e-12)
    same = Contributions(log.rewards).minus(log.rewards).interval()
    assert (same.low, same.high) == (0.0, 0.0)


def test_a_candidate_that_never_agrees_has_no_ratio() -> None:
    n = 10
    candidate = np.tile([0.0, 1.0], (n, 1))
    log = Logged(np.zeros(n, dtype=int), np.full(n, 0.5), np.ones(n), candidate)
    with pytest.raises(NoOverlapError):
        snips(log)
    found = estimate_all(log, np.full((n, 2), 0.25))
    assert found.keys() == {"ips", "clipped", "dm", "dr", "switch_dr"}
    assert found["ips"].value == 0.0
    assert found["dr"].value == 0.25
    support = support_of(log)
    assert support.effective == 0.0
    assert support.missing_share == 1.0
    assert support.arms[1].missing
    assert not support.arms[0].missing
    assert support.off_balance


def test_effective_size_is_kishs() -> None:
    assert effective_size(np.ones(7)) == pytest.approx(7.0)
    assert effective_size(np.array([3.0, 0.0, 0.0])) == pytest.approx(1.0)
    assert effective_size(np.array([1.0, 2.0, 3.0])) == pytest.approx(36 / 14)
    assert effective_size(np.zeros(3)) == 0.0


def test_support_tells_of_arms_that_the_log_knows_too_little_of() -> None:
    rng = np.random.default_rng(5)
    p = np.array([0.989, 0.01, 0.001])
    chosen = rng.choice(3, p=p, size=2_000)
    candidate = np.tile([0.5, 0.2, 0.3], (2_000, 1))
    log = Logged(chosen, p[chosen], rng.uniform(size=2_000), candidate)
    support = support_of(log)
    assert [arm.thin for arm in support.arms] == [False, True, True]
    assert [arm.logged for arm in support.arms] == np.bincount(chosen).tolist()
    assert support.arms[2].largest == pytest.approx(300.0)
    assert support.arms[1].effective == pytest.approx(support.arms[1].logged)
    assert not support.off_balance


def test_wrong_propensities_throw_the_weights_off_balance() -> None:
    log, _ = made(13, 2_000, 3)
    assert not support_of(log).off_balance
    wrong = Logged(log.chosen, np.minimum(1.0, log.propensities * 1.5), log.rewards, log.candidate)
    assert support_of(wrong).off_balance


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"propensities": np.array([0.5, 0.0])}, "above 0"),
        ({"rewards": np.array([0.5, 1.1])}, "between 0 and 1"),
        ({"chosen": np.array([0, 2])}, "none of the candidate's columns"),
        ({"candidate": np.array([[0.5, 0.5], [0.5, 0.4]])}, "must be a distribution"),
        ({"rewards": np.array([0.5])}, "as many everywhere"),
    ],
)
def test_what_is_no_log_is_refused(changes: dict[str, Any], problem: str) -> None:
    good = {
        "chosen": np.array([0, 1]),
        "propensities": np.array([0.5, 0.5]),
        "rewards": np.array([0.0, 1.0]),
        "candidate": np.array([[0.5, 0.5], [0.1, 0.9]]),
    }
    Logged(**good)
    with pytest.raises(ValueError, match=problem):
        Logged(**(good | changes))
