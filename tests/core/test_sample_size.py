"""Sample sizes against closed forms, published tables, exact sums and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.statistics.design import Design, Effect
from core.statistics.sample_size import (
    Variance,
    means_detectable,
    means_power,
    means_sample_size,
    proportions_detectable,
    proportions_power,
    proportions_sample_size,
)

RATIOS = st.sampled_from([0.25, 0.5, 1.0, 2.0, 3.0])
POWERS = st.floats(0.5, 0.99)


def closed_form(p1: float, p2: float, design: Design, variance: Variance) -> float:
    """The textbook formulas, which leave out the rejections on the wrong side."""
    za = stats.norm.isf(design.alpha / design.sides)
    zb = stats.norm.ppf(design.power)
    k = design.ratio
    unpooled = p1 * (1 - p1) + p2 * (1 - p2) / k
    p = (p1 + k * p2) / (1 + k)
    null = p * (1 - p) * (1 + 1 / k) if variance == "pooled" else unpooled
    return float((za * math.sqrt(null) + zb * math.sqrt(unpooled)) ** 2 / (p2 - p1) ** 2)


def test_ten_against_twelve_percent() -> None:
    pooled = proportions_sample_size(0.10, 0.12)
    assert (pooled.first, pooled.second, pooled.total) == (3_841, 3_841, 7_682)
    assert pooled.exact == pytest.approx(3_840.85, abs=0.02)
    unpooled = proportions_sample_size(0.10, 0.12, variance="unpooled")
    assert unpooled.exact == pytest.approx(3_838.1, abs=0.02)
    assert unpooled.first == math.ceil(unpooled.exact)


@settings(max_examples=60)
@given(
    st.floats(0.05, 0.95),
    st.floats(0.02, 0.3),
    POWERS,
    RATIOS,
    st.sampled_from([1, 2]),
    st.sampled_from(["pooled", "unpooled"]),
)
def test_proportions_follow_the_closed_form(
    p1: float, away: float, power: float, ratio: float, sides: Any, variance: Variance
) -> None:
    p2 = p1 + away if p1 < 0.5 else p1 - away
    design = Design(power=power, ratio=ratio, sides=sides)
    size = proportions_sample_size(p1, p2, design, variance)
    wanted = closed_form(p1, p2, design, variance)
    # Counting the wrong side too needs a hair less, at a power of .5 the most.
    assert max(1.0, wanted * (1 - 2e-3) - 1e-6) <= size.exact <= max(1.0, wanted + 1e-6)
    assert size.first == math.ceil(size.exact * (1 - 1e-11))
    assert size.power >= power - 1e-9


def test_the_exact_power_of_the_z_test_is_about_the_one_asked_for() -> None:
    """By summing the binomial chances of all pairs of counts that the test calls different."""
    n, p1, p2 = 3_841, 0.10, 0.12
    x = np.arange(n + 1)
    likely1 = x[np.abs(x - n * p1) < 8 * math.sqrt(n * p1)]
    likely2 = x[np.abs(x - n * p2) < 8 * math.sqrt(n * p2)]
    a, b = likely1[:, None] / n, likely2[None, :] / n
    pooled = (a + b) / 2
    z = (b - a) / np.sqrt(pooled * (1 - pooled) * 2 / n)
    chances = np.outer(stats.binom(n, p1).pmf(likely1), stats.binom(n, p2).pmf(likely2))
    exact = chances[np.abs(z) > stats.norm.isf(0.025)].sum()
    assert exact == pytest.approx(0.8, abs=0.002)
    assert proportions_power(p1, p2, n, n) == pytest.approx(exact, abs=0.002)


@pytest.mark.parametrize(
    ("difference", "power", "per_arm"),
    # Cohen 1988, table 2.4.1 (alpha .05, two-sided), as corrected by exact noncentral t.
    [
        (0.2, 0.8, 394),
        (0.5, 0.8, 64),
        (0.8, 0.8, 26),
        (0.5, 0.9, 86),
        (0.5, 0.95, 105),
        (1.0, 0.8, 17),
    ],
)
def test_means_as_published_by_cohen(difference: float, power: float, per_arm: int) -> None:
    size = means_sample_size(difference, 1.0, Design(power=power))
    assert (size.first, size.second) == (per_arm, per_arm)


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize(("n", "m"), [(5, 5), (20, 20), (20, 60), (500, 500)])
@pytest.mark.parametrize("difference", [0.0, 0.2, 0.5, 1.0])
def test_the_power_of_means_is_scipys_noncentral_t(
    difference: float, n: int, m: int, sides: Any
) -> None:
    dof = 2 * n - 2 if n == m else (1 / n + 1 / m) ** 2 / (1 / n**2 / (n - 1) + 1 / m**2 / (m - 1))
    shift = difference / math.sqrt(1 / n + 1 / m)
    critical = stats.t.isf(0.05 / sides, dof)
    wanted = stats.nct.sf(critical, dof, shift)
    if sides == 2:
        wanted += stats.nct.cdf(-critical, dof, shift)
    found = means_power(difference, 1.0, n, m, Design(sides=sides))
    assert found == pytest.approx(wanted, abs=1e-10)


def test_unequal_deviations_as_simulated() -> None:
    n, m, rounds = 30, 50, 20_000
    rng = np.random.default_rng(7)
    a, b = rng.normal(0.0, 1.0, (rounds, n)), rng.normal(0.6, 2.0, (rounds, m))
    found = stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue < 0.05
    planned = means_power(0.6, 1.0, n, m, std_second=2.0)
    assert planned == pytest.approx(found.mean(), abs=3 * math.sqrt(0.25 / rounds))


@settings(max_examples=30)
@given(st.floats(0.01, 2.0), POWERS, RATIOS)
def test_the_three_questions_about_means_agree(
    difference: float, power: float, ratio: float
) -> None:
    design = Design(power=power, ratio=ratio)
    size = means_sample_size(difference, 0.7, design, std_second=0.4)
    assert means_power(difference, 0.7, size.first, size.second, design, 0.4) == size.power
    assert size.power >= power - 1e-9
    fewer = size.exact - 1.0
    if min(fewer, ratio * fewer) >= 2.0:
        assert means_power(difference, 0.7, fewer, ratio * fewer, design, 0.4) < power
    found = means_detectable(0.7, size.first, size.second, design, 0.4)
    assert found <= difference * (1 + 1e-9)
    assert means_power(found, 0.7, size.first, size.second, design, 0.4) == pytest.approx(power)


@settings(max_examples=30)
@given(st.floats(0.02, 0.98), st.integers(50, 100_000), st.sampled_from(["up", "down"]), POWERS)
def test_a_detectable_share_is_found_with_that_power(
    baseline: float, n: int, direction: Any, power: float
) -> None:
    design = Design(power=power)
    end = 1.0 if direction == "up" else 0.0
    if proportions_power(baseline, end, n, n, design) < power:
        with pytest.raises(ValueError, match="not even"):
            proportions_detectable(baseline, n, n, design, direction=direction)
        return
    other = proportions_detectable(baseline, n, n, design, direction=direction)
    assert (other > baseline) == (direction == "up")
    assert proportions_power(baseline, other, n, n, design) == pytest.approx(power, abs=1e-6)


@given(st.floats(0.05, 0.5), st.floats(0.01, 0.2), POWERS, st.floats(0.001, 0.2), st.integers(1, 9))
def test_more_certainty_takes_more_samples(
    baseline: float, effect: float, power: float, alpha: float, comparisons: int
) -> None:
    def needed(**changes: Any) -> float:
        settings_ = {"alpha": alpha, "power": power, "comparisons": comparisons, **changes}
        return proportions_sample_size(baseline, baseline + effect, Design(**settings_)).exact

    here = needed() * (1 + 1e-9)
    assert needed(power=power + 0.005) >= here * (1 - 2e-9)
    assert needed(alpha=alpha / 2) >= here * (1 - 2e-9)
    assert needed(comparisons=comparisons + 1) >= here * (1 - 2e-9)
    assert needed(sides=1) <= here
    assert needed(correction="sidak") <= here
    smaller = proportions_sample_size(
        baseline, baseline + effect * 0.9, Design(alpha=alpha, power=power, comparisons=comparisons)
    )
    assert smaller.exact >= here * (1 - 2e-9)


def test_without_an_effect_the_power_is_alpha() -> None:
    assert proportions_power(0.3, 0.3, 100, 200) == pytest.approx(0.05)
    assert means_power(0.0, 1.0, 10, 10) == pytest.approx(0.05)
    assert means_power(0.0, 1.0, 10, 10, Design(sides=1)) == pytest.approx(0.05)


def test_comparisons_share_alpha() -> None:
    assert Design(comparisons=5).alpha_each == pytest.approx(0.01)
    sidak = Design(comparisons=5, correction="sidak")
    assert (1 - sidak.alpha_each) ** 5 == pytest.approx(0.95)
    size = proportions_sample_size(0.1, 0.12, Design(comparisons=3, ratio=0.5))
    assert size.total == size.first + 3 * size.second
    alone = proportions_sample_size(0.1, 0.12, Design(alpha=0.05 / 3, ratio=0.5))
    assert (size.first, size.second) == (alone.first, alone.second)


def test_an_effect_says_what_it_is_counted_in() -> None:
    assert Effect(0.02, "absolute").applied_to(0.10) == pytest.approx(0.12)
    assert Effect(0.2, "relative").applied_to(0.10) == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 5.0}, "alpha"),
        ({"power": 0.05}, "power"),
        ({"power": 1.0}, "power"),
        ({"sides": 3}, "sides"),
        ({"ratio": 0.0}, "ratio"),
        ({"comparisons": 0}, "comparisons"),
        ({"alpha": math.nan}, "alpha"),
    ],
)
def test_an_impossible_design_says_what_is_wrong(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Design(**changes)


def test_impossible_questions_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="baseline"):
        proportions_sample_size(0.0, 0.1)
    with pytest.raises(ValueError, match="other share"):
        proportions_sample_size(0.9, 1.1)
    with pytest.raises(ValueError, match="other than 0"):
        proportions_sample_size(0.1, 0.1)
    with pytest.raises(ValueError, match="too small"):
        means_sample_size(1e-9, 1.0)
    with pytest.raises(ValueError, match="at least 2"):
        means_power(0.1, 1.0, 1, 5)
    with pytest.raises(ValueError, match="above 0"):
        means_power(0.1, 0.0, 5, 5)
