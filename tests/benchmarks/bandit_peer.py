"""The job of the Python peers: disjoint LinUCB over numpy, and the messages around it.

They do as much as the job needs, and less than thalweg: no propensities, no validation, no
detectors, no windows. Of an arm they keep the inverse of A = I + Σ x xᵀ, by Sherman and Morrison,
and b; of an open decision its arm and its context.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from tests.benchmarks.events import FIXED_DIM, LENGTHS, TASKS, TOKENS_HIGH

Floats = npt.NDArray[np.float64]
ALPHA = 1.0
_LOG_HIGH = math.log1p(TOKENS_HIGH)


class LinUCB:
    """The maths; the states of arms are bytes."""

    def __init__(self, arms: int, dim: int) -> None:
        self.arms = arms
        self.dim = dim
        self.new = np.vstack([np.eye(dim), np.zeros(dim)]).tobytes()
        """The state of an arm without rewards: the inverse, then b."""

    def context(self, context: dict[str, Any]) -> Floats:
        """The vector of a request's context."""
        x = np.zeros(self.dim)
        x[0] = 1.0
        x[1] = min(1.0, math.log1p(context["input_tokens"]) / _LOG_HIGH)
        x[2 + LENGTHS.index(context["output_length_category"])] = 1.0
        x[5] = context["priority"] / 10.0
        x[6 + TASKS.index(context["task_type"])] = 1.0
        if self.dim > FIXED_DIM:
            embedding = np.array(context["embedding"])
            x[FIXED_DIM:] = embedding / math.sqrt(embedding @ embedding)
        return x

    def choose(self, states: Sequence[bytes], x: Floats) -> int:
        """The arm with the highest bound."""
        d = self.dim
        stacked = np.frombuffer(b"".join(states)).reshape(len(states), d + 1, d)
        spread = stacked[:, :d] @ x
        means = np.einsum("kd,kd->k", spread, stacked[:, d])
        bounds = means + ALPHA * np.sqrt(np.maximum(spread @ x, 0.0))
        return int(bounds.argmax())

    def learn(self, state: bytes, x: Floats, reward: float) -> bytes:
        """The state of an arm after one more reward."""
        found = np.frombuffer(state).reshape(self.dim + 1, self.dim).copy()
        inverse = found[:-1]
        product = inverse @ x
        inverse -= np.outer(product, product / (1.0 + x @ product))
        found[-1] += reward * x
        return found.tobytes()


def open_decision(arm: int, x: Floats) -> bytes:
    """What is kept of a decision until its reward comes."""
    return bytes([arm]) + x.tobytes()


def split_decision(stored: bytes) -> tuple[int, Floats]:
    """Its arm and its context."""
    return stored[0], np.frombuffer(stored, offset=1)


def answer(request_id: str, route: str, arm: int) -> dict[str, Any]:
    """The answer to a request, with the fields that a proxy needs."""
    return {
        "status": "decided",
        "request_id": request_id,
        "route": route,
        "arm": f"arm-{arm}",
        "model": f"acme/model-{arm}",
        "params": {"temperature": 0.7, "max_tokens": 1024},
        "propensity": 1.0,
    }


def encoded(message: dict[str, Any]) -> bytes:
    """JSON."""
    return orjson.dumps(message)
