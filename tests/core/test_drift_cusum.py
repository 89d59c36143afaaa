"""The CUSUM chart: decisions of a plain reference, and published average run lengths."""

from __future__ import annotations

import numpy as np
import pytest

from core.drift.cusum import Cusum
from tests.core.charts import two_sided_cusum_run_length
from tests.core.drift_streams import MEANS, bernoulli, cuts, graded, values

SPREAD = 0.02
MONTGOMERY = {0.0: 465.0, 0.25: 139.0, 0.5: 38.0, 0.75: 17.0, 1.0: 10.4, 1.5: 5.75, 2.0: 4.01}
"""Montgomery's table of the tabular CUSUM with k = 1/2 and h = 5."""


def first_drift(stream: list[float], calibration: int, slack: float, threshold: float) -> int:
    """The same chart on the whole array: Page's sums as differences to their running minimum."""
    x = np.array(stream)
    first, rest = x[:calibration], x[calibration:]
    z = np.clip((rest - first.mean()) / max(first.std(ddof=1), 0.01), -6.0, 6.0)
    found = []
    for side in (z, -z):
        walk = np.concatenate([[0.0], np.cumsum(side - slack)])
        above = walk - np.minimum.accumulate(walk) > threshold
        found.append(int(np.argmax(above)) - 1 if above.any() else len(stream))
    return min(*found) + calibration


@pytest.mark.parametrize("parameters", [(300, 0.25, 35.0), (100, 0.5, 10.0), (50, 0.0, 60.0)])
@pytest.mark.parametrize("kind", MEANS)
@pytest.mark.parametrize("noise", [bernoulli, graded])
def test_the_first_drift_is_that_of_the_running_minimum(kind: str, noise, parameters) -> None:
    found_some = False
    for seed in range(4):
        stream = values(kind, noise, seed)
        found = [at for at, cut in cuts(Cusum(*parameters), stream) if cut.level == "drift"]
        expected = first_drift(stream, *parameters)
        assert (found or [len(stream)])[0] == min(expected, len(stream))
        found_some |= bool(found)
    assert found_some or kind in ("stationary", "small step", "spike")


@pytest.mark.parametrize("shift", MONTGOMERY)
def test_the_markov_chain_gives_the_published_run_lengths(shift: float) -> None:
    assert two_sided_cusum_run_length(0.5, 5.0, shift) == pytest.approx(MONTGOMERY[shift], rel=0.02)


def calibrated(slack: float, threshold: float) -> Cusum:
    """A chart whose first values had the mean 1/2 and the standard deviation SPREAD exactly."""
    n = 1_000
    detector = Cusum(n, slack, threshold)
    off = SPREAD * np.sqrt((n - 1) / n)
    cuts(detector, [0.5 - off, 0.5 + off] * (n // 2))
    return detector


@pytest.mark.parametrize(("shift", "runs"), [(0.0, 200), (0.5, 600), (1.0, 600), (2.0, 600)])
def test_run_lengths_are_the_published_ones(shift: float, runs: int) -> None:
    rng = np.random.default_rng(int(10 * shift))
    state = calibrated(0.5, 5.0).encode()
    lengths = []
    for _ in range(runs):
        detector = Cusum.decode(state, 1_000, 0.5, 5.0, 0.8)
        for at in range(1, 100_000):
            cut = detector.update(min(max(0.5 + SPREAD * rng.normal(shift), 0.0), 1.0))
            if cut is not None and cut.level == "drift":
                lengths.append(at)
                break
    error = np.std(lengths) / np.sqrt(runs)
    assert np.mean(lengths) == pytest.approx(MONTGOMERY[shift], abs=4 * error + 0.05)


def test_one_outlier_counts_for_six_standard_deviations_at_most() -> None:
    detector = calibrated(0.25, 35.0)
    outliers = 0
    while not any(cut.level == "drift" for _, cut in cuts(detector, [1.0])):
        outliers += 1
    assert outliers == int(35.0 / (6.0 - 0.25))


def test_a_constant_at_first_makes_the_least_difference_no_drift() -> None:
    detector = Cusum(300, 0.25, 35.0)
    cuts(detector, [1.0] * 300)
    assert cuts(detector, [1.0 - 1e-6] * 10_000) == []
    assert [cut.level for _, cut in cuts(detector, [0.99] * 100)] == ["warning", "drift"]


def test_what_moves_slowly_adds_up_because_the_target_stays() -> None:
    rng = np.random.default_rng(3)
    stream = graded(rng, np.linspace(0.7, 0.5, 8_000))
    found = [cut for _, cut in cuts(Cusum(), stream) if cut.level == "drift"]
    assert found
    assert all(cut.after_mean < cut.before_mean for cut in found)


@pytest.mark.parametrize(
    ("parameters", "about"),
    [
        ((1, 0.25, 35.0, 0.8), "calibration"),
        ((300, -0.1, 35.0, 0.8), "slack"),
        ((300, 0.25, -1.0, 0.8), "threshold"),
        ((300, 0.25, 35.0, 1.0), "warning"),
    ],
)
def test_parameters_without_meaning_are_refused(parameters, about: str) -> None:
    with pytest.raises(ValueError, match=about):
        Cusum(*parameters)
