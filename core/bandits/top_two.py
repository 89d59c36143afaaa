"""Top-two Thompson sampling, to find the best arm soon.

Russo (2016), "Simple Bayesian algorithms for best-arm identification", algorithm 4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from scipy import special

from core.bandits.base import Floats
from core.bandits.moments import for_each_row
from core.bandits.posteriors import Posteriors
from core.bandits.quadrature import best_probabilities
from core.bandits.thompson_beta import ThompsonBetaBandit
from core.bandits.thompson_gaussian import ThompsonGaussianBandit
from schemas.policy import Prior, ThompsonGaussian, TopTwoThompson

_RESOLVED: Final = 1e-6
"""The smallest probability of another best arm by which challengers are told apart: quadrature
errs by about 1e-10, and then by no more than a ten-thousandth of it."""


class TopTwoBandit:
    """Draws a leader as Thompson sampling does; plays it, or else the first other arm to win.

    With the probability ``leader_share`` the leader is played. Otherwise the posteriors are drawn
    again until another arm is the best one, and this challenger is played. The states are those of
    thompson_gaussian or thompson_beta, by the policy's ``posterior``.
    """

    contextual = False
    pooled = False

    def __init__(self, config: TopTwoThompson) -> None:
        self._leader_share = config.leader_share
        self._model: ThompsonBetaBandit | ThompsonGaussianBandit = (
            ThompsonBetaBandit()
            if config.posterior == "beta"
            else ThompsonGaussianBandit(ThompsonGaussian(prior_std=config.prior_std))
        )
        self.statistics: str = self._model.statistics

    def new(self, prior: Prior | None, arm_id: str = "") -> Any:
        """See Bandit."""
        return self._model.new(prior, arm_id)

    def learn(self, arm: Any, x: Floats, reward: float, others: Sequence[Any] = ()) -> None:
        """See Bandit."""
        self._model.learn(arm, x, reward, others)

    def distribution(
        self,
        arms: Sequence[Any],
        X: Floats,
        others: Sequence[Any] = (),  # noqa: ARG002
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit. Raises QuadratureError, which no posterior is known to cause."""
        posteriors = self._model.posteriors(arms, penalties)
        best = best_probabilities(posteriors)
        if len(best) > 1:
            lead, follow = self._leader_share, 1.0 - self._leader_share
            best = lead * best + follow * challenger_probabilities(best, posteriors)
            best /= best.sum()
        return for_each_row(best, X)

    def mean(self, arm: Any) -> float:
        """See Bandit."""
        return self._model.mean(arm)

    def interval(self, arm: Any, level: float) -> tuple[float, float]:
        """See Bandit."""
        return self._model.interval(arm, level)

    def count(self, arm: Any) -> float:
        """See Bandit."""
        return self._model.count(arm)

    def faded(self, arm: Any, weight: float) -> Any:
        """See Bandit."""
        return self._model.faded(arm, weight)

    def merged(self, arms: Sequence[Any]) -> Any:
        """See Bandit."""
        return self._model.merged(arms)

    def encode(self, arm: Any) -> bytes:
        """See Bandit."""
        return self._model.encode(arm)

    def decode(self, data: bytes, arm_id: str = "") -> Any:
        """See Bandit."""
        return self._model.decode(data, arm_id)


def challenger_probabilities(best: Floats, posteriors: Posteriors) -> Floats:
    """The probability that each of K >= 2 arms is the challenger: p_i Σ_{j≠i} p_j / (1 - p_j).

    ``best`` are the probabilities p_i that the draw of arm i is the largest. At most one p_j is
    above 1/2. For it, 1 - p_j is taken as the sum of the others, which keeps the digits. Where
    even that sum is about 0, nobody can draw that often, and the p_i do not tell the challengers
    apart. Their proportions are then those of the posteriors' deviates behind the leader: in the
    limit only the arm counts that is the least far behind, as in T3C (Shang, de Heide, Menard,
    Kaufmann and Valko 2020, "Fixed-confidence guarantees for Bayesian best-arm identification").
    """
    first = int(best.argmax())
    if best[first] <= 0.5:
        odds = best / (1.0 - best)
        even: Floats = best * (odds.sum() - odds)
        return even
    others = best.copy()
    others[first] = 0.0
    rest = math.fsum(others.tolist())
    odds = others / (1.0 - others)
    if rest >= _RESOLVED:
        behind = others / rest
    else:
        log = special.log_ndtr(-posteriors.deviates(first))
        log[first] = -np.inf
        behind = np.exp(log - log.max())
        behind /= math.fsum(behind.tolist())
    shares: Floats = others * (odds.sum() - odds) + best[first] * behind
    shares[first] = best[first] * odds.sum()
    return shares
