"""ADWIN against river's, decision for decision, and what it adds: cuts and warnings."""

from __future__ import annotations

import numpy as np
import pytest
from river import drift

from core.drift.adwin import Adwin
from tests.core.drift_streams import (
    MEANS,
    N,
    bernoulli,
    cuts,
    graded,
    latency,
    recorded,
    values,
)

STREAMS = [
    (kind, noise, seed)
    for kind in MEANS
    for noise in (bernoulli, graded, latency)
    for seed in range(5)
]
"""90 sequences, besides the recorded ones."""


def same_as_river(stream: list[float], delta: float = 0.002, **parameters: int) -> int:
    """Compare every step with the engine of river's ADWIN; how many drifts there were."""
    river = drift.ADWIN(delta, **parameters)._helper
    ours = Adwin(delta, (1.0 + delta) / 2.0, **parameters)
    drifts = 0
    for step, value in enumerate(stream):
        cut = ours.update(value)
        found = cut is not None and cut.level == "drift"
        assert found == river.update(value), step
        if found or step % 101 == 0:
            window = ours.window
            assert (window.n, window.total) == (river.get_width(), river.get_total()), step
            assert window.variance == pytest.approx(river.get_variance(), abs=1e-9), step
        drifts += found
    return drifts


@pytest.mark.parametrize(("kind", "noise", "seed"), STREAMS)
def test_drifts_come_at_the_steps_of_river(kind: str, noise, seed: int) -> None:
    drifts = same_as_river(values(kind, noise, seed))
    if kind in ("step", "back and forth", "gradual") and noise is not bernoulli:
        assert drifts >= 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"clock": 1},
        {"clock": 50, "grace_period": 500},
        {"max_buckets": 2, "clock": 7},
        {"max_buckets": 20, "clock": 3, "min_window_length": 1, "grace_period": 1},
        {"min_window_length": 40, "clock": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("delta", [1e-6, 0.002, 0.3])
def test_drifts_come_at_the_steps_of_river_with_other_parameters(
    delta: float, parameters: dict[str, int]
) -> None:
    drifts = sum(
        same_as_river(values(kind, noise, 11), delta, **parameters)
        for kind in ("step", "back and forth", "small step")
        for noise in (bernoulli, graded)
    )
    assert drifts >= 3


def test_a_window_of_the_grace_period_is_not_yet_scanned() -> None:
    stream = [0.0] * 60 + [1.0] * 100
    assert same_as_river(stream, clock=20, grace_period=100) >= 1
    assert cuts(Adwin(clock=20, grace_period=100), stream)[0][0] == 119
    assert cuts(Adwin(clock=20, grace_period=99), stream)[0][0] == 99


def test_a_variance_that_rounding_left_below_zero_does_no_harm() -> None:
    stream = [0.1] * 5_000 + [0.6] * 1_000
    detector = Adwin(clock=1)
    cuts(detector, stream)
    assert detector.window.variance < 0.0
    assert same_as_river([*stream, *[0.65] * 1_000, *[0.6] * 1_000], clock=1) >= 3


@pytest.mark.parametrize("name", recorded())
def test_drifts_of_recorded_rewards_come_at_the_steps_of_river(name: str) -> None:
    drifts = same_as_river(recorded()[name])
    assert same_as_river(recorded()[name], 0.05, clock=1) >= drifts
    assert drifts >= 1 or "then" not in name


@pytest.mark.parametrize("seed", range(5))
def test_a_new_detector_after_each_drift_is_rivers_wrapper(seed: int) -> None:
    river, ours, drifts = drift.ADWIN(), Adwin(), 0
    for value in values("back and forth", bernoulli, seed):
        river.update(value)
        cut = ours.update(value)
        found = cut is not None and cut.level == "drift"
        assert found == river.drift_detected
        if found:
            ours, drifts = Adwin(), drifts + 1
    assert drifts >= 1


def delay(detector: Adwin | drift.ADWIN, stream: list[float], change: int) -> int:
    """Values from the change to its drift."""
    for step, value in enumerate(stream):
        found = detector.update(value)
        if isinstance(detector, drift.ADWIN):
            drifted = detector.drift_detected
        else:
            drifted = found is not None and found.level == "drift"
        if drifted and step >= change:
            return step + 1 - change
    return len(stream)


def test_a_step_is_found_after_as_many_values_as_by_river() -> None:
    ours, theirs = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        stream = bernoulli(rng, np.repeat([0.8, 0.6], [1_000, 2_000]))
        ours.append(delay(Adwin(), stream, 1_000))
        theirs.append(delay(drift.ADWIN(), stream, 1_000))
    assert np.median(ours) == pytest.approx(np.median(theirs), rel=0.1)
    assert np.quantile(ours, 0.9) == pytest.approx(np.quantile(theirs, 0.9), rel=0.1)
    assert np.median(theirs) < 300


@pytest.mark.parametrize("noise", [bernoulli, graded, latency])
@pytest.mark.parametrize("mean", [0.4, 0.8])
def test_long_stationary_streams_give_no_drift(noise, mean: float) -> None:
    """More of them in the benchmark of the detectors, which says what share has one."""
    for seed in range(3):
        stream = noise(np.random.default_rng(seed), np.full(20_000, mean))
        assert [cut for _, cut in cuts(Adwin(), stream) if cut.level == "drift"] == []


def test_a_drift_tells_the_means_on_both_sides_of_the_clearest_border() -> None:
    stream = [0.9] * 992 + [0.2] * 208
    detector = Adwin()
    step, cut = next((step, cut) for step, cut in cuts(detector, stream) if cut.level == "drift")
    before, after = np.split(np.array(stream[: step + 1]), [cut.before_n])
    assert cut.after_n == len(after)
    assert cut.before_mean == pytest.approx(before.mean())
    assert cut.after_mean == pytest.approx(after.mean())
    assert (cut.before_mean, cut.after_mean) == pytest.approx((0.9, 0.2), abs=0.02)


def test_the_newer_part_is_kept_so_that_the_detector_is_not_blind_after_a_drift() -> None:
    detector, stream = Adwin(), values("step", graded, 3)
    found = [cut for _, cut in cuts(detector, stream) if cut.level == "drift"]
    assert found[0].after_n >= 32
    assert 32 <= detector.window.n < N


def test_a_warning_comes_once_before_its_drift_and_drops_nothing() -> None:
    rng = np.random.default_rng(9)
    stream = bernoulli(rng, np.full(2_000, 0.9)) + bernoulli(rng, np.full(300, 0.8))
    found = cuts(Adwin(), stream)
    assert [cut.level for _, cut in found] == ["warning", "drift"]
    step, warning = found[0]
    assert step >= 2_000
    assert warning.before_n + warning.after_n == step + 1
    assert warning.before_mean == pytest.approx(np.mean(stream[: warning.before_n]))
    assert warning.after_mean == pytest.approx(np.mean(stream[warning.before_n : step + 1]))
    assert warning.after_mean < warning.before_mean
    drifts = [(s, cut) for s, cut in cuts(Adwin(0.002, 0.0021), stream) if cut.level == "drift"]
    assert drifts == found[1:]


def scans(detector: Adwin, stream: list[float], warning_delta: float) -> list[bool]:
    """At each scan, whether a border stands out by ``warning_delta``.

    Asked of the same detector, woken from its bytes just before the scan with ``warning_delta`` in
    the place of ``delta``.
    """
    out = []
    for step, value in enumerate(stream, start=1):
        if step % 32 == 0 and step > 10:
            judge = Adwin.decode(detector.encode(), warning_delta, 0.999)
            cut = judge.update(value)
            out.append(cut is not None and cut.level == "drift")
        detector.update(value)
    return out


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("kind", "noise", "warning_delta"),
    [
        ("small step", bernoulli, 0.3),
        ("gradual", graded, 0.02),
        ("back and forth", bernoulli, 0.02),
    ],
)
def test_warnings_mark_the_scans_that_end_the_quiet(
    kind: str, noise, warning_delta: float, seed: int
) -> None:
    stream = values(kind, noise, seed)
    noisy = dict(cuts(Adwin(0.002, warning_delta), stream))
    stands_out = scans(Adwin(0.002, warning_delta), stream, warning_delta)
    expected, quiet = {}, True
    for i, out in enumerate(stands_out):
        step = 32 * (i + 1) - 1
        if out and step in noisy and noisy[step].level == "drift":
            expected[step] = "drift"
        elif out and quiet:
            expected[step] = "warning"
        quiet = not out
    assert {step: cut.level for step, cut in noisy.items()} == expected
    assert "warning" in expected.values() or kind == "back and forth"
