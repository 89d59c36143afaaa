"""Shares of categories: borders by the raw values, false alarms, delays, names that come and go."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.drift.mix import MixDetector, MixShift

ZIPF = [1.0 / rank for rank in range(1, 9)]
NAMES = "abcdefghijklmnopqrstuvwxyz"


def drawn(weights: list[float], n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(weights), size=n, p=np.array(weights) / sum(weights))
    return [NAMES[i] for i in chosen]


def shifts(detector: MixDetector, stream: list[str]) -> list[tuple[int, MixShift]]:
    found = ((at, detector.update(value)) for at, value in enumerate(stream))
    return [(at, shift) for at, shift in found if shift is not None]


def allowed(window: list[str], name: str, n0: int, delta: float) -> float:
    """By how much a share may differ, by Bifet and Gavalda's formula, from the raw values."""
    n, n1 = len(window), len(window) - n0
    share = window.count(name) / n
    d = math.log(2.0 * len(set(window)) * math.log(n) / delta)
    m = 1.0 / n0 + 1.0 / n1
    return math.sqrt(2.0 * m * share * (1.0 - share) * d) + 2.0 / 3.0 * m * d


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "later", [[0.5, *ZIPF[1:]], ZIPF[::-1], [*ZIPF, 0.4], [0.0, *ZIPF[1:]]], ids=str
)
def test_a_shift_tells_the_shares_on_both_sides_of_a_border_that_calls_for_it(
    later: list[float], seed: int
) -> None:
    stream = drawn(ZIPF, 1_600, seed) + drawn(later, 3_200, seed + 100)
    found = shifts(MixDetector(), stream)
    assert found
    forgotten = False
    for at, shift in found:
        window = stream[: at + 1][-shift.before_n - shift.after_n :]
        assert forgotten or len(window) == at + 1
        assert shift.category is not None
        before, after = window[: shift.before_n], window[shift.before_n :]
        assert shift.before == before.count(shift.category) / len(before)
        assert shift.after == after.count(shift.category) / len(after)
        delta = 0.02 if shift.level == "warning" else 0.002
        gap = abs(shift.before - shift.after)
        assert gap > allowed(window, shift.category, len(before), delta) * (1 - 1e-12)
        forgotten |= shift.level == "drift"
    assert any(shift.level == "drift" for _, shift in found)
    assert all(at >= 1_600 for at, _ in found)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.0], ZIPF, [1.0] * 26], ids=len)
def test_a_mix_that_stays_gives_no_alarm(weights: list[float]) -> None:
    for seed in range(2):
        assert shifts(MixDetector(), drawn(weights, 20_000, seed)) == []


def test_every_block_of_one_order_is_seen_as_what_it_is() -> None:
    """Two categories, in turns or in long runs: the same shares, but not the same mix over time."""
    assert shifts(MixDetector(), ["a", "b"] * 2_000) == []
    assert shifts(MixDetector(), (["a"] * 500 + ["b"] * 500) * 2)


def test_the_clearest_category_is_named_and_the_new_one_is() -> None:
    stream = drawn(ZIPF, 2_000, 1) + drawn([*ZIPF, sum(ZIPF)], 400, 2)
    drifts = [shift for _, shift in shifts(MixDetector(), stream) if shift.level == "drift"]
    assert drifts[0].category == "i"
    assert drifts[0].before == 0.0
    assert drifts[0].after == pytest.approx(0.5, abs=0.15)


def test_categories_beyond_the_first_fifteen_are_counted_together() -> None:
    few, many = NAMES[:15], NAMES[15:]
    rng = np.random.default_rng(3)
    stream = [str(rng.choice(list(few))) for _ in range(2_000)]
    stream += [str(rng.choice(list(many))) for _ in range(500)]
    drifts = [shift for _, shift in shifts(MixDetector(), stream) if shift.level == "drift"]
    assert drifts[0].category is None
    assert drifts[0].before == 0.0
    assert drifts[0].after >= 0.4


