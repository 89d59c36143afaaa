"""The protocol of change detectors, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Level = Literal["drift", "warning"]


@dataclass(frozen=True, slots=True)
class Cut:
    """A place in the stream with different values on its two sides.

    ``before`` and ``after`` are the detector's best guess of what came before the change and after
    it: their means, and how many values there are of each. What a drift then forgets may be more or
    less than ``before``.
    """

    level: Level
    before_mean: float
    before_n: int
    after_mean: float
    after_n: int


class DriftDetector(Protocol):
    """Looks at a stream of values in [0, 1], one at a time, for a lasting change either way.

    It is a deterministic function of its parameters and the values. After a drift it goes on from
    the newer values. A change gives at most one warning before its drift.
    """

    @property
    def alarmed(self) -> bool:
        """Whether a warning or a drift was found and the stream has not come to rest since."""
        ...

    def update(self, value: float) -> Cut | None:
        """Take one value; what was found, if anything was.

        Raises ValueError for a value outside [0, 1], which leaves no trace.
        """
        ...

    def encode(self) -> bytes:
        """The state as bytes, the same for equal states; the parameters are not part of it."""
        ...


def refuse_outside(value: float) -> None:
    """Raise ValueError for a value outside [0, 1], and for NaN."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"a change detector needs values between 0 and 1, and got {value}")
