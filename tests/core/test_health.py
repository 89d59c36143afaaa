"""What guardrails hold against an arm, and when they let go."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.guardrails.health import Health
from core.guardrails.shares import with_probes_and_floor
from schemas.policy import Guardrails
from schemas.reward import Outcome

T0 = 1_750_000_000_000


def watched(spec: Guardrails, outcomes: list[Outcome]) -> Health:
    health = Health()
    for number, outcome in enumerate(outcomes):
        health.observe(outcome, outcome.quality, T0 + number, spec)
    return health


def test_nothing_is_held_against_an_arm_before_it_has_been_seen() -> None:
    spec = Guardrails(min_quality=0.9, max_latency_ms=10.0, max_error_rate=0.1)
    assert Health().complaint(spec) is None
    bad = Outcome(quality=0.0, latency_ms=1e4)
    assert watched(spec, [bad] * 29).complaint(spec) is None
    assert watched(spec, [bad] * 30).complaint(spec) is not None


def test_a_mean_above_the_floor_is_not_enough_without_confidence() -> None:
    spec = Guardrails(min_quality=0.6)
    chance = random.Random(1)
    values = [chance.choice((0.2, 0.8, 1.0)) for _ in range(2_000)]
    early = watched(spec, [Outcome(quality=value) for value in values[:40]])
    complaint = early.complaint(spec)
    assert complaint is not None
    assert complaint.startswith("min_quality: its mean quality is 0.6")
    late = watched(spec, [Outcome(quality=value) for value in values])
    assert late.complaint(spec) is None


@pytest.mark.parametrize("true", [0.55, 0.6, 0.65])
def test_the_floor_is_judged_at_its_confidence(true: float) -> None:
    """An arm right at the floor passes in about 1 - confidence of all histories."""
    spec = Guardrails(min_quality=0.6, confidence=0.9, memory=1e9)
    passed = 0
    for seed in range(400):
        chance = random.Random(seed)
        outcomes = [
            Outcome(quality=chance.betavariate(8 * true, 8 * (1 - true))) for _ in range(60)
        ]
        passed += watched(spec, outcomes).complaint(spec) is None
    if true == 0.6:
        assert stats.binomtest(passed, 400, 0.1).pvalue > 1e-4
    else:
        assert passed < 15 if true < 0.6 else passed > 200


def test_slow_calls_are_judged_by_their_share() -> None:
    spec = Guardrails(max_latency_ms=1_000.0, latency_quantile=0.9)
    fast, slow = Outcome(latency_ms=500.0), Outcome(latency_ms=2_000.0)
    assert watched(spec, [fast] * 190 + [slow] * 5).complaint(spec) is None
    complaint = watched(spec, ([fast] * 4 + [slow]) * 40).complaint(spec)
    assert complaint is not None
    assert complaint.startswith("max_latency_ms: 79.8%")
    assert watched(spec, [fast] * 190).complaint(Guardrails(max_latency_ms=400.0)) is None


def test_errors_open_at_once_cool_down_and_close_by_good_calls() -> None:
    spec = Guardrails(max_error_rate=0.5, error_window=8, cooldown="10s")
    good, bad = Outcome(success=True), Outcome(success=False)
    health = watched(spec, [good] * 20)
    assert health.complaint(spec) is None
    for number in range(8):
        health.observe(bad, None, T0 + 100 + number, spec)
        if health.opened:
            break
    assert number == 4
    assert "max_error_rate" in str(health.complaint(spec))
    assert health.cooling(health.opened + 9_999, spec)
    assert not health.cooling(health.opened + 10_000, spec)
    for _ in range(3):
        health.observe(good, None, T0 + 20_000, spec)
        assert health.complaint(spec) is not None
    health.observe(good, None, T0 + 20_000, spec)
    assert health.complaint(spec) is None


def test_old_quality_is_forgotten() -> None:
    spec = Guardrails(min_quality=0.6, memory=50.0)
    history = [Outcome(quality=0.1)] * 1_000 + [Outcome(quality=0.9)] * 200
    assert watched(spec, history).complaint(spec) is None
    assert watched(Guardrails(min_quality=0.6, memory=1e9), history).complaint(spec) is not None


outcomes = st.builds(
    Outcome,
    quality=st.none() | st.floats(0, 1),
    latency_ms=st.none() | st.floats(0, 1e9),
    success=st.none() | st.booleans(),
)


@given(st.lists(outcomes, max_size=60), st.integers(0, 60))
def test_a_record_from_bytes_goes_on_as_the_one_in_memory(history: list[Outcome], cut: int) -> None:
    spec = Guardrails(
        min_quality=0.5, max_latency_ms=1e3, max_error_rate=0.3, error_window=6, min_rewards=3
    )
    whole = watched(spec, history)
    part = Health.decode(watched(spec, history[:cut]).encode())
    for number, outcome in enumerate(history[cut:], cut):
        part.observe(outcome, outcome.quality, T0 + number, spec)
    assert part.encode() == whole.encode()
    assert part.complaint(spec) == whole.complaint(spec)


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b"\x09" + b[1:], lambda b: b""])
def test_other_bytes_are_refused(change: object) -> None:
    with pytest.raises(ValueError, match="not a"):
        Health.decode(change(Health().encode()))  # type: ignore[operator]


@given(
    st.lists(st.floats(1e-6, 1), min_size=1, max_size=12),
    st.floats(0, 1),
    st.integers(0, 5),
    st.floats(0, 0.1),
)
def test_shares_sum_to_one_and_keep_the_floor_where_it_can_be_kept(
    raw: list[float], floor: float, probes: int, probe_share: float
) -> None:
    shares = [value / sum(raw) for value in raw]
    mixed = with_probes_and_floor(shares, floor, probes, probe_share)
    assert len(mixed) == len(shares) + probes
    assert abs(sum(mixed) - 1.0) <= 1e-12
    probed = mixed[len(shares) :]
    assert all(share == min(probe_share, 0.5 / probes) for share in probed)
    rest = 1.0 - sum(probed)
    least = min(floor, rest / len(shares))
    assert min(mixed[: len(shares)]) >= least - 1e-15
    assert all(share >= 0.0 for share in mixed)
