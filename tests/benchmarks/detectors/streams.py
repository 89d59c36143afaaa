"""Streams with and without changes, each from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.core.drift_streams import recorded

Stream = list[float]
BEFORE = 1_000
"""Values before a change."""
AFTER = 4_000
"""Values after it; a change that is not found within them is missed."""


def yes_no(rng: np.random.Generator, mean: np.ndarray) -> Stream:
    return (rng.random(len(mean)) < mean).astype(float).tolist()


def graded(rng: np.random.Generator, mean: np.ndarray) -> Stream:
    return np.clip(rng.normal(mean, 0.15), 0.0, 1.0).tolist()


def latency(rng: np.random.Generator, median_ms: np.ndarray, sigma: float = 0.6) -> Stream:
    """Log-normal milliseconds, mapped to [0, 1] by the logarithm between 10 ms and 10 min."""
    logs = np.log(median_ms / 10.0) + sigma * rng.normal(size=len(median_ms))
    return np.clip(logs / math.log(60_000.0), 0.0, 1.0).tolist()


def shuffled(rng: np.random.Generator, n: int) -> Stream:
    """Recorded rewards of a model, drawn without regard to their order."""
    return rng.choice(recorded()["llama-3.1-8b"], n).tolist()


STATIONARY: dict[str, Callable[[np.random.Generator, int], Stream]] = {
    "yes/no .5": lambda rng, n: yes_no(rng, np.full(n, 0.5)),
    "yes/no .8": lambda rng, n: yes_no(rng, np.full(n, 0.8)),
    "yes/no .95": lambda rng, n: yes_no(rng, np.full(n, 0.95)),
    "graded": lambda rng, n: graded(rng, np.full(n, 0.7)),
    "log latency": lambda rng, n: latency(rng, np.full(n, 800.0)),
    "recorded": shuffled,
}


def step(before: float, after: float) -> np.ndarray:
    return np.repeat([before, after], [BEFORE, AFTER])


def shape(rng: np.random.Generator) -> Stream:
    """One peak, then two with the same mean: a part of the calls takes a slow path."""
    low = np.where(rng.random(AFTER) < 0.5, 0.3, 0.5)
    middle = np.concatenate([np.full(BEFORE, 0.4), low])
    return np.clip(rng.normal(middle, 0.05), 0.0, 1.0).tolist()


RAMP = np.concatenate([np.full(BEFORE, 0.8), np.linspace(0.8, 0.6, 2_000), np.full(2_000, 0.6)])
CHANGES: dict[str, Callable[[np.random.Generator], Stream]] = {
    "yes/no .8 → .6": lambda rng: yes_no(rng, step(0.8, 0.6)),
    "yes/no .8 → .75": lambda rng: yes_no(rng, step(0.8, 0.75)),
    "yes/no .8 → .6 over 2,000": lambda rng: yes_no(rng, RAMP),
    "graded .8 → .6": lambda rng: graded(rng, step(0.8, 0.6)),
    "latency 1.5-fold": lambda rng: latency(rng, step(800.0, 1_200.0)),
    "shape, same mean": shape,
}
