"""Tallies, mixtures, evidence, corrections and ratio tests of experiments, against oracles."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from core.experiments.comparison import at_any_time, at_the_end, log_evidence, planned_samples
from core.experiments.correction import bonferroni, holm
from core.experiments.evidence import evidence, theta
from core.experiments.mixture import (
    best_rho,
    one_sided_bound,
    one_sided_log_evidence,
    rho_for_effect,
    two_sided_bound,
    two_sided_log_evidence,
)
from core.experiments.ratio import CONCENTRATION, RatioTest, chi_square_p_value
from core.experiments.spec import Metric, Spec
from core.experiments.tally import Counts, Moments, Tally, decode_tally, new_tally
from tests.benchmarks.experiments import log_odds, walk

FLOATS = st.floats(-1e6, 1e6)


def moments(y: list[float], x: list[float] | None = None) -> Moments:
    tally = Moments()
    for i, value in enumerate(y):
        tally.add(value, x[i] if x else 0.0)
    return tally


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=2, max_size=30), st.integers(0, 30))
def test_moments_are_numpys_and_go_on_from_bytes(pairs, cut) -> None:
    y, x = (list(column) for column in zip(*pairs, strict=True))
    whole, part = moments(y, x), moments(y[:cut], x[:cut])
    again = decode_tally("mean", part.encode())
    for value, covariate in pairs[cut:]:
        again.add(value, covariate)
    assert again.encode() == whole.encode()
    scale = 1e-9 * 1e12 * len(y)
    assert whole.n == len(y)
    assert whole.mean == pytest.approx(np.mean(y), abs=1e-6)
    assert whole.m2 == pytest.approx(np.var(y) * len(y), abs=scale * 1e-3)
    assert whole.m2_x == pytest.approx(np.var(x) * len(y), abs=scale * 1e-3)
    cross = np.cov(x, y, ddof=0)[0, 1] * len(y)
    assert whole.cross == pytest.approx(cross, abs=scale * 1e-3)


def test_counts_count_and_go_on_from_bytes() -> None:
    tally: Tally = Counts()
    for value in (1.0, 0.0, 1.0, 1.0):
        tally.add(value)
        tally = decode_tally("yes_no", tally.encode())
    assert tally == Counts(4, 3)
    assert tally.mean == 0.75


@pytest.mark.parametrize("kind", ["yes_no", "mean"])
def test_bytes_that_are_no_tally_are_refused(kind) -> None:
    tally = new_tally(kind)
    tally.add(1.0)
    good = tally.encode()
    other = new_tally("mean" if kind == "yes_no" else "yes_no").encode()
    for data in (b"", good[:-1], good + b"\0", b"\x02" + good[1:], other):
        with pytest.raises(ValueError, match="not a tally"):
            decode_tally(kind, data)
    with pytest.raises(ValueError, match="not a tally"):
        Counts.decode(struct.pack("<BcQQ", 1, b"c", 3, 4))


@pytest.mark.parametrize(
    ("kind", "value"), [("yes_no", 0.5), ("yes_no", math.nan), ("mean", math.inf)]
)
def test_an_impossible_outcome_is_refused_and_leaves_no_trace(kind, value) -> None:
    tally = new_tally(kind)
    tally.add(1.0)
    before = tally.encode()
    with pytest.raises(ValueError, match="outcome"):
        tally.add(value)
    assert tally.encode() == before


def test_the_bounds_are_the_published_ones() -> None:
    """Howard et al.'s confseq: normal_mixture_bound(100, alpha=.05, v_opt=100) is 30.352 on two
    sides, with their approximation of the best rho; ours is the exact one."""
    approximate = 100.0 / (2.0 * math.log(20.0) + math.log1p(2.0 * math.log(20.0)))
    assert two_sided_bound(100.0, approximate, 0.05) == pytest.approx(30.352, abs=5e-4)
    assert two_sided_bound(100.0, best_rho(100.0, 0.05), 0.05) == pytest.approx(30.352, abs=1e-3)


@pytest.mark.parametrize(("score", "variance", "rho"), [(3.0, 10.0, 2.0), (-20.0, 80.0, 9.0)])
def test_the_evidence_is_the_mixture_by_quadrature(score, variance, rho) -> None:
    def mixed(low: float) -> float:
        def integrand(slope: float) -> float:
            density = stats.norm.pdf(slope, scale=rho**-0.5)
            return math.exp(slope * score - slope * slope * variance / 2.0) * density

        return integrate.quad(integrand, low, 12.0, epsabs=0.0, epsrel=1e-11, limit=500)[0]

    both, one = mixed(-12.0), 2.0 * mixed(0.0)
    assert two_sided_log_evidence(score, variance, rho) == pytest.approx(math.log(both), abs=1e-8)
    assert one_sided_log_evidence(score, variance, rho) == pytest.approx(math.log(one), abs=1e-8)


@given(st.floats(1e-3, 1e9), st.floats(1e-3, 1e9), st.floats(1e-9, 0.5))
def test_bounds_are_where_the_evidence_is_one_over_alpha(variance, rho, alpha) -> None:
    both, one = two_sided_bound(variance, rho, alpha), one_sided_bound(variance, rho, alpha)
    sure = -math.log(alpha)
    assert two_sided_log_evidence(both, variance, rho) == pytest.approx(sure, rel=1e-9)
    assert one_sided_log_evidence(one, variance, rho) == pytest.approx(sure, rel=1e-9)
    assert 0.0 < one < both


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.001])
def test_rho_is_the_best_one(alpha) -> None:
    found = optimize.minimize_scalar(
        lambda log_rho: two_sided_bound(700.0, math.exp(log_rho), alpha),
        bounds=(-5.0, 10.0),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert best_rho(700.0, alpha) == pytest.approx(math.exp(found.x), rel=1e-4)
    # An effect of 0.3 meets that rho's bound where it is the best rho.
    rho = rho_for_effect(0.3, alpha)
    meets = optimize.brentq(lambda v: 0.3 * v - two_sided_bound(v, rho, alpha), 1.0, 1e5)
    assert best_rho(meets, alpha) == pytest.approx(rho, rel=1e-9)


def test_evidence_of_one_stratum_is_the_difference_with_its_standard_error() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(2.0, 1.5, 40), rng.normal(2.4, 0.5, 90)
    found = evidence([(moments(first.tolist()), moments(second.tolist()))])
    assert found is not None
    assert found.difference == pytest.approx(second.mean() - first.mean())
    error = first.var(ddof=1) / 40 + second.var(ddof=1) / 90
    assert found.information == pytest.approx(1.0 / error)


def test_evidence_of_strata_is_weighed_by_information_and_not_by_size() -> None:
    """In the first stratum, with a few of the second variant, all is 5 higher: no effect at all."""
    rng = np.random.default_rng(4)
    strata, errors, differences = [], [], []
    pooled: tuple[list[float], list[float]] = ([], [])
    for level, sizes in ((5.0, (900, 50)), (0.0, (500, 500))):
        one, two = rng.normal(level, 1.0, sizes[0]), rng.normal(level, 1.0, sizes[1])
        strata.append((moments(one.tolist()), moments(two.tolist())))
        differences.append(two.mean() - one.mean())
        pooled[0].extend(one.tolist())
        pooled[1].extend(two.tolist())
        errors.append(1.0 / sizes[0] + 1.0 / sizes[1])
    found = evidence(strata)
    assert found is not None
    weights = 1.0 / np.array(errors)
    assert found.difference == pytest.approx(
        float(np.average(differences, weights=weights)), abs=0.01
    )
    assert found.information == pytest.approx(weights.sum(), rel=0.1)
    assert abs(found.difference) < 3.0 / math.sqrt(found.information)
    wrong = evidence([(moments(pooled[0]), moments(pooled[1]))])
    assert wrong is not None
    assert wrong.difference < -2.0


def test_nothing_is_known_of_empty_or_constant_outcomes() -> None:
    assert evidence([(Moments(), moments([1.0, 2.0]))]) is None
    assert evidence([(moments([1.0]), moments([1.0, 2.0]))]) is None
    assert evidence([(moments([1.0] * 9), moments([1.0] * 9))]) is None
    assert evidence([(moments([1.0] * 9), moments([1.0] * 9))], floor=0.01) is not None
    flawless = evidence([(Counts(30, 30), Counts(30, 30))])
    assert flawless is not None
    assert flawless.information < 30 * 30  # no certainty after 30 outcomes


def test_a_covariate_takes_out_what_it_explains() -> None:
    """CUPED against a regression with both variants' own means (numpy's least squares)."""
    rng = np.random.default_rng(5)
    n = 400
    x = rng.normal(3.0, 2.0, 2 * n)
    second = np.repeat([0.0, 1.0], n)
    y = 1.0 + 0.4 * second + 0.8 * x + rng.normal(0.0, 1.0, 2 * n)
    pair = [moments(y[second == arm].tolist(), x[second == arm].tolist()) for arm in (0.0, 1.0)]
    design = np.column_stack([np.ones(2 * n), second, x])
    solution, rest, *_ = np.linalg.lstsq(design, y, rcond=None)
    assert theta(pair) == pytest.approx(solution[2])
    found = evidence([(pair[0], pair[1])])
    assert found is not None
    assert found.difference == pytest.approx(solution[1])
    assert 1.0 / found.information == pytest.approx(2.0 * rest[0] / (2 * n - 2) / n, rel=1e-3)
    plain = evidence([(moments(y[:n].tolist()), moments(y[n:].tolist()))])
    assert plain is not None
    gain = found.information / plain.information
    assert gain == pytest.approx(1.0 / (1.0 - 0.8**2 * 4.0 / (0.8**2 * 4.0 + 1.0)), rel=0.15)


@pytest.mark.parametrize("kind", ["yes_no", "mean"])
def test_log_evidence_is_that_of_the_study_and_of_an_mSPRT(kind) -> None:  # noqa: N802
    rng = np.random.default_rng(6)
    n = 600
    second = rng.random(n) < 0.3
    values = (rng.random(n) < 0.4 + 0.1 * second).astype(float)
    if kind == "mean":
        values = rng.lognormal(0.1 * second, 0.5)
    spec = Spec(
        variants=("a", "b"),
        shares=(0.7, 0.3),
        primary=Metric("m", kind),
        minimum_effect=0.1,
    )
    study = log_odds(walk(values, second), 0.1, kind == "yes_no")
    arms = new_tally(kind), new_tally(kind)
    for i in range(n):
        arms[int(second[i])].add(float(values[i]))
        if min(arms[0].n, arms[1].n) >= 20:
            found = abs(log_evidence(arms[0], arms[1], spec))
            assert found == pytest.approx(max(0.0, study[i]), abs=1e-7)


def test_the_interval_at_any_time_holds_what_the_evidence_does_not_refute() -> None:
    spec = Spec(variants=("a", "b"), shares=(0.5, 0.5), primary=Metric("m"), max_samples=4_000)
    rng = np.random.default_rng(7)
    pair = moments(rng.normal(0.0, 1.0, 300).tolist()), moments(rng.normal(0.1, 1.0, 500).tolist())
    found = at_any_time(*pair, spec, -math.log(0.03))
    assert found is not None
    assert found.p_value == pytest.approx(0.03)
    assert found.interval.level == 0.95
    for end in (found.interval.low, found.interval.high):
        moved = Moments(**{name: getattr(pair[1], name) for name in Moments.__slots__})
        moved.mean -= end
        assert abs(log_evidence(pair[0], moved, spec)) == pytest.approx(math.log(20.0), rel=1e-6)


def test_the_test_at_the_end_is_scipys() -> None:
    rng = np.random.default_rng(8)
    first, second = rng.normal(0.0, 1.0, 50), rng.normal(0.3, 2.0, 80)
    spec = Spec(variants=("a", "b"), shares=(0.5, 0.5), primary=Metric("m"), max_samples=100)
    found = at_the_end(moments(first.tolist()), moments(second.tolist()), spec)
    expected = stats.ttest_ind(second, first, equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    limits = expected.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == pytest.approx((limits.low, limits.high))
    shares = at_the_end(Counts(200, 90), Counts(220, 130), spec)
    table = stats.chi2_contingency([[90, 110], [130, 90]], correction=False)
    assert shares.p_value == pytest.approx(table.pvalue)


def test_planned_samples_have_the_power_by_simulation() -> None:
    spec = Spec(
        variants=("a", "b", "c"),
        shares=(0.5, 0.2, 0.3),
        primary=Metric("ok", "yes_no", direction="down"),
        method="fixed",
        minimum_effect=0.1,
        baseline=0.4,
    )
    n = planned_samples(spec)
    assert n[1] / n[0] == pytest.approx(0.4, abs=0.01)
    assert n[2] / n[0] == pytest.approx(0.6, abs=0.01)
    rng = np.random.default_rng(9)
    hits = 0
    for _ in range(1_500):
        a, b = rng.binomial(n[0], 0.4), rng.binomial(n[1], 0.3)
        hits += at_the_end(Counts(n[0], a), Counts(n[1], b), spec).p_value <= 0.025
    assert hits / 1_500 == pytest.approx(0.8, abs=0.04)  # about four standard errors


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8))
def test_corrections_are_their_definitions(p_values) -> None:
    m = len(p_values)
    assert bonferroni(p_values) == [min(1.0, m * p) for p in p_values]
    found = holm(p_values)
    for alpha in (0.01, 0.05, 0.3):
        rejected = set()
        for rank, i in enumerate(sorted(range(m), key=p_values.__getitem__)):
            if p_values[i] * (m - rank) > alpha:
                break
            rejected.add(i)
        assert {i for i in range(m) if found[i] <= alpha} == rejected
    assert all(a <= b for a, b in zip(found, bonferroni(p_values), strict=True))


@given(st.lists(st.integers(1, 500), min_size=2, max_size=5), st.data())
def test_the_chi_square_is_scipys(counts, data) -> None:
    weights = data.draw(st.lists(st.floats(0.1, 1.0), min_size=len(counts), max_size=len(counts)))
    expected = np.array(weights) / sum(weights) * sum(counts)
    oracle = stats.chisquare(counts, expected).pvalue
    assert chi_square_p_value(counts, weights) == pytest.approx(oracle, abs=1e-12)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=200), st.integers(0, 200))
def test_the_sequential_ratio_test_is_a_dirichlet_multinomial_against_a_multinomial(
    chosen, cut
) -> None:
    shares = (0.5, 0.3, 0.2)
    test = RatioTest(3)
    peak = 0.0
    for i, variant in enumerate(chosen):
        if i == cut:
            test = RatioTest.decode(test.encode())
        test.add(variant, shares)
        counts = test.counts
        prior = [CONCENTRATION * share for share in shares]
        alternative = stats.dirichlet_multinomial.logpmf(counts, prior, i + 1)
        odds = alternative - stats.multinomial.logpmf(counts, i + 1, shares)
        assert test.log_odds == pytest.approx(odds, abs=1e-8)
        peak = max(peak, odds)
    assert test.p_value == pytest.approx(math.exp(-peak), rel=1e-7)


def test_a_change_of_shares_keeps_what_was_found() -> None:
    test = RatioTest(2)
    for _ in range(400):
        test.add(0, (0.5, 0.5))
    odds, p = test.log_odds, test.p_value
    test.change_shares()
    assert test.counts == [0, 0]
    assert (test.log_odds, test.p_value) == (odds, p)
    assert p < 1e-9
    assert RatioTest.decode(test.encode()).encode() == test.encode()
    for data in (b"", test.encode()[:-1], b"\x02" + test.encode()[1:]):
        with pytest.raises(ValueError, match="not a ratio test"):
            RatioTest.decode(data)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_the_ratio_tests_odds_are_a_martingale(seed) -> None:
    """One step ahead, their mean under the shares is what they are."""
    rng = np.random.default_rng(seed)
    shares = tuple(rng.dirichlet([2.0, 2.0, 2.0]).tolist())
    test = RatioTest(3)
    for variant in rng.choice(3, size=int(rng.integers(0, 50))):
        test.add(int(variant), shares)
    ahead = 0.0
    for variant, share in enumerate(shares):
        after = RatioTest.decode(test.encode())
        after.add(variant, shares)
        ahead += share * math.exp(after.log_odds)
    assert ahead == pytest.approx(math.exp(test.log_odds), rel=1e-9)
