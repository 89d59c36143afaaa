"""p-values of several comparisons, adjusted so that any false finding at all is as rare as alpha.

Both hold under any dependence, and for p-values that are valid at any time: those only fall, and
what is found at a time is then found at the end too.
"""

from __future__ import annotations

from collections.abc import Sequence


def bonferroni(p_values: Sequence[float]) -> list[float]:
    """Each times their number, at most 1."""
    return [min(1.0, len(p_values) * p) for p in p_values]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down (1979): never above Bonferroni's, the smallest one the same."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    reached = 0.0
    for rank, i in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = reached
    return adjusted
