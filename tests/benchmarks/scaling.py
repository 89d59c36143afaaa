"""How throughput changes with partitions, routes, arms, dimensions, keys and workers.

Each variant changes one thing of the base and runs beside it, so that their ratio says what that
thing costs on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.benchmarks.events import Workload


@dataclass(frozen=True)
class Variant:
    """One setting, by a name without spaces."""

    name: str
    workload: Workload
    partitions: int
    workers: int = 1


def variants(base: Workload, partitions: int) -> list[Variant]:
    """All variants of a base."""
    found = [
        Variant(f"partitions={count}", base, count)
        for count in (1, 2, 8, 16)
        if count != partitions
    ]
    found += [
        Variant(f"routes={count}", replace(base, routes=count), partitions)
        for count in (1_000, 10_000, 100_000)
    ]
    found += [
        Variant(f"arms={count}", replace(base, arms=count), partitions) for count in (2, 20, 50)
    ]
    found += [Variant(f"dim={count}", replace(base, dim=count), partitions) for count in (30, 100)]
    found.append(Variant("keys=zipf", replace(base, keys="zipf"), partitions))
    found.append(Variant("workers=2", base, partitions, workers=2))
    return found


QUICK = ("routes=10000", "keys=zipf")
"""Those of a short run, where scaling was asked for."""
NAMES = tuple(variant.name for variant in variants(Workload(), 4))
