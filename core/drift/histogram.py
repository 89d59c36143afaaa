"""An exponential histogram: the mean and variance of a window's old and new parts, in O(log n).

Level i holds at most ``max_buckets`` buckets of 2^i values each, as their sums and their summed
squared distances from their means; the oldest values are in the highest level. After Bifet and
Gavaldà 2007, section 4 (ADWIN2), with the variances of Babcock, Datar, Motwani and O'Callaghan
2003, "Maintaining variance and k-medians over data stream windows". All sums are taken in the
order of river's ADWIN, so that they have its bits.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, Self

_HEAD: Final = struct.Struct("<ddB")
"""Total, variance and the number of levels, before the bucket counts of the levels."""


class Histogram:
    """A window over a stream: values come in at one end, and buckets leave at the other.

    ``n`` values (a whole number) with the sum ``total``, and ``variance``, the sum of their
    squared distances from their mean. ``totals`` has the sums of each level's buckets, oldest
    first.
    """

    __slots__ = ("_variances", "max_buckets", "n", "total", "totals", "variance")

    def __init__(self, max_buckets: int) -> None:
        self.max_buckets = max_buckets
        self.n = 0.0
        self.total = 0.0
        self.variance = 0.0
        self.totals: list[list[float]] = [[]]
        self._variances: list[list[float]] = [[]]

    def extend(self, values: Sequence[float]) -> None:
        """Take new values: the same numbers come out as from one by one."""
        n, total, variance = self.n, self.total, self.variance
        for value in values:
            if n > 0.0:
                off = value - total / n
                variance += n * off * off / (n + 1.0)
            n += 1.0
            total += value
        self.n, self.total, self.variance = n, total, variance
        self.totals[0] += values
        self._variances[0] += [0.0] * len(values)
        self._merge()

    def _merge(self) -> None:
        """Merge the oldest two buckets of a level into the next level, until each level fits."""
        size = 1.0
        for level, totals in enumerate(self.totals):
            merged = 2 * ((len(totals) - self.max_buckets + 1) // 2)
            if merged <= 0:
                return
            if level + 1 == len(self.totals):
                self.totals.append([])
                self._variances.append([])
            variances = self._variances[level]
            next_totals, next_variances = self.totals[level + 1], self._variances[level + 1]
            for i in range(0, merged, 2):
                a, b = totals[i], totals[i + 1]
                off = a / size - b / size
                next_totals.append(a + b)
                next_variances.append(variances[i] + variances[i + 1] + size * 0.5 * off * off)
            del totals[:merged], variances[:merged]
            size *= 2.0

    def drop_oldest(self) -> None:
        """Take the oldest bucket out; it must not be the only one."""
        level = len(self.totals) - 1
        size = float(1 << level)
        total, variance = self.totals[level].pop(0), self._variances[level].pop(0)
        self.n -= size
        self.total -= total
        off = total / size - self.total / self.n
        self.variance -= variance + size * self.n * off * off / (size + self.n)
        if not self.totals[level]:
            del self.totals[level], self._variances[level]

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states. Single values have no variances."""
        values = [value for level in self.totals for value in level]
        values += [value for level in self._variances[1:] for value in level]
        counts = bytes(map(len, self.totals))
        head = _HEAD.pack(self.total, self.variance, len(counts))
        return head + counts + struct.pack(f"<{len(values)}d", *values)

    @classmethod
    def decode(cls, data: bytes, max_buckets: int) -> Self:
        """The inverse of ``encode``. Raises ValueError for bytes that are not one."""
        if len(data) < _HEAD.size:
            raise ValueError(f"not a histogram: {data!r}")
        self = cls(max_buckets)
        self.total, self.variance, levels = _HEAD.unpack_from(data)
        counts = data[_HEAD.size : _HEAD.size + levels]
        if not 1 <= levels == len(counts) or max(counts) > max_buckets:
            raise ValueError(f"not a histogram of {max_buckets} buckets a level: {data[:48]!r}")
        body = data[_HEAD.size + levels :]
        size = 2 * sum(counts) - counts[0]
        if len(body) != 8 * size:
            raise ValueError(f"not a histogram of {size} numbers: {len(body)} bytes")
        values = iter(struct.unpack(f"<{size}d", body))
        self.n = float(sum(count << level for level, count in enumerate(counts)))
        self.totals = [[next(values) for _ in range(count)] for count in counts]
        self._variances = [[0.0] * counts[0]]
        self._variances += [[next(values) for _ in range(count)] for count in counts[1:]]
        return self
