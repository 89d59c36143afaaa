"""Detectors that judge a value by the median or the quartiles of a window before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Self

from core.anomaly.base import Anomaly
from core.anomaly.rules import Usual
from core.anomaly.scale import Scale
from core.anomaly.window import Window

_COMPANY: Final = 3
"""So many values far out on one side are no anomalies."""

Rule = Callable[[Sequence[float], float], Usual]


class Windowed:
    """One detector: a value whose score is above ``limit`` is an anomaly.

    Where three values of the window have such a score on the same side, they are usual too, and
    distance counts from the third farthest. So failures among yes/no values, or a slow path that a
    part of the requests takes, are no anomalies for ever.

    Nothing is judged before there are ``min_samples`` values, or a full window.
    """

    __slots__ = ("_kind", "_limit", "_min_samples", "_rule", "_scale", "_window")

    def __init__(
        self, kind: bytes, rule: Rule, limit: float, window: int, min_samples: int, scale: Scale
    ) -> None:
        """``kind`` starts the bytes of the state: it tells detectors apart."""
        if not limit > 0.0 or min(window, min_samples) < _COMPANY:
            raise ValueError(
                f"limit ({limit}) must be positive, window ({window}) and min_samples "
                f"({min_samples}) at least {_COMPANY}"
            )
        self._kind = kind
        self._rule = rule
        self._limit = limit
        self._min_samples = min(min_samples, window)
        self._scale = scale
        self._window = Window(window)

    def judge(self, value: float) -> Anomaly | None:
        """Judge one value, and learn it unless it is an anomaly."""
        place = self._scale.inward(value)
        window = self._window
        n = len(window)
        if n < self._min_samples:
            window.learn(place)
            return None
        ordered = window.ordered
        usual = self._rule(ordered, self._scale.least_mad)
        beyond = self._limit * usual.unit
        lower, upper = usual.lower, usual.upper
        if ordered[_COMPANY - 1] < lower - beyond:
            lower = ordered[_COMPANY - 1]
        if ordered[-_COMPANY] > upper + beyond:
            upper = ordered[-_COMPANY]
        low, high = lower - beyond, upper + beyond
        if low <= place <= high:
            window.learn(place)
            return None
        window.set_aside(place, above=place > high)
        score = max(lower - place, place - upper) / usual.unit
        outward = self._scale.outward
        return Anomaly(
            "critical" if score > 2.0 * self._limit else "warning",
            value,
            score,
            outward(low),
            outward(high),
            outward(usual.center),
            n,
        )

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the parameters are not part of it."""
        return self._kind + self._window.encode()

    @classmethod
    def decode(
        cls,
        data: bytes,
        kind: bytes,
        rule: Rule,
        limit: float,
        window: int,
        min_samples: int,
        scale: Scale,
    ) -> Self:
        """The detector that ``encode`` saw, with these parameters: it goes on bit for bit.

        Raises ValueError for bytes that are no state of a detector of this kind.
        """
        if data[: len(kind)] != kind:
            raise ValueError(f"not a state of the kind {kind!r}: {data[:32]!r}")
        self = cls(kind, rule, limit, window, min_samples, scale)
        self._window = Window.decode(data[len(kind) :], window)
        return self
