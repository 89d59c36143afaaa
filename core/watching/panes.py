"""A window that moves a pane at a time: what a route's decisions and rewards were in each pane.

A window of ten panes is judged each time a pane has ended, over the ten that ended last. Panes are
told apart by the time of what happened, so that it does not matter in which order it is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import ceil, floor, log
from typing import Final, NamedTuple, Self

import msgspec
from msgspec import Struct, field

from schemas.policy import ThresholdMetric
from schemas.reward import Outcome

PANES: Final = 10
_KEPT: Final = 2 * PANES
_GROWTH: Final = log(1.05)
"""Latencies are counted in buckets that grow by 5 %, so that a quantile is within 2.5 %."""
_QUANTILES: Final[dict[ThresholdMetric, float]] = {
    "latency_p50": 0.5,
    "latency_p95": 0.95,
    "latency_p99": 0.99,
}


class Pane(Struct, array_like=True):
    """What happened in one stretch of time."""

    index: int
    """Its beginning, in panes since the epoch."""
    seen: int = 0
    """Decisions of the route."""
    decided: int = 0
    """Decisions of the scope: the route, or one arm of it."""
    explored: int = 0
    """Those where another arm was likelier."""
    joined: int = 0
    """Those that have got their reward."""
    learned: int = 0
    rewards: int = 0
    reward: float = 0.0
    regret: float = 0.0
    qualities: int = 0
    quality: float = 0.0
    costs: int = 0
    cost: float = 0.0
    calls: int = 0
    latency: float = 0.0
    tokened: int = 0
    tokens: int = 0
    told: int = 0
    """Rewards that said whether the call succeeded."""
    failed: int = 0
    latencies: dict[int, int] = field(default_factory=dict)


class Measured(NamedTuple):
    """A metric over a window: USD, ms or a share."""

    value: float
    n: int


class Panes:
    """The panes of one scope of a route."""

    __slots__ = ("_panes", "judged", "pane_ms")

    def __init__(self, window_ms: int) -> None:
        self.pane_ms = ceil(window_ms / PANES)
        self.judged = 0
        """The pane before which the window was last judged."""
        self._panes: dict[int, Pane] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing has happened that still counts."""
        return not self._panes

    @property
    def due_ms(self) -> int:
        """When the next pane ends, in ms since the epoch."""
        return (self.judged + 1) * self.pane_ms

    def at(self, time_ms: int, now_ms: int) -> Pane:
        """The pane of a time, to count in; of a time long gone, one that is not kept."""
        index = time_ms // self.pane_ms
        pane = self._panes.get(index)
        if pane is None:
            pane = Pane(index)
            if index >= now_ms // self.pane_ms - _KEPT:
                self._panes[index] = pane
        return pane

    def kept(self, time_ms: int) -> Pane | None:
        """The pane of a time that something was counted in before; None where it is gone."""
        return self._panes.get(time_ms // self.pane_ms)

    def close(self, now_ms: int) -> None:
        """Let the panes before ``now_ms`` end, and drop those that no window sees any more."""
        self.judged = now_ms // self.pane_ms
        for index in [index for index in self._panes if index < self.judged - _KEPT]:
            del self._panes[index]

    def measured(self, metric: ThresholdMetric, *, whole: bool) -> Measured:
        """A metric over the window that has ended last; ``whole``: of the route, not of an arm."""
        last = [pane for pane in self._panes.values() if 0 < self._age(pane) <= PANES]
        if metric in _QUANTILES:
            return _quantile(_QUANTILES[metric], (pane.latencies for pane in last))
        if metric == "join_rate":
            before = [p for p in self._panes.values() if PANES < self._age(p) <= 2 * PANES]
            return _share(_sum(before, "joined"), _sum(before, "decided"))
        if metric == "exploration_rate":
            return _share(_sum(last, "explored"), _sum(last, "decided"))
        if metric == "arm_share":
            return _share(_sum(last, "decided"), _sum(last, "seen"))
        if metric == "error_rate":
            return _share(_sum(last, "failed"), _sum(last, "told"))
        if metric == "update_rate":
            per_minute = _sum(last, "learned") * 60_000.0 / (PANES * self.pane_ms)
            return Measured(per_minute, int(_sum(last, "seen" if whole else "decided")))
        count, total = {
            "reward": ("rewards", "reward"),
            "regret_rate": ("rewards", "regret"),
            "quality": ("qualities", "quality"),
            "cost": ("costs", "cost"),
            "latency": ("calls", "latency"),
            "tokens": ("tokened", "tokens"),
        }[metric]
        return _share(_sum(last, total), _sum(last, count))

    def _age(self, pane: Pane) -> int:
        """In panes; 1 for the one that has ended last, not positive for one that has not."""
        return self.judged - pane.index

    def encode(self) -> bytes:
        """Compact bytes, the same for equal states."""
        panes = [self._panes[index] for index in sorted(self._panes)]
        for pane in panes:
            pane.latencies = dict(sorted(pane.latencies.items()))
        return msgspec.msgpack.encode((self.judged, panes))

    @classmethod
    def decode(cls, data: bytes, window_ms: int) -> Self:
        """The inverse of ``encode``."""
        self = cls(window_ms)
        self.judged, panes = _decode(data)
        self._panes = {pane.index: pane for pane in panes}
        return self


_decode: Final = msgspec.msgpack.Decoder(tuple[int, list[Pane]]).decode


def count_outcome(
    pane: Pane, outcome: Outcome, quality: float | None, reward: float | None, regret: float
) -> None:
    """Count one reward; ``regret`` is what the best arm's mean reward is above its arm's."""
    if reward is not None:
        pane.rewards += 1
        pane.reward += reward
        pane.regret += regret
    if quality is not None:
        pane.qualities += 1
        pane.quality += quality
    if outcome.cost_usd is not None:
        pane.costs += 1
        pane.cost += outcome.cost_usd
    if outcome.latency_ms is not None:
        pane.calls += 1
        pane.latency += outcome.latency_ms
        bucket = floor(log(max(outcome.latency_ms, 1e-3)) / _GROWTH)
        pane.latencies[bucket] = pane.latencies.get(bucket, 0) + 1
    if outcome.output_tokens is not None:
        pane.tokened += 1
        pane.tokens += outcome.output_tokens
    if outcome.success is not None:
        pane.told += 1
        pane.failed += not outcome.success


def _sum(panes: Iterable[Pane], field: str) -> float:
    return float(sum(getattr(pane, field) for pane in panes))


def _share(total: float, count: float) -> Measured:
    return Measured(total / count if count else 0.0, int(count))


def _quantile(quantile: float, counted: Iterable[dict[int, int]]) -> Measured:
    """The nearest-rank quantile, as the middle of its bucket."""
    counts: Counter[int] = Counter()
    for latencies in counted:
        counts.update(latencies)
    n = counts.total()
    rank, below = ceil(quantile * n), 0
    for bucket in sorted(counts):
        below += counts[bucket]
        if below >= rank:
            return Measured(1.05 ** (bucket + 0.5), n)
    return Measured(0.0, 0)