def test_categories_that_are_gone_give_their_names_to_new_ones() -> None:
    detector = MixDetector()
    for start in range(0, 24, 3):
        names = NAMES[start : start + 3]
        drifts = [
            shift for _, shift in shifts(detector, list(names) * 300) if shift.level == "drift"
        ]
        assert bool(drifts) == (start > 0)
        assert all(shift.category is not None for shift in drifts)


def test_after_a_drift_the_new_mix_is_no_news_and_the_old_one_is() -> None:
    stream = drawn(ZIPF, 2_000, 4) + drawn(ZIPF[::-1], 4_000, 5) + drawn(ZIPF, 500, 6)
    drifts = [at for at, shift in shifts(MixDetector(), stream) if shift.level == "drift"]
    assert 2_000 <= min(drifts) < 2_200
    assert not [at for at in drifts if 3_600 <= at < 6_000]
    assert [at for at in drifts if 6_000 <= at < 6_300]


@settings(max_examples=20, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.lists(st.text(max_size=5), min_size=1, max_size=20), st.integers(1, 300)),
        max_size=5,
    ),
    share=st.floats(0.0, 1.0),
)
def test_a_detector_from_bytes_goes_on_as_the_one_in_memory(
    parts: list[tuple[list[str], int]], share: float
) -> None:
    stream = [names[i % len(names)] for names, n in parts for i in range(n)]
    cut_at = int(share * len(stream))
    detector, untouched = MixDetector(0.01, 0.3), MixDetector(0.01, 0.3)
    expected = shifts(untouched, stream)
    head = shifts(detector, stream[:cut_at])
    for other in (detector, MixDetector.decode(detector.encode(), 0.01, 0.3)):
        tail = [(at + cut_at, shift) for at, shift in shifts(other, stream[cut_at:])]
        assert head + tail == expected
        assert other.encode() == untouched.encode()
        assert other.alarmed == untouched.alarmed


def test_the_state_grows_with_the_logarithm_of_the_window() -> None:
    detector = MixDetector()
    stream = drawn(ZIPF, 30_000, 7)
    assert shifts(detector, stream) == []
    assert len(detector.encode()) < 800
    many = MixDetector()
    shifts(many, drawn([1.0] * 26, 30_000, 8))
    assert len(many.encode()) < 1_400


def test_nothing_is_lost_in_the_buckets() -> None:
    detector = MixDetector()
    stream = drawn([*ZIPF, *[0.05] * 12], 10_000, 9)
    assert shifts(detector, stream) == []
    counts = Counter(stream)
    kept = [
        sum(column)
        for column in zip(
            detector._pending,
            *[bucket for level in detector._levels for bucket in level],
            strict=True,
        )
    ]
    named = {name: kept[at] for name, at in detector._columns.items()}
    assert named == {name: counts[name] for name in named}
    assert len(named) == 15
    assert sum(kept) == 10_000


def test_bytes_that_are_no_state_are_refused() -> None:
    detector = MixDetector()
    shifts(detector, drawn(ZIPF, 3_000, 10))
    good = detector.encode()
    assert MixDetector.decode(good, 0.002, 0.02).encode() == good
    bad_name = good.replace(b"a", b"\xff", 1)
    twice = good.replace(b"a", b"b", 1)
    for bad in (b"", good[:1], good[:9], good[:-1], good + b"\0", b"N" + good[1:]):
        with pytest.raises(ValueError, match="not a state"):
            MixDetector.decode(bad, 0.002, 0.02)
    for bad in (bad_name, twice, good[:-1] + b"\xff"):
        with pytest.raises(ValueError, match="not a state"):
            MixDetector.decode(bad, 0.002, 0.02)


@pytest.mark.parametrize("deltas", [(0.0, 0.02), (0.02, 0.02), (0.002, 1.0)])
def test_parameters_without_meaning_are_refused(deltas) -> None:
    with pytest.raises(ValueError, match="delta"):
        MixDetector(*deltas)
