"""Outcomes that come in units: errors by buckets, and trials that are honest about them."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.experiments.clusters import (
    BUCKETS,
    FEWEST,
    SLOTS,
    Clusters,
    Seen,
    between_buckets,
    bucket_of,
)
from core.experiments.comparison import at_any_time, at_the_end
from core.experiments.evidence import evidence
from core.experiments.experiment import Experiment
from core.experiments.rollout import Rollout, RolloutSpec
from core.experiments.spec import Guardrail, Metric, Spec
from tests.benchmarks.experiment_units import unit_runs

QUALITY = Metric("quality")


def world(seed: int, n: int = 3_000, units: int = 300) -> tuple[np.ndarray, ...]:
    """Of each outcome: side, bucket, covariate and value; alike within a unit, unequally many."""
    rng = np.random.default_rng(seed)
    own, hashed = rng.normal(0.0, 1.0, units), rng.random(units)
    side = rng.random(units) < 0.4
    share = rng.pareto(2.5, units) + 0.1
    who = rng.choice(units, n, p=share / share.sum())
    x = own[who] + rng.normal(0.0, 1.0, n)
    y = 0.3 * side[who] + own[who] + rng.normal(0.0, 1.0, n)
    return side[who].astype(int), np.floor(hashed[who] * BUCKETS).astype(int), x, y


def tallies(*columns: np.ndarray, covariate: bool = False) -> tuple[Clusters, Clusters]:
    both = Clusters(), Clusters()
    for side, bucket, x, y in zip(*columns, strict=True):
        both[side].add(float(y), float(x) if covariate else 0.0, int(bucket))
    return both


@pytest.mark.parametrize("seed", range(4))
def test_the_error_is_that_of_the_jackknife_by_buckets(seed: int) -> None:
    """The difference computed anew without each bucket."""
    side, bucket, x, y = world(seed)
    found = between_buckets([tallies(side, bucket, x, y)])

    def difference(kept: np.ndarray) -> float:
        return float(y[kept & (side == 1)].mean() - y[kept & (side == 0)].mean())

    groups = np.unique(bucket)
    whole = difference(np.full(len(y), fill_value=True))
    without = np.array([difference(bucket != group) for group in groups])
    error = (len(groups) - 1) / len(groups) * ((without - whole) ** 2).sum()
    assert found is not None
    assert found.difference == pytest.approx(whole, rel=1e-9)
    assert found.squared_error == pytest.approx(error, rel=1e-9)
    assert found.freedom == len(groups) - 1


def test_the_error_is_about_that_of_a_cluster_robust_regression() -> None:
    """Liang and Zeger's sandwich for least squares on a constant and the side, which is smaller."""
    side, bucket, x, y = world(1)
    found = between_buckets([tallies(side, bucket, x, y)])
    design = np.stack([np.ones(len(y)), side], axis=1)
    bread = np.linalg.inv(design.T @ design)
    scores = design * (y - design @ (bread @ design.T @ y))[:, None]
    groups = np.unique(bucket)
    sums = np.array([scores[bucket == group].sum(axis=0) for group in groups])
    sandwich = (bread @ (sums.T @ sums) @ bread)[1, 1]
    assert found is not None
    assert sandwich < found.squared_error < 1.25 * sandwich


def test_strata_are_weighed_as_fixed_effects_would() -> None:
    """The sides' means of each time, whatever moves with time for both alike."""
    rng = np.random.default_rng(3)
    side, bucket, x, y = world(5)
    step = rng.integers(0, 3, len(y))
    y = y + np.array([0.0, 5.0, -3.0])[step]
    strata = [tallies(*(column[step == s] for column in (side, bucket, x, y))) for s in range(3)]
    found = between_buckets(strata)
    design = np.stack([*(step == s for s in range(3)), side], axis=1).astype(float)
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    assert found is not None
    assert found.difference == pytest.approx(beta[3], rel=1e-9)


