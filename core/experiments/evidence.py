"""Two variants' outcomes as one difference with its error, over one stratum or several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scipy import special

from core.experiments.clusters import Clusters, between_buckets
from core.experiments.tally import Counts, Moments, Tally
from core.statistics.means import Sample

Stratum = tuple[Tally, Tally]
"""The first and the second variant's outcomes of one time with one split, of the same kind."""
_RAREST: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Evidence:
    """``difference`` is the second variant's mean minus the first one's."""

    difference: float
    information: float
    """One over the square of the difference's standard error; above 0."""
    freedom: float = math.inf
    """The degrees of freedom of that error, where it is estimated from few clusters."""

    @property
    def score(self) -> float:
        """Difference times information: what the mixtures take; the information is its variance.

        Where the error is estimated from few clusters, the difference over it is Student's: the
        score is then that of the normal deviate which is as rare.
        """
        if self.freedom == math.inf:
            return self.difference * self.information
        root = math.sqrt(self.information)
        rare = float(special.stdtr(self.freedom, -abs(self.difference) * root))
        return root * math.copysign(-float(special.ndtri(max(rare, _RAREST))), self.difference)

    def reach(self, bound: float) -> float:
        """The difference from 0 on whose score is ``bound`` or more; ``bound`` is above 0."""
        if self.freedom == math.inf:
            return bound / self.information
        root = math.sqrt(self.information)
        rare = max(float(special.ndtr(-bound / root)), _RAREST)
        return -float(special.stdtrit(self.freedom, rare)) / root


def evidence(strata: Sequence[Stratum], floor: float = 0.0) -> Evidence | None:
    """The difference of means, each stratum weighed by its information; None if nothing is known.

    For normal outcomes with known variances, and splits that do not depend on outcomes, the score
    of a stratum has independent increments with the increments of its information as variances,
    however unequally both variants grow (Jennison and Turnbull 2000, section 3). So has the sum
    over strata, even if what a stratum's split is depends on what the earlier ones have shown: a
    rollout's steps. Outcomes that change with time, for both variants alike, do not bias it.

    Variances are estimated from all strata together, so that a stratum's weight does not depend on
    its own outcomes: of yes/no outcomes with one more yes and one more no (none is thus certain),
    of others with ``floor``, a sum of squares, added. Where a covariate is known, means are
    adjusted by theta times its means' difference (CUPED: Deng, Xu, Kohavi and Walker 2013), with
    theta from all outcomes. None where a variant has no variance, or fewer than 2 outcomes.

    Of outcomes that come in units, it is ``between_buckets`` that is known.
    """
    units = [
        (first, second)
        for first, second in strata
        if isinstance(first, Clusters) and isinstance(second, Clusters)
    ]
    if units:
        found = between_buckets(units, floor)
        if found is None:
            return None
        return Evidence(found.difference, 1.0 / found.squared_error, found.freedom)
    both = [pair for pair in strata if pair[0].n and pair[1].n]
    slope = theta([tally for pair in both for tally in pair])
    first = _variance([pair[0] for pair in both], slope, floor)
    second = _variance([pair[1] for pair in both], slope, floor)
    if first is None or second is None:
        return None
    score = information = 0.0
    for control, other in both:
        weight = 1.0 / (first / control.n + second / other.n)
        information += weight
        score += weight * (other.mean - control.mean - slope * _covariates(control, other))
    return Evidence(score / information, information)


def theta(tallies: Sequence[Tally]) -> float:
    """The slope of outcomes on their covariate within variants and strata; 0 without covariates."""
    squares = cross = 0.0
    for tally in tallies:
        if isinstance(tally, Moments):
            squares += tally.m2_x
            cross += tally.cross
    return cross / squares if squares > 0.0 else 0.0


def adjusted_samples(first: Moments, second: Moments) -> tuple[Sample, Sample]:
    """What Welch's test takes, after CUPED: the second mean is shifted, the first one stays.

    Raises ValueError for fewer than 2 outcomes in either.
    """
    slope = theta([first, second])
    shift = slope * _covariates(first, second)
    return (
        Sample(first.n, first.mean, _squares(first, slope) / max(1, first.n - 1)),
        Sample(second.n, second.mean - shift, _squares(second, slope) / max(1, second.n - 1)),
    )


def _covariates(first: Tally, second: Tally) -> float:
    """The difference of the covariate's means."""
    if isinstance(first, Moments) and isinstance(second, Moments):
        return second.mean_x - first.mean_x
    return 0.0


def _squares(tally: Moments, slope: float) -> float:
    """Σ (y - θ x - its mean)²."""
    return max(0.0, tally.m2 - slope * (2.0 * tally.cross - slope * tally.m2_x))


def _variance(tallies: Sequence[Tally], slope: float, floor: float) -> float | None:
    """The variance of one outcome about its stratum's mean; None if it is 0 or not known."""
    n = yes = freedom = 0
    squares = floor
    for tally in tallies:
        if isinstance(tally, Counts):
            n += tally.n
            yes += tally.yes
        elif isinstance(tally, Moments):
            freedom += tally.n - 1
            squares += _squares(tally, slope)
    if n:
        share = (yes + 1.0) / (n + 2.0)
        return share * (1.0 - share)
    return squares / freedom if freedom and squares > 0.0 else None
