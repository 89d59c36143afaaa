"""ADWIN against river's, decision for decision, and what it adds: warnings, cuts and a codec."""

from __future__ import annotations

import csv
import math
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from river import drift

from core.drift.adwin import Adwin, Cut

RECORDED = Path(__file__).parents[2] / "streams" / "demo" / "data" / "llm-replay.csv"
MODELS = ("llama-3.1-8b", "mistral-large", "gemini-2.5-pro")
N = 4_000


def bernoulli(rng: np.random.Generator, mean: np.ndarray) -> list[float]:
    return (rng.random(len(mean)) < mean).astype(float).tolist()


def graded(rng: np.random.Generator, mean: np.ndarray) -> list[float]:
    return np.clip(rng.normal(mean, 0.15), 0.0, 1.0).tolist()


T = np.arange(N) / N
MEANS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "stationary": lambda rng: np.full(N, rng.uniform(0.05, 0.95)),
    "step": lambda rng: np.where(T < rng.uniform(0.2, 0.8), *rng.uniform(0.1, 0.9, 2)),
    "small step": lambda rng: np.where(T < 0.5, 0.7, 0.7 - rng.uniform(0.03, 0.12)),
    "gradual": lambda rng: rng.uniform(0.1, 0.4) + rng.uniform(0.1, 0.5) * T,
    "back and forth": lambda rng: 0.5 + 0.4 * np.sign(np.sin(2 * math.pi * rng.uniform(1, 9) * T)),
    "spike": lambda rng: np.where(np.abs(T - rng.uniform(0.2, 0.8)) < 0.01, 0.05, 0.9),
}
STREAMS = [
    (kind, noise, seed) for kind in MEANS for noise in (bernoulli, graded) for seed in range(5)
]


