"""One point of the front: by weights, or where the front bends.

Objectives have different units, so points are compared by losses: per objective, 0 for the best
value of the points that are compared, 1 for the worst, linear between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from core.pareto.front import Floats, as_costs, comparable, non_dominated

Scalarisation = Literal["sum", "chebyshev"]


def losses(values: Floats, maximise: Sequence[bool]) -> Floats:
    """The losses of n points, shape ``(n, m)``, within their own front's range.

    Best and worst (ideal and nadir) are those on the front, so a dominated point may have a loss
    above 1. Where all of the front have the same value the loss is 0 for that value; a worse one
    counts as 1. Points with a missing value have the loss NaN. Raises ValueError for infinite
    values.
    """
    costs = as_costs(values, maximise)
    valid = comparable(costs)
    if np.isinf(costs).any():
        raise ValueError("an infinite value cannot be normalised")
    result = np.full_like(costs, np.nan)
    if not valid.any():
        return result
    front = costs[non_dominated(values, maximise)]
    ideal, nadir = front.min(axis=0), front.max(axis=0)
    spread = nadir - ideal
    away = costs[valid] - ideal
    flat = spread <= 0.0
    scaled = away / np.where(flat, 1.0, spread)
    scaled[:, flat] = np.where(away[:, flat] > 0.0, 1.0, 0.0)
    result[valid] = scaled
    return result


def chosen(losses: Floats, weights: Sequence[float], by: Scalarisation = "sum") -> int | None:
    """The index of the point with the least weighted loss; None if no point can be compared.

    ``sum`` takes the least Σ w·loss, as a policy's objective does. It reaches only points on the
    convex hull of the front (Das and Dennis 1997). ``chebyshev`` takes the least max w·loss,
    among equals the least sum (Steuer and Choo 1983): with some weights, it reaches every point.
    Ties go to the lower loss in the first objective that differs, then to the lower index. Raises
    ValueError unless there is one weight per objective, all finite, none negative, one positive.
    """
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (losses.shape[1],):
        raise ValueError(f"{losses.shape[1]} objectives need as many weights, found {len(w)}")
    if not np.isfinite(w).all() or (w < 0.0).any() or not w.any():
        raise ValueError(f"weights must not be negative, and one must be positive: {w.tolist()}")
    weighted = losses * (w / w.sum())
    total = weighted.sum(axis=1)
    first = total if by == "sum" else weighted.max(axis=1, initial=-np.inf)
    return _least(losses, np.column_stack([first, total]))


def knee(losses: Floats) -> int | None:
    """The index of the point where a front bends most, or None if it has no bend.

    ``losses`` are those of the front's points alone. It is the point with the least Manhattan
    distance to the ideal point, Σ loss (Chiu, Yen and Juan 2016). For two objectives that is the
    point farthest from the line through the extremes, on the ideal's side (Das 1999), as in losses
    the line is Σ loss = 1. There is no bend where two or more points are compared and all have the
    same distance.
    """
    total = losses.sum(axis=1)
    valid = total[~np.isnan(total)]
    if len(valid) > 1 and float(valid.max() - valid.min()) <= 1e-12:
        return None
    return _least(losses, total[:, None])


def _least(losses: Floats, keys: Floats) -> int | None:
    """The index of the lexicographically least keys, then losses, then index."""
    rows = [
        (*key, *loss, index)
        for index, (key, loss) in enumerate(zip(keys.tolist(), losses.tolist(), strict=True))
        if not np.isnan(loss).any()
    ]
    return int(min(rows)[-1]) if rows else None
