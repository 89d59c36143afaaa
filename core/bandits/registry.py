"""Which class is which algorithm of a policy."""

from __future__ import annotations

from typing import Any

from core.bandits.base import Bandit
from core.bandits.epsilon_greedy import EpsilonGreedyBandit
from core.bandits.fixed_split import FixedSplitBandit
from core.bandits.forgetting import DiscountedBandit, WindowedBandit
from core.bandits.hybrid_linucb import HybridLinUCBBandit
from core.bandits.kernel_thompson import KernelThompsonBandit
from core.bandits.kl_ucb import KLUCBBandit
from core.bandits.linear_thompson import LinearThompsonBandit
from core.bandits.linucb import LinUCBBandit
from core.bandits.softmax import SoftmaxBandit
from core.bandits.thompson_beta import ThompsonBetaBandit
from core.bandits.thompson_gaussian import ThompsonGaussianBandit
from core.bandits.top_two import TopTwoBandit
from core.bandits.ucb1 import UCB1Bandit
from schemas.policy import (
    KLUCB,
    UCB1,
    BanditAlgorithm,
    Discount,
    EpsilonGreedy,
    FixedSplit,
    Forgetting,
    HybridLinUCB,
    KernelThompson,
    LinearThompson,
    LinUCB,
    SlidingWindow,
    Softmax,
    ThompsonBeta,
    ThompsonGaussian,
    TopTwoThompson,
)


def make_bandit(
    algorithm: BanditAlgorithm, dim: int, forgetting: Forgetting | None = None
) -> Bandit[Any]:
    """The algorithm that a policy names, for contexts of ``dim`` components."""
    bandit = _stationary(algorithm, dim)
    match forgetting:
        case Discount():
            return DiscountedBandit(bandit, forgetting.factor)
        case SlidingWindow():
            return WindowedBandit(bandit, forgetting.rewards)
        case None:
            return bandit


def _stationary(algorithm: BanditAlgorithm, dim: int) -> Bandit[Any]:
    match algorithm:
        case ThompsonBeta():
            return ThompsonBetaBandit()
        case ThompsonGaussian():
            return ThompsonGaussianBandit(algorithm)
        case TopTwoThompson():
            return TopTwoBandit(algorithm)
        case EpsilonGreedy():
            return EpsilonGreedyBandit(algorithm)
        case UCB1():
            return UCB1Bandit(algorithm)
        case KLUCB():
            return KLUCBBandit(algorithm)
        case Softmax():
            return SoftmaxBandit(algorithm)
        case FixedSplit():
            return FixedSplitBandit(algorithm)
        case LinUCB():
            return LinUCBBandit(algorithm, dim)
        case HybridLinUCB():
            return HybridLinUCBBandit(algorithm, dim)
        case LinearThompson():
            return LinearThompsonBandit(algorithm, dim)
        case KernelThompson():
            return KernelThompsonBandit(algorithm, dim)
