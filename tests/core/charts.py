"""Average run lengths of control charts from a Markov chain (Brook and Evans 1972).

Independent of any simulation: the chart's statistic is cut into cells, and the chance to go from
one cell to another is that of a normal variable.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm


def cusum_run_length(slack: float, threshold: float, shift: float, cells: int = 400) -> float:
    """Of a one-sided CUSUM of normal values with mean ``shift`` and standard deviation 1."""
    width = 2.0 * threshold / (2 * cells - 1)
    at = width * np.arange(cells)
    upper = at[None, :] + width / 2 - at[:, None] + slack
    below = norm.cdf(upper - shift)
    chances = np.diff(below, axis=1, prepend=0.0)
    return float(np.linalg.solve(np.eye(cells) - chances, np.ones(cells))[0])


def two_sided_cusum_run_length(slack: float, threshold: float, shift: float) -> float:
    """1 / ARL = 1 / ARL of the one side + 1 / ARL of the other (Kemp 1961)."""
    up = cusum_run_length(slack, threshold, shift)
    down = cusum_run_length(slack, threshold, -shift)
    return 1.0 / (1.0 / up + 1.0 / down)


def ewma_run_length(
    weight: float, limit: float, shift: float, cells: int = 201, *, exact: int = 0
) -> float:
    """Of a two-sided EWMA chart of normal values with mean ``shift`` and standard deviation 1.

    With asymptotic limits; or, with ``exact`` steps of time-varying ones before.
    """
    final = limit * np.sqrt(weight / (2.0 - weight))

    def step(wide: float, wider: float) -> np.ndarray:
        middles = (np.arange(cells) + 0.5) / cells * 2.0 * wide - wide
        edges = np.linspace(-wider, wider, cells + 1)
        reach = (edges[None, :] - (1.0 - weight) * middles[:, None]) / weight
        return np.diff(norm.cdf(reach - shift), axis=1)

    left = np.linalg.solve(np.eye(cells) - step(final, final), np.ones(cells))
    if not exact:
        return float(left[cells // 2])
    halves = final * np.sqrt(1.0 - (1.0 - weight) ** (2 * np.arange(1, exact + 1)))
    for narrow, wide in zip(halves[-2::-1], halves[:0:-1], strict=True):
        left = 1.0 + step(narrow, wide) @ left
    first = np.diff(norm.cdf(np.linspace(-halves[0], halves[0], cells + 1) / weight - shift))
    return float(1.0 + first @ left)
