"""UCB1: an upper confidence bound by Hoeffding's inequality.

Auer, Cesa-Bianchi and Fischer (2002), "Finite-time analysis of the multiarmed bandit problem",
figure 1.
"""

from __future__ import annotations

import math

from core.bandits.upper_bound import UpperBoundBandit
from schemas.policy import UCB1


class UCB1Bandit(UpperBoundBandit):
    """Chooses the arm with the highest mean + width sqrt(ln t / n) after t rewards in all.

    The paper's width is sqrt(2), by Hoeffding's inequality for rewards in [0, 1].
    """

    def __init__(self, config: UCB1) -> None:
        super().__init__()
        self._width = config.width

    def bounds(self, means: list[float], counts: list[float]) -> list[float]:
        """See UpperBoundBandit."""
        log = math.log(max(sum(counts), 1.0))
        return [
            mean + self._width * math.sqrt(log / n) for mean, n in zip(means, counts, strict=True)
        ]
