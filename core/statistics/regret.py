"""How much reward a route has lost against always choosing its best arm, as far as it can know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from scipy import special

from core.bandits.base import Bandit, Floats
from core.statistics.beliefs import Beliefs
from core.statistics.interval import Interval, check_level

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Regret:
    """The regret of ``requests`` requests, in units of reward."""

    estimate: float
    interval: Interval
    requests: float

    def per_request(self) -> Regret:
        """The mean regret of one request. Raises ValueError where there was none."""
        if self.requests <= 0.0:
            raise ValueError("no request was served, so there is no regret of one")
        share = 1.0 / self.requests
        low, high, level = self.interval.low, self.interval.high, self.interval.level
        return Regret(self.estimate * share, Interval(low * share, high * share, level), 1.0)


def estimated_regret(
    bandit: Bandit[S], arms: Sequence[S], served: Sequence[float], level: float = 0.95
) -> Regret:
    """The regret Σ_a n_a (μ* - μ_a) of the means μ_a that the states believe in, μ* the largest.

    ``served``, as long as ``arms``, are the n_a >= 0: how many requests each arm served. With the
    probabilities of the next choice instead, the result is the regret of the next request.

    The estimate is the expectation under the arms' beliefs, N E[max μ] - Σ n_a E[μ_a] for N
    requests in all. It counts what the leading arm's rivals may yet turn out to be worth, so it is
    above 0 as long as another arm could be the best.

    The interval allows for not knowing which arm is the best. Were it b, the regret would be the
    contrast C_b = Σ_a n_a (μ_b - μ_a), and the regret is the largest of these. Each contrast gets
    limits from the arms' own credible intervals, as far off as independent errors add up to (the
    method of variance estimates recovery, Zou and Donner 2008; for two shares that is Newcombe's
    interval), and the largest lower and the largest upper limit are the ends of the interval. Half
    of the error is for each end and shared by the K contrasts: all lower limits must hold at once,
    and by their sum no more beliefs lie above the upper one. An algorithm stops choosing arms that
    were unlucky, which lets equal arms seem different at any fixed number of standard errors, were
    it watched for long enough; so the lower limits are taken from intervals that hold at all times
    at once, whatever was chosen when (Robbins 1970).

    For a contextual algorithm all of this is about its arms' mean rewards, and not about what the
    best arm of each context would have earned. With forgetting, each arm is taken as of its latest
    reward. Raises ValueError for a level outside (0, 1), lists of different lengths, or counts
    below 0.
    """
    check_level(level)
    n = np.array(served, dtype=np.float64)
    if len(arms) != len(n) or not len(n) or not np.all((n >= 0.0) & np.isfinite(n)):
        raise ValueError(
            f"{len(arms)} arms and the counts {list(served)}: expected one count, at least 0, for "
            "each of at least one arm"
        )
    total = float(n.sum())
    beliefs = Beliefs.of(bandit, arms)
    estimate = max(0.0, total * beliefs.mean_of_best - float(n @ beliefs.means))
    low, high = _limits(bandit, arms, n, (1.0 - level) / len(n))
    # Where the best arm is nearly known but a rare one would be far better, a mean can lie beyond
    # almost all of its distribution.
    return Regret(estimate, Interval(min(low, estimate), max(high, estimate), level), total)


def _limits(bandit: Bandit[S], arms: Sequence[S], n: Floats, error: float) -> tuple[float, float]:
    """The largest lower and the largest upper limit of the contrasts, ``error`` for each pair."""
    total = float(n.sum())
    weights = total * np.eye(len(n)) - n  # row b: the contrast C_b
    means = np.array([bandit.mean(arm) for arm in arms])
    contrasts = weights @ means

    def reach(levels: Sequence[float], *, upwards: bool) -> Floats:
        ends = np.array([bandit.interval(arm, of) for arm, of in zip(arms, levels, strict=True)])
        to_low = np.maximum(0.0, means - ends[:, 0])
        to_high = np.maximum(0.0, ends[:, 1] - means)
        far = np.where((weights > 0.0) == upwards, to_high, to_low)
        return np.asarray(np.sqrt(np.sum((weights * far) ** 2, axis=1)))

    always = [_level_for_all_times(bandit.count(arm), error) for arm in arms]
    low = float(np.max(contrasts - reach(always, upwards=False)))
    high = float(np.max(contrasts + reach([1.0 - error] * len(arms), upwards=True)))
    return max(0.0, low), min(total, high)


_RHO: Final = 10.0
"""The rewards at which the intervals for all times are about the tightest, in order of magnitude.
Arms that matter have more, but the width grows with the root of a logarithm only."""
_FARTHEST: Final = 7.0
"""Levels beyond those of 7 standard errors run into the last digits of doubles."""


def _level_for_all_times(n: float, error: float) -> float:
    """The level at which an interval after ``n`` rewards holds for all n with chance 1 - ``error``.

    By Robbins' normal mixture it reaches sqrt((1 + r/n) (log(1 + n/r) + 2 log(1/error))) standard
    errors, with r = 10.
    """
    if n <= 0.0:
        return 1.0 - 2.0 * float(special.ndtr(-_FARTHEST))
    squared = (1.0 + _RHO / n) * (math.log1p(n / _RHO) - 2.0 * math.log(error))
    return 1.0 - 2.0 * float(special.ndtr(-min(_FARTHEST, math.sqrt(squared))))
