"""The space of a search: between the values of parameters and the unit cube.

Designs and models work in the unit cube, where every parameter is a coordinate in [0, 1], even on
its scale. A set of parameters is a tuple of values, in the order of the policy's space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from core.bandits.base import Floats
from schemas.policy import Parameter

Values = tuple[float, ...]
"""One value per parameter; those of integers are whole."""

_TRIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Dimension:
    """One parameter. An integer has a bin of its own on the scale, half a step to either side, so
    that the first and the last value are drawn as often as the others.
    """

    low: float
    high: float
    integer: bool = False
    log: bool = False

    @property
    def size(self) -> float:
        """How many values there are: infinite for a float."""
        return self.high - self.low + 1.0 if self.integer else math.inf

    def value(self, u: float) -> float:
        """The value at ``u`` in [0, 1], within the bounds.

        A float has 6 significant digits (or is a bound), an integer is whole.
        """
        begin, end = self._scale()
        at = begin + min(max(u, 0.0), 1.0) * (end - begin)
        return self._rounded(math.exp(at) if self.log else at)

    def unit(self, value: float) -> float:
        """Where the value lies in [0, 1]; that of an integer is inside of its bin."""
        begin, end = self._scale()
        at = math.log(value) if self.log else value
        return min(max((at - begin) / (end - begin), 0.0), 1.0)

    def snapped(self, u: Floats) -> Floats:
        """``unit(value(u))`` for many, within rounding errors: those stay inside of a bin."""
        begin, end = self._scale()
        at = begin + np.clip(u, 0.0, 1.0) * (end - begin)
        whole = np.clip(np.rint(np.exp(at) if self.log else at), self.low, self.high)
        at = np.log(whole) if self.log else whole
        return np.asarray(np.clip((at - begin) / (end - begin), 0.0, 1.0))

    def levels(self, count: int) -> tuple[float, ...]:
        """``count`` values from low to high, even on the scale; fewer where integers coincide."""
        if count == 1:
            return (self.value(0.5),)
        low, high = (math.log(b) if self.log else b for b in (self.low, self.high))
        even = (low + i / (count - 1) * (high - low) for i in range(count))
        return tuple(sorted({self._rounded(math.exp(at) if self.log else at) for at in even}))

    def _rounded(self, raw: float) -> float:
        rounded = float(round(raw)) if self.integer else float(f"{raw:.6g}") + 0.0  # not -0.0
        return min(max(rounded, self.low), self.high)

    def _scale(self) -> tuple[float, float]:
        half = 0.5 if self.integer else 0.0
        low, high = self.low - half, self.high + half
        return (math.log(low), math.log(high)) if self.log else (low, high)


@dataclass(frozen=True, slots=True)
class Space:
    """All parameters, in the order of the policy's space."""

    dimensions: tuple[Dimension, ...]

    @classmethod
    def of(cls, parameters: Sequence[Parameter]) -> Space:
        """The space of a valid policy."""
        return cls(
            tuple(
                Dimension(p.low, p.high, p.type == "integer", p.scale == "log") for p in parameters
            )
        )

    @property
    def size(self) -> float:
        """How many sets there are: infinite with a float among the parameters."""
        return math.prod(dimension.size for dimension in self.dimensions)

    def values(self, point: Sequence[float]) -> Values:
        """The set of parameters at a point of the unit cube."""
        return tuple(d.value(u) for d, u in zip(self.dimensions, point, strict=True))

    def point(self, values: Values) -> tuple[float, ...]:
        """Where a set of parameters lies in the unit cube."""
        return tuple(d.unit(value) for d, value in zip(self.dimensions, values, strict=True))

    def snapped(self, points: Floats) -> Floats:
        """The points, shape ``(n, d)``, with integers moved to where their values lie.

        A model that sees only such points knows that nothing changes within the bin of an integer
        (Garrido-Merchán and Hernández-Lobato 2020).
        """
        snapped = points.copy()
        for j, dimension in enumerate(self.dimensions):
            if dimension.integer:
                snapped[:, j] = dimension.snapped(points[:, j])
        return snapped

    def unused(self, taken: frozenset[Values], seed: int) -> Values | None:
        """A set that is not among the ``taken`` ones (at most 256), or None if there is none left.

        At random by the seed, and in order where the space is nearly used up.
        """
        rng = np.random.default_rng(seed)
        for _ in range(_TRIES):
            values = self.values(rng.random(len(self.dimensions)).tolist())
            if values not in taken:
                return values
        if self.size == math.inf:
            return None
        ranges = (range(int(d.low), int(d.high) + 1) for d in self.dimensions)
        every = (tuple(map(float, values)) for values in product(*ranges))
        return next((values for values in every if values not in taken), None)
