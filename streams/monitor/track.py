"""One arm of one route over time: 15 minutes in buckets of 10 s, and 6 hours in minutes.

Decisions and rewards have clocks of their own, since they come from two topics that are read at
their own paces. What comes out of order is counted in the open bucket.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

from streams.monitor.cells import Decisions, Floats, Rewards, Ring, add_counts

FINE_MS: Final = 10_000
FINE: Final = 90
COARSE_MS: Final = 60_000
COARSE: Final = 360
_PER_COARSE: Final = COARSE_MS // FINE_MS
_CHUNK: Final = 18
"""Fine buckets in a chunk of latencies: 3 minutes."""
_CHUNKS: Final = 5


C = TypeVar("C", Decisions, Rewards)


class Lane(Generic[C]):
    """One kind of cells over time: the open fine one, and the closed ones of both lengths."""

    __slots__ = ("_coarse", "_fine", "_kind", "_minute", "open")

    def __init__(self, kind: type[C], bucket: int) -> None:
        self._kind: type[C] = kind
        width = len(kind(0).row())
        self._fine = Ring(FINE, width)
        self._coarse = Ring(COARSE, width)
        self.open: C = kind(bucket)
        self._minute: C = kind(bucket // _PER_COARSE)

    def turn(self, bucket: int) -> C:
        """Close the open cell, and open that of a later bucket; returns the closed one."""
        closed = self.open
        self._fine.append(closed.bucket, closed.row())
        self._minute.add(closed)
        minute = bucket // _PER_COARSE
        if minute > self._minute.bucket:
            self._coarse.append(self._minute.bucket, self._minute.row())
            self._minute = self._kind(minute)
        self.open = self._kind(bucket)
        return closed

    def fine(self, first: int, count: int) -> Floats:
        """Rows of ``count`` fine buckets, the open one included; 0 where nothing happened."""
        found = self._fine.placed(first, count)
        return _with_open(found, self.open, first)

    def coarse(self, first: int, count: int) -> Floats:
        """As ``fine``, of coarse buckets."""
        found = self._coarse.placed(first, count)
        minute = self._kind(self._minute.bucket)
        minute.add(self._minute)
        minute.add(self.open)
        return _with_open(found, minute, first)


def _with_open(found: Floats, cell: Decisions | Rewards, first: int) -> Floats:
    at = cell.bucket - first
    if 0 <= at < len(found):
        found[at] = cell.row()
    return found


class Track:
    """One arm of one route."""

    __slots__ = ("_chunks", "decisions", "rewards")

    def __init__(self, at_ms: int) -> None:
        bucket = at_ms // FINE_MS
        self.decisions = Lane(Decisions, bucket)
        self.rewards = Lane(Rewards, bucket)
        self._chunks: deque[tuple[int, dict[int, int]]] = deque(maxlen=_CHUNKS + 1)

    @property
    def latest(self) -> int:
        """The newest bucket in which something happened."""
        return max(self.decisions.open.bucket, self.rewards.open.bucket)

    def turn_decisions(self, bucket: int) -> Decisions:
        """Where to count decisions of a bucket that is later than the open one."""
        self.decisions.turn(bucket)
        return self.decisions.open

    def turn_rewards(self, bucket: int) -> Rewards:
        """Where to count rewards of a bucket that is later than the open one."""
        closed = self.rewards.turn(bucket)
        chunk = closed.bucket // _CHUNK
        if not self._chunks or self._chunks[-1][0] != chunk:
            self._chunks.append((chunk, {}))
        add_counts(self._chunks[-1][1], closed.latencies)
        return self.rewards.open

    def latencies(self, bucket: int) -> dict[int, int]:
        """Counted latencies of the 15 to 18 minutes up to ``bucket``."""
        counts: dict[int, int] = {}
        now = bucket // _CHUNK
        for chunk, found in self._chunks:
            if now - _CHUNKS <= chunk <= now:
                add_counts(counts, found)
        if now - _CHUNKS <= self.rewards.open.bucket // _CHUNK <= now:
            add_counts(counts, self.rewards.open.latencies)
        return counts
