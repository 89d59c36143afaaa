"""Shares and their difference, against scipy, published tables and exact sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.statistics.proportions import (
    Share,
    newcombe_interval,
    two_proportion_test,
    wilson_interval,
)

LEVELS = st.floats(0.01, 0.999)


@st.composite
def shares(draw: st.DrawFn) -> Share:
    n = draw(st.integers(1, 10_000))
    return Share(draw(st.integers(0, n)), n)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published_by_newcombe_1998(hits: int, n: int, low: float, high: float) -> None:
    interval = wilson_interval(Share(hits, n))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@given(shares(), LEVELS)
def test_wilson_is_scipys_and_holds_the_observed_share(share: Share, level: float) -> None:
    interval = wilson_interval(share, level)
    binomial = stats.binomtest(int(share.successes), int(share.n))
    theirs = binomial.proportion_ci(level, method="wilson")
    assert (interval.low, interval.high) == pytest.approx(tuple(theirs), abs=1e-9)
    assert 0.0 <= interval.low <= share.value <= interval.high <= 1.0


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((48, 80), (56, 70), 0.0524, 0.3339),
        ((3, 10), (9, 10), 0.1705, 0.8090),
        ((2, 7), (6, 7), 0.0582, 0.8062),
        ((0, 29), (5, 56), -0.0381, 0.1926),
        ((0, 20), (0, 10), -0.1611, 0.2775),
        ((0, 20), (10, 10), 0.6791, 1.0),
    ],
)
def test_newcombe_as_published(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    interval = newcombe_interval(Share(*first), Share(*second))
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("p1", "p2", "n1", "n2"), [(0.05, 0.1, 40, 60), (0.5, 0.5, 20, 30)])
def test_newcombe_covers_as_often_as_it_says(p1: float, p2: float, n1: int, n2: int) -> None:
    """Exactly, by summing over all outcomes."""
    covered = 0.0
    chances = stats.binom(n2, p2).pmf(np.arange(n2 + 1))
    for x, chance in enumerate(stats.binom(n1, p1).pmf(np.arange(n1 + 1))):
        for y in range(n2 + 1):
            interval = newcombe_interval(Share(x, n1), Share(y, n2))
            if interval.low <= p2 - p1 <= interval.high:
                covered += chance * chances[y]
    assert 0.94 < covered < 0.97


def test_a_worked_example() -> None:
    found = two_proportion_test(Share(100, 1_000), Share(120, 1_000))
    assert found.difference == pytest.approx(0.02)
    assert found.z == pytest.approx(1.4293, abs=5e-5)
    assert found.p_value == pytest.approx(0.1529, abs=5e-5)


@given(shares(), shares())
def test_the_square_of_z_is_the_chi_squared_of_the_table(first: Share, second: Share) -> None:
    table = np.array([[share.successes, share.n - share.successes] for share in (first, second)])
    found = two_proportion_test(first, second)
    if not table.sum(axis=0).all():
        assert (found.z, found.p_value) == (0.0, 1.0)
        return
    theirs = stats.chi2_contingency(table, correction=False)
    assert found.z**2 == pytest.approx(theirs.statistic, abs=1e-9)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)


@given(shares(), shares(), LEVELS)
def test_swapping_the_arms_turns_everything_around(
    first: Share, second: Share, level: float
) -> None:
    one = two_proportion_test(first, second, level=level, alternative="greater")
    other = two_proportion_test(second, first, level=level, alternative="less")
    assert one.z == pytest.approx(-other.z, abs=1e-12)
    assert one.p_value == pytest.approx(other.p_value, abs=1e-12)
    assert one.interval.low == pytest.approx(-other.interval.high, abs=1e-12)
    assert -1.0 <= one.interval.low <= one.difference <= one.interval.high <= 1.0


def test_a_one_sided_p_value_is_half_of_the_two_sided_one() -> None:
    arms = Share(100, 1_000), Share(120, 1_000)
    both = two_proportion_test(*arms).p_value
    assert two_proportion_test(*arms, alternative="greater").p_value == pytest.approx(both / 2)
    assert two_proportion_test(*arms, alternative="less").p_value == pytest.approx(1 - both / 2)


@pytest.mark.parametrize(
    ("hits", "n"), [(1.0, 0.0), (2.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (0.0, math.inf)]
)
def test_no_share_of_nothing(hits: float, n: float) -> None:
    with pytest.raises(ValueError, match="trials"):
        Share(hits, n)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, math.nan])
def test_a_level_is_no_percentage(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        wilson_interval(Share(1, 2), level)
