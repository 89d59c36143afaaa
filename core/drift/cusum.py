"""A two-sided CUSUM chart whose target and spread are estimated from the first values.

Page 1954, "Continuous inspection schemes"; Montgomery, "Introduction to Statistical Quality
Control", section 9.1 (the tabular CUSUM).
"""

from __future__ import annotations

import math
import struct
from typing import Final, Self

from core.drift.base import Cut, refuse_outside
from core.drift.excess import Excess

_KIND: Final = b"C\x01"
"""The detector and the version of its state."""
_HEAD: Final = struct.Struct("<2sQdd")
_LEAST_SPREAD: Final = 0.01
"""A smaller standard deviation counts as this one: where all first values were equal, the next
different one would otherwise be infinitely far off."""
_FARTHEST: Final = 6.0
"""A value counts for at most so many standard deviations: one outlier is no change of the mean
(Lucas and Crosier 1982, "Robust CUSUM", have the same aim)."""


class Cusum:
    """One detector, both ways. See ``schemas.policy.Cusum`` for the parameters.

    The target never moves until a drift, so that slow changes add up as well. After a drift,
    the values that made it are the first of the next calibration, during which nothing is
    judged.
    """

    __slots__ = ("_calibration", "_excess", "_mean", "_n", "_slack", "_squares")

    def __init__(
        self,
        calibration: int = 300,
        slack: float = 0.25,
        threshold: float = 35.0,
        warning: float = 0.8,
    ) -> None:
        if calibration < 2 or not slack >= 0.0:
            raise ValueError(
                f"calibration ({calibration}) must be at least 2, and slack ({slack}) at least 0"
            )
        self._calibration = calibration
        self._slack = slack
        self._excess = Excess(threshold, warning)
        self._n = 0
        self._mean = 0.0
        self._squares = 0.0
        """The sum of the squared distances of the first ``_n`` values from their mean."""

    @property
    def alarmed(self) -> bool:
        """Whether a sum has warned or drifted and has not fallen to half a warning since."""
        return self._excess.alarmed

    def update(self, value: float) -> Cut | None:
        """Take one value, and say whether the mean is another than at calibration."""
        refuse_outside(value)
        if self._n < self._calibration:
            self._n += 1
            off = value - self._mean
            self._mean += off / self._n
            self._squares += off * (value - self._mean)
            return None
        spread = max(math.sqrt(self._squares / (self._n - 1)), _LEAST_SPREAD)
        z = min(max((value - self._mean) / spread, -_FARTHEST), _FARTHEST)
        excess = self._excess
        excess.add(z - self._slack, -z - self._slack, value)
        level = excess.judge()
        if level is None:
            return None
        after = excess.larger
        mean = after.total / after.n
        cut = Cut(level, self._mean, self._n, mean, after.n)
        if level == "drift":
            self._n, self._mean = after.n, mean
            self._squares = max(after.squares - after.total * mean, 0.0)
            excess.clear()
        return cut

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the parameters are not part of it."""
        return _HEAD.pack(_KIND, self._n, self._mean, self._squares) + self._excess.encode()

    @classmethod
    def decode(
        cls, data: bytes, calibration: int, slack: float, threshold: float, warning: float
    ) -> Self:
        """The detector that ``encode`` saw, with these parameters: it goes on bit for bit.

        Raises ValueError for bytes that are no state of such a detector.
        """
        if data[:2] != _KIND or len(data) < _HEAD.size:
            raise ValueError(f"not a CUSUM state of version {_KIND[1]}: {data[:32]!r}")
        self = cls(calibration, slack, threshold, warning)
        _, self._n, self._mean, self._squares = _HEAD.unpack_from(data)
        self._excess = Excess.decode(data[_HEAD.size :], threshold, warning)
        if not (0.0 <= self._mean <= 1.0 and 0.0 <= self._squares <= self._n):
            raise ValueError(f"not a CUSUM state: {data[:32]!r}")
        return self
