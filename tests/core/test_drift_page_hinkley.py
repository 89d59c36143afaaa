"""Page-Hinkley's test against river's, and what it keeps after a drift."""

from __future__ import annotations

import numpy as np
import pytest
from river import drift

from core.drift.page_hinkley import PageHinkley
from tests.core.drift_streams import MEANS, bernoulli, cuts, graded, recorded, values


def same_as_river(stream: list[float], tolerance: float, threshold: float) -> int:
    """Compare every step, with a new detector after each drift, as river does; how many drifts."""
    river = drift.PageHinkley(delta=tolerance, threshold=threshold, alpha=1.0)
    ours, drifts = PageHinkley(tolerance, threshold), 0
    for step, value in enumerate(stream):
        river.update(value)
        cut = ours.update(value)
        found = cut is not None and cut.level == "drift"
        assert found == river.drift_detected, step
        if found:
            ours, drifts = PageHinkley(tolerance, threshold), drifts + 1
    return drifts


@pytest.mark.parametrize(("tolerance", "threshold"), [(0.04, 30.0), (0.005, 50.0), (0.01, 4.0)])
@pytest.mark.parametrize("kind", MEANS)
@pytest.mark.parametrize("noise", [bernoulli, graded])
def test_drifts_come_at_the_steps_of_river(
    kind: str, noise, tolerance: float, threshold: float
) -> None:
    drifts = sum(same_as_river(values(kind, noise, seed), tolerance, threshold) for seed in (1, 2))
    assert drifts >= (kind == "back and forth" or threshold == 4.0)


@pytest.mark.parametrize("name", recorded())
def test_drifts_of_recorded_rewards_come_at_the_steps_of_river(name: str) -> None:
    drifts = same_as_river(recorded()[name], 0.04, 30.0)
    assert drifts >= 1 or "then" not in name
    assert same_as_river(recorded()[name], 0.005, 2.0) > drifts


def test_a_shift_by_s_beyond_the_tolerance_takes_the_threshold_over_s_values() -> None:
    detector = PageHinkley(0.04, 30.0)
    cuts(detector, [0.8] * 100_000)
    found = cuts(detector, [0.6] * 400)
    assert [cut.level for _, cut in found] == ["warning", "drift"]
    assert found[1][0] == pytest.approx(30.0 / (0.2 - 0.04), abs=2)
    assert found[1][1].after_mean == pytest.approx(0.6)
    assert found[1][1].before_mean == pytest.approx(0.8, abs=1e-3)


def test_a_shift_within_the_tolerance_is_never_found() -> None:
    assert cuts(PageHinkley(0.04, 30.0), [0.8] * 5_000 + [0.765] * 50_000) == []


def test_the_warning_comes_at_its_share_of_the_threshold() -> None:
    stream = [0.8] * 100_000 + [0.6] * 400
    at = {
        share: cuts(PageHinkley(0.04, 30.0, share), stream)[0][0] - 100_000
        for share in (0.5, 0.8, 0.95)
    }
    assert at[0.5] == pytest.approx(0.5 * 187, abs=2)
    assert at[0.8] == pytest.approx(0.8 * 187, abs=2)
    assert at[0.95] == pytest.approx(0.95 * 187, abs=2)


@pytest.mark.parametrize(
    ("parameters", "about"),
    [
        ((-0.1, 30.0, 0.8), "tolerance"),
        ((1.0, 30.0, 0.8), "tolerance"),
        ((0.04, 0.0, 0.8), "threshold"),
        ((0.04, 30.0, 0.4), "warning"),
        ((0.04, 30.0, 1.0), "warning"),
    ],
)
def test_parameters_without_meaning_are_refused(parameters, about: str) -> None:
    with pytest.raises(ValueError, match=about):
        PageHinkley(*parameters)


def test_yes_no_values_give_few_false_drifts() -> None:
    rng = np.random.default_rng(5)
    found = cuts(PageHinkley(), bernoulli(rng, np.full(100_000, 0.8)))
    assert [cut for _, cut in found if cut.level == "drift"] == []
