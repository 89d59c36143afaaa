"""Two sums of what exceeds an allowance, upwards and downwards: the core of Page's charts.

Page 1954, "Continuous inspection schemes": each sum takes a step per value and never falls below
zero. It stands for how far, and for how long, the values have been beyond what is allowed.
"""

from __future__ import annotations

import struct
from typing import Final, Self

from core.drift.base import Level

_SIDE: Final = struct.Struct("<dIdd")
_MOST: Final = (1 << 32) - 1


class Side:
    """One sum, with the moments of the values since it was last at half of its threshold.

    When it was last at zero is a likelier time of the change, but then the values before the change
    that happened to lift it a little would count as values after it.
    """

    __slots__ = ("n", "squares", "sum", "total")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Nothing exceeds."""
        self.sum = 0.0
        self.n = 0
        self.total = 0.0
        self.squares = 0.0

    def add(self, step: float, value: float, half: float) -> None:
        """Take a value that moves the sum by ``step``."""
        self.sum = max(self.sum + step, 0.0)
        if self.sum <= half:
            self.n, self.total, self.squares = 0, 0.0, 0.0
        elif self.n < _MOST:
            self.n += 1
            self.total += value
            self.squares += value * value


class Excess:
    """Both sums, and whether they have raised an alarm.

    A sum above ``threshold`` is a drift; the caller then restarts. One above ``warning`` of it is a
    warning, if it is quiet; the quiet returns when both sums are at most half of that.
    """

    __slots__ = ("_threshold", "_warning", "alarmed", "down", "up")

    def __init__(self, threshold: float, warning: float) -> None:
        if not (threshold > 0.0 and 0.5 <= warning < 1.0):
            raise ValueError(
                f"threshold ({threshold}) must be positive, and warning ({warning}), the share of "
                "it that warns, at least .5 and less than 1"
            )
        self._threshold = threshold
        self._warning = warning * threshold
        self.alarmed = False
        self.up = Side()
        self.down = Side()

    def add(self, up: float, down: float, value: float) -> None:
        """Take a value that moves the sums by ``up`` and ``down``."""
        half = 0.5 * self._threshold
        self.up.add(up, value, half)
        self.down.add(down, value, half)

    @property
    def larger(self) -> Side:
        """The side that exceeds by more."""
        return self.up if self.up.sum >= self.down.sum else self.down

    def judge(self) -> Level | None:
        """What the sums say now."""
        most = self.larger.sum
        if most > self._threshold:
            self.alarmed = True
            return "drift"
        if most > self._warning and not self.alarmed:
            self.alarmed = True
            return "warning"
        if most <= 0.5 * self._warning:
            self.alarmed = False
        return None

    def clear(self) -> None:
        """Set both sums to zero, as after a drift."""
        self.up.clear()
        self.down.clear()

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states."""
        sides = (_SIDE.pack(s.sum, s.n, s.total, s.squares) for s in (self.up, self.down))
        return bytes([self.alarmed]) + b"".join(sides)

    @classmethod
    def decode(cls, data: bytes, threshold: float, warning: float) -> Self:
        """The inverse of ``encode``. Raises ValueError for bytes that are not one."""
        if len(data) != 1 + 2 * _SIDE.size or data[0] > 1:
            raise ValueError(f"not a pair of sums: {data[:64]!r}")
        self = cls(threshold, warning)
        self.alarmed = bool(data[0])
        for side, at in ((self.up, 1), (self.down, 1 + _SIDE.size)):
            side.sum, side.n, side.total, side.squares = _SIDE.unpack_from(data, at)
            if not (0.0 <= side.sum < 1e18 and 0.0 <= side.squares <= side.total <= side.n):
                raise ValueError(f"not a pair of sums: {data[:64]!r}")
        return self
