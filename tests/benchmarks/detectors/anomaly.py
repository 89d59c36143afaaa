"""False alarms and finds of anomaly detectors."""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing.pool import Pool
from typing import NamedTuple

import numpy as np

from core.anomaly.base import AnomalyDetector
from core.anomaly.registry import make_anomaly_detector
from schemas.policy import anomalies
from schemas.policy.anomalies import AnomalySpec

DETECTORS = {
    "robust_z": AnomalySpec(detector=anomalies.RobustZ()),
    "mad": AnomalySpec(detector=anomalies.Mad()),
    "iqr": AnomalySpec(detector=anomalies.Iqr()),
    "ewma": AnomalySpec(detector=anomalies.Ewma()),
}
LENGTH = 20_000


def log_normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return 800.0 * np.exp(0.6 * rng.normal(size=n))


def heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    return 800.0 * np.exp(0.4 * rng.standard_t(5, n))


def two_paths(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < 0.3, 8_000.0, 500.0) * np.exp(0.3 * rng.normal(size=n))


class Usual(NamedTuple):
    logarithmic: bool
    draw: Callable[[np.random.Generator, int], np.ndarray]


USUAL = {
    "log-normal": Usual(True, log_normal),
    "heavier tails": Usual(True, heavy),
    "two paths": Usual(True, two_paths),
    "equal ± .1 %": Usual(True, lambda rng, n: 0.004 * np.exp(0.001 * rng.normal(size=n))),
    "graded": Usual(False, lambda rng, n: np.clip(rng.normal(0.7, 0.15, n), 0.0, 1.0)),
    "skewed": Usual(False, lambda rng, n: rng.beta(8.0, 2.0, n)),
    "yes/no .9": Usual(False, lambda rng, n: (rng.random(n) < 0.9).astype(float)),
}
FOUND = ("5-fold", "10-fold", "50-fold", "10 of 5-fold", "10 of 2.5-fold", "50-fold for ever")


def make(name: str, *, logarithmic: bool) -> AnomalyDetector:
    return make_anomaly_detector(DETECTORS[name], logarithmic=logarithmic)


def false_alarms(job: tuple[str, str, int]) -> tuple[int, int]:
    """Warnings and critical ones on one stream."""
    name, kind, seed = job
    usual, levels = USUAL[kind], {"warning": 0, "critical": 0}
    detector = make(name, logarithmic=usual.logarithmic)
    for value in usual.draw(np.random.default_rng([4, seed]), LENGTH).tolist():
        found = detector.judge(value)
        if found is not None:
            levels[found.level] += 1
    return levels["warning"], levels["critical"]


def finds(job: tuple[str, int]) -> list[float]:
    """Of latencies with the log's standard deviation .3: whether what is in FOUND is found."""
    name, seed = job
    rng = np.random.default_rng([5, seed])

    def draw(n: int, factor: float = 1.0) -> list[float]:
        return (factor * 800.0 * np.exp(0.3 * rng.normal(size=n))).tolist()

    def alarms(values: list[float]) -> int:
        return sum(detector.judge(value) is not None for value in values)

    results: list[float] = []
    for n, factor in ((1, 5.0), (1, 10.0), (1, 50.0), (10, 5.0), (10, 2.5)):
        detector = make(name, logarithmic=True)
        alarms(draw(300))
        results.append(float(alarms(draw(n, factor)) > 0))
    detector = make(name, logarithmic=True)
    alarms(draw(300))
    return [*results, float(alarms(draw(300, 50.0)))]


def false_alarm_table(pool: Pool, streams: int) -> list[str]:
    tasks = [(name, kind, seed) for name in DETECTORS for kind in USUAL for seed in range(streams)]
    found: dict[tuple[str, str], np.ndarray] = {}
    for (name, kind, _), result in zip(tasks, pool.map(false_alarms, tasks, 4), strict=True):
        found[name, kind] = found.get((name, kind), np.zeros(2)) + result
    lines = ["| detector | " + " | ".join(USUAL) + " |", "|---|" + "--:|" * len(USUAL)]
    for name in DETECTORS:
        per = [found[name, kind] * 100_000 / (LENGTH * streams) for kind in USUAL]
        cells = [f"{warnings:.3g} + {critical:.3g}" for warnings, critical in per]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def finds_table(pool: Pool, seeds: int) -> list[str]:
    tasks = [(name, seed) for name in DETECTORS for seed in range(seeds)]
    found: dict[str, list[list[float]]] = {}
    for (name, _), result in zip(tasks, pool.map(finds, tasks, 8), strict=True):
        found.setdefault(name, []).append(result)
    lines = [
        "| detector | " + " | ".join(FOUND) + " | bytes | µs per value |",
        "|---|" + "--:|" * (len(FOUND) + 2),
    ]
    for name in DETECTORS:
        *shares, level = np.mean(found[name], axis=0)
        size, each = cost(name)
        cells = [f"{share:.0%}" for share in shares]
        cells += [f"{level:.0f} alarms", str(size), f"{each:.1f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def cost(name: str) -> tuple[int, float]:
    """Bytes of the state, and the least µs per value of five turns."""
    values = log_normal(np.random.default_rng(6), 5_000).tolist()
    spent = []
    for _ in range(5):
        detector = make(name, logarithmic=True)
        start = time.perf_counter()
        for value in values:
            detector.judge(value)
        spent.append((time.perf_counter() - start) / len(values))
    return len(detector.encode()), min(spent) * 1e6
