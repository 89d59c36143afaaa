"""An EWMA control chart: the weighted mean of recent values against the mean of many.

Roberts 1959, "Control chart tests based on geometric moving averages"; Montgomery, "Introduction
to Statistical Quality Control", section 9.2. It also finds several values in a row that are
somewhat off, none of which is an anomaly by itself.
"""

from __future__ import annotations

import struct
from math import sqrt
from typing import Final, Self

from core.anomaly.base import OFTEN, Anomaly, patience
from core.anomaly.moments import Moments
from core.anomaly.scale import Scale

_KIND: Final = b"E\x01"
"""The detector and the version of its state."""
_STATE: Final = struct.Struct("<2sddHHB")
"""Kind, weighted mean, its start's weight, anomalies aside, others since, and their side."""
_NORMAL: Final = 0.6745


class Ewma:
    """One detector. See ``schemas.policy.anomalies.Ewma`` for the parameters.

    The mean and the spread are those of the last values that were no anomalies, about ``window`` of
    them. The weighted mean starts from the mean when there are ``min_samples`` values; its
    limits are the exact ones of Montgomery's equations 9.25 and 9.26, narrower at first. A value
    that would take it beyond them is an anomaly, and the weighted mean stays as it was.
    """

    __slots__ = (
        "_above",
        "_aside",
        "_limit",
        "_min_samples",
        "_others",
        "_run",
        "_scale",
        "_start",
        "_usual",
        "_weight",
        "_weighted",
        "_window",
    )

    def __init__(
        self, weight: float, limit: float, window: int, min_samples: int, scale: Scale
    ) -> None:
        if not (0.0 < weight <= 1.0 and limit > 0.0 and min(window, min_samples) >= 2):
            raise ValueError(
                f"weight ({weight}) must be above 0 and at most 1, limit ({limit}) positive, "
                f"window ({window}) and min_samples ({min_samples}) at least 2"
            )
        self._weight = weight
        self._limit = limit
        self._window = window
        self._min_samples = min(min_samples, window)
        self._scale = scale
        self._usual = Moments()
        self._weighted = 0.0
        self._start = 1.0
        """The weight of the start in the weighted mean, squared: (1 - weight)^(2 t)."""
        self._run = Moments()
        """All values since the first of the anomalies aside."""
        self._aside = 0
        self._others = 0
        self._above = False

    def judge(self, value: float) -> Anomaly | None:
        """Judge one value, and learn it unless it is an anomaly."""
        place = self._scale.inward(value)
        usual, weight = self._usual, self._weight
        if usual.n < self._min_samples:
            usual.learn(place, self._window)
            self._weighted = usual.mean
            return None
        n, mean = usual.n, usual.mean
        kept = (1.0 - weight) * self._weighted
        start = self._start * (1.0 - weight) ** 2
        spread = max(sqrt(usual.variance), self._scale.least_mad / _NORMAL)
        unit = spread * sqrt(weight / (2.0 - weight) * (1.0 - start))
        weighted = kept + weight * place
        score = abs(weighted - mean) / unit
        if score <= self._limit:
            self._weighted, self._start = weighted, start
            self._learn(place)
            return None
        self._set_aside(place, above=weighted > mean)
        outward = self._scale.outward
        return Anomaly(
            "critical" if score > 2.0 * self._limit else "warning",
            value,
            score,
            outward((mean - self._limit * unit - kept) / weight),
            outward((mean + self._limit * unit - kept) / weight),
            outward(mean),
            n,
        )

    def _learn(self, place: float) -> None:
        self._usual.learn(place, self._window)
        if self._aside:
            self._others += 1
            self._run.learn(place, self._window)
            if self._others > (OFTEN - 1) * self._aside:
                self._end_run()

    def _set_aside(self, place: float, *, above: bool) -> None:
        if above != self._above:
            self._end_run()
            self._above = above
        self._aside += 1
        self._run.learn(place, self._window)
        if self._aside >= patience(self._window):
            self._usual = self._run
            self._weighted, self._start = self._usual.mean, 1.0
            self._end_run()

    def _end_run(self) -> None:
        self._run = Moments()
        self._aside = self._others = 0
        self._above = False

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the parameters are not part of it."""
        counts = self._aside, self._others, self._above
        head = _STATE.pack(_KIND, self._weighted, self._start, *counts)
        return head + self._usual.encode() + self._run.encode()

    @classmethod
    def decode(
        cls, data: bytes, weight: float, limit: float, window: int, min_samples: int, scale: Scale
    ) -> Self:
        """The detector that ``encode`` saw, with these parameters: it goes on bit for bit.

        Raises ValueError for bytes that are no state of such a detector.
        """
        if data[:2] != _KIND or len(data) < _STATE.size:
            raise ValueError(f"not an EWMA state of version {_KIND[1]}: {data[:32]!r}")
        self = cls(weight, limit, window, min_samples, scale)
        _, self._weighted, self._start, self._aside, self._others, above = _STATE.unpack_from(data)
        self._above = bool(above)
        middle = _STATE.size + Moments.SIZE
        self._usual = Moments.decode(data[_STATE.size : middle], window)
        self._run = Moments.decode(data[middle:], window)
        if not (abs(self._weighted) < 1e31 and 0.0 <= self._start <= 1.0 and above <= 1):
            raise ValueError(f"not an EWMA state: {data[:32]!r}")
        return self
