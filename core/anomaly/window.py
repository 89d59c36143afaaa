"""The last values that were no anomalies, and anomalies in a row that may be a new level."""

from __future__ import annotations

import struct
from bisect import bisect_left, insort
from collections import deque
from typing import Final, Self

from core.anomaly.base import OFTEN, patience

_HEAD: Final = struct.Struct("<HHHB")
"""The numbers of values, of anomalies set aside, and of others since; and their side."""
_ROUND: Final = struct.Struct("<f")


class Window:
    """At most ``size`` values, kept with the 24 bits of a float32 each.

    Anomalies are set aside while they are many, and take over when they are too many: the rule is
    in ``core.anomaly.base.AnomalyDetector``.
    """

    __slots__ = ("_above", "_aside", "_others", "_size", "_values", "ordered")

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: deque[float] = deque()
        self.ordered: list[float] = []
        """The values, the least first."""
        self._aside: list[float] = []
        self._others = 0
        self._above = False

    def __len__(self) -> int:
        return len(self._values)

    def learn(self, value: float) -> None:
        """Take a value that is no anomaly."""
        if len(self._values) >= self._size:
            del self.ordered[bisect_left(self.ordered, self._values.popleft())]
        (kept,) = _ROUND.unpack(_ROUND.pack(value))
        self._values.append(kept)
        insort(self.ordered, kept)
        if self._aside:
            self._others += 1
            if self._others > (OFTEN - 1) * len(self._aside):
                self._aside.clear()
                self._others = 0

    def set_aside(self, value: float, *, above: bool) -> None:
        """Take an anomaly."""
        if above != self._above:
            self._aside.clear()
            self._others = 0
            self._above = above
        self._aside.append(_ROUND.unpack(_ROUND.pack(value))[0])
        if len(self._aside) >= patience(self._size):
            others = list(self._values)[max(len(self._values) - self._others, 0) :]
            self._start((others + self._aside)[-self._size :])
            self._aside.clear()
            self._others = 0

    def _start(self, values: list[float]) -> None:
        self._values = deque(values)
        self.ordered = sorted(values)

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states: four for each value, and seven."""
        head = _HEAD.pack(
            len(self._values), len(self._aside), self._others, self._above and bool(self._aside)
        )
        return head + struct.pack(
            f"<{len(self._values) + len(self._aside)}f", *self._values, *self._aside
        )

    @classmethod
    def decode(cls, data: bytes, size: int) -> Self:
        """The inverse of ``encode``; of a larger window, the newest ``size`` values are kept.

        Raises ValueError for bytes that are not one.
        """
        if len(data) < _HEAD.size:
            raise ValueError(f"not a window: {data[:32]!r}")
        n, aside, others, above = _HEAD.unpack_from(data)
        if len(data) != _HEAD.size + 4 * (n + aside) or above > bool(aside):
            raise ValueError(f"not a window of {n} + {aside} values: {len(data)} bytes")
        values = struct.unpack_from(f"<{n + aside}f", data, _HEAD.size)
        if not all(abs(value) < 1e31 for value in values):
            raise ValueError("not a window: its values are not finite")
        self = cls(size)
        self._start(list(values[:n][-size:]))
        self._aside = list(values[n:])
        self._others = others
        self._above = bool(above)
        return self
