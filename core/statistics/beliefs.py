"""What an algorithm believes of its arms' mean rewards, read through its credible intervals alone.

So every algorithm has it, also those that draw from no posterior. The two ends of the central
interval of level 1 - 2 Φ(-z) are the quantiles of Φ(-z) and Φ(z); from a ladder of such levels each
arm's whole distribution follows, by interpolation over z, which is exact for a normal one. Arms are
taken as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
from scipy import special
from scipy.interpolate import PchipInterpolator

from core.bandits.base import Bandit, Floats

S = TypeVar("S")
_STEPS: Final = np.arange(0.25, 5.0, 0.5)
"""The z of the ladder; beyond the last one are 2e-6."""
_LEVELS: Final[list[float]] = (1.0 - 2.0 * special.ndtr(-_STEPS)).tolist()
_LADDER: Final = np.concatenate([-_STEPS[::-1], _STEPS])
_Z: Final = np.linspace(_LADDER[0], _LADDER[-1], 8 * (len(_LADDER) - 1) + 1)


class Beliefs:
    """K >= 1 independent distributions of mean rewards, on one grid over [0, 1].

    ``quantiles``, shape ``(K, len(_LADDER))``, are those of Φ(_LADDER), clipped to [0, 1] and not
    decreasing. What is clipped is mass at 0 or 1. Probabilities are right to about 5e-4, means to
    about 5e-4 of the widest distribution's standard deviation.
    """

    def __init__(self, quantiles: Floats) -> None:
        # Monotone: so are the results, and within [0, 1].
        fine = PchipInterpolator(_LADDER, quantiles, axis=1)(_Z)
        knots = np.unique(np.concatenate([fine.ravel(), [0.0, 1.0]]))
        # The mass at 0 and the mass at 1 are steps of the first and of the last, empty, panel.
        self._grid: Floats = np.concatenate([[0.0], knots, [1.0]])
        self._cdf: Floats = np.stack([_cdf(row, self._grid) for row in fine])

    @classmethod
    def of(cls, bandit: Bandit[S], arms: Sequence[S]) -> Beliefs:
        """The beliefs that the states of ``arms`` are, one by one: no arm informs another."""
        rows = []
        for arm in arms:
            ends = [bandit.interval(arm, level) for level in _LEVELS]
            row = [low for low, _ in reversed(ends)] + [high for _, high in ends]
            rows.append(np.maximum.accumulate(np.clip(row, 0.0, 1.0)))
        return cls(np.array(rows))

    @property
    def means(self) -> Floats:
        """The mean of each distribution: shape ``(K,)``."""
        return self._mean(self._cdf)

    @property
    def mean_of_best(self) -> float:
        """The mean of the largest of K independent draws, at least the largest mean."""
        return float(self._mean(self._cdf.prod(axis=0)))

    @property
    def best_probabilities(self) -> Floats:
        """The probability of each that its draw is the largest, ties shared: shape ``(K,)``."""
        below = np.ones_like(self._cdf)
        np.multiply.accumulate(self._cdf[:-1], axis=0, out=below[1:])
        below[:-1] *= np.multiply.accumulate(self._cdf[:0:-1], axis=0)[::-1]
        raw = np.sum(np.diff(self._cdf) * (below[:, :-1] + below[:, 1:]), axis=1)
        shares: Floats = raw / raw.sum()
        return shares

    def _mean(self, cdf: Floats) -> Floats:
        """∫ (1 - F) dy over [0, 1], by trapezoids."""
        above = 1.0 - cdf
        return np.asarray((above[..., :-1] + above[..., 1:]) @ np.diff(self._grid) / 2.0)


def _cdf(quantiles: Floats, grid: Floats) -> Floats:
    """One distribution function on the grid, from 0 to 1."""
    # Of quantiles that are alike, the last one counts, but at 1 the first: what lies beyond it is
    # the step that the last panel makes.
    last = np.append(quantiles[1:] > quantiles[:-1], True)
    at_end = np.flatnonzero(quantiles >= 1.0)
    last[at_end] = False
    last[at_end[:1]] = True
    z = np.interp(grid, quantiles[last], _Z[last], left=-np.inf, right=np.inf)
    cdf: Floats = special.ndtr(z)
    cdf[0], cdf[-1] = 0.0, 1.0
    return cdf
