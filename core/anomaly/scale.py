"""The scale on which values are judged: as they are, or by their logarithm."""

from __future__ import annotations

from math import exp, inf, log
from typing import Final, NamedTuple

_LEAST: Final = 1e-9
"""A smaller cost, latency or count, zero above all, has the logarithm of this one."""
_MOST: Final = 1e30
_MOST_LOG: Final = 700.0
"""exp of more is beyond the largest number there is."""


class Scale(NamedTuple):
    """A scale, and the least spread on it that counts.

    Where values are all the same, or nearly, a hair's breadth would be many spreads: the spread
    of the values (their median absolute deviation) counts as ``least_mad`` then.
    """

    logarithmic: bool
    least_mad: float

    def inward(self, value: float) -> float:
        """Where a value in its own unit lies on the scale. Raises ValueError where nowhere."""
        if not abs(value) <= _MOST:
            raise ValueError(f"an anomaly detector needs finite values, and got {value}")
        if not self.logarithmic:
            return value
        if value < 0.0:
            raise ValueError(f"{value} has no logarithm: judge it on a linear scale")
        return log(max(value, _LEAST))

    def outward(self, place: float) -> float:
        """The inverse of ``inward``."""
        if not self.logarithmic:
            return place
        return exp(place) if place < _MOST_LOG else inf


LINEAR: Final = Scale(logarithmic=False, least_mad=0.05)
"""For metrics from 0 to 1."""
LOGARITHMIC: Final = Scale(logarithmic=True, least_mad=0.02)
"""For costs, latencies and counts, which are closer to log-normal than to normal. The least spread
is 2 %."""
