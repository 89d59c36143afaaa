"""Choosing between models by several objectives: the Pareto front, its size, one of its points."""

from core.pareto.choice import chosen, knee, losses
from core.pareto.front import comparable, dominators, non_dominated
from core.pareto.hypervolume import contributions, hypervolume

__all__ = [
    "chosen",
    "comparable",
    "contributions",
    "dominators",
    "hypervolume",
    "knee",
    "losses",
    "non_dominated",
]
