"""The space of a search and the designs that fill it."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from core.search.designs import design_point, grid, latin_hypercube_points, sobol_points
from core.search.space import Dimension, Space
from schemas.policy import Parameter


@st.composite
def dimensions(draw: st.DrawFn) -> Dimension:
    log = draw(st.booleans())
    if draw(st.booleans()):
        low = draw(st.integers(1 if log else -1_000_000, 1_000_000))
        return Dimension(float(low), float(low + draw(st.integers(1, 100_000))), True, log)
    low_float = draw(st.floats(1e-6 if log else -1e6, 1e6))
    span = draw(st.floats(0.02, 1e4)) * max(abs(low_float), 1e-3)
    return Dimension(low_float, low_float + span, False, log)


units = st.floats(0.0, 1.0)


@given(dimension=dimensions(), u=units)
def test_a_value_is_rounded_and_within_its_bounds(dimension: Dimension, u: float) -> None:
    value = dimension.value(u)
    assert dimension.low <= value <= dimension.high
    if dimension.integer:
        assert value.is_integer()
    elif value not in (dimension.low, dimension.high):
        assert value == float(f"{value:.6g}")
    assert math.copysign(1.0, value) == 1.0 or value != 0.0  # no -0.0 on the wire


@given(dimension=dimensions(), u=units)
def test_a_value_comes_back_from_its_place_in_the_cube(dimension: Dimension, u: float) -> None:
    value = dimension.value(u)
    assert dimension.value(dimension.unit(value)) == pytest.approx(value, rel=1e-5, abs=1e-9)
    if dimension.integer:
        assert dimension.value(dimension.unit(value)) == value


@given(dimension=dimensions())
def test_the_ends_of_the_cube_are_the_bounds(dimension: Dimension) -> None:
    exact = {"rel": 1e-5, "abs": 1e-9}
    assert dimension.value(0.0) == pytest.approx(dimension.low, **exact)
    assert dimension.value(1.0) == pytest.approx(dimension.high, **exact)


@given(dimension=dimensions().filter(lambda d: d.integer), points=st.lists(units, min_size=1))
def test_snapped_integers_lie_where_their_values_lie(
    dimension: Dimension, points: list[float]
) -> None:
    U = np.array(points)[:, None]
    snapped = Space((dimension,)).snapped(U)[:, 0]
    for u, at in zip(points, snapped.tolist(), strict=True):
        assert at == pytest.approx(dimension.unit(dimension.value(at)), abs=1e-12)
        assert abs(dimension.value(u) - dimension.value(at)) <= 1.0  # a tie between two bins
    assert Space((dimension,)).snapped(snapped[:, None])[:, 0] == pytest.approx(snapped, abs=1e-12)


def test_every_integer_is_drawn_as_often_as_the_others() -> None:
    dimension = Dimension(3.0, 7.0, integer=True)
    seen = Counter(dimension.value(u) for u in (np.arange(5_000) + 0.5) / 5_000)
    assert seen == {3.0: 1_000, 4.0: 1_000, 5.0: 1_000, 6.0: 1_000, 7.0: 1_000}


def test_a_log_scale_halves_at_the_geometric_mean() -> None:
    assert Dimension(0.01, 100.0, log=True).value(0.5) == pytest.approx(1.0)
    assert Dimension(0.01, 100.0, log=True).value(0.25) == pytest.approx(0.1)
    assert Dimension(0.0, 2.0).value(0.25) == 0.5


def test_floats_have_six_significant_digits() -> None:
    assert Dimension(0.0, 2.0).value(1.0 / 3.0) == 0.666667
    assert Dimension(0.0, 2e5).value(1.0 / 3.0) == 66666.7


def test_a_space_is_that_of_its_parameters_in_their_order() -> None:
    space = Space.of(
        [
            Parameter(low=0.0, high=2.0),
            Parameter(low=64.0, high=4096.0, type="integer", scale="log"),
        ]
    )
    assert space.values((1.0, 0.0)) == (2.0, 64.0)
    assert space.point((1.0, 512.0)) == pytest.approx((0.5, 0.5), abs=2e-3)
    assert space.size == math.inf
    assert Space((Dimension(1.0, 3.0, integer=True), Dimension(0.0, 1.0, integer=True))).size == 6


def test_an_unused_set_is_found_until_there_is_none() -> None:
    space = Space((Dimension(1.0, 40.0, integer=True, log=True), Dimension(0.0, 1.0, integer=True)))
    taken: frozenset[tuple[float, ...]] = frozenset()
    while (values := space.unused(taken, seed=7)) is not None:
        assert values not in taken
        taken |= {values}
    assert taken == set(product(map(float, range(1, 41)), (0.0, 1.0)))


def test_a_grid_goes_from_the_low_ends_with_the_last_parameter_first() -> None:
    space = Space((Dimension(0.0, 2.0), Dimension(1.0, 100.0, log=True)))
    assert grid(space, [2, 3]) == [
        (0.0, 1.0),
        (0.0, 10.0),
        (0.0, 100.0),
        (2.0, 1.0),
        (2.0, 10.0),
        (2.0, 100.0),
    ]


def test_a_grid_has_each_integer_once_and_one_level_is_the_middle() -> None:
    space = Space((Dimension(1.0, 10.0, integer=True, log=True), Dimension(0.0, 2.0)))
    assert grid(space, [8, 1]) == [(v, 1.0) for v in (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0)]


def test_a_latin_hypercube_has_one_point_in_each_part_of_each_axis() -> None:
    n, dim = 13, 4
    points = latin_hypercube_points(dim, n, seed=5)
    for axis in points.T:
        assert sorted(np.floor(axis * n).astype(int).tolist()) == list(range(n))


def test_a_sobol_design_is_balanced_and_each_prefix_is_the_shorter_design() -> None:
    points = sobol_points(2, 16, seed=3)
    cells = Counter(map(tuple, np.floor(points * 4).astype(int).tolist()))
    assert set(cells.values()) == {1}
    assert len(cells) == 16
    assert (sobol_points(2, 11, seed=3) == points[:11]).all()
    random = np.array([design_point("random", 2, 16, i, 3) for i in range(16)])
    assert qmc.discrepancy(points) < qmc.discrepancy(random)


@pytest.mark.parametrize("design", ["random", "latin_hypercube", "sobol"])
def test_a_design_is_its_seeds_and_fills_the_cube(design: str) -> None:
    def points(seed: int) -> np.ndarray:
        return np.array([design_point(design, 3, 64, i, seed) for i in range(64)])  # type: ignore[arg-type]

    assert (points(1) == points(1)).all()
    assert (points(1) != points(2)).any()
    assert len(np.unique(points(1), axis=0)) == 64
    assert ((points(1) >= 0.0) & (points(1) <= 1.0)).all()
    assert np.abs(points(1).mean(axis=0) - 0.5).max() < 0.15
