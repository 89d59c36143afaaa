"""How long one choice and one update take, side by side.

All are measured in turns, block by block, so that a noisy machine disturbs all alike. Figures are
medians over the blocks; ratios are medians of the ratios within each turn.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from core.drift.adwin import Adwin
from schemas.policy import (
    KLUCB,
    UCB1,
    Discount,
    EpsilonGreedy,
    FixedSplit,
    HybridLinUCB,
    KernelThompson,
    LinearThompson,
    LinUCB,
    SlidingWindow,
    Softmax,
    ThompsonBeta,
    ThompsonGaussian,
    TopTwoThompson,
)
from tests.benchmarks.algorithms.agents import Agent, Make, ours
from tests.benchmarks.algorithms.entrants import library
from tests.benchmarks.algorithms.peers import (
    contextualbandits,
    mabwiser,
    missing,
    pareto,
    river,
    vowpal,
)
from tests.benchmarks.algorithms.problems import Floats

ARMS, DIM = 5, 10
LINEAR: Mapping[str, Make] = {
    "linucb": ours(LinUCB()),
    "paretobandit: DisjointLinUCBPolicy": lambda arms, dim, seed: ParetoPolicy(arms, dim, seed),
    "paretobandit: BanditRouter": pareto(1.0, 1.0),
    "river: LinUCBDisjoint": river("LinUCBDisjoint"),
    "vowpalwabbit: squarecb": vowpal("--squarecb -q xa"),
    "mabwiser: LinUCB": mabwiser("LinUCB", alpha=1.0),
    "contextualbandits: LinUCB": contextualbandits("LinUCB"),
}
"""Ours first: the ratios are to it."""
TARGETS = {"paretobandit: DisjointLinUCBPolicy": 4.0, "river: LinUCBDisjoint": 10.0}
"""How many times as long the others should take."""
EVERY: Mapping[str, Make] = {
    "linucb, discount": ours(LinUCB(), Discount()),
    "linucb, window": ours(LinUCB(), SlidingWindow()),
    "hybrid_linucb": ours(HybridLinUCB()),
    "linear_thompson": ours(LinearThompson()),
    "kernel_thompson": ours(KernelThompson()),
    "thompson_beta": ours(ThompsonBeta()),
    "thompson_gaussian": ours(ThompsonGaussian()),
    "top_two_thompson": ours(TopTwoThompson()),
    "thompson_gaussian, discount": ours(ThompsonGaussian(), Discount()),
    "thompson_gaussian, window": ours(ThompsonGaussian(), SlidingWindow()),
    "kl_ucb": ours(KLUCB()),
    "ucb1": ours(UCB1()),
    "epsilon_greedy": ours(EpsilonGreedy()),
    "softmax": ours(Softmax()),
    "fixed_split": ours(FixedSplit()),
    "river: ThompsonSampling(Beta)": river("ThompsonSampling"),
    "river: UCB": river("UCB", delta=1.0),
    "mabwiser: ThompsonSampling": mabwiser("ThompsonSampling"),
    "mabwiser: UCB1": mabwiser("UCB1", alpha=1.0),
}


class ParetoPolicy:
    """paretobandit's algorithm alone, without its router's log."""

    def __init__(self, arms: int, dim: int, seed: int) -> None:
        from pareto_bandit.policy import DisjointLinUCBPolicy

        names = [str(arm) for arm in range(arms)]
        self._policy = DisjointLinUCBPolicy(names, dim=dim, alpha=1.0, seed=seed)

    def choose(self, x: Floats) -> int:
        """See Agent."""
        return int(self._policy.select_arm(x)[0])

    def learn(self, x: Floats, arm: int, reward: float) -> None:
        """See Agent."""
        self._policy.update(str(arm), x, reward)


@dataclass(frozen=True)
class Row:
    """One contestant; ``ratio`` is its time over that of the first one of its table."""

    name: str
    micros: float
    spread: tuple[float, float]
    ratio: float
    target: float | None = None


def steps(agent: Agent, X: Floats, rewards: Sequence[float]) -> None:
    """Choose and update once per context."""
    for x, reward in zip(X, rewards, strict=True):
        agent.learn(x, agent.choose(x), reward)


def in_turns(blocks: Mapping[str, Callable[[], Any]], size: int, turns: int) -> list[Row]:
    """Call every block once per turn, after one that does not count; a block is ``size`` units."""
    seconds: dict[str, list[float]] = {name: [] for name in blocks}
    for turn in range(turns + 1):
        names = list(blocks) if turn % 2 else list(reversed(blocks))
        for name in names:
            start = time.perf_counter()
            blocks[name]()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    first = next(iter(seconds.values()))
    return [
        Row(
            name,
            median(own) / size * 1e6,
            (min(own) / size * 1e6, max(own) / size * 1e6),
            median(mine / one for mine, one in zip(own, first, strict=True)),
            TARGETS.get(name),
        )
        for name, own in seconds.items()
    ]


def choices(which: str, quick: bool) -> list[Row]:
    """Choice and update of ``linear`` or ``every`` algorithm, 5 arms, 10 features."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    absent = missing()
    rng = np.random.default_rng(7)
    size, turns = (100, 5) if quick else (400, 9)
    X = np.column_stack([np.ones(size), rng.uniform(-1.0, 1.0, (size, DIM - 1))])
    rewards = (rng.random(size) < 0.6).astype(float).tolist()
    table = LINEAR if which == "linear" else EVERY
    agents = {
        name: make(ARMS, DIM, 1) for name, make in table.items() if library(name) not in absent
    }
    return in_turns(
        {name: partial(steps, agent, X, rewards) for name, agent in agents.items()}, size, turns
    )


def detectors(quick: bool) -> list[Row]:
    """One value through ADWIN: a stream with a change every 2,000 values."""
    rng = np.random.default_rng(8)
    size, turns = (4_000, 3) if quick else (20_000, 7)
    means = np.tile(np.repeat([0.8, 0.6], 2_000), -(-size // 4_000))[:size]
    values = (rng.random(size) < means).astype(float).tolist()

    def mine() -> None:
        detector = Adwin()
        for value in values:
            detector.update(value)

    blocks: dict[str, Callable[[], None]] = {"core.drift.adwin": mine}
    if "river" not in missing():
        from river.drift import ADWIN

        def compiled() -> None:
            detector = ADWIN()
            for value in values:
                detector.update(value)

        blocks["river: ADWIN (compiled Rust)"] = compiled
    return in_turns(blocks, size, turns)
