import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reward import RouteScales
from schemas.policy import ArmSpec, Objective, Price
from schemas.reward import Outcome

A = ArmSpec(id="a", model="m", price=Price(per_request=0.5))
B = ArmSpec(id="b", model="m", price=Price(per_request=0.2))
C = ArmSpec(id="c", model="m")
DEFAULT = Objective()


def test_the_scale_is_the_dearest_arm_s_declared_or_observed_cost() -> None:
    scales = RouteScales()
    assert scales.cost_scale([A, B, C], DEFAULT) == 0.5
    assert scales.cost_scale([B], DEFAULT) == 0.2
    assert scales.cost_scale([C], DEFAULT) is None
    assert scales.cost_scale([], DEFAULT) is None
    scales.observe("a", Outcome(cost_usd=0.1))
    assert scales.cost_scale([A, B, C], DEFAULT) == 0.2
    scales.observe("c", Outcome(cost_usd=0.6))
    scales.observe("c", Outcome(cost_usd=0.2))
    assert scales.cost_scale([A, B, C], DEFAULT) == pytest.approx(0.4)
    assert scales.cost_scale([A], DEFAULT) == 0.1
    assert scales.mean_cost_usd("c") == pytest.approx(0.4)
    assert scales.mean_cost_usd("b") is None


def test_free_arms_are_known_to_be_free() -> None:
    scales = RouteScales()
    assert scales.cost_scale([ArmSpec(id="a", model="m", price=Price())], DEFAULT) == 0.0
    scales.observe("c", Outcome(cost_usd=0.0))
    assert scales.cost_scale([C], DEFAULT) == 0.0


def test_the_latency_scale_is_the_slowest_arm_s_observed_mean() -> None:
    scales = RouteScales()
    assert scales.latency_scale([A, B], DEFAULT) is None
    scales.observe("a", Outcome(latency_ms=100.0))
    scales.observe("a", Outcome(latency_ms=300.0))
    scales.observe("b", Outcome(latency_ms=150.0, success=False))
    assert scales.latency_scale([A, B], DEFAULT) == 200.0
    assert scales.latency_scale([B], DEFAULT) == 150.0
    assert scales.latency_scale([C], DEFAULT) is None
    assert scales.cost_scale([C], DEFAULT) is None
    assert scales.mean_latency_ms("a") == 200.0


def test_the_objective_s_own_scales_come_first() -> None:
    scales = RouteScales()
    scales.observe("a", Outcome(cost_usd=9.0, latency_ms=9.0))
    own = Objective(cost_scale_usd=0.01, latency_scale_ms=800.0)
    assert scales.cost_scale([A], own) == 0.01
    assert scales.latency_scale([A], own) == 800.0


def test_arms_can_be_dropped() -> None:
    scales = RouteScales()
    for arm in ("a", "b", "c"):
        scales.observe(arm, Outcome(cost_usd=1.0))
    scales.retain({"a", "c", "x"})
    assert [scales.mean_cost_usd(arm) for arm in "abc"] == [1.0, None, 1.0]
    assert len(scales.encode()) < 100


observations = st.lists(
    st.tuples(
        st.sampled_from(["a", "bb", "ç" * 64, "d"]),
        st.builds(
            Outcome,
            cost_usd=st.none() | st.floats(0, 1e6),
            latency_ms=st.none() | st.floats(0, 1e9),
        ),
    ),
    max_size=30,
)


@given(observations, observations)
def test_the_state_survives_bytes_bit_for_bit_at_any_point(
    first: list[tuple[str, Outcome]], second: list[tuple[str, Outcome]]
) -> None:
    straight = RouteScales()
    for arm, outcome in first:
        straight.observe(arm, outcome)
    restored = RouteScales.decode(straight.encode())
    assert restored.encode() == straight.encode()
    for arm, outcome in second:
        straight.observe(arm, outcome)
        restored.observe(arm, outcome)
    assert restored.encode() == straight.encode()
    for arm, _ in first + second:
        assert restored.mean_cost_usd(arm) == straight.mean_cost_usd(arm)


def test_equal_states_have_equal_bytes_whatever_the_order_of_the_arms() -> None:
    one, other = RouteScales(), RouteScales()
    for scales, order in ((one, "ab"), (other, "ba")):
        for arm in order:
            scales.observe(arm, Outcome(cost_usd=0.1, latency_ms=2.0))
    assert one.encode() == other.encode()
    assert one.encode()[0] == 1
    # An outcome with neither cost nor latency leaves no trace.
    one.observe("z", Outcome(quality=1.0))
    assert one.encode() == other.encode()


def test_the_largest_outcomes_stay_finite() -> None:
    scales = RouteScales()
    for _ in range(1_000):
        scales.observe("a", Outcome(cost_usd=1e6, latency_ms=1e9))
    assert math.isfinite(scales.cost_scale([A], DEFAULT) or math.inf)


def test_bytes_that_are_no_state_are_refused() -> None:
    scales = RouteScales()
    scales.observe("a", Outcome(cost_usd=1.0))
    data = scales.encode()
    for wrong in (
        b"",
        b"\x02" + data[1:],
        data[:-1],
        data + b"x",
        data[:1] + b"\x02\0\0\0" + data[5:],
        data[:1] + b"\x02\0\0\0" + data[5:] + data[5:],
        data[:-1] + b"\xff",
    ):
        with pytest.raises(ValueError, match=r"."):
            RouteScales.decode(wrong)
