"""The mix detector beside one ADWIN per category, and a G-test of two windows."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from multiprocessing.pool import Pool

import numpy as np
from scipy.stats import chi2

from core.drift.adwin import Adwin
from core.drift.mix import MixDetector

ZIPF = [1.0 / rank for rank in range(1, 9)]
BEFORE, AFTER = 2_000, 4_000
CHANGES = {
    "8 categories, the first from 37 % to 46 %": ([*ZIPF, 0.0], [0.538 * 3, *ZIPF[1:], 0.0]),
    "8 categories, reversed": ([*ZIPF, 0.0], [*ZIPF[::-1], 0.0]),
    "4 equal ones, one to 40 %": ([0.25] * 4, [0.4, 0.2, 0.2, 0.2]),
    "a new one of 10 %": ([*ZIPF, 0.0], [*ZIPF, sum(ZIPF) / 9.0]),
    "a new one of 3 %": ([*ZIPF, 0.0], [*ZIPF, sum(ZIPF) * 3.0 / 97.0]),
}
Update = Callable[[str], bool]


def shared() -> tuple[Update, Callable[[], int]]:
    detector = MixDetector()

    def update(category: str) -> bool:
        shift = detector.update(category)
        return shift is not None and shift.level == "drift"

    return update, lambda: len(detector.encode())


def adwins() -> tuple[Update, Callable[[], int]]:
    detectors: dict[str, Adwin] = {}

    def update(category: str) -> bool:
        detectors.setdefault(category, Adwin())
        cuts = [detector.update(float(name == category)) for name, detector in detectors.items()]
        return any(cut is not None and cut.level == "drift" for cut in cuts)

    return update, lambda: sum(len(detector.encode()) for detector in detectors.values())


def two_windows(window: int = 512, delta: float = 0.002) -> tuple[Update, Callable[[], int]]:
    """The newest values against all before; ``delta`` is shared by the tests of 1,000 values."""
    newest: deque[str] = deque()
    recent: Counter[str] = Counter()
    before: Counter[str] = Counter()
    seen = 0

    def update(category: str) -> bool:
        nonlocal seen
        seen += 1
        newest.append(category)
        recent[category] += 1
        if len(newest) > window:
            oldest = newest.popleft()
            recent[oldest] -= 1
            before[oldest] += 1
        n = before.total()
        if seen % 32 or n < window:
            return False
        names = sorted(before.keys() | recent.keys())
        counts = np.array([[side[name] for name in names] for side in (before, recent)], float)
        expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
        large = expected[1] >= 5.0
        pooled = [np.c_[of[:, large], of[:, ~large].sum(axis=1)] for of in (counts, expected)]
        some = pooled[0] > 0
        g = 2.0 * np.sum(pooled[0][some] * np.log(pooled[0][some] / pooled[1][some]))
        if chi2.sf(g, max(1, int(large.sum()))) > delta * 32 / 1_000:
            return False
        before.clear()
        return True

    return update, lambda: 2 * window + 8 * len(before)


METHODS = {
    "MixDetector": shared,
    "an ADWIN per category": adwins,
    "G-test, newest 512": two_windows,
}


def draw(weights: list[float], n: int, rng: np.random.Generator) -> list[str]:
    return [str(i) for i in rng.choice(len(weights), size=n, p=np.array(weights) / sum(weights))]


def delay(job: tuple[str, str, int]) -> int:
    method, change, seed = job
    rng = np.random.default_rng([7, seed])
    old, new = CHANGES[change]
    update, _ = METHODS[method]()
    for at, category in enumerate(draw(old, BEFORE, rng) + draw(new, AFTER, rng)):
        if update(category) and at >= BEFORE:
            return at + 1 - BEFORE
    return AFTER + 1


def stationary(job: tuple[str, int]) -> tuple[int, int, float]:
    """False drifts in 20,000 values of 12 categories, bytes at the end, and seconds."""
    method, seed = job
    weights = [1.0 / rank for rank in range(1, 13)]
    values = draw(weights, 20_000, np.random.default_rng([8, seed]))
    update, size = METHODS[method]()
    start = time.process_time()
    drifts = sum(update(category) for category in values)
    return drifts, size(), time.process_time() - start


def table(pool: Pool, seeds: int) -> list[str]:
    tasks = [
        (method, change, seed) for method in METHODS for change in CHANGES for seed in range(seeds)
    ]
    found: dict[tuple[str, str], list[int]] = {}
    for (method, change, _), result in zip(tasks, pool.map(delay, tasks, 4), strict=True):
        found.setdefault((method, change), []).append(result)
    calm = [(method, seed) for method in METHODS for seed in range(max(5, seeds // 2))]
    still: dict[str, list[tuple[int, int, float]]] = {}
    for (method, _), outcome in zip(calm, pool.map(stationary, calm, 1), strict=True):
        still.setdefault(method, []).append(outcome)
    lines = [
        "| | " + " | ".join(METHODS) + " |",
        "|---|" + "--:|" * len(METHODS),
    ]
    for change in CHANGES:
        cells = []
        for method in METHODS:
            middle, late = np.quantile(found[method, change], [0.5, 0.9], method="higher")
            cells.append(
                f"missed by {np.mean(np.array(found[method, change]) > AFTER):.0%}"
                if middle > AFTER
                else f"{middle:.0f} / " + ("-" if late > AFTER else f"{late:.0f}")
            )
        lines.append(f"| {change}: delay | " + " | ".join(cells) + " |")
    alarms = [sum(o[0] for o in still[m]) * 5.0 / len(still[m]) for m in METHODS]
    sizes = [max(o[1] for o in still[m]) for m in METHODS]
    times = [min(o[2] for o in still[m]) / 20_000 * 1e6 for m in METHODS]
    lines.append("| false drifts per 100,000 | " + " | ".join(f"{a:.3g}" for a in alarms) + " |")
    lines.append("| bytes, 12 categories | " + " | ".join(f"{s:,}" for s in sizes) + " |")
    lines.append("| µs per value | " + " | ".join(f"{t:.1f}" for t in times) + " |")
    return lines
