"""How good the decisions were, against what other choices on the very same requests had brought."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.reward import RewardFunction, RouteScales
from streams.demo.routes import DemoRoute
from streams.demo.workload import DemoRequest, Played

Z95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Score:
    """Means over requests."""

    quality: float
    cost_usd: float
    latency_ms: float
    reward: float


@dataclass(frozen=True, slots=True)
class Lead:
    """By how much the router's mean reward is above a baseline's, request by request."""

    mean: float
    margin: float
    """Half the width of the 95 % confidence interval of the mean difference."""

    @property
    def verdict(self) -> str:
        """``ahead`` or ``behind`` where the interval leaves out 0, else ``level``."""
        if abs(self.mean) <= self.margin:
            return "level"
        return "ahead" if self.mean > 0.0 else "behind"


@dataclass(frozen=True, slots=True)
class Shares:
    """The share of each arm among the decisions before and after the drop."""

    before: Mapping[str, float]
    after: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RouteResult:
    """One route: the router, and the baselines on the same requests."""

    route: DemoRoute
    requests: int
    shares: Shares
    router: Score
    fixed: Mapping[str, Score]
    """What each arm had brought, if it had served every request."""
    best: str
    """The arm whose ``fixed`` reward is the highest: known only afterwards."""
    best_before: str
    best_after: str
    """The same for the requests before and after the drop alone."""
    dearest: str
    """The arm whose ``fixed`` cost is the highest."""
    oracle: Score
    """The best answer to each single request: known only afterwards, beyond any router."""
    leads: Mapping[str, Lead]
    """Against each arm."""
    oracle_lead: Lead
    cost_scale_usd: float | None
    latency_scale_ms: float | None


def judge(
    route: DemoRoute, requests: Sequence[DemoRequest], chosen: Sequence[str], drop_at: int
) -> RouteResult:
    """The result of ``route``, whose ``requests`` (in order, at least one) went as ``chosen``.

    Every reward is computed by the route's own objective with the cost and latency scales that the
    worker has at the end, so that early and late requests, and router and baselines, compare.
    """
    policy = route.policy()
    arms = [arm.id for arm in policy.arms]
    scales = RouteScales()
    for request, arm in zip(requests, chosen, strict=True):
        scales.observe(arm, route.outcome(request.played[arm]))
    cost_scale = scales.cost_scale(policy.arms, policy.objective)
    latency_scale = scales.latency_scale(policy.arms, policy.objective)
    function = RewardFunction(policy.objective)

    def reward(played: Played) -> float:
        return function(route.outcome(played), cost_scale, latency_scale) or 0.0

    rewards = {arm: [reward(request.played[arm]) for request in requests] for arm in arms}
    fixed = {arm: _score(requests, [arm] * len(requests), rewards) for arm in arms}
    perfect = [_perfect(request, rewards, at) for at, request in enumerate(requests)]
    mine = _column(chosen, rewards)
    split = sum(request.index < drop_at for request in requests)
    return RouteResult(
        route=route,
        requests=len(requests),
        shares=_shares(arms, requests, chosen, drop_at),
        router=_score(requests, chosen, rewards),
        fixed=fixed,
        best=max(arms, key=lambda arm: fixed[arm].reward),
        best_before=max(arms, key=lambda arm: sum(rewards[arm][:split])),
        best_after=max(arms, key=lambda arm: sum(rewards[arm][split:])),
        dearest=max(arms, key=lambda arm: fixed[arm].cost_usd),
        oracle=_score(requests, perfect, rewards),
        leads={arm: lead(mine, rewards[arm]) for arm in arms},
        oracle_lead=lead(mine, _column(perfect, rewards)),
        cost_scale_usd=cost_scale,
        latency_scale_ms=latency_scale,
    )


def _perfect(request: DemoRequest, rewards: Mapping[str, Sequence[float]], at: int) -> str:
    """The arm whose answer earns most; where more than one does, the better and cheaper one."""
    played = request.played
    return max(
        rewards, key=lambda arm: (rewards[arm][at], played[arm].quality, -played[arm].cost_usd)
    )


def lead(mine: Sequence[float], theirs: Sequence[float]) -> Lead:
    """The mean of the differences, pair by pair, with its normal 95 % interval."""
    differences = [a - b for a, b in zip(mine, theirs, strict=True)]
    count = len(differences)
    mean = sum(differences) / count
    if count < 2:
        return Lead(mean, math.inf)
    variance = sum((one - mean) ** 2 for one in differences) / (count - 1)
    return Lead(mean, Z95 * math.sqrt(variance / count))


def _score(
    requests: Sequence[DemoRequest], chosen: Sequence[str], rewards: Mapping[str, Sequence[float]]
) -> Score:
    played = [request.played[arm] for request, arm in zip(requests, chosen, strict=True)]
    count = len(played)
    return Score(
        quality=sum(one.quality for one in played) / count,
        cost_usd=sum(one.cost_usd for one in played) / count,
        latency_ms=sum(one.latency_ms for one in played) / count,
        reward=sum(_column(chosen, rewards)) / count,
    )


def _column(chosen: Sequence[str], rewards: Mapping[str, Sequence[float]]) -> list[float]:
    return [rewards[arm][at] for at, arm in enumerate(chosen)]


def _shares(
    arms: Sequence[str], requests: Sequence[DemoRequest], chosen: Sequence[str], drop_at: int
) -> Shares:
    pairs = list(zip(requests, chosen, strict=True))
    before = [arm for request, arm in pairs if request.index < drop_at]
    after = [arm for request, arm in pairs if request.index >= drop_at]
    return Shares(_share(arms, before), _share(arms, after))


def _share(arms: Sequence[str], chosen: Sequence[str]) -> dict[str, float]:
    return {arm: chosen.count(arm) / len(chosen) if chosen else 0.0 for arm in arms}
