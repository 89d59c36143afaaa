"""False alarms, delays, bytes and time of change detectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from multiprocessing.pool import Pool
from typing import Any, NamedTuple

import numpy as np
from river import drift as river

from core.drift.registry import make_drift_detector
from schemas.policy import drift
from schemas.policy.drift import DriftSpec
from tests.benchmarks.detectors.streams import AFTER, BEFORE, CHANGES, STATIONARY

Update = Callable[[float], str | None]
"""Takes a value, and says "warning", "drift" or nothing."""
OURS = {
    "adwin": DriftSpec(),
    "page_hinkley": DriftSpec(detector=drift.PageHinkley()),
    "cusum": DriftSpec(detector=drift.Cusum()),
    "ks_window": DriftSpec(detector=drift.KsWindow()),
    "ks_window 400": DriftSpec(detector=drift.KsWindow(window=400)),
}
THEIRS: dict[str, Callable[[], Any]] = {
    "river ADWIN": river.ADWIN,
    "river PageHinkley": river.PageHinkley,
    "river KSWIN": lambda: river.KSWIN(seed=1),
}
NAMES = [*OURS, *THEIRS]
KSWIN = "river KSWIN"
"""It takes hundreds of times as long as the others, and cuts so often that little is enough."""
LENGTH = 20_000


def make(name: str) -> Update:
    if name in OURS:
        ours = make_drift_detector(OURS[name])

        def update(value: float) -> str | None:
            cut = ours.update(value)
            return None if cut is None else cut.level

        return update
    theirs = THEIRS[name]()

    def update_theirs(value: float) -> str | None:
        theirs.update(value)
        return "drift" if theirs.drift_detected else None

    return update_theirs


class Job(NamedTuple):
    detector: str
    stream: str
    seed: int


def length(detector: str) -> int:
    return LENGTH // 10 if detector == KSWIN else LENGTH


def false_alarms(job: Job) -> tuple[int, int]:
    """Drifts and warnings on one stationary stream."""
    stream = STATIONARY[job.stream](np.random.default_rng([1, job.seed]), length(job.detector))
    update, found = make(job.detector), {"drift": 0, "warning": 0}
    for value in stream:
        level = update(value)
        if level is not None:
            found[level] += 1
    return found["drift"], found["warning"]


def delay(job: Job) -> int:
    """Values from the change to its drift."""
    update = make(job.detector)
    for at, value in enumerate(CHANGES[job.stream](np.random.default_rng([2, job.seed]))):
        if update(value) == "drift" and at >= BEFORE:
            return at + 1 - BEFORE
    return AFTER + 1


def jobs(detectors: Sequence[str], streams: Sequence[str], seeds: int) -> list[Job]:
    return [
        Job(detector, stream, seed)
        for detector in detectors
        for stream in streams
        for seed in range(max(2, seeds // 50) if detector == KSWIN else seeds)
    ]


def false_alarm_table(pool: Pool, streams: int) -> list[str]:
    tasks = jobs(NAMES, list(STATIONARY), streams)
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for job, result in zip(tasks, pool.map(false_alarms, tasks, chunksize=2), strict=True):
        found.setdefault((job.detector, job.stream), []).append(result)
    lines = ["| detector | " + " | ".join(STATIONARY) + " |", "|---|" + "--:|" * len(STATIONARY)]
    for name in NAMES:
        cells = []
        for stream in STATIONARY:
            drifts, warnings = np.sum(found[name, stream], axis=0)
            per = 100_000 / (length(name) * len(found[name, stream]))
            cell = f"{drifts * per:.3g}"
            cells.append(f"{cell} + {warnings * per:.3g}" if name in OURS else cell)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def delay_table(pool: Pool, seeds: int) -> list[str]:
    names = [name for name in NAMES if name != KSWIN]
    tasks = jobs(names, list(CHANGES), seeds)
    found: dict[tuple[str, str], list[int]] = {}
    for job, result in zip(tasks, pool.map(delay, tasks, chunksize=2), strict=True):
        found.setdefault((job.detector, job.stream), []).append(result)
    lines = ["| detector | " + " | ".join(CHANGES) + " |", "|---|" + "--:|" * len(CHANGES)]
    for name in names:
        cells = [delays(found[name, stream]) for stream in CHANGES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def delays(values: Sequence[int]) -> str:
    """Median and 90 % point; what is missed counts as longer than all others."""
    middle, late = np.quantile(values, [0.5, 0.9], method="higher")
    if middle > AFTER:
        missed = np.mean(np.array(values) > AFTER)
        return f"missed by {missed:.0%}"
    return f"{middle:.0f} / " + ("-" if late > AFTER else f"{late:.0f}")


def adwin_streams(pool: Pool, streams: int) -> list[str]:
    """How many streams of 20,000 stationary values have a drift at delta = .002, and at .02."""
    kinds = ["yes/no .5", "yes/no .8", "graded", "log latency"]
    tasks = jobs(["adwin"], kinds, streams)
    found: dict[str, list[tuple[int, int]]] = {}
    for job, result in zip(tasks, pool.map(false_alarms, tasks, chunksize=2), strict=True):
        found.setdefault(job.stream, []).append(result)
    lines = ["| stream | of | with a drift | with a warning |", "|---|--:|--:|--:|"]
    for kind in kinds:
        drifts, warnings = np.sum(np.array(found[kind]) > 0, axis=0)
        lines.append(f"| {kind} | {len(found[kind]):,} | {drifts} | {warnings} |")
    return lines


def cost_table(values: int) -> list[str]:
    """Bytes after so many values, and the least time of five turns."""
    lines = ["| detector | bytes | µs per value | µs to encode |", "|---|--:|--:|--:|"]
    stream = STATIONARY["graded"](np.random.default_rng(3), values)
    for name in NAMES:
        if name == KSWIN:
            continue
        spent = []
        for _ in range(5):
            detector = make_drift_detector(OURS[name]) if name in OURS else THEIRS[name]()
            start = time.perf_counter()
            for value in stream:
                detector.update(value)
            spent.append((time.perf_counter() - start) / values)
        if name in OURS:
            encoding = []
            for _ in range(50):
                start = time.perf_counter()
                state = detector.encode()
                encoding.append(time.perf_counter() - start)
            size, each = f"{len(state):,}", f"{min(encoding) * 1e6:.1f}"
        else:
            size = each = ""
        lines.append(f"| {name} | {size} | {min(spent) * 1e6:.2f} | {each} |")
    return lines
