"""How much of a log speaks about a candidate, and about which of its choices it is silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.evaluation.logged import Logged, sample_mean
from core.statistics.interval import Interval

_PLAYED: Final = 1e-3
"""An arm that the candidate chooses less often matters to no estimate."""
_RARE_WEIGHT: Final = 100.0
"""A row that stands for more than that many decisions was a rare accident of the log."""
_FEW: Final = 30.0
"""Rows, by weight, below which an arm's part of an estimate is hearsay."""


@dataclass(frozen=True, slots=True)
class ArmSupport:
    """What the log knows of one arm, as the candidate needs it."""

    logged: int
    """Rows in which the log chose the arm."""
    share: float
    """How often the candidate chooses it, over all rows."""
    effective: float
    """The effective sample size of the rows that chose it, 0 if there are none."""
    largest: float
    """The largest weight among those rows, 0 if there are none."""

    @property
    def missing(self) -> bool:
        """Whether the candidate chooses the arm and the log never has."""
        return self.share > 0.0 and self.logged == 0

    @property
    def thin(self) -> bool:
        """Whether the candidate needs the arm and the log has chosen it too rarely to tell."""
        needed = self.share > _PLAYED and self.logged > 0
        return needed and (self.effective < _FEW or self.largest > _RARE_WEIGHT)


@dataclass(frozen=True, slots=True)
class Support:
    """What the weights say of an estimate's worth."""

    effective: float
    """Kish's effective sample size (Σ w)² / Σ w²: so many decisions of the candidate's own would
    say as much. At most n; 0 where all weights are 0."""
    largest: float
    """The largest weight."""
    mean: float
    """The mean weight: 1, but for chance, if the log could have made all the candidate's choices
    and its propensities are right."""
    interval: Interval
    """Student's interval of the mean weight."""
    arms: tuple[ArmSupport, ...]
    """One for each arm."""

    @property
    def missing_share(self) -> float:
        """The share of the candidate's choices that are of arms that the log never chose: the
        estimates that weigh rewards count them as earning 0.
        """
        return sum(arm.share for arm in self.arms if arm.missing)

    @property
    def off_balance(self) -> bool:
        """Whether the mean weight is not 1 beyond chance: support is missing in some contexts, or
        the logged propensities are not those of the decisions.
        """
        return not self.interval.low <= 1.0 <= self.interval.high


def support_of(log: Logged, level: float = 0.99) -> Support:
    """What the log can tell of the candidate; ``level`` is that of the mean weight's interval."""
    weights = log.weights
    mean, interval = sample_mean(weights, level)
    shares = log.candidate.mean(axis=0)
    arms = []
    for arm, share in enumerate(shares.tolist()):
        own = weights[log.chosen == arm]
        largest = float(own.max()) if len(own) else 0.0
        arms.append(ArmSupport(len(own), share, effective_size(own), largest))
    return Support(effective_size(weights), float(weights.max()), mean, interval, tuple(arms))


def effective_size(weights: Floats) -> float:
    """(Σ w)² / Σ w² (Kish 1965), and 0 for no weight at all."""
    squares = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / squares if squares > 0.0 else 0.0
