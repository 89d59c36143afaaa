"""The EWMA chart: a plain reference, exact limits, and published average run lengths."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.anomaly.ewma import Ewma
from core.anomaly.moments import Moments
from core.anomaly.scale import LINEAR
from tests.core.charts import ewma_run_length

LUCAS_AND_SACCUCCI = {0.0: 500.0, 0.25: 106.0, 0.5: 31.3, 0.75: 15.9, 1.0: 10.3, 2.0: 4.36}
"""Run lengths of the chart with the weight .1 and L = 2.814, in Montgomery's table of them."""


@pytest.mark.parametrize("shift", LUCAS_AND_SACCUCCI)
def test_the_markov_chain_gives_the_published_run_lengths(shift: float) -> None:
    """Montgomery's table counts asymptotic limits."""
    found = ewma_run_length(0.1, 2.814, shift)
    assert found == pytest.approx(LUCAS_AND_SACCUCCI[shift], rel=0.02)


def calibrated(weight: float, limit: float) -> bytes:
    """The state of a chart whose many first values had the mean 0 and the variance 1."""
    n = 30_000
    detector = Ewma(weight, limit, n, n, LINEAR)
    for _ in range(n // 2):
        detector.judge(-1.0)
        detector.judge(1.0)
    return detector.encode()


@pytest.mark.parametrize(("shift", "runs"), [(0.0, 200), (0.5, 600), (1.0, 600), (2.0, 600)])
def test_run_lengths_are_those_of_the_exact_limits(shift: float, runs: int) -> None:
    """Shorter than with asymptotic ones, which are wider at first."""
    rng = np.random.default_rng(int(10 * shift))
    state = calibrated(0.1, 2.814)
    lengths = []
    for _ in range(runs):
        detector = Ewma.decode(state, 0.1, 2.814, 30_000, 30_000, LINEAR)
        lengths.append(next(n for n in range(1, 100_000) if detector.judge(rng.normal(shift))))
    expected = ewma_run_length(0.1, 2.814, shift, exact=60)
    assert expected < LUCAS_AND_SACCUCCI[shift]
    error = np.std(lengths) / math.sqrt(runs)
    assert np.mean(lengths) == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("weight", "limit"), [(0.1, 5.0), (0.3, 3.0), (1.0, 4.0)])
def test_the_chart_does_what_is_written(weight: float, limit: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stream = rng.normal(5.0, 1.0, 900)
    stream[300:306] += 5.0
    stream[500:512] -= 5.0
    stream[700] += 40.0
    detector = Ewma(weight, limit, 1_000, 30, LINEAR)
    learned: list[float] = []
    weighted, t = 0.0, 0
    found = 0
    for at, value in enumerate(stream.tolist()):
        anomaly = detector.judge(value)
        if len(learned) < 30:
            assert anomaly is None
            learned.append(value)
            weighted = float(np.mean(learned))
            continue
        mean, spread = np.mean(learned), max(np.std(learned, ddof=1), 0.05 / 0.6745)
        share = weight / (2 - weight) * (1 - (1 - weight) ** (2 * (t + 1)))
        now = weight * value + (1 - weight) * weighted
        score = abs(now - mean) / (spread * math.sqrt(share))
        if score <= limit:
            assert anomaly is None, at
            weighted, t = now, t + 1
            learned.append(value)
            continue
        found += 1
        assert anomaly is not None, at
        assert anomaly.score == pytest.approx(score, rel=1e-9)
        assert anomaly.level == ("critical" if score > 2 * limit else "warning")
        assert anomaly.center == pytest.approx(mean, rel=1e-9)
        assert anomaly.n == len(learned)
    assert found >= 5


def test_several_values_somewhat_off_are_found_though_none_is_an_anomaly_alone() -> None:
    rng = np.random.default_rng(1)
    usual = rng.normal(0.0, 1.0, 200).tolist()
    alone, together = (Ewma(0.1, 5.0, 100, 30, LINEAR) for _ in range(2))
    found = []
    for at, value in enumerate(usual):
        together.judge(value)
        assert alone.judge(value + (4.0 if at % 40 == 39 else 0.0)) is None
    found = [at for at in range(12) if together.judge(4.0)]
    assert found
    assert 2 <= found[0] <= 6


def test_older_values_fade_from_the_mean_and_the_spread() -> None:
    rng = np.random.default_rng(2)
    moments, memory = Moments(), 50
    values = rng.normal(3.0, 2.0, 20_000)
    for value in values[:50]:
        moments.learn(float(value), memory)
    assert moments.mean == pytest.approx(values[:50].mean())
    assert moments.variance == pytest.approx(values[:50].var(ddof=1))
    seen = []
    for value in values[50:]:
        moments.learn(float(value), memory)
        seen.append((moments.mean, moments.variance))
    means, variances = np.array(seen[500:]).T
    assert variances.mean() == pytest.approx(4.0, rel=0.03)
    assert means.var() == pytest.approx(4.0 / (2 * memory - 1), rel=0.15)


@pytest.mark.parametrize(
    "parameters", [(0.0, 5.0, 100, 30), (1.1, 5.0, 100, 30), (0.1, 0.0, 100, 30), (0.1, 5.0, 1, 30)]
)
def test_parameters_without_meaning_are_refused(parameters) -> None:
    with pytest.raises(ValueError, match="weight"):
        Ewma(*parameters, LINEAR)
