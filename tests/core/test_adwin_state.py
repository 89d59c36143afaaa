"""ADWIN's state as bytes, and what it refuses."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from core.drift.adwin import Adwin
from tests.core.drift_streams import cuts, graded, values


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
    crowded = good[:27] + b"\xff" + good[28:]
    for bad in (
        b"",
        b"\x01" + good[1:],
        good[:5],
        good[:20],
        good[:30],
        good[:-1],
        good + b"\0",
        late,
    ):
        with pytest.raises(ValueError, match="not a"):
            Adwin.decode(bad, 0.002, 0.02)
    for bad in (never, crowded, good[:26] + b"\0" + good[27:]):
        with pytest.raises(ValueError, match="not a"):
            Adwin.decode(bad, 0.002, 0.02)
    with pytest.raises(ValueError, match="not a"):
        Adwin.decode(good, 0.002, 0.02, max_buckets=2)
    assert Adwin.decode(good, 0.002, 0.02).encode() == good


def test_only_a_scan_changes_the_base() -> None:
    detector, bases = Adwin(), set()
    for number, value in enumerate(values("step", graded, 3)[:640], 1):
        detector.update(value)
        bases.add(detector.base())
        assert len(detector.tail()) == 8 * (number % 32)
        assert detector.encode() == detector.base() + detector.tail()
        assert detector.merges == number // 32
    assert len(bases) == 640 // 32 + 1


def test_means_stay_between_0_and_1_whatever_the_rounding() -> None:
    detector = Adwin()
    stream = np.random.default_rng(76).uniform(0.3125, 1.0, 76).tolist() + [0.0] * 40
    found = [cut for value in stream if (cut := detector.update(value)) is not None]
    assert found
    assert all(0.0 <= mean <= 1.0 for cut in found for mean in (cut.before_mean, cut.after_mean))
