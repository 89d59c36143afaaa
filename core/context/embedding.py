"""Embeddings as features: scaled to length 1, and projected at random to fewer components.

The projection is y = R v / sqrt(k) with independent signs ±1 in R, of shape (k, d): Achlioptas
2003, "Database-friendly random projections", theorem 1.1. Distances and inner products keep their
expectation; the squared length of y has variance at most 2 / k around that of v.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from math import sqrt
from typing import Final

import numpy as np

from core.bandits.base import Floats

_GRID: Final = 2.0**40
"""Scaled coordinates are rounded to whole multiples of 1 / _GRID before they are projected. A sum
of at most 2**12 of them is exact in float64, so neither the order of summation nor the processor's
instructions can change a bit of it; the rounding is far below float32's."""
_BLOCK: Final = 64
"""Bytes in one BLAKE2b digest."""


def unit(embedding: Sequence[float]) -> Floats:
    """The embedding scaled to length 1, shape ``(d,)``; the zero vector stays as it is."""
    v = np.array(embedding, dtype=np.float64)
    peak = np.abs(v).max()
    if peak > 0.0:
        # By the peak first, so that no square underflows to 0 or is infinite.
        v /= peak
        v /= np.sqrt(np.add.accumulate(v * v)[-1])  # unlike a sum, accumulate has one order
    return v


def projected(embedding: Sequence[float], components: int) -> list[float]:
    """The projection of the scaled embedding to that many components, each clipped to [-1, 1].

    Their standard deviation is about 1 / sqrt(components), so that next to none is clipped if
    there are 16 or more. The same on every machine, bit for bit.
    """
    whole = np.rint(unit(embedding) * _GRID)
    y = _signs(len(embedding), components) @ whole / (_GRID * sqrt(components))
    clipped: list[float] = np.clip(y, -1.0, 1.0).tolist()
    return clipped


@lru_cache(maxsize=16)
def _signs(dim: int, components: int) -> Floats:
    """R, shape ``(components, dim)``: row i is made of BLAKE2b digests of its number alone."""
    rows = [np.unpackbits(_stream(row, dim), count=dim) for row in range(components)]
    signs = 2.0 * np.array(rows, dtype=np.float64) - 1.0
    signs.flags.writeable = False
    return signs


def _stream(row: int, bits: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    blocks = [
        blake2b(f"projection/{row}/{block}".encode(), digest_size=_BLOCK).digest()
        for block in range(-(-bits // (8 * _BLOCK)))
    ]
    return np.frombuffer(b"".join(blocks), dtype=np.uint8)
