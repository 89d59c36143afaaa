"""What every test and interval of this package shares: an interval, a normal quantile, a tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scipy import special

Alternative = Literal["two-sided", "greater", "less"]
"""Of a test of second against first: they differ; the second is greater; it is less."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The closed interval from ``low`` to ``high``, with the confidence ``level`` in (0, 1)."""

    low: float
    high: float
    level: float


def normal_quantile(level: float) -> float:
    """How many standard errors a two-sided interval of that ``level`` reaches to each side.

    Raises ValueError unless ``level`` lies between 0 and 1.
    """
    check_level(level)
    return float(-special.ndtri((1.0 - level) / 2.0))


def check_level(level: float) -> None:
    """Raise ValueError unless ``level`` can be one: strictly between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level lies between 0 and 1, e.g. 0.95, and not at {level}")


def p_value(below: float, above: float, alternative: Alternative) -> float:
    """The p-value of a symmetric statistic with the mass ``below`` and ``above`` what was seen."""
    match alternative:
        case "two-sided":
            return min(1.0, 2.0 * min(below, above))
        case "greater":
            return above
        case "less":
            return below
