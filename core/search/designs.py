"""Sets of parameters that are chosen without looking at rewards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Final, Literal

import numpy as np

from core.bandits.base import Floats
from core.search.space import Space, Values

_SOBOL_BITS: Final = 30


@lru_cache(maxsize=64)
def sobol_points(dim: int, n: int, seed: int) -> Floats:
    """The first ``n`` points of a scrambled Sobol sequence: shape ``(n, dim)``, not to be written.

    Every prefix fills the cube evenly, and one with 2^k points is balanced. Owen 1998, as scipy has
    it; the same for the same seed and version of scipy.
    """
    from scipy.stats import qmc  # takes as long to import as all else together

    sequence = qmc.Sobol(dim, scramble=True, bits=_SOBOL_BITS, rng=np.random.default_rng(seed))
    points = sequence.random_base2(max(n - 1, 0).bit_length())[:n]
    points.flags.writeable = False
    return points


@lru_cache(maxsize=64)
def latin_hypercube_points(dim: int, n: int, seed: int) -> Floats:
    """``n`` points of which each coordinate has one in each of n equal parts (McKay, Beckman and
    Conover 1979): shape ``(n, dim)``, not to be written.
    """
    from scipy.stats import qmc

    points = qmc.LatinHypercube(dim, rng=np.random.default_rng(seed)).random(n)
    points.flags.writeable = False
    return points


def random_point(dim: int, index: int, seed: int) -> Floats:
    """The ``index``-th of independent uniform points: shape ``(dim,)``."""
    return np.random.default_rng([seed, index]).random(dim)


def grid(space: Space, levels: Sequence[int]) -> list[Values]:
    """All combinations of that many levels of each parameter, at most; from the low ends up, the
    last parameter varying first.
    """
    axes = (d.levels(count) for d, count in zip(space.dimensions, levels, strict=True))
    return list(product(*axes))


def design_point(
    design: Literal["random", "latin_hypercube", "sobol"], dim: int, n: int, index: int, seed: int
) -> Floats:
    """The ``index``-th of the ``n`` points of a design: shape ``(dim,)``."""
    match design:
        case "random":
            return random_point(dim, index, seed)
        case "latin_hypercube":
            return np.asarray(latin_hypercube_points(dim, n, seed)[index])
        case "sobol":
            return np.asarray(sobol_points(dim, n, seed)[index])
