from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.measured import Declared, Estimate, Measured, PriorWeights
from schemas.reward import Outcome

DECLARED = Declared(quality=0.8, cost_usd=0.002, latency_ms=900.0)


def test_before_the_first_observation_the_declared_value_holds() -> None:
    beliefs = Measured().beliefs("m", DECLARED)
    assert beliefs.quality == Estimate(0.8, 10.0, None, 0)
    assert beliefs.quality.value == 0.8
    assert beliefs.cost_usd.value == 0.002
    assert beliefs.latency_ms.value == 900.0
    assert Measured().beliefs("m").quality.value is None


def test_what_was_measured_takes_over_in_the_ratio_of_the_weights() -> None:
    measured = Measured()
    for _ in range(10):
        measured.observe("m", Outcome(quality=0.5))
    assert measured.beliefs("m", DECLARED).quality == Estimate(0.8, 10.0, 0.5, 10)
    assert measured.beliefs("m", DECLARED).quality.value == pytest.approx(0.65)
    for _ in range(90):
        measured.observe("m", Outcome(quality=0.5))
    assert measured.beliefs("m", DECLARED).quality.value == pytest.approx(0.5 + 0.3 * 10 / 110)
    assert measured.beliefs("m").quality.value == pytest.approx(0.5)
    unweighted = PriorWeights(quality=0.0)
    assert measured.beliefs("m", DECLARED, unweighted).quality.value == pytest.approx(0.5)


def test_it_is_the_posterior_mean_of_a_normal_mean() -> None:
    """By numeric integration: prior N(0.8, s²/w), observations N(mean, s²)."""
    rng = np.random.default_rng(3)
    observed = rng.random(7)
    weight, noise = 4.0, 0.3
    grid = np.linspace(-2.0, 3.0, 20_001)
    log_density = -weight * (grid - 0.8) ** 2 / (2 * noise**2)
    for value in observed:
        log_density -= (grid - value) ** 2 / (2 * noise**2)
    density = np.exp(log_density - log_density.max())
    measured = Measured()
    for value in observed:
        measured.observe("m", Outcome(quality=float(value)))
    found = measured.beliefs("m", DECLARED, PriorWeights(quality=weight)).quality.value
    assert found == pytest.approx((grid * density).sum() / density.sum(), abs=1e-9)


def test_each_part_counts_by_itself_and_each_name_too() -> None:
    measured = Measured()
    measured.observe("m", Outcome(cost_usd=0.004))
    measured.observe("m", Outcome(cost_usd=0.006, latency_ms=500.0))
    measured.observe("other", Outcome(quality=1.0))
    measured.observe("m", Outcome(reward=0.5))
    beliefs = measured.beliefs("m")
    assert (beliefs.quality.count, beliefs.cost_usd.count, beliefs.latency_ms.count) == (0, 2, 1)
    assert beliefs.cost_usd.value == pytest.approx(0.005)
    assert measured.beliefs("other").quality == Estimate(None, 10.0, 1.0, 1)


@pytest.mark.parametrize(
    ("outcome", "quality"),
    [
        (Outcome(success=False, quality=0.9), 0.0),
        (Outcome(success=False), 0.0),
        (Outcome(success=True), 1.0),
        (Outcome(success=True, quality=0.3), 0.3),
    ],
)
def test_success_counts_as_in_the_reward(outcome: Outcome, quality: float) -> None:
    measured = Measured()
    measured.observe("m", outcome)
    assert measured.beliefs("m").quality.value == quality


outcomes = st.builds(
    Outcome,
    quality=st.none() | st.floats(0, 1),
    cost_usd=st.none() | st.floats(0, 1e6),
    latency_ms=st.none() | st.floats(0, 1e9),
    success=st.none() | st.booleans(),
)
events = st.lists(st.tuples(st.sampled_from(["a", "b", "ü"]), outcomes), max_size=30)


@given(events, st.integers(0, 30))
def test_encoding_on_the_way_changes_nothing_bit_for_bit(
    events: list[tuple[str, Outcome]], cut: int
) -> None:
    straight, broken = Measured(), Measured()
    for index, (name, outcome) in enumerate(events):
        if index == cut:
            broken = Measured.decode(broken.encode())
        straight.observe(name, outcome)
        broken.observe(name, outcome)
    assert broken.encode() == straight.encode()
    again = Measured.decode(straight.encode())
    for name in ("a", "b", "ü"):
        assert again.beliefs(name, DECLARED) == straight.beliefs(name, DECLARED)


@given(events)
def test_the_blend_lies_between_what_is_declared_and_observed(
    events: list[tuple[str, Outcome]],
) -> None:
    measured = Measured()
    for name, outcome in events:
        measured.observe(name, outcome)
    for estimate in (
        measured.beliefs("a", DECLARED).quality,
        measured.beliefs("a", DECLARED).cost_usd,
        measured.beliefs("a", DECLARED).latency_ms,
    ):
        if estimate.observed is not None:
            assert estimate.declared is not None
            low, high = sorted([estimate.declared, estimate.observed])
            assert estimate.value == pytest.approx(np.clip(estimate.value, low, high), rel=1e-12)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x92\x02\x80", Measured().encode() + b"\x00"])
def test_bytes_that_are_no_state_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Measured.decode(data)
