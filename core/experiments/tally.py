"""What an experiment keeps of one variant's outcomes in one metric: counts, moments, clusters."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final, Literal, Self

from core.experiments.clusters import CLUSTERS_SIZE, Clusters

Kind = Literal["yes_no", "mean"]
"""What a metric's values are: 0 or 1, or any numbers, of which the mean counts."""

_VERSION: Final = 1
_COUNTS: Final = struct.Struct("<BcQQ")
_MOMENTS: Final = struct.Struct("<BcQ5d")


@dataclass(slots=True)
class Counts:
    """``yes`` among ``n`` outcomes that are 0 or 1."""

    n: int = 0
    yes: int = 0

    @property
    def mean(self) -> float:
        """The share of yes; 0 where there is no outcome."""
        return self.yes / self.n if self.n else 0.0

    def check(self, value: float, _covariate: float = 0.0) -> None:
        """Raise ValueError unless ``value`` is 0 or 1; covariates are not made use of."""
        if value not in (0.0, 1.0):
            raise ValueError(f"a yes/no outcome is 0 or 1, and not {value}")

    def add(self, value: float, _covariate: float = 0.0, _bucket: int = 0) -> None:
        """Count one outcome. Raises ValueError, and counts nothing, if ``check`` does."""
        self.check(value)
        self.n += 1
        self.yes += int(value)

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        return _COUNTS.pack(_VERSION, b"c", self.n, self.yes)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of ``encode``. Raises ValueError for bytes that are not one."""
        if len(data) != _COUNTS.size or data[:2] != bytes([_VERSION]) + b"c":
            raise ValueError(f"not a tally of yes/no outcomes: {data[:32]!r}")
        self = cls(*_COUNTS.unpack(data)[2:])
        if self.yes > self.n:
            raise ValueError(f"not a tally of yes/no outcomes: {self.yes} of {self.n} are yes")
        return self


@dataclass(slots=True)
class Moments:
    """Moments of ``n`` outcomes and of a covariate of theirs (Welford 1962).

    The covariate, e.g. what a user's earlier requests had as quality, must be fixed before the
    variant is chosen. An outcome without one counts as 0, as any constant would do: what is then
    lost is only some of the gain.
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    """Σ (y - mean)²."""
    mean_x: float = 0.0
    m2_x: float = 0.0
    """Σ (x - mean_x)²."""
    cross: float = 0.0
    """Σ (x - mean_x)(y - mean)."""

    def check(self, value: float, covariate: float = 0.0) -> None:
        """Raise ValueError unless both are finite."""
        if not (math.isfinite(value) and math.isfinite(covariate)):
            raise ValueError(f"outcomes are finite, and not {value} with covariate {covariate}")

    def add(self, value: float, covariate: float = 0.0, _bucket: int = 0) -> None:
        """Count one outcome. Raises ValueError, and counts nothing, if ``check`` does."""
        self.check(value, covariate)
        self.n += 1
        off = value - self.mean
        self.mean += off / self.n
        rest = value - self.mean
        self.m2 += off * rest
        off_x = covariate - self.mean_x
        self.mean_x += off_x / self.n
        self.m2_x += off_x * (covariate - self.mean_x)
        self.cross += off_x * rest

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        floats = self.mean, self.m2, self.mean_x, self.m2_x, self.cross
        return _MOMENTS.pack(_VERSION, b"m", self.n, *floats)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The inverse of ``encode``, bit for bit. Raises ValueError for bytes that are not one."""
        if len(data) != _MOMENTS.size or data[:2] != bytes([_VERSION]) + b"m":
            raise ValueError(f"not a tally of moments: {data[:32]!r}")
        self = cls(*_MOMENTS.unpack(data)[2:])
        if min(self.m2, self.m2_x) < 0.0:
            raise ValueError(f"not a tally of moments: squares sum to {self.m2}, {self.m2_x}")
        return self


Tally = Counts | Moments | Clusters


def new_tally(kind: Kind, *, clustered: bool = False) -> Tally:
    """A tally that has seen nothing; ``clustered``: of outcomes that come in units."""
    if clustered:
        return Clusters()
    return Counts() if kind == "yes_no" else Moments()


def tally_size(kind: Kind, *, clustered: bool = False) -> int:
    """How many bytes ``encode`` gives."""
    if clustered:
        return CLUSTERS_SIZE
    return _COUNTS.size if kind == "yes_no" else _MOMENTS.size


def decode_tally(kind: Kind, data: bytes, *, clustered: bool = False) -> Tally:
    """The tally that ``encode`` saw. Raises ValueError for bytes that are not one."""
    if clustered:
        return Clusters.decode(data)
    return Counts.decode(data) if kind == "yes_no" else Moments.decode(data)
