"""How much a set of points achieves: the volume that it dominates, up to a reference point.

The hypervolume (Zitzler and Thiele 1998) grows with every point that no other dominates, and is
largest for the Pareto front. It is exact here, for one, two and three objectives: points enter in
the order of the last objective, and each adds the area that it newly dominates in the others times
the distance to the reference in the last one (the dimension sweep of Fonseca, Paquete and
López-Ibáñez 2006).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from core.pareto.front import Floats, as_costs, comparable


def hypervolume(values: Floats, reference: Floats, maximise: Sequence[bool]) -> float:
    """The volume between the points, shape ``(n, m)``, and the reference, shape ``(m,)``; m <= 3.

    Points that are not better than the reference in every objective add nothing, like those with
    a missing value. The result does not depend on the order of the points, bit for bit. Raises
    ValueError for more than three objectives, for a reference that is not finite, and for a point
    with an infinite value that would make the volume infinite.
    """
    costs = as_costs(values, maximise)
    corner = as_costs(np.asarray(reference, dtype=np.float64)[None, :], maximise)[0]
    if len(corner) > 3:
        raise ValueError(f"{len(corner)} objectives, but at most 3 are supported")
    if not np.isfinite(corner).all():
        raise ValueError(f"the reference point must be finite, found {reference.tolist()}")
    inside = costs[comparable(costs) & (costs < corner).all(axis=1)]
    if np.isneginf(inside).any():
        raise ValueError("a point is infinitely good: the volume would be infinite")
    gains = corner - inside
    if gains.shape[1] == 1:
        return float(gains.max(initial=0.0))
    if gains.shape[1] == 2:
        gains = np.hstack([gains, np.ones((len(gains), 1))])
    return _volume(sorted(map(tuple, gains.tolist()), key=lambda gain: (-gain[2], gain)))


def contributions(values: Floats, reference: Floats, maximise: Sequence[bool]) -> Floats:
    """What the volume would lose without each of the n points: shape ``(n,)``.

    It is 0 for dominated points, and for both of two equal ones.
    """
    whole = hypervolume(values, reference, maximise)
    return np.array(
        [
            max(0.0, whole - hypervolume(np.delete(values, index, axis=0), reference, maximise))
            for index in range(len(values))
        ]
    )


def _volume(gains: list[tuple[float, ...]]) -> float:
    """The volume of the union of boxes from the origin, by descending third side.

    The staircase holds the corners of the union of the first two sides so far: widths ascend and
    heights descend.
    """
    widths: list[float] = []
    heights: list[float] = []
    parts = []
    for width, height, depth in gains:
        # Steps that are no wider and no higher than the new one disappear under it. Heights
        # descend, so they are a run that ends before the first wider step.
        end = bisect_right(widths, width)
        start = bisect_left(heights, -height, 0, end, key=lambda step: -step)
        left = widths[start - 1] if start else 0.0
        if left >= width or (end < len(widths) and heights[end] >= height):
            continue  # a step that is as wide and as high covers it
        parts.append(depth * _added(widths, heights, start, end, left, width, height))
        widths[start:end] = [width]
        heights[start:end] = [height]
    return math.fsum(parts)


def _added(
    widths: list[float],
    heights: list[float],
    start: int,
    end: int,
    left: float,
    width: float,
    height: float,
) -> float:
    """The area that a step of the given size adds to the staircase, right of ``left``."""
    edges = [left, *widths[start:end], width]
    floors = [*heights[start:end], heights[end] if end < len(heights) else 0.0]
    return math.fsum(
        (right - at) * (height - floor)
        for (at, right), floor in zip(pairwise(edges), floors, strict=True)
    )
