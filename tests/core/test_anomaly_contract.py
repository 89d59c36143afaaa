"""What every anomaly detector keeps, whichever it is and whichever scale it judges on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.anomaly.base import Anomaly, AnomalyDetector
from tests.core.detector_cases import ODD, Odd, untouched

every = pytest.mark.parametrize("case", ODD, ids=repr)
STREAMS = st.lists(
    st.one_of(
        st.floats(0.4, 0.6), st.floats(0.0, 1e9), st.sampled_from([0.0, 0.5, 1.0, 1e9, 5e-324])
    ),
    max_size=300,
)


def judged(detector: AnomalyDetector, stream: list[float]) -> list[tuple[int, Anomaly]]:
    found = ((at, detector.judge(value)) for at, value in enumerate(stream))
    return [(at, anomaly) for at, anomaly in found if anomaly is not None]


def verdict(case: Odd, detector: AnomalyDetector, value: float) -> Anomaly | None:
    """What the detector would say to a value, without telling it."""
    return case.decode(detector.encode()).judge(value)


def bounds(case: Odd, detector: AnomalyDetector) -> tuple[float, ...]:
    """From and up to where values are usual, and what is."""
    found = verdict(case, detector, case.far[1])
    assert found is not None
    return found.low, found.high, found.center, found.n


@every
@settings(max_examples=25, deadline=None)
@given(stream=STREAMS, share=st.floats(0.0, 1.0))
def test_a_detector_from_bytes_goes_on_as_the_one_in_memory(
    case: Odd, stream: list[float], share: float
) -> None:
    stream = case.usual(40) + stream
    cut_at = int(share * len(stream))
    detector, other = case.make(), case.make()
    expected = judged(other, stream)
    head = judged(detector, stream[:cut_at])
    for one in (detector, case.decode(detector.encode())):
        tail = [(at + cut_at, found) for at, found in judged(one, stream[cut_at:])]
        assert head + tail == expected
        assert one.encode() == other.encode()


@every
def test_encoding_at_every_step_changes_nothing(case: Odd) -> None:
    stream = [value for i in range(5) for value in [*case.usual(90, i), *[case.far[i % 2]] * 7 * i]]
    detector, found = case.make(), []
    for at, value in enumerate(stream):
        detector = case.decode(detector.encode())
        if (anomaly := detector.judge(value)) is not None:
            found.append((at, anomaly))
    assert found == judged(case.make(), stream)
    assert found


@every
def test_usual_values_are_no_anomalies_and_far_ones_are(case: Odd) -> None:
    for seed in range(5):
        detector = case.make()
        assert judged(detector, case.usual(500, seed)) == []
        for value in case.far:
            found = verdict(case, detector, value)
            assert found is not None
            assert (found.level, found.value) == ("critical", value)
            assert found.low < found.center < found.high


@every
def test_a_value_is_an_anomaly_exactly_outside_of_the_bounds_that_are_told(case: Odd) -> None:
    detector = case.make()
    judged(detector, case.usual(120, 3))
    low, high, _, _ = bounds(case, detector)
    within = (low * (1 + 1e-9) + 1e-9, high * (1 - 1e-9) - 1e-9)
    if case.logarithmic:
        within = (low * (1 + 1e-9), high * (1 - 1e-9))
    for value in within:
        assert verdict(case, detector, value) is None
    for value in (low - abs(low) * 1e-9, high + abs(high) * 1e-9):
        found = verdict(case, detector, value)
        assert found is not None
        assert found.level == "warning"
        assert not found.low <= value <= found.high
        assert found.score == pytest.approx(limit(case), rel=1e-6)


def limit(case: Odd) -> float:
    detector = case.spec.detector
    for name in ("threshold", "fences", "limit"):
        if hasattr(detector, name):
            return float(getattr(detector, name))
    raise AssertionError(detector)


@every
def test_the_judged_value_has_no_part_in_what_is_usual(case: Odd) -> None:
    detector = case.make()
    judged(detector, case.usual(77, 4))
    expected = bounds(case, detector)
    low, high = case.far
    for value in (low, low * 0.9, high, high * 0.9):
        found = verdict(case, detector, value)
        assert found is not None
        assert (found.low, found.high, found.center, found.n) == expected


@every
@pytest.mark.parametrize("side", [0, 1])
def test_anomalies_are_not_learned(case: Odd, side: int) -> None:
    with_some, without = case.make(), case.make()
    usual = case.usual(300, 5)
    for at, value in enumerate(usual):
        assert without.judge(value) is None
        assert with_some.judge(value) is None
        if at % 11 == 5 and at > 40:
            assert with_some.judge(case.far[side]) is not None
            assert bounds(case, with_some) == bounds(case, without)


@every
def test_nothing_is_judged_before_the_least_sample(case: Odd) -> None:
    detector = case.make()
    usual = case.usual(30, 6)
    judged(detector, usual[:29])
    assert verdict(case, detector, case.far[1]) is None
    detector.judge(usual[29])
    assert verdict(case, detector, case.far[1]) is not None


@every
@pytest.mark.parametrize("side", [0, 1])
def test_a_new_level_is_an_anomaly_only_until_there_were_enough_of_it(case: Odd, side: int) -> None:
    detector = case.make()
    judged(detector, case.usual(200, 7))
    factor, shift = (1e-3, -30.0) if side == 0 else (1e3, 30.0)
    moved = [value * factor if case.logarithmic else value + shift for value in case.usual(400, 8)]
    found = judged(detector, moved)
    assert [at for at, _ in found] == list(range(case.patience))
    assert all((found.value > found.center) == (side == 1) for _, found in found)
    back = judged(detector, case.usual(200, 9))
    assert [at for at, _ in back] == list(range(case.patience))


@every
def test_what_happens_often_becomes_usual(case: Odd) -> None:
    """Every fifth value is far off: none of them is worth an alert for ever."""
    detector = case.make()
    judged(detector, case.usual(200, 7))
    factor = 20.0
    often = [
        (value * factor if case.logarithmic else value + 1.0) if at % 5 == 0 else value
        for at, value in enumerate(case.usual(3_000, 8))
    ]
    found = [at for at, _ in judged(detector, often)]
    assert len(found) <= case.patience + 5
    if "ewma" not in case.name:  # few single values move its weighted mean so far
        assert found[: case.patience] == list(range(0, 5 * case.patience, 5))


@every
@pytest.mark.parametrize("value", [0.0, 0.004, 1.0, 812.0])
def test_a_hairs_breadth_off_a_constant_is_no_anomaly(case: Odd, value: float) -> None:
    detector = case.make()
    assert judged(detector, [value] * 200) == []
    for near in (value * (1 + 1e-12), value * 0.99, value * 1.01):
        if case.logarithmic or value <= 1.0:
            assert verdict(case, detector, near) is None
    assert verdict(case, detector, case.far[1]) is not None
    low, high, center, _ = bounds(case, detector)
    if not case.logarithmic or value:
        assert center == pytest.approx(value, rel=1e-6)
        assert low < value < high


@every
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e31])
def test_a_value_that_is_not_finite_is_refused_and_leaves_no_trace(case: Odd, value: float) -> None:
    detector = case.make()
    judged(detector, case.usual(50))
    with untouched(detector), pytest.raises(ValueError, match="finite"):
        detector.judge(value)


@every
def test_a_negative_value_has_no_logarithm(case: Odd) -> None:
    detector = case.make()
    judged(detector, case.usual(50))
    if case.logarithmic:
        with untouched(detector), pytest.raises(ValueError, match="logarithm"):
            detector.judge(-1e-9)
    else:
        assert detector.judge(-1.0) is not None


@pytest.mark.parametrize("case", [case for case in ODD if case.logarithmic], ids=repr)
def test_on_the_logarithmic_scale_the_unit_does_not_matter(case: Odd) -> None:
    stream = [*case.usual(100, 1), 1e6, 30_000.0, *case.usual(50, 2), 2.0]
    in_ms = judged(case.make(), stream)
    in_s = judged(case.make(), [value / 1_000.0 for value in stream])
    assert [at for at, _ in in_ms] == [at for at, _ in in_s]
    assert len(in_ms) >= 2
    for (_, ms), (_, s) in zip(in_ms, in_s, strict=True):
        assert s.score == pytest.approx(ms.score, rel=1e-4)
        assert s.high * 1_000.0 == pytest.approx(ms.high, rel=1e-4)


@every
def test_bytes_of_another_detector_and_no_bytes_of_one_are_refused(case: Odd) -> None:
    for n in (0, 20, 130):
        for other in ODD:
            detector = other.make()
            judged(detector, case.usual(n))
            if type(other.spec.detector) is not type(case.spec.detector):
                with pytest.raises(ValueError, match="not a"):
                    case.decode(detector.encode())
        detector = case.make()
        judged(detector, [*case.usual(n), case.far[1]])
        good = detector.encode()
        for bad in (b"", good[:1], good[:6], good[:-1], good + b"\0", b"\xff" + good[1:]):
            with pytest.raises(ValueError, match="not "):
                case.decode(bad)
        assert case.decode(good).encode() == good


@every
def test_a_state_is_taken_up_with_another_window(case: Odd) -> None:
    """A policy may change the window, and the detector goes on with what fits."""
    detector = case.make()
    judged(detector, case.usual(500, 1))
    for window in (20, 1_000):
        smaller = case._replace(
            spec=replace(case.spec, detector=replace(case.spec.detector, window=window))
        )
        woken = smaller.decode(detector.encode())
        assert judged(woken, case.usual(300, 2)) == []
        center = bounds(smaller, woken)[2]
        assert center == pytest.approx(bounds(case, detector)[2], rel=0.2)


@every
def test_the_state_stays_small_however_long_the_stream(case: Odd) -> None:
    detector = case.make()
    for i in range(12):
        for value in [*case.usual(200, i), *[case.far[i % 2]] * (case.patience - 1)]:
            detector.judge(value)
        assert len(detector.encode()) <= case.most_bytes
