"""Changes of the shares of categories, such as the task types among a route's requests.

ADWIN (Bifet and Gavaldà 2007) on each category's indicator, all of them in one window: its buckets
hold a count per category, in whole numbers. So the state is a fraction of what a detector for each
category would have, and a category that is new counts as one that had no share before.
"""

from __future__ import annotations

import math
import struct
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from core.drift.base import Level

_KIND: Final = b"M\x01"
"""The detector and the version of its state."""
_HEAD: Final = struct.Struct("<2s?BB")
"""Kind, whether alarmed, the number of names and of levels."""
_NAMES: Final = 15
_BLOCK: Final = 32
_BUCKETS: Final = 5
_REST: Final = 0
"""The column of all categories without a name of their own."""

Counts = list[int]
Floats = NDArray[np.float64]


class MixShift(NamedTuple):
    """A category whose share has changed, of all such the one that stands out most."""

    category: str | None
    """None: all categories together that have no count of their own."""
    level: Level
    before: float
    before_n: int
    after: float
    after_n: int


class MixDetector:
    """One detector. ``delta`` is the confidence of a drift: about the chance of a false one.

    The first 15 categories are counted each, all others together; a category that is no longer in
    the window gives its place to the next new one. Every 32 values all borders between buckets are
    looked at. If at one of them a category's share differs by more than chance allows at
    ``delta`` / (number of categories), the oldest bucket is dropped and the rest looked at again,
    until no border calls for it: that is one drift. The same look with ``warning_delta`` gives a
    warning if the detector is quiet.
    """

    __slots__ = ("_alarmed", "_columns", "_delta", "_levels", "_pending", "_warning_delta")

    def __init__(self, delta: float = 0.002, warning_delta: float = 0.02) -> None:
        if not 0.0 < delta < warning_delta < 1.0:
            raise ValueError(f"0 < delta ({delta}) < warning_delta ({warning_delta}) < 1 must hold")
        self._delta = delta
        self._warning_delta = warning_delta
        self._alarmed = False
        self._columns: dict[str, int] = {}
        self._pending: Counts = [0]
        self._levels: list[list[Counts]] = [[]]
        """Level i holds buckets of 32 * 2^i values, the oldest first and in the highest level."""

    @property
    def alarmed(self) -> bool:
        """Whether the last look found a change, a warning at least."""
        return self._alarmed

    def update(self, category: str) -> MixShift | None:
        """Take one value, and say whether the share of some category has changed."""
        column = self._columns.get(category)
        if column is None:
            column = self._place(category)
        pending = self._pending
        pending[column] += 1
        if sum(pending) < _BLOCK:
            return None
        self._levels[0].append(pending)
        self._pending = [0] * len(pending)
        self._merge()
        return self._scan()

    def _place(self, category: str) -> int:
        if len(self._columns) == _NAMES:
            return _REST
        self._columns[category] = column = len(self._pending)
        self._pending.append(0)
        for level in self._levels:
            for bucket in level:
                bucket.append(0)
        return column

    def _merge(self) -> None:
        """Merge the oldest two buckets of a level into the next one, until each level fits."""
        for level, buckets in enumerate(self._levels):
            if len(buckets) <= _BUCKETS:
                return
            if level + 1 == len(self._levels):
                self._levels.append([])
            merged = [a + b for a, b in zip(buckets[0], buckets[1], strict=True)]
            self._levels[level + 1].append(merged)
            del buckets[:2]

    def _scan(self) -> MixShift | None:
        """Drop old buckets as long as a border calls for it, and report what was found."""
        drifted, shift = self._look()
        was_alarmed, self._alarmed = self._alarmed, shift is not None
        found = shift
        while drifted:
            top = self._levels[-1]
            del top[0]
            if not top:
                del self._levels[-1]
            drifted, _ = self._look()
        if found is None or (found.level == "warning" and was_alarmed):
            return None
        if found.level == "drift":
            self._forget_absent()
        return found

    def _look(self) -> tuple[bool, MixShift | None]:
        """Whether a border is a drift, and the clearest change there is, if it is a warning.

        A share of n0 values may differ from one of n1 by sqrt(2 m v d) + 2 m d / 3, with
        m = 1 / n0 + 1 / n1, the variance v of the category's indicator in the whole window, and
        d = log(2 K log(n) / delta) for K categories (section 3.2 of the paper).
        """
        rows = [bucket for level in reversed(self._levels) for bucket in level]
        if len(rows) < 2:
            return False, None
        sizes = [
            _BLOCK << at for at in reversed(range(len(self._levels))) for _ in self._levels[at]
        ]
        counts = np.array(rows, dtype=np.float64)
        n0 = np.cumsum(np.array(sizes[:-1], dtype=np.float64))[:, None]
        total, n = counts.sum(axis=0), float(sum(sizes))
        before = np.cumsum(counts[:-1], axis=0)
        n1 = n - n0
        gaps = np.abs(before / n0 - (total - before) / n1)
        m = 1.0 / n0 + 1.0 / n1
        share = total / n
        variance = share * (1.0 - share)
        categories = int(np.count_nonzero(total))

        def clarity(delta: float) -> Floats:
            d = math.log(2.0 * categories * math.log(n) / delta)
            ratios: Floats = gaps / (np.sqrt(2.0 * m * variance * d) + 2.0 / 3.0 * d * m)
            return ratios

        clear = clarity(self._warning_delta)
        row, column = divmod(int(np.argmax(clear)), len(total))
        if clear[row, column] <= 1.0:
            return False, None
        drifted = bool(np.any(clarity(self._delta) > 1.0))
        names = {at: name for name, at in self._columns.items()}
        first, last = int(n0[row, 0]), int(n1[row, 0])
        return drifted, MixShift(
            names.get(column),
            "drift" if drifted else "warning",
            float(before[row, column]) / first,
            first,
            float(total[column] - before[row, column]) / last,
            last,
        )

    def _forget_absent(self) -> None:
        """Take away the names of categories of which no value is left."""
        buckets = [bucket for level in self._levels for bucket in level]
        left = [sum(column) for column in zip(*buckets, strict=True)]
        stays = [_REST, *(at for at in self._columns.values() if left[at])]
        for level in self._levels:
            level[:] = [[bucket[at] for at in stays] for bucket in level]
        names = {at: name for name, at in self._columns.items()}
        self._columns = {names[at]: new for new, at in enumerate(stays) if at != _REST}
        self._pending = [0] * len(stays)

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the parameters are not part of it."""
        parts = [_HEAD.pack(_KIND, self._alarmed, len(self._columns), len(self._levels))]
        for name in self._columns:
            data = name.encode()
            parts += [struct.pack("<H", len(data)), data]
        parts.append(bytes(map(len, self._levels)))
        parts.append(bytes(self._pending))
        parts += [
            np.array(buckets, dtype=_count_type(level)).tobytes()
            for level, buckets in enumerate(self._levels)
        ]
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, delta: float, warning_delta: float) -> Self:
        """The detector that ``encode`` saw, with these parameters: it goes on bit for bit.

        Raises ValueError for bytes that are no state of such a detector.
        """
        self = cls(delta, warning_delta)
        try:
            self._read(data)
        except (struct.error, IndexError, ValueError) as error:
            raise ValueError(f"not a state of a mix ({error}): {data[:48]!r}") from error
        return self

    def _read(self, data: bytes) -> None:
        kind, self._alarmed, names, levels = _HEAD.unpack_from(data)
        if kind != _KIND or names > _NAMES or not 1 <= levels <= _MOST_LEVELS:
            raise ValueError(f"of version {_KIND[1]}")
        at = _HEAD.size
        for column in range(1, names + 1):
            (length,) = struct.unpack_from("<H", data, at)
            self._columns[data[at + 2 : at + 2 + length].decode()] = column
            at += 2 + length
        lengths = data[at : at + levels]
        width = names + 1
        self._pending = list(data[at + levels : at + levels + width])
        at += levels + width
        self._levels = []
        for level, length in enumerate(lengths):
            kept = np.frombuffer(data, _count_type(level), length * width, at)
            at += kept.nbytes
            buckets: list[Counts] = kept.reshape(length, width).tolist()
            if length > _BUCKETS or any(sum(bucket) != _BLOCK << level for bucket in buckets):
                raise ValueError("a bucket of another size")
            self._levels.append(buckets)
        if len(self._levels) != levels or len(self._columns) != names or at != len(data):
            raise ValueError("names twice, or bytes too few or too many")
        if len(self._pending) != width or sum(self._pending) >= _BLOCK:
            raise ValueError("too many values to come")


_MOST_LEVELS: Final = 59
"""A bucket's counts must stay below 2^64."""


def _count_type(level: int) -> str:
    """The least whole number that holds every count of a bucket of this level."""
    bits = (_BLOCK << level).bit_length()
    return "<u1" if bits <= 8 else "<u2" if bits <= 16 else "<u4" if bits <= 32 else "<u8"
