"""Which class is which algorithm of a policy."""

from __future__ import annotations

from typing import Any

from core.bandits.base import Bandit
from core.bandits.linucb import LinUCBBandit
from core.bandits.thompson_beta import ThompsonBetaBandit
from core.bandits.thompson_gaussian import ThompsonGaussianBandit
from schemas.policy import Algorithm, LinUCB, ThompsonBeta, ThompsonGaussian


def make_bandit(algorithm: Algorithm, dim: int) -> Bandit[Any]:
    """The algorithm that a policy names, for contexts of ``dim`` components."""
    match algorithm:
        case ThompsonBeta():
            return ThompsonBetaBandit()
        case ThompsonGaussian():
            return ThompsonGaussianBandit(algorithm)
        case LinUCB():
            return LinUCBBandit(algorithm, dim)
