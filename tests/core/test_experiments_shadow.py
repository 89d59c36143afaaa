"""The score of a shadow: what it estimates, how sure it is, and that its bytes go on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.experiments.mixture import best_rho, two_sided_bound
from core.experiments.shadow import ENOUGH, METRICS, Score, Weighed


def sums(values: np.ndarray, weights: np.ndarray) -> Weighed:
    made = Weighed()
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        made.add(value, weight)
    return made


@pytest.mark.parametrize("at", [0.0, 800.0])
def test_estimate_and_interval_are_those_of_the_delta_method(at: float) -> None:
    """Written out over the single outcomes, about any level of the metric."""
    rng = np.random.default_rng(1)
    w = rng.choice([0.0, 0.5, 2.0], 500)
    y = at + rng.normal(0.0, 1.0, 500) + 0.2 * w
    found = sums(y, w).estimate(0.05, 200)
    assert found is not None
    shadow, logged = (w * y).sum() / w.sum(), y.mean()
    off = w / w.mean() * (y - shadow) - (y - logged)
    variance = (off @ off) / len(y) ** 2
    rho = best_rho(200, 0.05) / variance / len(y)
    reach = two_sided_bound(1.0 / variance, rho, 0.05) * variance
    assert (found.shadow, found.logged) == pytest.approx((shadow, logged), rel=1e-12)
    assert found.high - found.low == pytest.approx(2.0 * reach, rel=1e-6)
    assert (found.low + found.high) / 2.0 == pytest.approx(shadow - logged, abs=1e-9)
    assert found.effective == pytest.approx(w.sum() ** 2 / (w @ w))


def test_the_interval_holds_at_all_times_at_the_stated_rate() -> None:
    """Arms drawn at .8 and .2, a shadow at .3 and .7: looked at after every doubling."""
    rng = np.random.default_rng(2)
    p, q, means = np.array([0.8, 0.2]), np.array([0.3, 0.7]), np.array([0.4, 0.7])
    truth = (q - p) @ means
    missed, last = 0, []
    for _ in range(300):
        made = Weighed()
        arms = (rng.random(3_200) < p[1]).astype(int)
        values = (rng.random(3_200) < means[arms]).astype(float)
        out = False
        for n, (arm, value) in enumerate(zip(arms.tolist(), values.tolist(), strict=True), 1):
            made.add(value, q[arm] / p[arm])
            if n in (200, 400, 800, 1_600, 3_200):
                found = made.estimate(0.05, 200)
                assert found is not None
                out = out or not found.low <= truth <= found.high
        last.append(found.shadow - found.logged)
        missed += out
    assert missed <= 0.05 * 300
    assert np.mean(last) == pytest.approx(truth, abs=4.0 * np.std(last) / math.sqrt(300))


def test_the_shadow_that_is_the_policy_differs_by_nothing() -> None:
    found = sums(np.arange(100.0), np.ones(100)).estimate(0.05, 50)
    assert found is not None
    assert found.low == found.high == 0.0
    assert found.shadow == found.logged == pytest.approx(49.5)


def test_too_little_gives_no_interval() -> None:
    assert Weighed().estimate(0.05, 50) is None
    assert sums(np.ones(10), np.zeros(10)).estimate(0.05, 50) is None
    few = sums(np.arange(200.0), np.r_[np.ones(20), np.zeros(180)]).estimate(0.05, 50)
    assert few is not None
    assert few.effective == 20.0 < ENOUGH
    assert (few.low, few.high) == (-math.inf, math.inf)


def test_reports_are_due_at_the_first_and_at_each_doubling() -> None:
    score = Score(100)
    due = [n for n in range(1, 2_001) if score.observe(1.0, 0.5, {"reward": 0.5})]
    assert due == [100, 200, 400, 800, 1_600]
    assert score.support == pytest.approx(0.5)


Outcomes = st.lists(
    st.tuples(
        st.floats(0.0, 50.0),
        st.floats(0.0, 1.0),
        st.dictionaries(st.sampled_from(METRICS), st.floats(0.0, 1e6), max_size=5),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(outcomes=Outcomes, cut=st.integers(0, 60))
def test_a_score_from_bytes_goes_on_bit_for_bit(
    outcomes: list[tuple[float, float, dict[str, float]]], cut: int
) -> None:
    straight, woken = Score(10), Score(10)
    for number, outcome in enumerate(outcomes):
        if number == cut:
            woken = Score.decode(woken.encode())
        assert straight.observe(*outcome) == woken.observe(*outcome)
    assert woken.encode() == straight.encode()


def test_bytes_that_are_no_score_are_refused() -> None:
    good = Score(10).encode()
    for bad in (b"", good[:-1], b"\x07" + good[1:], good + b"\0"):
        with pytest.raises(ValueError, match="not a shadow's score"):
            Score.decode(bad)
