"""The protocol of anomaly detectors, and what they find."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Protocol


class Anomaly(NamedTuple):
    """A value far off what is usual. All but ``score`` and ``n`` are in the metric's own unit."""

    level: Literal["warning", "critical"]
    """critical: by more than twice what makes an anomaly."""
    value: float
    score: float
    """How far off, in the unit of the detector's threshold, fences or limit."""
    low: float
    high: float
    """The value would not have been an anomaly from ``low`` to ``high``."""
    center: float
    """What is usual."""
    n: int
    """How many values say so."""


class AnomalyDetector(Protocol):
    """Judges each value by those before it: a value has no part in its own judgement.

    Anomalies are not learned, and nothing is judged before the policy's ``min_samples`` values. It
    is a deterministic function of its parameters and the values.

    A new level is not an anomaly for ever, nor is what happens often. The anomalies on one side are
    set aside, for as long as they make up a tenth at least of the values since the first of them;
    when they are as many as a quarter of the window (and at least 10), the detector starts again
    from the values since then.
    """

    def judge(self, value: float) -> Anomaly | None:
        """Judge one value, and learn it unless it is an anomaly.

        Raises ValueError for a value that is not finite, or negative where logarithms are judged;
        it leaves no trace.
        """
        ...

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the parameters are not part of it."""
        ...


OFTEN: Final = 10
"""Anomalies that are one in so many values, or more, may be a new level."""


def patience(window: int) -> int:
    """After how many anomalies on one side a detector with this window starts again."""
    return max(10, window // 4)
