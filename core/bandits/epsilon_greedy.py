"""Epsilon-greedy: the best mean, and a fixed or falling part of all choices spread evenly."""

from __future__ import annotations

from collections.abc import Sequence

from core.bandits.base import Floats
from core.bandits.moments import (
    GaussianArm,
    MomentsBandit,
    evenly_among_best,
    for_each_row,
    scores_after,
)
from schemas.policy import EpsilonGreedy


class EpsilonGreedyBandit(MomentsBandit):
    """Chooses the arm with the best mean; with probability epsilon any arm, evenly.

    With ``decay_after`` N, epsilon is multiplied by min(1, N / n), n being the rewards of the
    given arms: Auer, Cesa-Bianchi and Fischer (2002), figure 3, where epsilon falls like 1 / n.
    Means are those of the posterior, so that arms without a reward have a place among the others.
    """

    def __init__(self, config: EpsilonGreedy) -> None:
        super().__init__()
        self._epsilon = config.epsilon
        self._decay_after = config.decay_after

    def distribution(
        self,
        arms: Sequence[GaussianArm],
        X: Floats,
        others: Sequence[GaussianArm] = (),  # noqa: ARG002
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit. Arms within 1e-9 of the best mean share evenly."""
        epsilon = self.epsilon(arms)
        shares = evenly_among_best(scores_after([self.mean(arm) for arm in arms], penalties))
        return for_each_row((1.0 - epsilon) * shares + epsilon / len(arms), X)

    def epsilon(self, arms: Sequence[GaussianArm]) -> float:
        """The part of choices that is spread evenly, after as many rewards as the arms have."""
        if self._decay_after is None:
            return self._epsilon
        n = sum(arm.n for arm in arms)
        return self._epsilon * (self._decay_after / n if n > self._decay_after else 1.0)
