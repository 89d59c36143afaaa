"""Shares that no arm goes below, and those by which arms that were set aside can come back."""

from __future__ import annotations

from collections.abc import Sequence


def with_probes_and_floor(
    shares: Sequence[float], floor: float, probes: int, probe_share: float
) -> list[float]:
    """The mixture of a distribution with an even one and with probes: it sums to 1 as they do.

    Each of ``probes`` further arms, which come last, gets ``probe_share``, all of them at most
    half. Of the rest, every arm gets at least ``floor``, and what is left goes by ``shares``; all
    get the same where there is not enough for the floors.
    """
    each = min(probe_share, 0.5 / probes) if probes else 0.0
    rest = 1.0 - each * probes
    count = len(shares)
    if floor * count >= rest:
        mixed = [rest / count] * count
    else:
        left = rest - floor * count
        mixed = [floor + left * share for share in shares]
    return mixed + [each] * probes
