"""Median, MAD and quartiles against scipy's, and the windows against a plain reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.anomaly.registry import make_anomaly_detector
from core.anomaly.rules import iqr, mad, robust_z
from schemas.policy.anomalies import AnomalySpec, Iqr, Mad, RobustZ
from tests.core.detector_cases import ODD

VALUES = st.lists(
    st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, 0.25])), min_size=3, max_size=120
)


@settings(max_examples=100, deadline=None)
@given(values=VALUES, least=st.sampled_from([0.0, 0.05, 3.0]))
def test_the_rules_are_scipys(values: list[float], least: float) -> None:
    ordered = sorted(values)
    median = pytest.approx(float(np.median(values)), rel=1e-12, abs=1e-9)
    spread = max(float(stats.median_abs_deviation(values)), least)
    found = mad(ordered, least)
    assert (found.center, found.lower, found.upper) == (median, median, median)
    assert found.unit == pytest.approx(spread, rel=1e-9, abs=1e-9)
    assert robust_z(ordered, least).unit == pytest.approx(spread / 0.6745, rel=1e-9, abs=1e-9)
    quartiles = np.quantile(values, [0.25, 0.75])
    found = iqr(ordered, least)
    assert found.center == median
    assert (found.lower, found.upper) == pytest.approx(tuple(quartiles), rel=1e-9, abs=1e-9)
    spread = max(float(stats.iqr(values)), 2.0 * least)
    assert found.unit == pytest.approx(spread, rel=1e-9, abs=1e-9)


LIMITS = {"robust_z": 6.0, "mad": 9.0, "iqr": 3.0}


def usual(rule: str, window: np.ndarray, least: float) -> tuple[float, float, float]:
    """From and up to where the score is 0, and what it counts, by numpy."""
    low, middle, high = np.quantile(window, [0.25, 0.5, 0.75])
    if rule == "iqr":
        return low, high, max(high - low, 2.0 * least)
    spread = max(float(np.median(np.abs(window - middle))), least)
    return middle, middle, spread / (0.6745 if rule == "robust_z" else 1.0)


def reference(rule: str, stream: list[float], least: float) -> list[tuple[int, str]]:
    """Which values are anomalies, by the rules as they are written, on plain lists."""
    window: list[float] = []
    aside: list[float] = []
    others = 0
    above = False
    found = []
    for at, place in enumerate(stream):
        out = False
        if len(window) >= 30:
            values = np.array(window[-100:])
            low, high, unit = usual(rule, values, least)
            far_below = np.sort(values[(low - values) / unit > LIMITS[rule]])
            far_above = np.sort(values[(values - high) / unit > LIMITS[rule]])
            if len(far_below) >= 3:
                low = far_below[2]
            if len(far_above) >= 3:
                high = far_above[-3]
            score = max(low - place, place - high) / unit
            out = score > LIMITS[rule]
            if out:
                found.append((at, "critical" if score > 2 * LIMITS[rule] else "warning"))
                if (place > high) != above:
                    aside, others, above = [], 0, place > high
                aside.append(place)
                if len(aside) == 25:
                    window = (window[len(window) - others :] + aside)[-100:]
                    aside, others = [], 0
        if not out:
            window.append(place)
            if aside:
                others += 1
                if others > 9 * len(aside):
                    aside, others = [], 0
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rule", ["robust_z", "mad", "iqr"])
def test_the_detectors_do_what_is_written(rule: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = np.repeat([5.0, 5.0, 8.0, 4.0], 200)
    stream = level + 0.1 * rng.standard_t(2, 800)
    stream[:200] += np.where(rng.random(200) < 0.06, rng.choice([-3.0, 2.0], 200), 0.0)
    stream[600:] += np.where(rng.random(200) < 0.3, 3.0, 0.0)
    stream = stream.astype(np.float32).astype(float)
    spec = AnomalySpec(detector={"robust_z": RobustZ(), "mad": Mad(), "iqr": Iqr()}[rule])
    detector = make_anomaly_detector(spec, logarithmic=False)
    found = []
    for at, value in enumerate(stream.tolist()):
        anomaly = detector.judge(value)
        if anomaly is not None:
            found.append((at, anomaly.level))
    assert found == reference(rule, stream.tolist(), 0.05)
    assert {"warning", "critical"} == {level for _, level in found}
    assert len(found) > 60


def test_cost_and_latency_are_judged_by_their_logarithm() -> None:
    logarithmic = make_anomaly_detector(AnomalySpec(), logarithmic=True)
    linear = make_anomaly_detector(AnomalySpec(), logarithmic=False)
    rng = np.random.default_rng(1)
    latencies = (1_000.0 * np.exp(rng.normal(0.0, 0.8, 2_000))).tolist()
    assert [v for v in latencies if logarithmic.judge(v)] == []
    assert len([v for v in latencies if linear.judge(v)]) > 5
    found = logarithmic.judge(1e6)
    assert found is not None
    assert found.score == pytest.approx(math.log(1_000.0) / 0.8, rel=0.25)
    assert found.center == pytest.approx(1_000.0, rel=0.3)


def test_a_free_answer_among_paid_ones_is_an_anomaly_and_all_free_ones_are_none() -> None:
    detector = make_anomaly_detector(AnomalySpec(), logarithmic=True)
    assert not any(detector.judge(0.004) for _ in range(100))
    found = detector.judge(0.0)
    assert found is not None
    assert found.value < found.low
    free = make_anomaly_detector(AnomalySpec(), logarithmic=True)
    assert not any(free.judge(0.0) for _ in range(100))
    assert free.judge(0.004) is not None


def test_a_window_without_spread_has_the_least_one() -> None:
    """2 % of cost: 6 of .6745 MADs are 17.8 %."""
    for factor, odd in ((1.17, False), (1.20, True), (0.845, False), (0.83, True)):
        detector = make_anomaly_detector(AnomalySpec(), logarithmic=True)
        assert not any(detector.judge(0.004) for _ in range(100))
        assert (detector.judge(0.004 * factor) is not None) == odd


def test_every_detector_of_the_cases_is_another_one() -> None:
    assert len({repr(case.make().encode()[:1]) for case in ODD}) == 4
