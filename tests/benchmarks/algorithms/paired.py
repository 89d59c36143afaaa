"""Differences of what ran on the same worlds, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Difference:
    """A mean difference with Student's 95 % interval over the seeds."""

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``lower``, ``higher``, or ``equal`` where the interval holds 0."""
        if self.low <= 0.0 <= self.high:
            return "equal"
        return "lower" if self.high < 0.0 else "higher"


def difference(mine: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Mine less theirs; the interval is unbounded for a single seed."""
    gaps = np.array(mine) - np.array(theirs)
    mean = float(gaps.mean())
    if len(gaps) < 2:
        return Difference(mean, -math.inf, math.inf)
    half = float(stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / math.sqrt(len(gaps)))
    return Difference(mean, mean - half, mean + half)
