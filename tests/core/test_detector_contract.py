"""What every change detector keeps, whichever it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.drift.base import Cut
from tests.core.detector_cases import CHANGES, Change, untouched
from tests.core.drift_streams import bernoulli, cuts, graded

every = pytest.mark.parametrize("case", CHANGES, ids=repr)
STREAMS = st.lists(
    st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.integers(1, 250)), max_size=4
).map(
    lambda parts: [
        value
        for low, high, n in parts
        for value in np.random.default_rng(n).uniform(min(low, high), max(low, high), n).tolist()
    ]
)


def step(before: float, after: float, seed: int, noise=graded, n: int = 1_000) -> list[float]:
    rng = np.random.default_rng(seed)
    return noise(rng, np.repeat([before, after], n))


def parts(seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return bernoulli(rng, np.full(700, 0.8)) + graded(rng, np.repeat([0.8, 0.3, 0.6], 600))


@every
@settings(max_examples=25, deadline=None)
@given(stream=STREAMS, share=st.floats(0.0, 1.0))
def test_a_detector_from_bytes_goes_on_as_the_one_in_memory(
    case: Change, stream: list[float], share: float
) -> None:
    cut_at = int(share * len(stream))
    detector, untouched_one = case.make(), case.make()
    expected = cuts(untouched_one, stream)
    head = cuts(detector, stream[:cut_at])
    for other in (detector, case.decode(detector.encode())):
        tail = [(at + cut_at, cut) for at, cut in cuts(other, stream[cut_at:])]
        assert head + tail == expected
        assert other.encode() == untouched_one.encode()
        assert other.alarmed == untouched_one.alarmed


@every
def test_encoding_at_every_step_changes_nothing(case: Change) -> None:
    stream = parts(1)
    detector, found = case.make(), []
    for at, value in enumerate(stream):
        detector = case.decode(detector.encode())
        if (cut := detector.update(value)) is not None:
            found.append((at, cut))
    assert found == cuts(case.make(), stream)
    assert any(cut.level == "drift" for _, cut in found)


@every
@settings(max_examples=25, deadline=None)
@given(stream=STREAMS)
def test_a_cut_tells_means_and_numbers_that_there_can_be(case: Change, stream: list[float]) -> None:
    for at, cut in cuts(case.make(), stream):
        assert min(cut.before_mean, cut.after_mean) >= 0.0
        assert max(cut.before_mean, cut.after_mean) <= 1.0
        assert min(cut.before_n, cut.after_n) >= 1
        assert cut.before_n + cut.after_n <= at + 1


@every
@pytest.mark.parametrize("value", [-1e-9, 1.0 + 1e-9, math.nan, math.inf, -math.inf, 812.0])
def test_a_value_outside_the_unit_interval_is_refused_and_leaves_no_trace(
    case: Change, value: float
) -> None:
    detector = case.make()
    cuts(detector, parts(2)[:617])
    with untouched(detector), pytest.raises(ValueError, match="between 0 and 1"):
        detector.update(value)


@every
def test_bytes_of_another_detector_and_no_bytes_of_one_are_refused(case: Change) -> None:
    for n in (0, 500, 617):
        for other in CHANGES:
            detector = other.make()
            cuts(detector, parts(3)[:n])
            if type(other.spec.detector) is not type(case.spec.detector):
                with pytest.raises(ValueError, match="not a"):
                    case.decode(detector.encode())
        detector = case.make()
        cuts(detector, parts(3)[:n])
        good = detector.encode()
        for bad in (b"", good[:1], good[:9], good[:-1], good + b"\0", b"\xff" + good[1:]):
            with pytest.raises(ValueError, match="not a"):
                case.decode(bad)
        assert case.decode(good).encode() == good


@every
@pytest.mark.parametrize("value", [0.0, 0.1, 0.5, 1.0])
def test_a_constant_is_no_change(case: Change, value: float) -> None:
    detector = case.make()
    assert cuts(detector, [value] * 5_000) == []
    assert not detector.alarmed


@every
@pytest.mark.parametrize(("before", "after"), [(0.8, 0.4), (0.4, 0.8)])
@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_found_soon_with_its_levels_whichever_way_it_goes(
    case: Change, before: float, after: float, seed: int
) -> None:
    found = cuts(case.make(), step(before, after, seed))
    at, cut = next((at, cut) for at, cut in found if cut.level == "drift" and at >= 1_000)
    assert at < 1_000 + 200
    if case.name in {"adwin", "page_hinkley", "cusum", "ks_window"}:
        assert [cut.level for at, cut in found if at < 1_000] == []
        assert cut.before_mean == pytest.approx(before, abs=0.06)
        assert cut.after_mean == pytest.approx(after, abs=0.13)


@every
@pytest.mark.parametrize("seed", range(3))
def test_at_most_one_warning_comes_before_a_drift_and_the_alarm_ends(
    case: Change, seed: int
) -> None:
    detector, warned, found = case.make(), False, 0
    rng = np.random.default_rng(seed)
    stream = graded(rng, np.concatenate([np.full(1_000, 0.7), np.linspace(0.7, 0.3, 2_000)]))
    assert not detector.alarmed
    for value in stream:
        was = detector.alarmed
        cut = detector.update(value)
        if cut is not None:
            found += 1
            assert detector.alarmed
            assert cut.level == "drift" or not (warned and was)
            warned = cut.level == "warning"
    assert found
    cuts(detector, graded(rng, np.full(15_000, 0.3)))
    assert not detector.alarmed


@every
@pytest.mark.parametrize("seed", range(3))
def test_after_a_drift_it_goes_on_from_the_newer_values(case: Change, seed: int) -> None:
    """The new level is no news for long, and the way back is found against it."""
    rng = np.random.default_rng(seed)
    stream = graded(rng, np.repeat([0.8, 0.4, 0.8], 1_500))
    drifts = [(at, cut) for at, cut in cuts(case.make(), stream) if cut.level == "drift"]
    there = [at for at, _ in drifts if 1_500 <= at < 3_000]
    back = [(at, cut) for at, cut in drifts if at >= 3_000]
    assert there
    assert back[0][0] < 3_300
    if case.name in {"adwin", "page_hinkley", "cusum", "ks_window"}:
        assert all(at < 1_900 for at in there)
        assert back[0][1].before_mean == pytest.approx(0.4, abs=0.06)


@every
@pytest.mark.parametrize("seed", range(3))
def test_up_and_down_are_treated_alike(case: Change, seed: int) -> None:
    stream = step(0.7, 0.5, seed)
    mirrored = [1.0 - value for value in stream]

    def told(found: list[tuple[int, Cut]]) -> list[tuple[object, ...]]:
        if case.name.startswith("ks"):  # of equally wide gaps, it takes the first
            return [(at, cut.level) for at, cut in found[:1]]
        return [(at, cut.level, cut.before_n, cut.after_n) for at, cut in found]

    ours, theirs = cuts(case.make(), stream), cuts(case.make(), mirrored)
    assert told(ours) == told(theirs)
    for (_, one), (_, other) in zip(ours, theirs, strict=False):
        assert one.before_mean == pytest.approx(1.0 - other.before_mean, abs=1e-9)


@every
def test_the_state_stays_small_however_long_the_stream(case: Change) -> None:
    detector = case.make()
    stream = step(0.5, 0.52, 4, bernoulli, 25_000)
    cuts(detector, stream)
    assert len(detector.encode()) <= case.most_bytes


@every
def test_the_wildest_values_do_no_harm(case: Change) -> None:
    detector = case.make()
    wild = [0.0, 1.0] * 2_000 + [0.0] * 2_000 + [5e-324] * 500 + [1.0 - 2**-53] * 2_000
    for at, value in enumerate(wild):
        detector.update(value)
        if at % 499 == 0:
            detector = case.decode(detector.encode())
    assert len(detector.encode()) <= case.most_bytes
