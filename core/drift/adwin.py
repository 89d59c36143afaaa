"""ADWIN: a window over a stream of numbers that drops its old part when the mean has changed.

Bifet and Gavaldà 2007, "Learning from time-changing data with adaptive windowing", algorithm
ADWIN2. Decisions are those of river.drift.ADWIN, step for step, up to the first drift. After one,
river's wrapper throws the whole window away; this class keeps its newer part, as the paper does,
and so does the engine inside that wrapper. A new Adwin after each drift is the wrapper.
"""

from __future__ import annotations

import math
import struct
from typing import Final, Self

from core.drift.base import Cut, Level, refuse_outside
from core.drift.histogram import Histogram

_VERSION: Final = 2
_SIZE: Final = struct.Struct("<I")
_HEAD: Final = struct.Struct("<B?I")
"""Version, whether alarmed, and how many values there are until the next scan."""


class Adwin:
    """One detector. ``delta`` is the confidence of a drift: about the chance of a false one.

    Every ``clock`` values, if there are more than ``grace_period``, each border of buckets with at
    least ``min_window_length`` values on both sides is looked at. Where the means differ by more
    than chance allows at ``delta``, the oldest bucket is dropped and the rest scanned again, until
    no border is left that calls for it: that is one drift.

    The same scan at the larger ``warning_delta`` drops nothing. It gives a warning if it finds a
    border while the detector is quiet. A warning or a drift ends the quiet; it returns with the
    first scan that finds no border at ``warning_delta``. So a change gives at most one warning
    before its drift, and none after it while old values are still on their way out.
    """

    __slots__ = (
        "_alarmed",
        "_clock",
        "_delta",
        "_due",
        "_grace_period",
        "_least",
        "_pending",
        "_warning_delta",
        "_window",
        "merges",
    )

    def __init__(
        self,
        delta: float = 0.002,
        warning_delta: float = 0.02,
        *,
        clock: int = 32,
        max_buckets: int = 5,
        min_window_length: int = 5,
        grace_period: int = 10,
    ) -> None:
        if not 0.0 < delta < warning_delta < 1.0:
            raise ValueError(f"0 < delta ({delta}) < warning_delta ({warning_delta}) < 1 must hold")
        if min(clock, min_window_length, grace_period) < 1 or not 2 <= max_buckets <= 255:
            raise ValueError(
                f"clock ({clock}), min_window_length ({min_window_length}) and grace_period "
                f"({grace_period}) must be at least 1, max_buckets ({max_buckets}) 2 to 255"
            )
        self._delta = delta
        self._warning_delta = warning_delta
        self._clock = clock
        self._least = float(min_window_length)
        self._grace_period = grace_period
        self._alarmed = False
        self._due = clock
        self._pending: list[float] = []
        self.merges = 0
        """How often this object has changed its ``base``."""
        self._window = Histogram(max_buckets)

    @property
    def alarmed(self) -> bool:
        """Whether the last scan found a border at ``warning_delta``, or it was a drift."""
        return self._alarmed

    @property
    def window(self) -> Histogram:
        """All values that count, to read."""
        self.merges += 1
        self._due -= len(self._pending)
        self._window.extend(self._pending)
        self._pending.clear()
        return self._window

    def update(self, value: float) -> Cut | None:
        """Take one value, and say whether the mean has changed.

        Raises ValueError for a value outside [0, 1]: the bound on the difference of two means
        holds for those only, and on others it would alarm for nothing.
        """
        refuse_outside(value)
        self._pending.append(value)
        if len(self._pending) < self._due:
            return None
        window = self.window
        self._due = self._clock
        return self._scan(window) if window.n > self._grace_period else None

    def _scan(self, window: Histogram) -> Cut | None:
        """Drop old buckets as long as a border calls for it, and report what was found."""
        n, total = window.n, window.total
        drifted, border = self._find_border(window)
        was_alarmed, self._alarmed = self._alarmed, drifted or border is not None
        level: Level = "drift" if drifted else "warning"
        if drifted:
            _, border = self._find_border(window, every=True)
        while drifted:
            window.drop_oldest()
            drifted, _ = self._find_border(window)
        if border is None or (level == "warning" and was_alarmed):
            return None
        n0, before = border
        # The sums of parts are differences of sums, so a mean may come out a hair beyond 0 or 1.
        means = (min(max(mean, 0.0), 1.0) for mean in (before / n0, (total - before) / (n - n0)))
        return Cut(level, next(means), int(n0), next(means), int(n - n0))

    def _find_border(
        self, window: Histogram, *, every: bool = False
    ) -> tuple[bool, tuple[float, float] | None]:
        """Whether a border is a drift; if none is, the n and the sum before the clearest warning.

        With ``every``, all borders are looked at, drifts too, for the clearest.

        The means of parts of n0 and n1 values may differ by sqrt(2 m v d) + 2 m d / 3, with
        m = 1 / (n0 - l + 1) + 1 / (n1 - l + 1) for the least length l, the variance v of the
        window, and d = log(2 log(n) / delta) (section 3.2 of the paper; l is river's).
        """
        n, least = window.n, self._least
        if n < 2.0 * least:
            return False, None
        variance = max(window.variance, 0.0) / n  # dropping buckets may leave it a hair below 0
        log_drift = math.log(2.0 * math.log(n) / self._delta)
        log_warning = math.log(2.0 * math.log(n) / self._warning_delta)

        def allowed(n0: float, n1: float, d: float) -> float:
            m = 1.0 / (n0 - least + 1.0) + 1.0 / (n1 - least + 1.0)
            return math.sqrt(2.0 * m * variance * d) + 2.0 / 3.0 * d * m

        least_allowed = allowed(n / 2.0, n / 2.0, log_warning) * (1.0 - 1e-9)  # halves: smallest m
        border, clearest = None, 1.0
        n0, before, after = 0.0, 0.0, window.total
        for level in range(len(window.totals) - 1, -1, -1):
            size = float(1 << level)
            for total in window.totals[level]:
                n0 += size
                n1 = n - n0
                before += total
                after -= total
                if n0 < least or n1 < least:
                    continue
                gap = abs(before / n0 - after / n1)
                if gap <= least_allowed:
                    continue
                if not every and gap > allowed(n0, n1, log_drift):
                    return True, None
                clarity = gap / allowed(n0, n1, log_warning)
                if clarity > clearest:
                    border, clearest = (n0, before), clarity
        return False, border

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the parameters are not part of it."""
        return self.base() + self.tail()

    def base(self) -> bytes:
        """The part of the state that only a scan changes: what was seen up to the last one."""
        head = _HEAD.pack(_VERSION, self._alarmed, self._due)
        window = self._window.encode()
        return head + _SIZE.pack(len(window)) + window

    def tail(self) -> bytes:
        """The rest of it: the values since then, at most ``clock`` - 1."""
        return struct.pack(f"<{len(self._pending)}d", *self._pending)

    @classmethod
    def decode(cls, data: bytes, delta: float, warning_delta: float, **others: int) -> Self:
        """The detector that ``encode`` saw, with these parameters: it goes on bit for bit.

        Raises ValueError for bytes that are no state of a detector with these parameters.
        """
        if len(data) < _HEAD.size + _SIZE.size or data[0] != _VERSION:
            raise ValueError(f"not an ADWIN state of version {_VERSION}: {data[:32]!r}")
        self = cls(delta, warning_delta, **others)
        _, self._alarmed, self._due = _HEAD.unpack_from(data)
        if not 1 <= self._due <= self._clock:
            raise ValueError(f"not a state of an ADWIN that scans every {self._clock} values")
        start = _HEAD.size + _SIZE.size
        end = start + _SIZE.unpack_from(data, _HEAD.size)[0]
        self._window = Histogram.decode(data[start:end], self._window.max_buckets)
        count, rest = divmod(len(data) - end, 8)
        if rest or count >= self._due:
            raise ValueError(f"not an ADWIN state: {len(data) - end} bytes of values to be scanned")
        self._pending = list(struct.unpack_from(f"<{count}d", data, end))
        return self
