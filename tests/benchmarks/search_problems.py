"""Functions with known greatest values, to search in.

Each is a *reward*: the negative of the function in the literature. A problem may add noise to
every reward; regret is always measured without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from schemas.policy import Parameter

Params = dict[str, float | int]


@dataclass(frozen=True)
class Problem:
    """A function of parameters, the greatest value it has, and the noise of one reward."""

    name: str
    space: dict[str, Parameter]
    reward: Callable[[Params], float]
    greatest: float
    noise: float = 0.0
    rewards: int = 1
    """Per evaluation."""

    def regret(self, params: Params) -> float:
        """What is lost by these parameters, without noise."""
        return max(self.greatest - self.reward(params), 0.0)


def branin(params: Params) -> float:
    """Branin: three equal minima of 0.397887 (Dixon and Szegő 1978)."""
    x, y = params["x"], params["y"]
    bowl = y - 5.1 / (4.0 * math.pi**2) * x * x + 5.0 / math.pi * x - 6.0
    return -(bowl**2 + 10.0 * (1.0 - 1.0 / (8.0 * math.pi)) * math.cos(x) + 10.0)


_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_A = np.array(
    [
        [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
        [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
        [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
        [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
    ]
)
_P = 1e-4 * np.array(
    [
        [1312.0, 1696.0, 5569.0, 124.0, 8283.0, 5886.0],
        [2329.0, 4135.0, 8307.0, 3736.0, 1004.0, 9991.0],
        [2348.0, 1451.0, 3522.0, 2883.0, 3047.0, 6650.0],
        [4047.0, 8828.0, 8732.0, 5743.0, 1091.0, 381.0],
    ]
)


def hartmann6(params: Params) -> float:
    """Hartmann's function of six variables, six minima, the least of -3.32237."""
    x = np.array([params[f"x{i}"] for i in range(6)])
    return float(_WEIGHTS @ np.exp(-(_A * (x - _P) ** 2).sum(axis=1)))


def call(params: Params) -> float:
    """A made-up quality of a model's answers: it likes a low temperature the less the smaller
    top_p is, and tokens up to what an answer needs; they also cost.
    """
    heat = params["temperature"] * (0.3 + 0.7 * params["top_p"])
    tokens = math.log2(params["max_tokens"])
    wit = math.exp(-((heat - 0.45) ** 2) / 0.18) + 0.35 * math.exp(-((heat - 1.5) ** 2) / 0.05)
    room = 1.0 / (1.0 + math.exp(-1.8 * (tokens - 8.7)))
    return 0.25 + 0.6 * wit * room - 0.02 * max(tokens - 9.0, 0.0) ** 2


def _greatest_call() -> float:
    """By looking everywhere: tokens are whole, and the rest matters through one number."""
    return max(
        call({"temperature": t / 1000.0, "top_p": 1.0, "max_tokens": tokens})
        for t in range(300, 620, 2)
        for tokens in range(64, 4097, 8)
    )


_BRANIN = {"x": Parameter(low=-5.0, high=10.0), "y": Parameter(low=0.0, high=15.0)}
_HARTMANN = {f"x{i}": Parameter(low=0.0, high=1.0) for i in range(6)}
_CALL = {
    "temperature": Parameter(low=0.0, high=2.0),
    "top_p": Parameter(low=0.1, high=1.0),
    "max_tokens": Parameter(low=64, high=4096, type="integer", scale="log"),
}


def problems() -> list[Problem]:
    """Without noise, and with noise of about a tenth of the range in each reward."""
    return [
        Problem("branin", _BRANIN, branin, -0.39788735772973816),
        Problem("hartmann6", _HARTMANN, hartmann6, 3.322368011415515),
        Problem("branin, noise", _BRANIN, branin, -0.39788735772973816, 20.0, 10),
        Problem("hartmann6, noise", _HARTMANN, hartmann6, 3.322368011415515, 0.3, 10),
        Problem("call, noise", _CALL, call, _greatest_call(), 0.1, 10),
    ]
