"""What was measured replaces what was declared, as it comes in.

A declared value counts as a number of observations, its weight: the estimate is
``(weight · declared + Σ observed) / (weight + n)``. That is the posterior mean of a normal mean
under a conjugate prior (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.5), where the
weight is the ratio of a single observation's variance to the prior's. So after ``weight``
observations both count the same, and after ten times that many the declared value is a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.reward import Outcome

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean of one quantity, with both of what it is made of."""

    declared: float | None
    """What was declared, None if nothing was."""
    weight: float
    """How many observations the declared value counts as; not negative."""
    observed: float | None
    """The mean of what was observed, None before the first observation."""
    count: int
    """How many observations that mean is of."""

    @property
    def value(self) -> float | None:
        """The blended mean; None if nothing is known."""
        if self.observed is None or self.count == 0:
            return self.declared
        if self.declared is None:
            return self.observed
        return (self.weight * self.declared + self.count * self.observed) / (
            self.weight + self.count
        )


@dataclass(frozen=True, slots=True)
class Declared:
    """What is declared of a model or an arm; None where nothing is."""

    quality: float | None = None
    cost_usd: float | None = None
    """Of a typical request."""
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class PriorWeights:
    """How many observations a declared value counts as, by quantity.

    A list price times typical tokens is nearer to the truth than a benchmark's quality or a
    published latency, but one's own requests are soon better than all three.
    """

    quality: float = 10.0
    cost: float = 20.0
    latency: float = 10.0


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What is thought of one model or arm."""

    quality: Estimate
    cost_usd: Estimate
    latency_ms: Estimate


class _Sums(msgspec.Struct, array_like=True):
    """Counts and sums. Sums, not running means: replay repeats them bit for bit."""

    qualities: int = 0
    quality: float = 0.0
    costs: int = 0
    cost: float = 0.0
    latencies: int = 0
    latency: float = 0.0


class _Stored(msgspec.Struct, array_like=True):
    version: int
    sums: dict[str, _Sums]


_DECODER: Final = msgspec.msgpack.Decoder(_Stored)


class Measured:
    """Observed quality, cost and latency, by the name of a model or an arm."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums: dict[str, _Sums] = {}

    def observe(self, name: str, outcome: Outcome) -> None:
        """Count the parts that an outcome has.

        As in the reward, a failed call has quality 0, whatever else it says, and one that only
        says that it succeeded has quality 1.
        """
        quality = outcome.quality
        if outcome.success is not None and (quality is None or not outcome.success):
            quality = float(outcome.success)
        if quality is None and outcome.cost_usd is None and outcome.latency_ms is None:
            return
        sums = self._sums.setdefault(name, _Sums())
        if quality is not None:
            sums.qualities += 1
            sums.quality += quality
        if outcome.cost_usd is not None:
            sums.costs += 1
            sums.cost += outcome.cost_usd
        if outcome.latency_ms is not None:
            sums.latencies += 1
            sums.latency += outcome.latency_ms

    def beliefs(
        self, name: str, declared: Declared | None = None, weights: PriorWeights | None = None
    ) -> Beliefs:
        """The blend of what is declared and what was observed so far."""
        sums = self._sums.get(name) or _Sums()
        declared = declared or Declared()
        weights = weights or PriorWeights()
        return Beliefs(
            _estimate(declared.quality, weights.quality, sums.qualities, sums.quality),
            _estimate(declared.cost_usd, weights.cost, sums.costs, sums.cost),
            _estimate(declared.latency_ms, weights.latency, sums.latencies, sums.latency),
        )

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; their first field is the format's version."""
        return msgspec.msgpack.encode(_Stored(_VERSION, dict(sorted(self._sums.items()))))

    @classmethod
    def decode(cls, data: bytes) -> Measured:
        """The inverse of ``encode``, bit for bit. Raises ValueError for bytes that are not one."""
        stored = _DECODER.decode(data)  # its errors are ValueErrors
        if stored.version != _VERSION:
            raise ValueError(f"version {stored.version} of the measured values is not known")
        measured = cls()
        measured._sums = stored.sums
        return measured


def _estimate(declared: float | None, weight: float, count: int, total: float) -> Estimate:
    return Estimate(declared, weight, total / count if count else None, count)
