"""Kolmogorov and Smirnov's test of the newest values against the first ones, as a detector.

It sees changes of shape that leave the mean as it is, such as a latency that splits in two. Its
idea is that of KSWIN (Raab, Heusinger and Schleif 2020, "Reactive soft prototype computing for
concept drift streams"), without its random sample: both windows are compared whole, and the
distribution of the statistic is the exact one.
"""

from __future__ import annotations

import struct
from collections import deque
from functools import lru_cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from core.drift.base import Cut, Level, refuse_outside

_KIND: Final = b"K\x01"
"""The detector and the version of its state."""
_HEAD: Final = struct.Struct("<2s?III")
_STEPS: Final = 65_535
"""Values are kept as multiples of 1 / 65535, in two bytes."""
_TESTS_PER_WINDOW: Final = 20
_PER: Final = 1_000

Ints = NDArray[np.int64]


class KsWindow:
    """One detector. See ``schemas.policy.KsWindow`` for the parameters.

    The first ``window`` values are the reference. From then on, each time a twentieth of the window
    is new, the newest ``window`` values are compared with it. ``delta`` is shared among
    the tests of 1,000 values: it is a bound on the chance of a false drift in as many.

    After a drift, the values after the change are the first of the next reference: half a window of
    them at most, so that after a false drift, which comes of a window that is odd by chance, the
    next reference is less so.
    """

    __slots__ = (
        "_alarmed",
        "_clock",
        "_drift",
        "_due",
        "_newest",
        "_reference",
        "_warn",
        "_window",
    )

    def __init__(
        self, window: int = 200, delta: float = 0.002, warning_delta: float = 0.02
    ) -> None:
        if window < 10:
            raise ValueError(f"window ({window}) must be at least 10")
        if not 0.0 < delta < warning_delta < 1.0:
            raise ValueError(f"0 < delta ({delta}) < warning_delta ({warning_delta}) < 1 must hold")
        self._window = window
        self._clock = max(1, window // _TESTS_PER_WINDOW)
        self._drift = critical_distance(window, delta * min(1.0, self._clock / _PER))
        self._warn = critical_distance(window, warning_delta * min(1.0, self._clock / _PER))
        self._alarmed = False
        self._due = self._clock
        self._reference: list[int] = []
        self._newest: deque[int] = deque(maxlen=window)

    @property
    def alarmed(self) -> bool:
        """Whether a warning or a drift was found, and no test has been passed since."""
        return self._alarmed

    def update(self, value: float) -> Cut | None:
        """Take one value, and say whether the distribution has changed."""
        refuse_outside(value)
        kept = round(value * _STEPS)
        if len(self._reference) < self._window:
            self._reference.append(kept)
            return None
        self._newest.append(kept)
        if len(self._newest) < self._window:
            return None
        self._due -= 1
        if self._due:
            return None
        self._due = self._clock
        return self._test()

    def _test(self) -> Cut | None:
        reference = np.sort(np.array(self._reference))
        newest = np.array(self._newest)
        at = np.concatenate((reference, newest))
        below: Ints = np.searchsorted(reference, at, side="right")
        gaps = below - np.searchsorted(np.sort(newest), at, side="right")
        widest = int(np.argmax(np.abs(gaps)))
        distance = abs(int(gaps[widest]))
        was_alarmed, self._alarmed = self._alarmed, distance >= self._warn
        level: Level = "drift" if distance >= self._drift else "warning"
        if not self._alarmed or (level == "warning" and was_alarmed):
            return None
        after = self._since(newest, int(at[widest]), int(below[widest]), int(gaps[widest]))
        cut = Cut(level, _mean(self._reference), self._window, _mean(after), len(after))
        if level == "drift":
            self._reference = after[-(self._window // 2) :]
            self._newest.clear()
        return cut

    def _since(self, newest: Ints, at: int, below: int, gap: int) -> list[int]:
        """The newest values from where they become unlike the reference, at least one.

        The change is where the share of values at or below ``at``, the place of the widest gap,
        differs most from the reference's from then on, by the square of the difference times
        the number of values. ``below`` is the reference's count there.
        """
        steps = below - self._window * (newest <= at)
        sums = (steps if gap > 0 else -steps)[::-1].cumsum()
        lengths = np.arange(1, self._window + 1)
        length = int(np.argmax(np.maximum(sums, 0) ** 2 / lengths)) + 1
        return [int(value) for value in newest[-length:]]

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the parameters are not part of it.

        Four bytes for each value of the window at most.
        """
        values = [*self._reference, *self._newest]
        head = _HEAD.pack(_KIND, self._alarmed, self._window, self._due, len(values))
        return head + np.array(values, dtype="<u2").tobytes()

    @classmethod
    def decode(cls, data: bytes, window: int, delta: float, warning_delta: float) -> Self:
        """The detector that ``encode`` saw, with these parameters: it goes on bit for bit.

        Raises ValueError for bytes that are no state of a detector with this window.
        """
        if data[:2] != _KIND or len(data) < _HEAD.size:
            raise ValueError(f"not a state of a KS window of version {_KIND[1]}: {data[:32]!r}")
        self = cls(window, delta, warning_delta)
        _, self._alarmed, width, self._due, count = _HEAD.unpack_from(data)
        if width != window or count > 2 * window or not 1 <= self._due <= self._clock:
            raise ValueError(f"not a state of a KS window of {window} values: {data[:32]!r}")
        if len(data) != _HEAD.size + 2 * count:
            raise ValueError(f"not a state of a KS window of {count} values: {len(data)} bytes")
        values = np.frombuffer(data, dtype="<u2", offset=_HEAD.size).tolist()
        self._reference = values[:window]
        self._newest.extend(values[window:])
        return self


def _mean(values: list[int]) -> float:
    return sum(values) / (len(values) * _STEPS)


@lru_cache(maxsize=256)
def critical_distance(n: int, alpha: float) -> int:
    """The least h such that two samples of n from one distribution have a difference of their
    empirical distribution functions of h / n or more with a chance of at most ``alpha``; n + 1 if
    there is none.
    """
    low, high = 1, n + 1
    while low < high:
        middle = (low + high) // 2
        if chance_of_distance(n, middle) <= alpha:
            high = middle
        else:
            low = middle + 1
    return low


def chance_of_distance(n: int, h: int) -> float:
    """The chance that the empirical distribution functions of two samples of n, of one continuous
    distribution, differ by h / n or more somewhere.

    Gnedenko and Korolyuk 1951: 2 sum over k >= 1 of (-1)^(k+1) C(2n, n - kh) / C(2n, n). With ties
    the chance is less.
    """
    chance, ratio, sign = 0.0, 1.0, 2.0
    for i in range(1, n + 1):
        ratio *= (n - i + 1) / (n + i)
        if i % h == 0:
            chance += sign * ratio
            sign = -sign
    return min(chance, 1.0)
