"""What the algorithms share that choose the arm with the highest upper confidence bound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import numpy as np

from core.bandits.base import Floats
from core.bandits.moments import (
    GaussianArm,
    MomentsBandit,
    evenly_among_best,
    for_each_row,
    scores_after,
)

_UNSEEN: Final = 1e-9
"""An arm with fewer rewards than this counts as one without: what fading leaves is never 0."""


class UpperBoundBandit(MomentsBandit, ABC):
    """Chooses the arm with the highest bound; arms without a reward come first, at any penalty.

    A declared prior is taken as what it claims to be: ``weight`` rewards of its mean. They count
    like others, in the mean, the number and the time. Without one, the bounds are the paper's,
    with the mean of the rewards alone.
    """

    def distribution(
        self,
        arms: Sequence[GaussianArm],
        X: Floats,
        others: Sequence[GaussianArm] = (),  # noqa: ARG002
        penalties: Floats | None = None,
    ) -> Floats:
        """See Bandit. Arms within 1e-9 of the best bound share evenly."""
        counts = [arm.prior_weight + arm.n for arm in arms]
        unseen = [n < _UNSEEN for n in counts]
        if any(unseen):
            return for_each_row(np.array(unseen) / sum(unseen), X)
        means = [
            (arm.prior_weight * arm.prior_mean + arm.n * arm.mean) / n
            for arm, n in zip(arms, counts, strict=True)
        ]
        return for_each_row(
            evenly_among_best(scores_after(self.bounds(means, counts), penalties)), X
        )

    @abstractmethod
    def bounds(self, means: list[float], counts: list[float]) -> list[float]:
        """The bound of each arm, by its mean in [0, 1] and its positive number of rewards."""