def test_a_covariate_takes_off_what_it_explains_and_a_degree_of_freedom() -> None:
    side, bucket, x, y = world(7)
    plain = between_buckets([tallies(side, bucket, x, y)])
    found = between_buckets([tallies(side, bucket, x, y, covariate=True)])

    groups = np.unique(bucket)

    def parts(values: np.ndarray) -> tuple[float, np.ndarray]:
        def difference(kept: np.ndarray) -> float:
            return float(values[kept & (side == 1)].mean() - values[kept & (side == 0)].mean())

        whole = difference(np.full(len(values), fill_value=True))
        return whole, np.array([whole - difference(bucket != group) for group in groups])

    (dy, psi), (dx, phi) = parts(y), parts(x)
    theta = np.linalg.lstsq(phi[:, None], psi, rcond=None)[0][0]
    assert found is not None
    assert plain is not None
    assert found.difference == pytest.approx(dy - theta * dx, rel=1e-9)
    buckets = len(groups)
    error = (buckets - 1) / buckets * ((psi - theta * phi) ** 2).sum()
    assert found.squared_error == pytest.approx(error * (buckets - 1) / (buckets - 2), rel=1e-9)
    assert found.freedom == plain.freedom - 1
    assert found.squared_error < 0.7 * plain.squared_error


def test_the_interval_at_the_end_is_students() -> None:
    spec = Spec(
        variants=("a", "b"),
        shares=(0.6, 0.4),
        primary=QUALITY,
        method="fixed",
        max_samples=3_000,
        clustered=True,
    )
    control, variant = tallies(*world(11))
    found = at_the_end(control, variant, spec)
    known = between_buckets([(control, variant)])
    assert found is not None
    assert known is not None
    error = known.squared_error**0.5
    t = known.difference / error
    assert found.p_value == pytest.approx(2.0 * stats.t.sf(abs(t), known.freedom), rel=1e-9)
    low, high = stats.t.interval(0.95, known.freedom, known.difference, error)
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), rel=1e-9)


def test_the_interval_at_any_time_excludes_0_where_the_evidence_is_enough() -> None:
    """Reach and score are each other's inverse."""
    spec = Spec(
        variants=("a", "b"),
        shares=(0.6, 0.4),
        primary=QUALITY,
        max_samples=3_000,
        minimum_effect=0.3,
        clustered=True,
    )
    for seed in range(5):
        control, variant = tallies(*world(seed))
        found = evidence([(control, variant)], 0.09)
        assert found is not None
        assert found.reach(abs(found.score)) == pytest.approx(abs(found.difference), rel=1e-6)
        look = at_any_time(control, variant, spec, 0.0)
        assert look is not None
        assert look.interval.low < look.value < look.interval.high
        # Wider than for a known error: Student's tails are heavier.
        known = evidence([(control, variant)], 0.09)
        assert known is not None
        assert known.score < known.difference * known.information


def test_too_few_buckets_say_nothing() -> None:
    both = Clusters(), Clusters()
    for tally in both:
        for bucket in range(FEWEST - 1):
            for value in (0.0, 1.0, 1.0):
                tally.add(value, 0.0, bucket)
    assert between_buckets([both]) is None
    assert evidence([both]) is None
    for value in (0.0, 1.0):
        both[0].add(value, 0.0, 60)
    assert between_buckets([both]) is None
    both[1].add(1.0, 0.0, 61)
    assert between_buckets([both]) is not None


def test_each_unit_counts_once_for_the_ratio_of_variants() -> None:
    """A user with half of all requests is no mismatch; a real one is still found."""
    spec = Spec(
        variants=("a", "b"), shares=(0.5, 0.5), primary=QUALITY, max_samples=10**6, clustered=True
    )
    chance = random.Random(1)
    experiment = Experiment(spec)
    for _ in range(20_000):
        heavy = chance.random() < 0.5
        unit = 0.123 if heavy else chance.random()
        side = 0 if heavy else int(chance.random() < 0.5)
        assert experiment.assign(side, unit) is None
    wrong = Experiment(spec)
    found = [wrong.assign(int(chance.random() < 0.6), chance.random()) for _ in range(4_000)]
    assert any(one is not None and one.verdict == "ratio_mismatch" for one in found)


