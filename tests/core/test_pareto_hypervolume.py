from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import inf, nan, pi, prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.pareto import contributions, hypervolume, non_dominated

coordinate = st.integers(0, 8).map(lambda eighths: eighths / 8.0)


@st.composite
def clouds(draw: st.DrawFn, most: int = 6) -> np.ndarray:
    columns = draw(st.integers(1, 3))
    row = st.lists(coordinate, min_size=columns, max_size=columns)
    rows = draw(st.lists(row, max_size=most))
    return np.array(rows, dtype=np.float64).reshape(len(rows), columns)


def volume(points: np.ndarray) -> float:
    """For minimised objectives, up to 1 in each."""
    columns = points.shape[1]
    return hypervolume(points, np.ones(columns), [False] * columns)


def by_inclusion_and_exclusion(points: np.ndarray) -> Fraction:
    """The exact volume of the union of the boxes between the points and 1."""
    total = Fraction(0)
    boxes = [[Fraction(x) for x in point] for point in points]
    for size in range(1, len(boxes) + 1):
        for some in combinations(boxes, size):
            corner = [max(column) for column in zip(*some, strict=True)]
            total += (-1) ** (size + 1) * prod(max(Fraction(0), 1 - x) for x in corner)
    return total


def by_counting_cells(points: np.ndarray) -> float:
    """The same, by the cells of eighths that a point dominates."""
    columns = points.shape[1]
    cells = np.stack(np.meshgrid(*[np.arange(8) / 8.0] * columns), axis=-1).reshape(-1, columns)
    hit = (cells[:, None, :] >= points[None, :, :]).all(axis=2).any(axis=1)
    return float(hit.sum()) / 8.0**columns


@settings(deadline=None)
@given(clouds())
def test_it_is_the_volume_of_the_union_of_boxes(points: np.ndarray) -> None:
    # Eighths and their products are exact in floating point, so the volumes are, too.
    assert volume(points) == float(by_inclusion_and_exclusion(points))


@pytest.mark.parametrize("columns", [2, 3])
def test_it_agrees_with_sampling(columns: int) -> None:
    rng = np.random.default_rng(7)
    points = rng.random((80, columns)) ** 0.5
    samples = rng.random((100_000, columns))
    hit = np.zeros(len(samples), dtype=bool)
    for point in points:
        hit |= (samples >= point).all(axis=1)
    assert volume(points) == pytest.approx(hit.mean(), abs=4 * (0.25 / len(samples)) ** 0.5)


def test_the_published_example_of_moocore() -> None:
    points = np.array([[5.0, 5.0], [4.0, 6.0], [2.0, 7.0], [7.0, 4.0]])
    assert hypervolume(points, np.array([10.0, 10.0]), (False, False)) == 38.0


def test_a_dense_sphere_approaches_its_known_volume() -> None:
    """DTLZ2's front is an eighth of the unit sphere: 1.1³ - π/6 for the reference 1.1 in each."""
    angle = (np.arange(60) + 0.5) / 60 * (pi / 2)
    theta, phi = (grid.ravel() for grid in np.meshgrid(angle, angle))
    points = np.column_stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)]
    )
    found = hypervolume(points, np.full(3, 1.1), (False, False, False))
    limit = 1.1**3 - pi / 6
    assert limit - 0.03 < found < limit


@given(clouds(20), st.randoms())
def test_the_order_of_the_points_does_not_matter_bit_for_bit(
    points: np.ndarray, random: object
) -> None:
    points = points / 3.0
    order = list(range(len(points)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert volume(points[order]) == volume(points)


@given(clouds(20), st.data())
def test_one_more_point_never_takes_away_and_a_dominated_one_adds_nothing(
    points: np.ndarray, data: st.DataObject
) -> None:
    columns = points.shape[1]
    new = np.array([data.draw(coordinate) for _ in range(columns)])
    more = np.vstack([points, new])
    before, after = volume(points), volume(more)
    if any((point <= new).all() for point in points):
        assert after == before
    elif (new < 1.0).all():
        assert after > before
    else:
        assert after == before


@given(clouds(12))
def test_maximising_is_minimising_the_negative(points: np.ndarray) -> None:
    columns = points.shape[1]
    mirrored = hypervolume(-points, -np.ones(columns), [True] * columns)
    assert mirrored == volume(points)


@given(clouds(12))
def test_only_the_front_counts(points: np.ndarray) -> None:
    front = points[non_dominated(points, [False] * points.shape[1])]
    assert volume(front) == volume(points)


@settings(deadline=None)
@given(clouds(20))
def test_it_counts_as_many_cells_as_a_grid(points: np.ndarray) -> None:
    assert volume(points) == by_counting_cells(points)


@settings(deadline=None)
@given(clouds(12))
def test_a_contribution_is_what_would_be_lost(points: np.ndarray) -> None:
    columns = points.shape[1]
    found = contributions(points, np.ones(columns), [False] * columns)
    for index, share in enumerate(found):
        rest = by_counting_cells(np.delete(points, index, axis=0))
        assert share == by_counting_cells(points) - rest


def test_what_is_missing_or_not_better_than_the_reference_adds_nothing() -> None:
    points = np.array([[0.5, 0.5], [nan, 0.0], [0.2, 1.0], [1.5, -3.0], [inf, 0.0]])
    assert volume(points) == 0.25
    assert volume(np.empty((0, 2))) == 0.0


def test_what_has_no_volume_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 3"):
        hypervolume(np.zeros((1, 4)), np.ones(4), [False] * 4)
    with pytest.raises(ValueError, match="finite"):
        hypervolume(np.zeros((1, 2)), np.array([1.0, inf]), [False] * 2)
    with pytest.raises(ValueError, match="infinitely good"):
        volume(np.array([[-inf, 0.5]]))
