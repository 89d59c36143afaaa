"""Whether variants are met as often as their shares say: if not, no comparison can be trusted."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

from scipy import special

CONCENTRATION: Final = 1_000.0
"""Of the Dirichlet prior about the planned shares: a share of .5 that is off is off by about
0.016. Deviations ten times as small or as large are found too, only a little later."""
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BBdd")


def chi_square_p_value(counts: Sequence[int], shares: Sequence[float]) -> float:
    """The p-value of the counts under the shares, for one look (Pearson 1900).

    Good from about 5 expected counts per variant on. Raises ValueError for lists of different
    lengths, shares that are not above 0, or no counts.
    """
    total = sum(counts)
    if len(counts) != len(shares) or min(shares) <= 0.0 or not total:
        raise ValueError(f"counts {list(counts)} under shares {list(shares)} cannot be judged")
    scale = total / math.fsum(shares)
    statistic = math.fsum(
        (count - share * scale) ** 2 / (share * scale)
        for count, share in zip(counts, shares, strict=True)
    )
    return float(special.chdtrc(len(counts) - 1, statistic))


class RatioTest:
    """The same question after every assignment (Lindon and Malek 2020).

    Under the planned shares π, the odds of a Dirichlet-multinomial with mean π against the
    multinomial are a martingale; each assignment to k multiplies them by
    (c π_k + n_k) / (c + n) / π_k. Their inverse's running minimum is a p-value at any time.
    """

    __slots__ = ("counts", "log_odds", "peak")

    def __init__(self, variants: int) -> None:
        self.counts = [0] * variants
        """Of the present shares."""
        self.log_odds = 0.0
        self.peak = 0.0
        """The largest log odds so far."""

    @property
    def p_value(self) -> float:
        """The chance of at most this to get here at any time, under the planned shares."""
        return math.exp(-self.peak)

    def add(self, variant: int, shares: Sequence[float]) -> None:
        """Count one assignment. ``shares`` sum to 1, the variant's is above 0."""
        planned = shares[variant]
        n = sum(self.counts)
        foreseen = (CONCENTRATION * planned + self.counts[variant]) / (CONCENTRATION + n)
        self.log_odds += math.log(foreseen / planned)
        self.peak = max(self.peak, self.log_odds)
        self.counts[variant] += 1

    def change_shares(self) -> None:
        """From now on other shares hold: what was found stays found, counts begin anew."""
        self.counts = [0] * len(self.counts)

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states; the first byte is the format's version."""
        head = _HEAD.pack(_VERSION, len(self.counts), self.log_odds, self.peak)
        return head + struct.pack(f"<{len(self.counts)}Q", *self.counts)

    @classmethod
    def decode(cls, data: bytes) -> RatioTest:
        """The inverse of ``encode``, bit for bit. Raises ValueError for bytes that are not one."""
        if len(data) < _HEAD.size or data[0] != _VERSION or len(data) != ratio_size(data[1]):
            raise ValueError(f"not a ratio test of version {_VERSION}: {data[:32]!r}")
        self = cls(data[1])
        _, _, self.log_odds, self.peak = _HEAD.unpack_from(data)
        self.counts = list(struct.unpack_from(f"<{data[1]}Q", data, _HEAD.size))
        return self


def ratio_size(variants: int) -> int:
    """How many bytes ``RatioTest.encode`` gives."""
    return _HEAD.size + 8 * variants
