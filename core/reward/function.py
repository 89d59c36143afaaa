"""The objective of a policy, as a function of an outcome."""

from __future__ import annotations

from typing import Final

from core.reward.expression import RewardExpression
from core.reward.scales import saved
from core.reward.signals import SignalScore
from schemas.policy import Objective, Preset, Weights
from schemas.reward import Outcome

PRESETS: Final[dict[Preset, Weights]] = {
    "quality": Weights(quality=0.6, cost=0.3, latency=0.1),
    "quality_focused": Weights(quality=0.8, cost=0.15, latency=0.05),
    "balanced": Weights(quality=0.5, cost=0.3, latency=0.2),
    "cost_focused": Weights(quality=0.4, cost=0.5, latency=0.1),
    "latency_focused": Weights(quality=0.4, cost=0.3, latency=0.3),
}


class RewardFunction:
    """The objective of a policy, as a function of an outcome.

    An outcome with a ``reward`` of its own earns that, as it is. Where the objective has an
    expression, that decides (``RewardExpression``). Else the reward is the weighted mean of the
    parts that were observed::

        quality                              weight quality
        1 - min(1, cost / cost_scale)        weight cost
        1 - min(1, latency / latency_scale)  weight latency

    so weights are renormalised over what is there. In order:

    - ``success`` is False: 0. A failed call earns nothing, however cheap and fast it was;
    - the user's signals stand for a missing quality, and mix with one that is there
      (``SignalScore``);
    - where neither tells the quality, ``success`` True counts as quality 1;
    - a part whose scale is None (nothing known yet) counts as missing;
    - no part with a positive weight is there: None, there is nothing to learn.
    """

    __slots__ = (
        "_cost",
        "_expression",
        "_latency",
        "_quality",
        "_score",
        "looks_at_cost",
        "looks_at_latency",
    )

    def __init__(self, objective: Objective) -> None:
        """Raises ExpressionError for an expression that validation would refuse."""
        weights = objective.weights or PRESETS[objective.preset]
        self._quality = weights.quality
        self._cost = weights.cost
        self._latency = weights.latency
        self._score = SignalScore(objective.signals)
        self._expression = (
            None
            if objective.expression is None
            else RewardExpression(objective.expression, self._score)
        )

        told = self._expression is not None
        self.looks_at_cost = told or weights.cost > 0.0
        """Whether the cost scale can change a reward."""
        self.looks_at_latency = told or weights.latency > 0.0
        """Whether the latency scale can change a reward."""

    def __call__(
        self, outcome: Outcome, cost_scale: float | None, latency_scale: float | None
    ) -> float | None:
        """The reward in [0, 1], or None; scales in USD and ms, not negative."""
        if outcome.reward is not None:
            return outcome.reward
        if self._expression is not None:
            return self._expression(outcome, cost_scale, latency_scale)
        if outcome.success is False:
            return 0.0
        quality = outcome.quality
        if outcome.signals is not None:
            quality = self._score.mixed(quality, outcome.signals)
        if quality is None and outcome.success:
            quality = 1.0
        total = weight = 0.0
        if quality is not None:
            weight = self._quality
            total = weight * quality
        cost, latency = outcome.cost_usd, outcome.latency_ms
        if cost is not None and cost_scale is not None:
            own = self._cost
            total += own * saved(cost, cost_scale)
            weight += own
        if latency is not None and latency_scale is not None:
            own = self._latency
            total += own * saved(latency, latency_scale)
            weight += own
        # At most 1 in floating point, too: each term is at most its weight, summed in one order.
        return total / weight if weight > 0.0 else None

    def quality(self, outcome: Outcome) -> float | None:
        """The quality that evaluations and the user's signals tell of, before any success rule."""
        if outcome.signals is None:
            return outcome.quality
        return self._score.mixed(outcome.quality, outcome.signals)
