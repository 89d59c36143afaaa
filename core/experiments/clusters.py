"""Outcomes that are alike within a unit, such as a user's: kept by buckets of units.

A unit's requests are answers to one random assignment, and may be as alike as you please. So what
counts as independent are units, not outcomes (Deng, Knoblich and Lu 2018, "Applying the delta
method in metric analytics"). To keep one sum per unit would take memory without bound; here units
fall by a hash into ``BUCKETS`` buckets, which are independent of each other as the units are, and
the error is the jackknife's with buckets as clusters, CV3 of cluster-robust regressions: where some
buckets hold many of the outcomes, linearised errors (Liang and Zeger 1986) are too small, and these
are not (MacKinnon, Nielsen and Webb 2023, "Cluster-robust inference: a guide to empirical
practice"). With so few buckets the statistic is Student's with one degree of freedom less than
there are buckets with outcomes, not normal.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np

from core.bandits.base import Floats

BUCKETS: Final = 64
FEWEST: Final = 16
"""Buckets with outcomes that each variant has before it is judged: with fewer, a few units make
all the difference."""
SLOTS: Final = 8_192
_VERSION: Final = 1
_STATE: Final = struct.Struct(f"<Bc{BUCKETS}I{2 * BUCKETS}d")


def bucket_of(unit: float) -> int:
    """The bucket of a unit by its hash in [0, 1), which must not depend on its variant."""
    return int(unit * BUCKETS)


@dataclass(slots=True)
class Clusters:
    """Sums of outcomes, of any kind, and of a covariate of theirs, by bucket."""

    counts: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    sums: list[float] = field(default_factory=lambda: [0.0] * BUCKETS)
    covariates: list[float] = field(default_factory=lambda: [0.0] * BUCKETS)

    @property
    def n(self) -> int:
        """How many outcomes there are."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Of all outcomes alike, so that a unit counts as often as it asks; 0 where none are."""
        n = self.n
        return math.fsum(self.sums) / n if n else 0.0

    def check(self, value: float, covariate: float = 0.0) -> None:
        """Raise ValueError unless both are finite."""
        if not (math.isfinite(value) and math.isfinite(covariate)):
            raise ValueError(f"outcomes are finite, and not {value} with covariate {covariate}")

    def add(self, value: float, covariate: float = 0.0, bucket: int = 0) -> None:
        """Count one outcome. Raises ValueError, and counts nothing, if ``check`` does."""
        self.check(value, covariate)
        self.counts[bucket] += 1
        self.sums[bucket] += value
        self.covariates[bucket] += covariate

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        return _STATE.pack(_VERSION, b"u", *self.counts, *self.sums, *self.covariates)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of ``encode``, bit for bit. Raises ValueError for bytes that are not one."""
        if len(data) != _STATE.size or data[:2] != bytes([_VERSION]) + b"u":
            raise ValueError(f"not a tally of units: {data[:32]!r}")
        numbers = list(_STATE.unpack(data)[2:])
        counts, sums = numbers[:BUCKETS], numbers[BUCKETS : 2 * BUCKETS]
        return cls(counts, sums, numbers[2 * BUCKETS :])


CLUSTERS_SIZE: Final = _STATE.size


@dataclass(frozen=True, slots=True)
class Between:
    """A difference of means with what buckets say of its error."""

    difference: float
    squared_error: float
    freedom: float


def between_buckets(
    strata: Sequence[tuple[Clusters, Clusters]], floor: float = 0.0
) -> Between | None:
    """The second side's mean minus the first one's; None where too little is known.

    Strata are weighed by n₁ n₂ / (n₁ + n₂), as equal variances would have it. The squared error is
    (B - 1) / B Σ (difference without bucket b - difference)², weights as they are; a bucket is
    left out of both sides and all strata, as a unit that changes sides from one stratum to the next
    is in the same bucket on both. A covariate takes off what it explains of the buckets' parts, and
    a degree of freedom. ``floor``: a square of one outcome's distance that is assumed besides, so
    that constant outcomes say something.
    """
    both = [pair for pair in strata if pair[0].n and pair[1].n]
    if not both:
        return None
    # By stratum, side and bucket.
    counts = np.array([[tally.counts for tally in pair] for pair in both], dtype=np.float64)
    sums = np.array([[tally.sums for tally in pair] for pair in both])
    covariates = np.array([[tally.covariates for tally in pair] for pair in both])
    filled = counts.sum(axis=0) > 0.0
    if filled.sum(axis=1).min() < FEWEST:
        return None
    n = counts.sum(axis=2, keepdims=True)
    weights = 1.0 / (1.0 / n).sum(axis=1, keepdims=True)
    each = np.array([[-1.0], [1.0]]) * weights / weights.sum() / n
    difference, parts = _by_bucket(sums, counts, n, each)
    shift, parts_x = _by_bucket(covariates, counts, n, each)
    squares_x = float(parts_x @ parts_x)
    theta = float(parts_x @ parts) / squares_x if squares_x > 0.0 else 0.0
    rest = parts - theta * parts_x
    squares = float(rest @ rest) + floor * float((each * each).sum())
    buckets = float(filled.any(axis=0).sum())
    freedom = buckets - 1.0 - (squares_x > 0.0)
    error = squares * (buckets - 1.0) / buckets * (buckets - 1.0) / freedom
    return Between(difference - theta * shift, error, freedom) if error > 0.0 else None


def _by_bucket(sums: Floats, counts: Floats, n: Floats, each: Floats) -> tuple[float, Floats]:
    """The difference of means that ``each`` outcome's weight makes, and by how much it is less
    without each bucket: shape ``(BUCKETS,)``.
    """
    means = sums.sum(axis=2, keepdims=True) / n
    others = n - counts
    # A bucket that is all there is has no distance from its own mean.
    parts = (each * n * (sums - means * counts) / np.maximum(others, 1.0)).sum(axis=(0, 1))
    return float((each * n * means).sum()), parts


class Seen:
    """Which units were assigned before, as far as their slots tell them apart.

    Whether variants are met as planned is asked of units: a unit's later requests meet the same
    variant for sure. A unit that shares the slot of an earlier one is passed over, which does not
    depend on what either of them meets.
    """

    __slots__ = ("_bits",)

    def __init__(self, bits: int = 0) -> None:
        self._bits = bits

    def first(self, unit: float) -> bool:
        """Whether a unit, by its hash in [0, 1), is its slot's first one; it is noted."""
        bit = 1 << int(unit * SLOTS)
        new = not self._bits & bit
        self._bits |= bit
        return new

    def encode(self) -> bytes:
        """A bit per slot."""
        return self._bits.to_bytes(SLOTS // 8, "little")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of ``encode``. Raises ValueError for bytes that are not one."""
        if len(data) != SLOTS // 8:
            raise ValueError(f"not a set of units: {len(data)} bytes")
        return cls(int.from_bytes(data, "little"))
