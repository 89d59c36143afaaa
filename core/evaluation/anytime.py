"""Limits of a candidate's mean reward that hold at every length of the log at once.

They need no bound on the weights, no independent rows and no large sample: only rewards in [0, 1]
and the exact propensities of the decisions, whatever adaptive policy made them. So a log that grows
may be looked at after every row, and a log that a bandit wrote counts as it is.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.evaluation.logged import Logged
from core.statistics.interval import Interval, check_level

_MOST: Final = 0.5
"""Of the bets: 1 would be ruinous."""


def anytime_interval(log: Logged, level: float = 0.95) -> Interval:
    """The confidence sequence's interval at the end of the log, in [0, 1].

    It covers the candidate's value, for a candidate whose value is the same at every row; for one
    that learns, an average of its values, weighted by the bets below. Also where the log lacks
    support: choices that it could not make count as 0 for the lower limit and as 1 for the upper.
    """
    low, high = anytime_limits(log, level)
    return Interval(float(low[-1]), float(high[-1]), level)


def anytime_limits(log: Logged, level: float = 0.95) -> tuple[Floats, Floats]:
    """The limits after each row, shapes ``(n,)``, each wrong at any row with chance at most
    (1 - level) / 2 (Waudby-Smith et al. 2022, proposition 2; the bets of Waudby-Smith and Ramdas
    2024).

    For ξ_t = w_t r_t >= 0 and predictable guesses ξ̂_t <= 1 and bets λ_t in (0, 1), the product of
    exp(λ_t (ξ_t - v) - (ξ_t - ξ̂_t)² ψ(λ_t)), ψ(λ) = -log(1 - λ) - λ, is a supermartingale (Fan,
    Grama and Liu 2015), which Ville's inequality bounds. The upper limit is 1 minus the lower one
    of the candidate's mean shortfall, w_t (1 - r_t).
    """
    check_level(level)
    weights = log.weights
    error = (1.0 - level) / 2.0
    low = _lower(weights * log.rewards, error)
    high = 1.0 - _lower(weights * (1.0 - log.rewards), error)
    return low, high


def _lower(values: Floats, error: float) -> Floats:
    """Lower limits of the mean of values >= 0, after each of them."""
    n = len(values)
    steps = np.arange(1.0, n + 1.0)
    sums = np.cumsum(values)
    means = (0.5 + sums) / (steps + 1.0)
    deviations = np.cumsum((values - means) ** 2)
    guesses = np.empty(n)
    spreads = np.empty(n)
    # What is used at a row is known before it.
    guesses[0], spreads[0] = 0.5, 0.25
    guesses[1:] = means[:-1]
    spreads[1:] = (0.25 + deviations[:-1]) / steps[1:]
    guesses = np.minimum(guesses, 1.0)
    bets = np.sqrt(2.0 * math.log(1.0 / error) / (spreads * steps * np.log1p(steps)))
    bets = np.minimum(bets, _MOST)
    psi = -np.log1p(-bets) - bets
    total = np.cumsum(bets)
    found = np.cumsum(bets * values) - np.cumsum((values - guesses) ** 2 * psi)
    return np.asarray(np.clip((found + math.log(error)) / total, 0.0, 1.0))
