"""Windows of metrics against a plain count of everything that happened."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.watching.join import JoinPanes
from core.watching.panes import PANES, Panes, count_outcome
from schemas.reward import Outcome

WINDOW_MS = 1_000
PANE_MS = WINDOW_MS // PANES
T0 = 1_750_000_000_000


class Seen(NamedTuple):
    at_ms: int
    mine: bool
    explored: bool
    joined: bool
    outcome: Outcome
    reward: float | None


seen = st.builds(
    Seen,
    at_ms=st.integers(T0, T0 + 3 * WINDOW_MS),
    mine=st.booleans(),
    explored=st.booleans(),
    joined=st.booleans(),
    outcome=st.builds(
        Outcome,
        quality=st.none() | st.floats(0, 1),
        cost_usd=st.none() | st.floats(0, 10),
        latency_ms=st.none() | st.floats(0, 1e6),
        success=st.none() | st.booleans(),
        output_tokens=st.none() | st.integers(0, 10_000),
    ),
    reward=st.none() | st.floats(0, 1),
)


def counted(events: list[Seen]) -> Panes:
    panes, now = Panes(WINDOW_MS), T0
    for event in events:
        now = max(now, event.at_ms)
        pane = panes.at(event.at_ms, now)
        pane.seen += 1
        if event.mine:
            pane.decided += 1
            pane.explored += event.explored
            pane.joined += event.joined
            pane.learned += event.reward is not None
            count_outcome(pane, event.outcome, event.outcome.quality, event.reward, 0.25)
    return panes


def mean(values: list[float]) -> tuple[float, int]:
    return (math.fsum(values) / len(values) if values else 0.0, len(values))


@settings(max_examples=200, deadline=None)
@given(st.lists(seen, max_size=60), st.integers(0, 4 * WINDOW_MS), st.booleans())
def test_a_window_measures_the_ten_panes_that_ended_last(
    events: list[Seen], later: int, stored: bool
) -> None:
    # In the order of time: what is older than two windows is not kept.
    events.sort(key=lambda event: event.at_ms)
    panes = counted(events)
    now = max([T0, *(event.at_ms for event in events)]) + later
    if stored:
        panes = Panes.decode(panes.encode(), WINDOW_MS)
    panes.close(now)
    end = now // PANE_MS * PANE_MS
    inside = [e for e in events if end - WINDOW_MS <= e.at_ms // PANE_MS * PANE_MS < end]
    before = [
        e
        for e in events
        if end - 2 * WINDOW_MS <= e.at_ms // PANE_MS * PANE_MS < end - WINDOW_MS and e.mine
    ]
    mine = [event for event in inside if event.mine]
    outcomes = [event.outcome for event in mine]
    latencies = sorted(o.latency_ms for o in outcomes if o.latency_ms is not None)
    expected = {
        "reward": mean([e.reward for e in mine if e.reward is not None]),
        "regret_rate": mean([0.25 for e in mine if e.reward is not None]),
        "quality": mean([o.quality for o in outcomes if o.quality is not None]),
        "cost": mean([o.cost_usd for o in outcomes if o.cost_usd is not None]),
        "latency": mean(latencies),
        "tokens": mean([float(o.output_tokens) for o in outcomes if o.output_tokens is not None]),
        "error_rate": mean([float(not o.success) for o in outcomes if o.success is not None]),
        "exploration_rate": mean([float(e.explored) for e in mine]),
        "arm_share": mean([float(e.mine) for e in inside]),
        "join_rate": mean([float(e.joined) for e in before]),
        "update_rate": (
            sum(e.reward is not None for e in mine) * 60_000 / WINDOW_MS,
            len(mine),
        ),
    }
    for metric, (value, n) in expected.items():
        found = panes.measured(metric, whole=False)  # type: ignore[arg-type]
        assert found == (pytest.approx(value, rel=1e-9, abs=1e-12), n), metric
    assert panes.measured("update_rate", whole=True).n == len(inside)
    for metric, fraction in (("latency_p50", 0.5), ("latency_p95", 0.95), ("latency_p99", 0.99)):
        found = panes.measured(metric, whole=False)  # type: ignore[arg-type]
        assert found.n == len(latencies)
        if latencies and (exact := latencies[math.ceil(fraction * len(latencies)) - 1]) > 1e-3:
            assert found.value == pytest.approx(exact, rel=0.026)


@given(st.lists(seen, max_size=40))
def test_the_order_of_counting_within_the_kept_time_does_not_matter(events: list[Seen]) -> None:
    close = [event for event in events if event.at_ms < T0 + WINDOW_MS]
    last = T0 + WINDOW_MS
    one, other = counted(close), counted(sorted(close, key=lambda event: event.at_ms))
    for panes in (one, other):
        panes.close(last)
    assert one.measured("exploration_rate", whole=False) == other.measured(
        "exploration_rate", whole=False
    )
    assert one.measured("latency_p95", whole=False) == other.measured("latency_p95", whole=False)


def join_stream(rates: list[float], seed: int, per_pane: int = 50) -> list[tuple[int, bool]]:
    """What was found in each pane: the pane, and whether the rate has fallen."""
    rng = np.random.default_rng(seed)
    panes = JoinPanes(WINDOW_MS)
    found = []
    for number, rate in enumerate(rates):
        for one in range(per_pane):
            at = T0 + number * PANE_MS + one
            ended = panes.ends(at)
            panes.decided(at, learn=True)
            if ended and (judged := panes.judged(0.5, 100)) is not None:
                found.append((number, judged.fallen))
            if rng.random() < rate:
                panes.joined(at)
            if rng.random() < 0.05:
                panes = JoinPanes.decode(panes.encode(), WINDOW_MS)
    return found


def test_a_steady_join_rate_is_never_called_fallen() -> None:
    for seed in range(20):
        for rate in (0.02, 0.3, 0.95):
            found = join_stream([rate] * 200, seed)
            assert len(found) > 150
            assert not any(fallen for _, fallen in found), (seed, rate)


def test_a_broken_feedback_loop_is_found_within_two_windows() -> None:
    for seed in range(20):
        found = join_stream([0.3] * 60 + [0.0] * 25, seed)
        fallen = [number for number, judged in found if judged]
        assert fallen, seed
        assert 60 + PANES < fallen[0] <= 60 + 2 * PANES


def test_other_windows_start_afresh() -> None:
    panes = JoinPanes(WINDOW_MS)
    for number in range(40):
        panes.decided(T0 + number * PANE_MS, learn=True)
    assert (
        JoinPanes.decode(panes.encode(), 2 * WINDOW_MS).encode()
        == JoinPanes(2 * WINDOW_MS).encode()
    )
    assert JoinPanes.decode(panes.encode(), WINDOW_MS).encode() == panes.encode()
