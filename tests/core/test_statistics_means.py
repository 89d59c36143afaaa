"""Means and their difference, against scipy and a published example."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from core.statistics.interval import Alternative
from core.statistics.means import Sample, mean_interval, welch_dof, welch_test

VALUES = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=60)
ALTERNATIVES: tuple[Alternative, ...] = ("two-sided", "greater", "less")


@given(VALUES, VALUES, st.sampled_from(ALTERNATIVES))
def test_welch_is_scipys(a: list[float], b: list[float], alternative: Alternative) -> None:
    assume(np.std(a) > 1e-3 and np.std(b) > 1e-3)
    found = welch_test(Sample.of(a), Sample.of(b), alternative=alternative)
    theirs = stats.ttest_ind(b, a, equal_var=False, alternative=alternative)
    assert found.t == pytest.approx(theirs.statistic, rel=1e-7, abs=1e-9)
    assert found.dof == pytest.approx(theirs.df, rel=1e-7)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    two_sided = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    ends = found.interval.low, found.interval.high
    assert ends == pytest.approx(tuple(two_sided), rel=1e-7, abs=1e-9)


def test_students_sleep_data() -> None:
    """Cushny and Peebles 1905, the example of R's t.test: t = -1.8608, df = 17.776, p = .07939."""
    drug1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    drug2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = welch_test(Sample.of(drug2), Sample.of(drug1))
    assert found.t == pytest.approx(-1.8608, abs=5e-5)
    assert found.dof == pytest.approx(17.776, abs=5e-4)
    assert found.p_value == pytest.approx(0.07939, abs=5e-6)
    assert found.interval.low == pytest.approx(-3.3654832, abs=5e-8)
    assert found.interval.high == pytest.approx(0.2054832, abs=5e-8)


@given(VALUES, st.floats(0.5, 0.99))
def test_the_interval_of_a_mean_is_scipys(values: list[float], level: float) -> None:
    assume(np.std(values) > 1e-3)
    found = mean_interval(Sample.of(values), level)
    theirs = stats.ttest_1samp(values, 0.0).confidence_interval(level)
    assert (found.low, found.high) == pytest.approx(tuple(theirs), rel=1e-7, abs=1e-9)


def test_samples_without_variance_differ_with_certainty_or_not_at_all() -> None:
    one, other = Sample.of([0.5, 0.5]), Sample.of([0.75, 0.75, 0.75])
    found = welch_test(one, other)
    assert (found.t, found.p_value, found.dof) == (math.inf, 0.0, 3.0)
    assert (found.interval.low, found.interval.high) == (0.25, 0.25)
    assert welch_test(other, one, alternative="greater").p_value == 1.0
    same = welch_test(one, one)
    assert (same.t, same.p_value) == (0.0, 1.0)


@given(st.floats(2, 1e6), st.floats(1e-6, 1e3), st.floats(2, 1e6), st.floats(1e-6, 1e3))
def test_the_degrees_of_freedom_lie_between_their_bounds(
    n1: float, variance1: float, n2: float, variance2: float
) -> None:
    dof = welch_dof(n1, variance1, n2, variance2)
    assert (min(n1, n2) - 1.0) * (1 - 1e-9) <= dof <= (n1 + n2 - 2.0) * (1 + 1e-9)


def test_one_value_has_no_variance() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        Sample.of([1.0])
    with pytest.raises(ValueError, match="at least 2"):
        Sample(1.0, 0.5, 0.1)
    with pytest.raises(ValueError, match="finite"):
        Sample(10.0, math.nan, 0.1)
