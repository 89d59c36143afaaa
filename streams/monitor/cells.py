"""Buckets of time: what is counted in the open one, and the closed ones in a ring.

An open bucket counts in plain integers and floats, since it is written per event. When it closes,
one row of numbers remains; a ring keeps the newest rows, in single precision, whatever the traffic.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from math import ceil, floor, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_PER_LOG: Final = 1.0 / log(1.05)
"""Latencies are counted in buckets that grow by 5 %, so that a quantile is within 2.5 %."""
QUANTILES: Final = (0.5, 0.95, 0.99)

# The columns of a row of decisions, and of a row of rewards.
DECIDED, EXPLORED = range(2)
(JOINED, N, MEAN, M2, COSTS, COST, CALLS, P50, P95, P99, TOLD, FAILED, DELAY) = range(13)
QUALITIES, QUALITY = 13, 14


def latency_bucket(latency_ms: float) -> int:
    """The bucket of a latency; everything below a microsecond is in one."""
    return floor(log(latency_ms if latency_ms > 1e-3 else 1e-3) * _PER_LOG)


def quantiles(counts: dict[int, int]) -> Sequence[float]:
    """The nearest-rank ``QUANTILES`` of counted latencies, as the middle of their buckets, in ms.

    NaN where nothing was counted.
    """
    total = sum(counts.values())
    if not total:
        return (float("nan"),) * len(QUANTILES)
    ranks = [ceil(quantile * total) for quantile in QUANTILES]
    found: list[float] = []
    below = 0
    for bucket in sorted(counts):
        below += counts[bucket]
        while len(found) < len(ranks) and below >= ranks[len(found)]:
            found.append(1.05 ** (bucket + 0.5))
    return found


class Decisions:
    """Decisions of one arm in the open bucket."""

    __slots__ = ("bucket", "decided", "explored")

    def __init__(self, bucket: int) -> None:
        self.bucket = bucket
        self.decided = 0
        self.explored = 0

    def add(self, other: Decisions) -> None:
        """Count what the other one counted."""
        self.decided += other.decided
        self.explored += other.explored

    def row(self) -> Sequence[float]:
        """What remains when the bucket closes."""
        return self.decided, self.explored


class Rewards:
    """Rewards of one arm in the open bucket."""

    __slots__ = (
        "bucket",
        "cost",
        "costs",
        "delay",
        "failed",
        "joined",
        "latencies",
        "n",
        "qualities",
        "quality",
        "squares",
        "told",
        "total",
    )

    def __init__(self, bucket: int) -> None:
        self.bucket = bucket
        self.joined = 0
        self.n = 0
        self.total = 0.0
        self.squares = 0.0
        """Of the rewards less one half, which loses no digits."""
        self.qualities = 0
        self.quality = 0.0
        self.costs = 0
        self.cost = 0.0
        self.latencies: dict[int, int] = {}
        self.told = 0
        self.failed = 0
        self.delay = 0

    def add(self, other: Rewards) -> None:
        """Count what the other one counted."""
        self.joined += other.joined
        self.n += other.n
        self.total += other.total
        self.squares += other.squares
        self.qualities += other.qualities
        self.quality += other.quality
        self.costs += other.costs
        self.cost += other.cost
        add_counts(self.latencies, other.latencies)
        self.told += other.told
        self.failed += other.failed
        self.delay += other.delay

    def row(self) -> Sequence[float]:
        """What remains when the bucket closes."""
        n = self.n
        mean = self.total / n if n else 0.0
        m2 = max(0.0, self.squares - n * (mean - 0.5) ** 2)
        calls = sum(self.latencies.values())
        spread = quantiles(self.latencies)
        return (
            *(self.joined, n, mean, m2, self.costs, self.cost, calls),
            *spread,
            *(self.told, self.failed, self.delay),
            *(self.qualities, self.quality),
        )


def add_counts(counts: dict[int, int], more: dict[int, int]) -> None:
    """Count what another one counted."""
    for bucket, count in more.items():
        counts[bucket] = counts.get(bucket, 0) + count


class Ring:
    """The newest rows, at most ``most``, each with the bucket that it is of."""

    __slots__ = ("_at", "_most", "_next", "_rows", "_width")

    def __init__(self, most: int, width: int) -> None:
        self._most = most
        self._width = width
        self._next = 0
        self._at = array("q")
        self._rows = array("f")

    def append(self, bucket: int, row: Iterable[float]) -> None:
        """Keep a row; the oldest one makes room for it."""
        values = array("f", row)
        if len(self._at) < self._most:
            self._at.append(bucket)
            self._rows.extend(values)
            return
        start = self._next * self._width
        self._at[self._next] = bucket
        self._rows[start : start + self._width] = values
        self._next = (self._next + 1) % self._most

    def placed(self, first: int, count: int) -> Floats:
        """Rows by bucket, of shape ``(count, width)``: ``first`` and those after it; 0 for none."""
        found = np.zeros((count, self._width))
        at = np.array(self._at, dtype=np.int64) - first
        rows = np.array(self._rows, dtype=np.float64).reshape(-1, self._width)
        inside = (at >= 0) & (at < count)
        found[at[inside]] = rows[inside]
        return found