def values(kind: str, noise: Callable[..., list[float]], seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return noise(rng, MEANS[kind](rng))


def recorded() -> dict[str, list[float]]:
    with RECORDED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {model: [float(row[f"{model}_reward"]) for row in rows] for model in MODELS}
    switched = columns["gemini-2.5-pro"][:1_500] + columns["llama-3.1-8b"][1_500:]
    return {**columns, "gemini-2.5-pro then llama-3.1-8b": switched}


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
    if kind in ("step", "back and forth", "gradual") and noise is graded:
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


def cuts(detector: Adwin, stream: list[float]) -> list[tuple[int, Cut]]:
    found = ((step, detector.update(value)) for step, value in enumerate(stream))
    return [(step, cut) for step, cut in found if cut is not None]


def test_a_drift_says_what_was_dropped_and_what_was_kept() -> None:
    stream = [0.9] * 1_000 + [0.2] * 200
    kept = 0
    for step, cut in cuts(Adwin(), stream):
        if cut.level == "warning":
            continue
        before, after = np.split(np.array(stream[kept : step + 1]), [cut.before_n])
        kept += cut.before_n
        assert cut.after_n == len(after) == step + 1 - kept
        assert cut.before_mean == pytest.approx(before.mean())
        assert cut.after_mean == pytest.approx(after.mean())
    assert kept > 990


def test_the_newer_part_is_kept_so_that_the_detector_is_not_blind_after_a_drift() -> None:
    detector, stream = Adwin(), values("step", graded, 3)
    (step, cut), *_ = [found for found in cuts(detector, stream) if found[1].level == "drift"]
    assert cut.after_n >= 32
    assert detector.window.n == cut.after_n + N - 1 - step


def test_a_warning_comes_once_before_its_drift_and_drops_nothing() -> None:
    rng = np.random.default_rng(4)
    stream = bernoulli(rng, np.full(2_000, 0.9)) + bernoulli(rng, np.full(300, 0.75))
    found = cuts(Adwin(), stream)
    levels = [cut.level for _, cut in found]
    assert levels[-2:] == ["warning", "drift"]
    step, warning = found[-2]
    assert warning.before_n + warning.after_n == step + 1
    assert warning.before_mean == pytest.approx(np.mean(stream[: warning.before_n]))
    assert warning.after_mean == pytest.approx(np.mean(stream[warning.before_n : step + 1]))
    assert warning.after_mean < warning.before_mean
    drifts = [(s, cut) for s, cut in cuts(Adwin(0.002, 0.0021), stream) if cut.level == "drift"]
    assert drifts == [found[-1]]


def scans(detector: Adwin, stream: list[float], warning_delta: float) -> list[bool]:
    """At each scan without a drift, whether a border stands out by ``warning_delta``.

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


@pytest.mark.parametrize("seed", range(6))
def test_warnings_mark_the_scans_that_end_the_quiet(seed: int) -> None:
    stream = values("small step", bernoulli, seed)
    noisy = dict(cuts(Adwin(0.002, 0.3), stream))
    stands_out = scans(Adwin(0.002, 0.3), stream, 0.3)
    expected, quiet = {}, True
    for i, out in enumerate(stands_out):
        step = 32 * (i + 1) - 1
        if out and step in noisy and noisy[step].level == "drift":
            expected[step] = "drift"
        elif out and quiet:
            expected[step] = "warning"
        quiet = not out
    assert {step: cut.level for step, cut in noisy.items()} == expected
    assert "warning" in expected.values()


@pytest.mark.parametrize("cut_at", [0, 1, 31, 32, 33, 700, 2_017, 2_399])
def test_a_detector_from_bytes_goes_on_as_the_one_in_memory(cut_at: int) -> None:
    rng = np.random.default_rng(1)
    stream = graded(rng, np.repeat([0.6, 0.3, 0.8, 0.35], 600))
    parameters = (0.01, 0.2)
    detector, untouched = Adwin(*parameters), Adwin(*parameters)
    expected = cuts(untouched, stream)
    head = cuts(detector, stream[:cut_at])
    woken = Adwin.decode(detector.encode(), *parameters)
    for other in (detector, woken):
        tail = [(step + cut_at, cut) for step, cut in cuts(other, stream[cut_at:])]
        assert head + tail == expected
        assert other.encode() == untouched.encode()
    assert len(expected) >= 4


def test_encoding_at_every_step_changes_nothing() -> None:
    stream = values("back and forth", graded, 2)
    detector, found = Adwin(), []
    for step, value in enumerate(stream):
        detector = Adwin.decode(detector.encode(), 0.002, 0.02)
        if (cut := detector.update(value)) is not None:
            found.append((step, cut))
    assert found == cuts(Adwin(), stream)


def test_the_state_grows_with_the_logarithm_of_the_window() -> None:
    detector = Adwin()
    for _ in range(100_000):
        detector.update(0.5)
    assert detector.window.n == 100_000
    assert len(detector.encode()) < 1_200


@pytest.mark.parametrize("value", [-1e-9, 1.0 + 1e-9, math.nan, math.inf, 812.0])
def test_a_value_outside_the_unit_interval_is_refused_and_leaves_no_trace(value: float) -> None:
    detector = Adwin()
    before = detector.encode()
    with pytest.raises(ValueError, match="between 0 and 1"):
        detector.update(value)
    assert detector.encode() == before


@pytest.mark.parametrize(
    ("deltas", "others"),
    [
        ((0.02, 0.02), {}),
        ((0.0, 0.02), {}),
        ((0.002, 1.0), {}),
        ((0.002, 0.02), {"clock": 0}),
        ((0.002, 0.02), {"max_buckets": 1}),
        ((0.002, 0.02), {"min_window_length": 0}),
        ((0.002, 0.02), {"grace_period": 0}),
    ],
)
def test_parameters_without_meaning_are_refused(deltas, others) -> None:
    with pytest.raises(ValueError, match="must"):
        Adwin(*deltas, **others)


def test_bytes_that_are_no_state_are_refused() -> None:
    detector = Adwin()
    for value in values("stationary", graded, 0)[:500]:
        detector.update(value)
    good = detector.encode()
    late = good[:2] + struct.pack("<I", 33) + good[6:]
    never = good[:2] + struct.pack("<I", 0) + good[6:]
    crowded = good[:23] + b"\xff" + good[24:]
    for bad in (
        b"",
        b"\x02" + good[1:],
        good[:5],
        good[:20],
        good[:30],
        good[:-1],
        good + b"\0",
        late,
    ):
        with pytest.raises(ValueError, match="not a"):
            Adwin.decode(bad, 0.002, 0.02)
    for bad in (never, crowded, good[:22] + b"\0" + good[23:]):
        with pytest.raises(ValueError, match="not a"):
            Adwin.decode(bad, 0.002, 0.02)
    with pytest.raises(ValueError, match="not a"):
        Adwin.decode(good, 0.002, 0.02, max_buckets=2)
    assert Adwin.decode(good, 0.002, 0.02).encode() == good
