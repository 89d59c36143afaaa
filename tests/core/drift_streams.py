"""Streams of values in [0, 1] with and without changes, made up and recorded."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.drift.adwin import Adwin
from core.drift.base import Cut

RECORDED = Path(__file__).parents[2] / "streams" / "demo" / "data" / "llm-replay.csv"
MODELS = ("llama-3.1-8b", "mistral-large", "gemini-2.5-pro")
N = 4_000


def bernoulli(rng: np.random.Generator, mean: np.ndarray) -> list[float]:
    return (rng.random(len(mean)) < mean).astype(float).tolist()


def graded(rng: np.random.Generator, mean: np.ndarray) -> list[float]:
    return np.clip(rng.normal(mean, 0.15), 0.0, 1.0).tolist()


def latency(rng: np.random.Generator, mean: np.ndarray) -> list[float]:
    """Log-normal latencies, whose logarithms' means on [0, 1] are given."""
    return np.clip(rng.normal(mean, 0.6 / math.log(60_000.0)), 0.0, 1.0).tolist()


T = np.arange(N) / N
MEANS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "stationary": lambda rng: np.full(N, rng.uniform(0.05, 0.95)),
    "step": lambda rng: np.where(rng.uniform(0.2, 0.8) > T, *rng.uniform(0.1, 0.9, 2)),
    "small step": lambda rng: np.where(T < 0.5, 0.7, 0.7 - rng.uniform(0.03, 0.12)),
    "gradual": lambda rng: rng.uniform(0.1, 0.4) + rng.uniform(0.1, 0.5) * T,
    "back and forth": lambda rng: 0.5 + 0.4 * np.sign(np.sin(2 * math.pi * rng.uniform(1, 9) * T)),
    "spike": lambda rng: np.where(np.abs(T - rng.uniform(0.2, 0.8)) < 0.01, 0.05, 0.9),
}


def values(kind: str, noise: Callable[..., list[float]], seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return noise(rng, MEANS[kind](rng))


def recorded() -> dict[str, list[float]]:
    with RECORDED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {model: [float(row[f"{model}_reward"]) for row in rows] for model in MODELS}
    switched = columns["gemini-2.5-pro"][:1_500] + columns["llama-3.1-8b"][1_500:]
    return {**columns, "gemini-2.5-pro then llama-3.1-8b": switched}


def cuts(detector: Adwin, stream: list[float]) -> list[tuple[int, Cut]]:
    found = ((step, detector.update(value)) for step, value in enumerate(stream))
    return [(step, cut) for step, cut in found if cut is not None]
