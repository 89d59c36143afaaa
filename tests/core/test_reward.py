import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reward import PRESETS, RewardFunction, declared_cost_usd
from schemas.policy import Objective, Preset, Price, SignalSpec, Weights
from schemas.reward import Outcome, Signals

HALF = Outcome(quality=0.8, cost_usd=0.005, latency_ms=750.0)
"""With scales of 0.01 USD and 1,000 ms: quality 0.8, cost term 0.5, latency term 0.25."""


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("quality", 0.6 * 0.8 + 0.3 * 0.5 + 0.1 * 0.25),
        ("quality_focused", 0.8 * 0.8 + 0.15 * 0.5 + 0.05 * 0.25),
        ("balanced", 0.5 * 0.8 + 0.3 * 0.5 + 0.2 * 0.25),
        ("cost_focused", 0.4 * 0.8 + 0.5 * 0.5 + 0.1 * 0.25),
        ("latency_focused", 0.4 * 0.8 + 0.3 * 0.5 + 0.3 * 0.25),
    ],
)
def test_presets(preset: Preset, expected: float) -> None:
    reward = RewardFunction(Objective(preset=preset))
    assert reward(HALF, 0.01, 1_000.0) == pytest.approx(expected, abs=1e-15)
    assert set(PRESETS) == set(Preset.__args__)  # type: ignore[attr-defined]


def test_the_default_is_quality_and_weights_replace_it() -> None:
    assert RewardFunction(Objective())(HALF, 0.01, 1e3) == pytest.approx(0.655)
    own = Objective(preset="balanced", weights=Weights(quality=3, cost=1))
    assert RewardFunction(own)(HALF, 0.01, 1e3) == pytest.approx((3 * 0.8 + 0.5) / 4)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(quality=0.8), 0.8),
        (Outcome(cost_usd=0.005), 0.5),
        (Outcome(latency_ms=750.0), 0.25),
        (Outcome(quality=0.8, cost_usd=0.005), (0.6 * 0.8 + 0.3 * 0.5) / 0.9),
        (Outcome(quality=0.8, latency_ms=750.0), (0.6 * 0.8 + 0.1 * 0.25) / 0.7),
        (Outcome(cost_usd=0.005, latency_ms=750.0), (0.3 * 0.5 + 0.1 * 0.25) / 0.4),
        (Outcome(success=True), 1.0),
        (Outcome(success=True, quality=0.3), 0.3),
        (Outcome(success=True, cost_usd=0.005), (0.6 + 0.3 * 0.5) / 0.9),
        (Outcome(success=False, quality=1.0, cost_usd=0.0), 0.0),
        (Outcome(success=False), 0.0),
        (Outcome(reward=0.37, quality=1.0), 0.37),
        (Outcome(reward=0.37, success=False), 0.37),
        (Outcome(reward=0.0, quality=1.0), 0.0),
        (Outcome(cost_usd=5.0), 0.0),
        (Outcome(), None),
    ],
)
def test_weights_are_renormalised_over_what_is_there(
    outcome: Outcome, expected: float | None
) -> None:
    assert RewardFunction(Objective())(outcome, 0.01, 1_000.0) == pytest.approx(expected)


def test_a_part_without_scale_or_weight_is_missing() -> None:
    reward = RewardFunction(Objective())
    assert reward(HALF, None, None) == pytest.approx(0.8)
    assert reward(Outcome(cost_usd=1.0, latency_ms=1.0), None, None) is None
    for_cost = RewardFunction(Objective(weights=Weights(cost=1)))
    assert for_cost(Outcome(quality=1.0, latency_ms=1.0), 1.0, 1.0) is None
    assert for_cost(Outcome(success=False), 1.0, 1.0) == 0.0


def test_where_all_are_free_only_the_free_save() -> None:
    reward = RewardFunction(Objective(weights=Weights(cost=1)))
    assert reward(Outcome(cost_usd=0.0), 0.0, None) == 1.0
    assert reward(Outcome(cost_usd=0.1), 0.0, None) == 0.0


parts = st.none() | st.floats(0, 1e6)
scales = st.none() | st.floats(0, 1e9)
weights = st.builds(
    Weights, quality=st.floats(0, 1e9), cost=st.floats(0, 1e9), latency=st.floats(0, 1e9)
)
own_weight = st.floats(0, 1e9)
signal_specs = st.builds(
    SignalSpec,
    **dict.fromkeys(
        ["rating", "completed", "retried", "edited", "dwell", "saved", "shared"], own_weight
    ),
    dwell_scale_s=st.floats(0, 1e9, exclude_min=True),
    share=st.floats(0, 1),
)
objectives = st.builds(
    Objective,
    preset=st.sampled_from(sorted(PRESETS)),
    weights=st.none() | weights,
    signals=st.just(SignalSpec()) | signal_specs,
)
seen = st.none() | st.booleans()
signals = st.builds(
    Signals,
    rating=st.none() | st.floats(1, 5),
    completed=seen,
    retried=seen,
    edited=seen,
    dwell_s=st.none() | st.floats(0, 1e9),
    saved=seen,
    shared=seen,
)
outcomes = st.builds(
    Outcome,
    quality=st.none() | st.floats(0, 1),
    cost_usd=parts,
    latency_ms=parts,
    success=st.none() | st.booleans(),
    reward=st.none() | st.floats(0, 1),
    signals=st.none() | signals,
)


@given(objectives, outcomes, scales, scales)
def test_a_reward_lies_between_0_and_1(
    objective: Objective, outcome: Outcome, cost: float | None, latency: float | None
) -> None:
    reward = RewardFunction(objective)(outcome, cost, latency)
    assert reward is None or 0.0 <= reward <= 1.0


positive = st.floats(0, 1e6)


@given(
    objectives,
    st.tuples(st.floats(0, 1), positive, positive),
    st.tuples(st.floats(0, 1), positive, positive),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.none() | signals,
)
def test_better_quality_lower_cost_and_less_latency_never_earn_less(
    objective: Objective,
    a: tuple[float, float, float],
    b: tuple[float, float, float],
    cost_scale: float,
    latency_scale: float,
    both: Signals | None,
) -> None:
    reward = RewardFunction(objective)
    best = Outcome(max(a[0], b[0]), min(a[1], b[1]), min(a[2], b[2]), signals=both)
    high = reward(best, cost_scale, latency_scale)
    for one in (a, b):
        low = reward(Outcome(*one, signals=both), cost_scale, latency_scale)
        assert (high is None) == (low is None)
        assert high is None or low is None or high >= low


def test_quality_cost_and_latency_each_count() -> None:
    reward = RewardFunction(Objective())
    base = reward(HALF, 0.01, 1_000.0) or 0.0
    for better in (
        Outcome(0.81, HALF.cost_usd, HALF.latency_ms),
        Outcome(HALF.quality, 0.0049, HALF.latency_ms),
        Outcome(HALF.quality, HALF.cost_usd, 749.0),
    ):
        assert (reward(better, 0.01, 1_000.0) or 0.0) > base


def test_declared_cost_is_that_of_a_typical_request() -> None:
    price = Price(input_per_mtok=2.0, output_per_mtok=10.0, per_request=0.001)
    assert declared_cost_usd(price) == pytest.approx(0.002 + 0.005 + 0.001)
    assert declared_cost_usd(Price()) == 0.0
