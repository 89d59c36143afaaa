"""What is counted for metrics: per arm of the routes with a name, and of all others together."""

from __future__ import annotations

from bisect import bisect_left

from schemas.reward import Outcome
from streams.metrics import CALL_SECONDS, MAX_ARMS, OTHER, REWARD_SECONDS


class Spread:
    """A histogram: how many values are at most each limit, and their sum; all in seconds."""

    __slots__ = ("counts", "limits", "total")

    def __init__(self, limits: tuple[float, ...]) -> None:
        self.limits = limits
        self.counts = [0] * (len(limits) + 1)
        """By bucket, not cumulative; the last one is beyond all limits."""
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.limits, seconds)] += 1
        self.total += seconds

    def take(self, other: Spread) -> None:
        """Count what another one of the same limits counted."""
        self.counts = [mine + more for mine, more in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def cumulative(self) -> list[tuple[str, int]]:
        """As Prometheus reads it: limits as text, the last one ``+Inf``, and counts up to each."""
        found, below = [], 0
        for limit, count in zip((*map(str, self.limits), "+Inf"), self.counts, strict=True):
            below += count
            found.append((limit, below))
        return found


class ArmCounts:
    """One arm, since its route has had a name."""

    __slots__ = (
        "cost",
        "costs",
        "decisions",
        "explorations",
        "failed",
        "latency",
        "reward",
        "rewards",
        "succeeded",
    )

    def __init__(self) -> None:
        self.decisions = 0
        self.explorations = 0
        self.rewards = 0
        self.reward = 0.0
        self.costs = 0
        self.cost = 0.0
        self.latency = Spread(CALL_SECONDS)
        self.succeeded = 0
        self.failed = 0

    def rewarded(self, outcome: Outcome, reward: float | None) -> None:
        """Count a reward."""
        if reward is not None:
            self.rewards += 1
            self.reward += reward
        cost, latency, success = outcome.cost_usd, outcome.latency_ms, outcome.success
        if cost is not None:
            self.costs += 1
            self.cost += cost
        if latency is not None:
            self.latency.add(latency * 1e-3)
        if success is not None:
            if success:
                self.succeeded += 1
            else:
                self.failed += 1


class RouteCounts:
    """A route with a name, or all others together as one arm."""

    __slots__ = ("arms", "delay", "whole")

    def __init__(self, *, whole: bool = False) -> None:
        self.whole = whole
        """Whether its arms are counted as one, named ""."""
        self.arms: dict[str, ArmCounts] = {"": ArmCounts()} if whole else {}
        self.delay = Spread(REWARD_SECONDS)

    @property
    def joined(self) -> int:
        """Rewards that were counted."""
        return sum(self.delay.counts)

    def arm(self, name: str) -> ArmCounts:
        """Where an arm is counted."""
        found = self.arms.get("" if self.whole else name)
        if found is None:
            name = name if len(self.arms) < MAX_ARMS else OTHER
            found = self.arms.setdefault(name, ArmCounts())
        return found