def test_a_set_of_units_knows_the_first_of_each_slot() -> None:
    seen = Seen()
    assert seen.first(0.5)
    assert not seen.first(0.5 + 0.4 / SLOTS)
    assert seen.first(0.5 + 1.4 / SLOTS)
    again = Seen.decode(seen.encode())
    assert not again.first(0.5)
    assert again.first(0.0)
    with pytest.raises(ValueError, match="not a set of units"):
        Seen.decode(b"\0")


def test_buckets_are_of_equal_size() -> None:
    assert [bucket_of(one) for one in (0.0, 0.999999, 0.5)] == [0, BUCKETS - 1, BUCKETS // 2]


Events = st.lists(
    st.tuples(st.integers(0, 1), st.floats(0, 0.999), st.floats(-5, 5), st.floats(-3, 3)),
    max_size=120,
)


@settings(max_examples=40, deadline=None)
@given(events=Events, cut=st.integers(0, 120))
def test_trials_of_units_from_bytes_go_on_bit_for_bit(
    events: list[tuple[int, float, float, float]], cut: int
) -> None:
    rail = Guardrail(Metric("ok"), 0.5)
    spec = Spec(
        variants=("a", "b"),
        shares=(0.5, 0.5),
        primary=Metric("quality", covariate=True),
        max_samples=100,
        min_samples=2,
        guardrails=(rail,),
        clustered=True,
    )
    stages = RolloutSpec(
        control="a",
        candidate="b",
        guardrails=(rail,),
        steps=(0.5, 0.8, 1.0),
        min_ms=3,
        min_samples=2,
        clustered=True,
    )
    straight, woken = Experiment(spec), Experiment(spec)
    first, second = Rollout(stages, 0), Rollout(stages, 0)
    for now, (side, unit, value, x) in enumerate(events):
        if now == cut:
            woken = Experiment.decode(woken.encode(), spec)
            second = Rollout.decode(second.encode(), stages)
        found = []
        for one in (straight, woken):
            found.append(one.assign(side, unit))
            values = {"quality": value, "ok": value}
            found.append(one.observe(side, values, {"quality": x}, bucket_of(unit)))
        assert found[:2] == found[2:]
        moves = []
        for two in (first, second):
            moves.append(two.assign(now, unit, candidate=bool(side)))
            step = two.step
            moves.append(
                two.observe(now, step, {"ok": value}, bucket=bucket_of(unit), candidate=bool(side))
            )
        assert moves[:2] == moves[2:]
    assert woken.encode() == straight.encode()
    assert second.encode() == first.encode()


def test_bytes_that_are_no_state_are_refused() -> None:
    good = Clusters().encode()
    assert Clusters.decode(good) == Clusters()
    for bad in (b"", good[:-1], b"\x09" + good[1:], good + b"\0"):
        with pytest.raises(ValueError, match="not a tally of units"):
            Clusters.decode(bad)


def test_a_plan_for_units_is_refused() -> None:
    with pytest.raises(ValueError, match="max_samples alone"):
        Spec(
            variants=("a", "b"),
            shares=(0.5, 0.5),
            primary=QUALITY,
            method="fixed",
            minimum_effect=0.1,
            deviation=1.0,
            clustered=True,
        )


def test_users_who_differ_make_false_winners_only_where_outcomes_count() -> None:
    """A short run of the study: what is taken to be independent decides."""
    found = {
        clustered: Counter(unit_runs("alike", "sequential", clustered=clustered, runs=60, seed=1))
        for clustered in (False, True)
    }
    assert found[False]["winner"] > 12
    assert found[True]["winner"] <= 6


def test_an_effect_on_units_is_found() -> None:
    found = Counter(unit_runs("alike", "sequential", clustered=True, runs=20, seed=2, effect=0.8))
    assert found["winner"] >= 18


def test_the_error_does_not_vanish_with_more_requests_of_the_same_users() -> None:
    errors = []
    for n in (2_000, 20_000):
        known = between_buckets([tallies(*world(13, n=n, units=100))])
        assert known is not None
        errors.append(known.squared_error)
    assert all(b > 0.5 * a for a, b in pairwise(errors))
