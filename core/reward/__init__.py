"""From an outcome to one number in [0, 1]."""

from core.reward.function import PRESETS, RewardFunction
from core.reward.scales import TYPICAL_INPUT_TOKENS, RouteScales, declared_cost_usd

__all__ = [
    "PRESETS",
    "TYPICAL_INPUT_TOKENS",
    "RewardFunction",
    "RouteScales",
    "declared_cost_usd",
]
