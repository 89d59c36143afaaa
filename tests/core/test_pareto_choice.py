from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pareto import chosen, knee, losses, non_dominated

QUALITY_COST = (True, False)


def test_losses_are_0_at_the_best_and_1_at_the_worst_of_the_front() -> None:
    points = np.array([[0.9, 10.0], [0.8, 5.0], [0.5, 2.0], [0.45, 14.0], [nan, 1.0]])
    expected = [[0.0, 1.0], [0.25, 0.375], [1.0, 0.0], [1.125, 1.5], [nan, nan]]
    assert losses(points, QUALITY_COST) == pytest.approx(np.array(expected), nan_ok=True)


def test_an_objective_in_which_all_of_the_front_agree_decides_nothing() -> None:
    points = np.array([[0.9, 3.0], [0.9, 3.0], [0.9, 4.0], [0.8, 3.0]])
    assert losses(points, QUALITY_COST).tolist() == [[0, 0], [0, 0], [0, 1], [1, 0]]


def test_infinite_values_cannot_be_normalised() -> None:
    with pytest.raises(ValueError, match="infinite"):
        losses(np.array([[0.5, inf]]), QUALITY_COST)


FRONT = np.array([[0.0, 1.0], [0.45, 0.6], [0.5, 0.45], [1.0, 0.0]])
"""Losses; (0.45, 0.6) lies off the convex hull, in the hollow between its neighbours."""


def test_the_weights_move_the_choice_along_the_front() -> None:
    assert chosen(FRONT, [1.0, 0.0]) == 0
    assert chosen(FRONT, [2.0, 0.9]) == 0
    assert chosen(FRONT, [1.0, 1.0]) == 2
    assert chosen(FRONT, [0.0, 1.0]) == 3


def test_a_weighted_sum_never_reaches_what_lies_in_a_hollow_and_chebyshev_does() -> None:
    shares = np.linspace(0.0, 1.0, 1001)
    assert 1 not in {chosen(FRONT, [share, 1.0 - share]) for share in shares}
    assert {chosen(FRONT, [share, 1.0 - share], "chebyshev") for share in shares} == {0, 1, 2, 3}


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [1.0, -0.1], [inf, 1.0], [nan, 1.0]])
def test_weights_that_decide_nothing_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        chosen(FRONT, weights)


def test_without_a_point_there_is_no_choice() -> None:
    for none in (np.empty((0, 2)), np.array([[nan, nan]])):
        assert chosen(none, [1.0, 1.0]) is None
        assert knee(none) is None


def test_ties_go_to_the_lower_loss_in_the_first_objective() -> None:
    tied = np.array([[1.0, 0.0], [0.0, 1.0], [nan, nan]])
    assert chosen(tied, [1.0, 1.0]) == 1
    assert chosen(tied, [1.0, 1.0], "chebyshev") == 1


def test_a_straight_front_has_no_knee() -> None:
    assert knee(np.array([[0.0, 1.0], [0.25, 0.75], [1.0, 0.0]])) is None
    assert knee(np.array([[0.0, 1.0], [1.0, 0.0]])) is None
    assert knee(np.array([[0.0, 0.0]])) == 0


def test_the_knee_of_three_objectives_is_nearest_to_the_ideal() -> None:
    front = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5], [0.3, 0.4, 0.2], [0.5, 0.5, 0.0]])
    assert knee(front) == 2


@st.composite
def fronts(draw: st.DrawFn, columns: int) -> np.ndarray:
    row = st.lists(st.integers(0, 40).map(float), min_size=columns, max_size=columns)
    points = np.array(draw(st.lists(row, min_size=3, max_size=15, unique_by=tuple)))
    return points[non_dominated(points, [False] * columns)]


@given(fronts(2))
def test_for_two_objectives_the_knee_is_farthest_from_the_line_through_the_extremes(
    front: np.ndarray,
) -> None:
    found = knee(losses(front, (False, False)))
    if len(front) < 3:
        assert found is None or len(front) == 1
        return
    # Das's definition on the raw values, by the cross product with the line's direction.
    a, b = front[front[:, 0].argmin()], front[front[:, 1].argmin()]
    direction = b - a
    towards_ideal = direction[0] * (front - a)[:, 1] - direction[1] * (front - a)[:, 0]
    distance = -towards_ideal / np.linalg.norm(direction)
    if np.ptp(distance) > 1e-9:
        assert found is not None
        assert distance[found] == pytest.approx(distance.max(), abs=1e-9)
    else:
        assert found is None


@given(fronts(3), st.randoms(), st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_units_and_the_order_of_the_points_do_not_matter(
    front: np.ndarray, random: object, weights: list[float]
) -> None:
    order = list(range(len(front)))
    random.shuffle(order)  # type: ignore[attr-defined]
    # Powers of two are exact, so the losses are the same bit for bit.
    scaled = front[order] * np.array([8.0, 0.25, 1024.0])
    minimise = [False] * 3
    before, after = losses(front, minimise), losses(scaled, minimise)
    assert after.tolist() == before[order].tolist()
    for pick in (
        knee,
        lambda points: chosen(points, weights),
        lambda points: chosen(points, weights, "chebyshev"),
    ):
        one, other = pick(before), pick(after)
        assert (one is None) == (other is None)
        assert one is None or front[one].tolist() == front[order][other].tolist()


@given(fronts(3), st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_the_choice_has_the_least_weighted_loss(front: np.ndarray, weights: list[float]) -> None:
    lost = losses(front, [False] * 3)
    w = np.array(weights)
    picked = chosen(lost, weights)
    assert (lost @ w)[picked] == pytest.approx((lost @ w).min(), abs=1e-12)
    picked = chosen(lost, weights, "chebyshev")
    assert (lost * w).max(axis=1)[picked] == pytest.approx((lost * w).max(axis=1).min(), abs=1e-12)
