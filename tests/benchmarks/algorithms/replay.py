"""The recorded answers as a world with money: three phases, in which one thing changes and back.

The protocol is that of the drift experiments of ParetoBandit: 608 prompts, 608 others under the
change, then the first ones again without it, in an order of the seed's. Prompts come from the
recording's part b; part a may be played before, unjudged ("warm").
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from streams.demo.data import ARMS, FILE

Floats = NDArray[np.float64]
Scenario = Literal["quality", "price", "stable"]
SCENARIOS: dict[Scenario, str] = {
    "quality": f"{ARMS[1]}'s quality times .75 in the second phase",
    "price": f"{ARMS[2]}'s cost times .018 in the second phase",
    "stable": "nothing changes",
}
PHASE = 608
DEGRADED = 0.75
CHEAPER = 0.2 / 11.25
"""Of 1.25 and 10 USD per million tokens, 0.10 and 0.10: the paper's price cut."""


@dataclass(frozen=True)
class Replay:
    """What happens, prompt by prompt, whatever is chosen."""

    X: Floats
    """Contexts, shape ``(T, d)``: 1, the log of the prompt's length, the task one-hot."""
    quality: Floats
    """Of each arm's answer, shape ``(T, 3)``."""
    cost: Floats
    """Of each arm's answer in USD, shape ``(T, 3)``."""
    judged: int
    """From which prompt on it counts."""

    def phases(self) -> list[slice]:
        """The three phases."""
        size = (len(self.X) - self.judged) // 3
        return [slice(self.judged + i * size, self.judged + (i + 1) * size) for i in range(3)]


@cache
def _recorded() -> tuple[Floats, Floats, Floats, NDArray[np.intp], NDArray[np.intp]]:
    with FILE.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    tasks = sorted({row["task"] for row in rows})
    X = np.zeros((len(rows), 2 + len(tasks)))
    X[:, 0] = 1.0
    X[:, 1] = [math.log1p(float(row["prompt_chars"])) / math.log1p(131_072.0) for row in rows]
    X[np.arange(len(rows)), [2 + tasks.index(row["task"]) for row in rows]] = 1.0
    quality, cost = (
        np.array([[float(row[arm + column]) for arm in ARMS] for row in rows])
        for column in ("_reward", "_cost_usd")
    )
    part = np.array([row["split"] for row in rows])
    return X, quality, cost, np.flatnonzero(part == "a"), np.flatnonzero(part == "b")


def replay(scenario: Scenario, seed: int, *, warm: bool, phase: int = PHASE) -> Replay:
    """The replay of a seed."""
    X, quality, cost, before, after = _recorded()
    rng = np.random.default_rng([seed, 2])
    chosen = rng.permutation(after)
    first, second = chosen[:phase], chosen[phase : 2 * phase]
    prompts = np.concatenate([first, second, rng.permutation(first)])
    if warm:
        prompts = np.concatenate([rng.permutation(before), prompts])
    found = Replay(X[prompts], quality[prompts], cost[prompts], len(prompts) - 3 * phase)
    changed = found.phases()[1]
    if scenario == "quality":
        found.quality[changed, 1] *= DEGRADED
    elif scenario == "price":
        found.cost[changed, 2] *= CHEAPER
    return found


def static_mix(quality: Floats, cost: Floats, budget: float) -> tuple[float, Floats]:
    """The best mean quality of a fixed mixture of the arms within the budget, and its shares.

    A linear program over the mean quality and cost of every arm: it knows everything but the
    prompt. Raises ValueError if not even the cheapest arm keeps within the budget.
    """
    K = quality.shape[1]
    found = linprog(
        -quality.mean(axis=0),
        A_ub=[cost.mean(axis=0)],
        b_ub=[budget],
        A_eq=[np.ones(K)],
        b_eq=[1.0],
    )
    if not found.success:
        raise ValueError(f"no mixture costs at most {budget} USD per request")
    return float(-found.fun), found.x
