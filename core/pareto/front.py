"""Which points no other point beats: the Pareto front.

A point dominates another if it is at least as good in every objective and better in one. Points
are rows, objectives columns; ``maximise`` says of each objective whether more of it is better.

Ties and gaps are treated as follows:

- equal points do not dominate each other: all of them are on the front, or none;
- a point with a missing value (NaN) cannot be compared: it is not on the front and dominates
  nothing. Infinite values are values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Booleans: TypeAlias = NDArray[np.bool_]


def as_costs(values: Floats, maximise: Sequence[bool]) -> Floats:
    """The values, shape ``(n, m)``, with the sign at which less is better in every column.

    Raises ValueError if the shape does not fit ``maximise`` of length m >= 1.
    """
    if values.ndim != 2 or not maximise or values.shape[1] != len(maximise):
        raise ValueError(
            f"{len(maximise)} objectives need values of shape (n, {len(maximise)}), found "
            f"{values.shape}"
        )
    signs = np.where(np.asarray(maximise, dtype=np.bool_), -1.0, 1.0)
    return np.asarray(values * signs, dtype=np.float64)


def comparable(values: Floats) -> Booleans:
    """Which rows of ``values`` have no missing value: shape ``(n,)``."""
    return np.asarray(~np.isnan(values).any(axis=1))


def non_dominated(values: Floats, maximise: Sequence[bool]) -> Booleans:
    """Which of the n points are on the front: shape ``(n,)``. O(n² m)."""
    costs = as_costs(values, maximise)
    valid = comparable(costs)
    front = valid.copy()
    for index in np.flatnonzero(valid):
        front[index] = not _better(costs, costs[index]).any()
    return front


def dominators(values: Floats, maximise: Sequence[bool]) -> list[list[int]]:
    """For each of the n points, the indices of the front's points that dominate it.

    Every comparable point that is not on the front has at least one. A point with a missing value
    has none.
    """
    costs = as_costs(values, maximise)
    front = non_dominated(values, maximise)
    found: list[list[int]] = []
    for index, point in enumerate(costs):
        better = _better(costs, point) & front
        found.append([] if front[index] else [int(i) for i in np.flatnonzero(better)])
    return found


def _better(costs: Floats, point: Floats) -> Booleans:
    """Which rows dominate the point. No comparison with NaN is true."""
    return np.asarray((costs <= point).all(axis=1) & (costs < point).any(axis=1))
