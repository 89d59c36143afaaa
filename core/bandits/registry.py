"""Which algorithm a policy names."""

from __future__ import annotations

from typing import Any

from core.bandits.base import Bandit
from core.bandits.linucb import LinUCBBandit
from core.bandits.thompson_beta import ThompsonBetaBandit
from core.bandits.thompson_gaussian import ThompsonGaussianBandit
from schemas.policy import Algorithm, ThompsonBeta, ThompsonGaussian


def make_bandit(algorithm: Algorithm, dim: int) -> Bandit[Any]:
    """The algorithm of a policy, for contexts of ``dim`` components."""
    match algorithm:
        case ThompsonBeta():
            return ThompsonBetaBandit(algorithm)
        case ThompsonGaussian():
            return ThompsonGaussianBandit(algorithm)
        case _:
            return LinUCBBandit(algorithm, dim)
