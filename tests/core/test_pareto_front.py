from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.pareto import comparable, dominators, non_dominated

MAX_MIN_MIN = (True, False, False)
NAN = float("nan")

# Few distinct values: ties and duplicates are common.
value = st.integers(-3, 3).map(float) | st.just(NAN)


@st.composite
def clouds(draw: st.DrawFn) -> tuple[np.ndarray, tuple[bool, ...]]:
    columns = draw(st.integers(1, 4))
    row = st.lists(value, min_size=columns, max_size=columns)
    rows = draw(st.lists(row, max_size=12))
    maximise = draw(st.tuples(*[st.booleans()] * columns))
    return np.array(rows, dtype=np.float64).reshape(len(rows), columns), maximise


def beats(a: np.ndarray, b: np.ndarray, maximise: tuple[bool, ...]) -> bool:
    """The definition, one objective after the other."""
    if any(x != x for x in (*a, *b)):
        return False
    at_least = all(x >= y if more else x <= y for x, y, more in zip(a, b, maximise, strict=True))
    return at_least and any(x != y for x, y in zip(a, b, strict=True))


@given(clouds())
def test_the_front_is_what_nothing_beats(cloud: tuple[np.ndarray, tuple[bool, ...]]) -> None:
    points, maximise = cloud
    front = non_dominated(points, maximise)
    for index, point in enumerate(points):
        beaten = any(beats(other, point, maximise) for other in points)
        assert front[index] == (not np.isnan(point).any() and not beaten)


@given(clouds())
def test_every_point_behind_the_front_has_a_dominator_on_it(
    cloud: tuple[np.ndarray, tuple[bool, ...]],
) -> None:
    points, maximise = cloud
    front = non_dominated(points, maximise)
    for index, found in enumerate(dominators(points, maximise)):
        wanted = [
            other
            for other in range(len(points))
            if front[other] and beats(points[other], points[index], maximise)
        ]
        assert found == wanted
        assert bool(found) == (not front[index] and not np.isnan(points[index]).any())


@given(clouds(), st.randoms())
def test_the_order_of_the_points_does_not_matter(
    cloud: tuple[np.ndarray, tuple[bool, ...]], random: object
) -> None:
    points, maximise = cloud
    order = list(range(len(points)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert non_dominated(points[order], maximise).tolist() == (
        non_dominated(points, maximise)[order].tolist()
    )


@given(clouds(), st.data())
def test_a_dominated_point_changes_nothing(
    cloud: tuple[np.ndarray, tuple[bool, ...]], data: st.DataObject
) -> None:
    points, maximise = cloud
    valid = [index for index in range(len(points)) if not np.isnan(points[index]).any()]
    if not valid:
        return
    worse = points[data.draw(st.sampled_from(valid))].copy()
    column = data.draw(st.integers(0, len(maximise) - 1))
    worse[column] += -1.0 if maximise[column] else 1.0
    more = non_dominated(np.vstack([points, worse]), maximise)
    assert more.tolist() == [*non_dominated(points, maximise).tolist(), False]


def test_equal_points_are_on_the_front_together_or_not_at_all() -> None:
    points = np.array([[0.9, 1.0, 5.0], [0.9, 1.0, 5.0], [0.8, 2.0, 6.0], [0.8, 2.0, 6.0]])
    assert non_dominated(points, MAX_MIN_MIN).tolist() == [True, True, False, False]


def test_a_point_with_a_missing_value_is_not_compared() -> None:
    points = np.array([[NAN, 0.0, 0.0], [0.5, 1.0, 1.0], [0.4, NAN, 0.0], [0.4, 1.0, 2.0]])
    assert comparable(points).tolist() == [False, True, False, True]
    assert non_dominated(points, MAX_MIN_MIN).tolist() == [False, True, False, False]
    assert dominators(points, MAX_MIN_MIN) == [[], [], [], [1]]


def test_infinite_values_are_values() -> None:
    points = np.array([[np.inf, 1.0], [5.0, 1.0], [-np.inf, 0.5]])
    assert non_dominated(points, (False, False)).tolist() == [False, False, True]


def test_no_points() -> None:
    assert non_dominated(np.empty((0, 2)), (True, False)).tolist() == []


@pytest.mark.parametrize(("shape", "maximise"), [((3, 2), (True,)), ((3,), (True,)), ((3, 0), ())])
def test_a_wrong_shape_is_refused(shape: tuple[int, ...], maximise: tuple[bool, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        non_dominated(np.zeros(shape), maximise)
