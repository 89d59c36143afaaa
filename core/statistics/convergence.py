"""How far a route is from having decided which arm is the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import numpy as np
from scipy import special

from core.bandits.base import Bandit, Floats
from core.statistics.beliefs import Beliefs
from core.statistics.interval import Interval
from core.statistics.proportions import Share, wilson_interval

S = TypeVar("S")
Verdict = Literal["exploring", "leaning", "level", "converged"]

CONVERGED_PROBABILITY: Final = 0.95
"""How sure it must be that the most chosen arm is the best: the usual level of an interval."""
CONVERGED_SHARE: Final = 0.8
"""How many of the recent choices it must have: less would be knowing and not acting on it."""
LEANING_PROBABILITY: Final = 0.75
"""From odds of 3 to 1 on, evidence is called positive (Kass and Raftery 1995)."""
LEVEL_LOSS: Final = 0.001
"""Expected reward per request, on its scale of 0 to 1, not worth telling arms apart for."""


@dataclass(frozen=True, slots=True)
class ChosenShare:
    """A share of the recent choices, with its Wilson interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Convergence:
    """What the arms' states and the recent choices say. Arms are given by their index."""

    verdict: Verdict
    most_chosen: int
    """The first one of those with the most recent choices."""
    best_looking: int
    """The first one of those with the highest mean."""
    best_probabilities: tuple[float, ...]
    """Of each arm, the probability that it is the best: they sum to 1."""
    shares: tuple[ChosenShare, ...]
    """Of each arm, among the recent choices."""
    exploration: ChosenShare
    """The share of the recent choices that went to another arm than the best-looking one."""
    entropy: float
    """Of the shares, over its largest value log K: 1 is even, 0 (also for one arm) all on one."""
    expected_losses: tuple[float, ...]
    """Of each arm, the reward per request that always choosing it is expected to lose against the
    best arm, whichever that is: E[max μ] - E[μ_a]."""

    @property
    def probability(self) -> float:
        """That the most chosen arm is the best."""
        return self.best_probabilities[self.most_chosen]


def convergence(
    bandit: Bandit[S], arms: Sequence[S], chosen: Sequence[float], level: float = 0.95
) -> Convergence:
    """How far the route is from having decided.

    ``chosen``, as long as ``arms``, says how often each arm was chosen of late, by counts or by
    sums of propensities, which vary less; at least one choice in all. Works for every algorithm,
    since it reads its states through their means and intervals alone. The arms of a contextual
    algorithm are compared by their mean rewards, though the best arm may depend on the context;
    with forgetting, each arm is taken as of its latest reward. Raises ValueError for a level
    outside (0, 1), lists of different lengths, counts below 0 or no choice at all.
    """
    counts = np.array(chosen, dtype=np.float64)
    total = float(counts.sum())
    if len(arms) != len(counts) or not total > 0.0 or counts.min() < 0.0:
        raise ValueError(
            f"{len(arms)} arms, chosen {list(chosen)} times: expected one count, at least 0, per "
            "arm, and at least one choice"
        )
    beliefs = Beliefs.of(bandit, arms)
    probabilities = beliefs.best_probabilities
    most_chosen = int(counts.argmax())
    best_looking = int(np.argmax([bandit.mean(arm) for arm in arms]))
    losses = np.maximum(0.0, beliefs.mean_of_best - beliefs.means)
    return Convergence(
        verdict=verdict(probabilities, counts / total, losses),
        most_chosen=most_chosen,
        best_looking=best_looking,
        best_probabilities=tuple(probabilities.tolist()),
        shares=tuple(_share(count, total, level) for count in counts.tolist()),
        exploration=_share(max(0.0, total - float(counts[best_looking])), total, level),
        entropy=_entropy(counts / total),
        expected_losses=tuple(losses.tolist()),
    )


def verdict(best_probabilities: Floats, shares: Floats, expected_losses: Floats) -> Verdict:
    """The first of these that holds, for the arm with the largest of ``shares``.

    - ``converged``: it is the best with a probability of at least 0.95, and has at least 80 % of
      the recent choices;
    - ``level``: always choosing it, and always choosing a certain other arm too, is each expected
      to lose at most 0.001 of reward per request, so that it hardly matters which is better;
    - ``leaning``: it is the best with a probability of at least 0.75;
    - ``exploring``: none of these.
    """
    leader = int(shares.argmax())
    probability = best_probabilities[leader]
    if probability >= CONVERGED_PROBABILITY and shares[leader] >= CONVERGED_SHARE:
        return "converged"
    level = expected_losses <= LEVEL_LOSS
    if level[leader] and level.sum() >= 2:
        return "level"
    return "leaning" if probability >= LEANING_PROBABILITY else "exploring"


def _share(count: float, total: float, level: float) -> ChosenShare:
    share = Share(min(count, total), total)
    return ChosenShare(share.value, wilson_interval(share, level))


def _entropy(shares: Floats) -> float:
    """Shannon's entropy over its largest value."""
    if len(shares) == 1:
        return 0.0
    return min(1.0, float(special.entr(shares).sum()) / float(np.log(len(shares))))
