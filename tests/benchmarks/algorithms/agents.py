"""What plays a problem: one interface for our algorithms and for everybody else's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from core.bandits.base import Bandit
from core.bandits.registry import make_bandit
from core.drift.adwin import Adwin
from schemas.policy import Algorithm, Forgetting, Prior
from tests.benchmarks.algorithms.problems import Floats, World


class Agent(Protocol):
    """Chooses and learns, step by step."""

    def choose(self, x: Floats) -> int:
        """An arm for the context ``x``, shape ``(d,)``; component 0 is 1."""
        ...

    def learn(self, x: Floats, arm: int, reward: float) -> None:
        """The reward in [0, 1] of the arm that was chosen last."""
        ...


Make = Callable[[int, int, int], Agent]
"""Makes an agent for K arms, contexts of d components, and a seed."""


def play(agent: Agent, world: World) -> list[int]:
    """The arms that the agent chose, step by step."""
    chosen = []
    for x, rewards in zip(world.X, world.rewards.tolist(), strict=True):
        arm = agent.choose(x)
        agent.learn(x, arm, rewards[arm])
        chosen.append(arm)
    return chosen


def regret(chosen: list[int], world: World) -> float:
    """The sum of what the best arm of each step was worth more than the chosen one."""
    means = world.means
    return float((means.max(axis=1) - means[np.arange(len(means)), chosen]).sum())


class Ours:
    """An algorithm of the registry as a route runs it: distribution, one draw, learn."""

    def __init__(
        self,
        bandit: Bandit[Any],
        arms: int,
        seed: int,
        *,
        prior: Prior | None = None,
        restart: bool = False,
    ) -> None:
        self._bandit = bandit
        self._prior = prior
        self._arms = [bandit.new(prior, str(arm)) for arm in range(arms)]
        self._detectors = [Adwin() for _ in range(arms)] if restart else []
        self._random = np.random.default_rng([seed, 1])
        self._known: list[float] | None = None

    def choose(self, x: Floats) -> int:
        """See Agent: one draw from the exact distribution."""
        shares = self._known
        if shares is None:
            shares = self._bandit.distribution(self._arms, x[None])[0].tolist()
            self._known = None if self._bandit.contextual else shares
        u, below = self._random.random(), 0.0
        for arm, share in enumerate(shares):
            below += share
            if u < below:
                return arm
        return max(range(len(shares)), key=shares.__getitem__)

    def learn(self, x: Floats, arm: int, reward: float) -> None:
        """See Agent; an arm whose rewards have drifted starts afresh, if that was asked for."""
        others = (
            [state for other, state in enumerate(self._arms) if other != arm]
            if self._bandit.pooled
            else ()
        )
        self._bandit.learn(self._arms[arm], x, reward, others)
        self._known = None
        if self._detectors:
            cut = self._detectors[arm].update(reward)
            if cut is not None and cut.level == "drift":
                self._arms[arm] = self._bandit.new(self._prior, str(arm))
                self._detectors[arm] = Adwin()


def ours(
    algorithm: Algorithm,
    forgetting: Forgetting | None = None,
    *,
    prior: Prior | None = None,
    restart: bool = False,
) -> Make:
    """What makes agents of this algorithm."""

    def make(arms: int, dim: int, seed: int) -> Agent:
        bandit = make_bandit(algorithm, dim, forgetting)
        return Ours(bandit, arms, seed, prior=prior, restart=restart)

    return make
