"""Logged decisions, beside what a candidate policy would have done in their place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.bandits.base import Floats
from core.statistics.interval import Interval
from core.statistics.means import Sample, mean_interval

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """``n`` >= 2 decisions among ``K`` arms, in the order in which they were made.

    Raises ValueError where shapes disagree, a propensity is outside (0, 1], a reward outside
    [0, 1], or a candidate's row is not a distribution.
    """

    chosen: Indices
    """Shape ``(n,)``: which arm was chosen, from 0."""
    propensities: Floats
    """Shape ``(n,)``: the probability with which it was."""
    rewards: Floats
    """Shape ``(n,)``: what the decision earned."""
    candidate: Floats
    """Shape ``(n, K)``: the probability with which the candidate would have chosen each arm, given
    the context of the row and no more of the log than the rows before it."""

    def __post_init__(self) -> None:
        n = len(self.chosen)
        shapes = (self.propensities.shape, self.rewards.shape)
        if n < 2 or shapes != ((n,), (n,)) or self.candidate.ndim != 2 or len(self.candidate) != n:
            raise ValueError(
                f"{n} choices, with propensities and rewards of shapes {shapes} and a candidate of "
                f"{self.candidate.shape}: expected at least 2 rows, as many everywhere"
            )
        if not (self.chosen.min() >= 0 and self.chosen.max() < self.candidate.shape[1]):
            raise ValueError("a chosen arm is none of the candidate's columns")
        if not np.all((self.propensities > 0.0) & (self.propensities <= 1.0)):
            raise ValueError("a chosen arm had a probability above 0 and at most 1")
        if not np.all((self.rewards >= 0.0) & (self.rewards <= 1.0)):
            raise ValueError("rewards lie between 0 and 1")
        sums = self.candidate.sum(axis=1)
        if not (np.all(self.candidate >= 0.0) and np.all(np.abs(sums - 1.0) < 1e-9)):
            raise ValueError("each row of the candidate must be a distribution over the arms")

    def __len__(self) -> int:
        return len(self.chosen)

    @property
    def weights(self) -> Floats:
        """Importance weights, shape ``(n,)``: how much more likely the candidate was to choose as
        was chosen. Their mean tends to 1 where the log could have made every choice of the
        candidate's, and to less where it could not.
        """
        own = self.candidate[np.arange(len(self)), self.chosen]
        return np.asarray(own / self.propensities)

    def on_policy(self, level: float = 0.95) -> tuple[float, Interval]:
        """What the log itself earned per decision: the mean, and Student's interval."""
        return sample_mean(self.rewards, level)

    def always(self, arm: int) -> Logged:
        """The same log, with a candidate that always chooses one arm."""
        candidate = np.zeros_like(self.candidate)
        candidate[:, arm] = 1.0
        return Logged(self.chosen, self.propensities, self.rewards, candidate)


def sample_mean(values: Floats, level: float) -> tuple[float, Interval]:
    """The mean of at least 2 values and Student's interval of it."""
    sample = Sample(float(len(values)), float(values.mean()), float(values.var(ddof=1)))
    return sample.mean, mean_interval(sample, level)
