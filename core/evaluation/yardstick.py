"""Runs of policies over the same recorded requests, measured by one objective and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.bandits.base import Floats
from core.evaluation.logged import Indices, sample_mean
from core.evaluation.playing import Cases
from core.reward import RewardFunction, RouteScales
from core.statistics.interval import Interval
from schemas.policy import Policy
from schemas.reward import Outcome


class NoRewardError(ValueError):
    """An outcome from which the objective makes no reward; the message says which."""


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """What every arm earned and cost on every recorded request, by one policy's objective."""

    rewards: Floats
    """Shape ``(n, K)``, in [0, 1]."""
    costs: Floats | None
    """Shape ``(n, K)`` in USD; None where not every outcome has one."""
    cost_scale_usd: float | None
    latency_scale_ms: float | None
    """The scales of the rewards: those that a worker would have after every outcome of every arm,
    so the same for all runs."""

    @classmethod
    def of(cls, policy: Policy, cases: Cases) -> Yardstick:
        """By the objective of ``policy``, with its arms' scales. Raises NoRewardError."""
        scales = RouteScales()
        for case in cases.rows:
            for arm, outcome in zip(cases.arms, case.outcomes, strict=True):
                scales.observe(arm, outcome)
        cost_scale = scales.cost_scale(policy.arms, policy.objective)
        latency_scale = scales.latency_scale(policy.arms, policy.objective)
        function = RewardFunction(policy.objective)

        def value(row: int, arm: str, outcome: Outcome) -> float:
            reward = function(outcome, cost_scale, latency_scale)
            if reward is None:
                raise NoRewardError(
                    f"the objective makes no reward of what row {row + 1} has of {arm!r}: "
                    "it needs what was not recorded"
                )
            return reward

        rewards = [
            [value(row, *pair) for pair in zip(cases.arms, case.outcomes, strict=True)]
            for row, case in enumerate(cases.rows)
        ]
        costs = [[outcome.cost_usd for outcome in case.outcomes] for case in cases.rows]
        known = all(cost is not None for row in costs for cost in row)
        return cls(
            np.array(rewards),
            np.array(costs, dtype=np.float64) if known else None,
            cost_scale,
            latency_scale,
        )

    @property
    def best_arm(self) -> int:
        """The arm with the highest mean reward over all requests: known only afterwards."""
        return int(np.argmax(self.rewards.mean(axis=0)))


@dataclass(frozen=True, slots=True)
class Measure:
    """A mean over runs, with Student's interval of it."""

    mean: float
    interval: Interval | None
    """None for a single run."""


@dataclass(frozen=True, slots=True)
class Result:
    """One policy, per request, over its runs."""

    reward: Measure
    cost_usd: Measure | None
    regret_best_arm: Measure
    """Against always choosing the yardstick's best arm on the same requests."""
    regret_best_answer: Measure
    """Against the best answer to each single request: beyond any policy, as it knows the future."""
    shares: tuple[float, ...]
    """Of each arm among the choices."""


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """What one policy chose in several runs.

    Run r of two policies that are compared serves the same requests in the same order.
    """

    orders: Indices
    """Shape ``(runs, steps)``: the request of each step."""
    chosen: Indices
    """Shape ``(runs, steps)``: the arm."""

    def rewards(self, by: Yardstick) -> Floats:
        """Shape ``(runs, steps)``."""
        return np.asarray(by.rewards[self.orders, self.chosen])

    def costs(self, by: Yardstick) -> Floats | None:
        """Shape ``(runs, steps)`` in USD, where costs are known."""
        return None if by.costs is None else np.asarray(by.costs[self.orders, self.chosen])

    def regret(self, by: Yardstick) -> Floats:
        """Against the best arm, cumulated over the steps; shape ``(runs, steps)``. It falls where
        the policy chose better than that arm.
        """
        return np.cumsum(by.rewards[self.orders, by.best_arm] - self.rewards(by), axis=1)

    def result(self, by: Yardstick, level: float = 0.95) -> Result:
        """The means over runs. Their intervals tell what order and draws do, with the requests
        given: not what other requests would have brought.
        """
        rewards, costs = self.rewards(by), self.costs(by)
        best_arm = by.rewards[self.orders, by.best_arm]
        best = by.rewards.max(axis=1)[self.orders]
        arms = by.rewards.shape[1]
        counts = np.bincount(self.chosen.ravel(), minlength=arms)
        return Result(
            reward=measured(rewards.mean(axis=1), level),
            cost_usd=None if costs is None else measured(costs.mean(axis=1), level),
            regret_best_arm=measured((best_arm - rewards).mean(axis=1), level),
            regret_best_answer=measured((best - rewards).mean(axis=1), level),
            shares=tuple((counts / self.chosen.size).tolist()),
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One policy minus another, per request, run by run."""

    reward: Measure
    cost_usd: Measure | None


def difference(first: Runs, second: Runs, by: Yardstick, level: float = 0.95) -> Difference:
    """``first`` minus ``second``, paired by run: what both share of a run's luck drops out.

    Raises ValueError if they did not serve the same requests in the same order.
    """
    if not np.array_equal(first.orders, second.orders):
        raise ValueError("runs are paired only over the same requests in the same order")
    rewards = first.rewards(by).mean(axis=1) - second.rewards(by).mean(axis=1)
    one, other = first.costs(by), second.costs(by)
    costs = None
    if one is not None and other is not None:
        costs = measured(one.mean(axis=1) - other.mean(axis=1), level)
    return Difference(measured(rewards, level), costs)


def measured(values: Floats, level: float) -> Measure:
    """The mean of one value per run."""
    if len(values) < 2:
        return Measure(float(values[0]), None)
    return Measure(*sample_mean(values, level))


def orders(rows: int, steps: int, seeds: Sequence[int]) -> Indices:
    """For each seed, ``steps`` requests of ``rows`` in a random order, shape ``(seeds, steps)``.

    No request comes again before all others have come.
    """
    found = np.empty((len(seeds), steps), dtype=np.int64)
    for at, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        passes = [rng.permutation(rows) for _ in range(-(-steps // rows))]
        found[at] = np.concatenate(passes)[:steps]
    return found
