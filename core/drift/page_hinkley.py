"""The Page-Hinkley test: values beyond the mean so far, by more than a tolerance, added up.

Page 1954, "Continuous inspection schemes"; Hinkley 1971, "Inference about the change-point from
cumulative sum tests". Drifts are those of river.drift.PageHinkley without forgetting (alpha = 1),
up to the first one: river then throws all values away, and this class keeps those that made it.
"""

from __future__ import annotations

import struct
from typing import Final, Self

from core.drift.base import Cut, refuse_outside
from core.drift.excess import Excess

_KIND: Final = b"P\x01"
"""The detector and the version of its state."""
_HEAD: Final = struct.Struct("<2sQd")
_LEAST: Final = 30
"""Values before the first judgement: until then the mean itself may be off."""


class PageHinkley:
    """One detector, both ways. See ``schemas.policy.PageHinkley`` for the parameters.

    ``tolerance`` and ``threshold`` are in the scale of the values: a shift of the mean by s beyond
    the tolerance is found after about threshold / s values, and one within it never.
    """

    __slots__ = ("_excess", "_mean", "_n", "_tolerance")

    def __init__(
        self, tolerance: float = 0.04, threshold: float = 30.0, warning: float = 0.8
    ) -> None:
        if not 0.0 <= tolerance < 1.0:
            raise ValueError(f"tolerance ({tolerance}) must be at least 0 and less than 1")
        self._tolerance = tolerance
        self._excess = Excess(threshold, warning)
        self._n = 0
        self._mean = 0.0

    @property
    def alarmed(self) -> bool:
        """Whether a sum has warned or drifted and has not fallen to half a warning since."""
        return self._excess.alarmed

    def update(self, value: float) -> Cut | None:
        """Take one value, and say whether the mean has changed."""
        refuse_outside(value)
        excess = self._excess
        self._n += 1
        self._mean += (value - self._mean) / self._n
        off = value - self._mean
        excess.add(off - self._tolerance, -off - self._tolerance, value)
        level = excess.judge() if self._n >= _LEAST else None
        if level is None:
            return None
        # The first value lifts no sum, so something came before the change.
        after = excess.larger
        before_n = self._n - after.n
        before = min(max((self._mean * self._n - after.total) / before_n, 0.0), 1.0)
        cut = Cut(level, before, before_n, after.total / after.n, after.n)
        if level == "drift":
            self._n, self._mean = after.n, cut.after_mean
            excess.clear()
        return cut

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the parameters are not part of it."""
        return _HEAD.pack(_KIND, self._n, self._mean) + self._excess.encode()

    @classmethod
    def decode(cls, data: bytes, tolerance: float, threshold: float, warning: float) -> Self:
        """The detector that ``encode`` saw, with these parameters: it goes on bit for bit.

        Raises ValueError for bytes that are no state of such a detector.
        """
        if data[:2] != _KIND or len(data) < _HEAD.size:
            raise ValueError(f"not a Page-Hinkley state of version {_KIND[1]}: {data[:32]!r}")
        self = cls(tolerance, threshold, warning)
        _, self._n, self._mean = _HEAD.unpack_from(data)
        self._excess = Excess.decode(data[_HEAD.size :], threshold, warning)
        most = max(self._excess.up.n, self._excess.down.n)
        if not 0.0 <= self._mean <= 1.0 or (most and most >= self._n):
            raise ValueError(f"not a Page-Hinkley state: {data[:32]!r}")
        return self
