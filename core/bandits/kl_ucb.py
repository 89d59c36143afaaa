"""KL-UCB: an upper confidence bound by the divergence of yes/no rewards.

Garivier and Cappé (2011), "The KL-UCB algorithm for bounded stochastic bandits and beyond",
algorithm 1.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from core.bandits.upper_bound import UpperBoundBandit
from schemas.policy import KLUCB

_STEPS: Final = 60
_EXACT: Final = 1e-13
_TINY: Final = float(np.finfo(np.float64).tiny)
"""Below it, a distance of means over the mean is no double; p ln(p / q) is 0 long before."""


class KLUCBBandit(UpperBoundBandit):
    """Chooses the arm with the highest q for which n kl(mean, q) <= ln t + c ln ln t.

    n are the arm's rewards, t those of all arms, and kl(p, q) is the divergence of Bernoulli
    distributions. Of all rewards in [0, 1] with one mean, yes/no ones spread the most (lemma 9),
    so that the bound holds for graded ones too. ln t and ln ln t are taken as 0 where below.
    """

    def __init__(self, config: KLUCB) -> None:
        super().__init__()
        self._c = config.c

    def bounds(self, means: list[float], counts: list[float]) -> list[float]:
        """See UpperBoundBandit."""
        log = math.log(max(sum(counts), 1.0))
        level = log + self._c * math.log(max(log, 1.0))
        return [farthest_mean(mean, level / n) for mean, n in zip(means, counts, strict=True)]


def farthest_mean(p: float, divergence: float) -> float:
    """The largest q in [p, 1] with p ln(p / q) + (1 - p) ln((1 - p) / (1 - q)) <= divergence.

    Exact to 1e-12. By Newton's method on the distance q - p, in which the two logarithms keep
    their digits however close q is to p. The divergence is convex in q: from a q beyond the
    solution, every step stays beyond. The start is the lower of two such q: that of Pinsker's
    inequality, kl >= 2 (q - p)², and that of p ln(p / q) >= p ln p.
    """
    rest = 1.0 - p
    if divergence <= 0.0 or rest <= 0.0:
        return p
    if p < _TINY:
        return -math.expm1(-divergence)
    far = math.sqrt(divergence / 2.0)
    end = -rest * math.expm1((p * math.log(p) - divergence) / rest)
    off = min(far, end)
    for _ in range(_STEPS):
        left = rest - off
        if left <= 0.0:
            return 1.0
        excess = -p * math.log1p(off / p) - rest * math.log1p(-off / rest) - divergence
        step = excess * (p + off) * left / off
        off -= step
        if step <= _EXACT * off:
            break
    return min(1.0, p + off)
