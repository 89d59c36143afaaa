"""A running mean and variance in three numbers."""

from __future__ import annotations

import struct
from typing import Final, Self

_STATE: Final = struct.Struct("<Hdd")


class Moments:
    """Mean and variance of the values so far (Welford 1962); from ``memory`` values on, each new
    one counts 1 / memory, so that older ones fade.
    """

    __slots__ = ("_squares", "mean", "n")

    SIZE: Final = _STATE.size

    def __init__(self) -> None:
        self.n = 0
        self.mean = 0.0
        self._squares = 0.0

    @property
    def variance(self) -> float:
        """The unbiased variance; there must be two values."""
        return self._squares / (self.n - 1)

    def learn(self, value: float, memory: int) -> None:
        """Take a value."""
        if self.n < memory:
            self.n += 1
        else:
            self._squares *= 1.0 - 1.0 / self.n
        off = value - self.mean
        self.mean += off / self.n
        self._squares += off * (value - self.mean)

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states."""
        return _STATE.pack(self.n, self.mean, self._squares)

    @classmethod
    def decode(cls, data: bytes, memory: int) -> Self:
        """The inverse of ``encode``; of a longer memory, what this one would hold.

        Raises ValueError for bytes that are not one.
        """
        if len(data) != _STATE.size:
            raise ValueError(f"not moments: {data!r}")
        self = cls()
        self.n, self.mean, self._squares = _STATE.unpack(data)
        if not (abs(self.mean) < 1e31 and 0.0 <= self._squares < 1e300):
            raise ValueError(f"not moments: {data!r}")
        if self.n > memory:
            self._squares *= (memory - 1) / (self.n - 1)
            self.n = memory
        return self
