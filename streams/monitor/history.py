"""From what is kept of a route to what is shown of it."""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import special

from schemas.alert import Alert
from streams.monitor.cells import (
    CALLS,
    COST,
    COSTS,
    DECIDED,
    DELAY,
    EXPLORED,
    FAILED,
    JOINED,
    M2,
    MEAN,
    P50,
    P95,
    P99,
    QUALITIES,
    QUALITY,
    TOLD,
    Floats,
    N,
    add_counts,
    quantiles,
)
from streams.monitor.detail import Detail
from streams.monitor.track import COARSE, COARSE_MS, FINE, FINE_MS, Track
from streams.monitor.view import ArmCurve, ArmNow, JoinCurve, Mark, RouteHistory

WINDOW_MS: Final = FINE * FINE_MS
_LEVEL: Final = 0.95
_ENOUGH: Final = 10
"""Rewards before an arm is taken for the best."""
_JOIN_MINUTES: Final = (20, 10)


class Recent:
    """A route over the last 15 minutes."""

    def __init__(self, detail: Detail, now_ms: int) -> None:
        self._bucket = now_ms // FINE_MS
        first = self._bucket - FINE + 1
        self.arms = [
            _now(arm, track, first, self._bucket) for arm, track in sorted(detail.tracks.items())
        ]
        self.decided = sum(arm.decided for arm in self.arms)
        if self.decided:
            self.arms = [_with_share(arm, self.decided) for arm in self.arms]
        self.arms.sort(key=lambda arm: -arm.decided)
        self._detail = detail
        self._now_ms = now_ms

    @property
    def exploration(self) -> float | None:
        """Share of the decisions where another arm was likelier."""
        explored = sum(arm.explored for arm in self.arms)
        return explored / self.decided if self.decided else None

    @property
    def convergence(self) -> float | None:
        """Share of the most chosen arm."""
        return self.arms[0].share if self.decided else None

    @property
    def regret(self) -> float | None:
        """The best arm's mean reward less the mean of all, per reward."""
        told = [(arm.rewards, arm.reward) for arm in self.arms if arm.reward is not None]
        enough = [mean for n, mean in told if n >= _ENOUGH]
        if not enough:
            return None
        mean = sum(n * mean for n, mean in told) / sum(n for n, _ in told)
        return max(0.0, max(enough) - mean)

    @property
    def join_rate(self) -> float | None:
        """Of the decisions made between 20 and 10 minutes ago, the share with a reward."""
        start, end = _JOIN_MINUTES
        first = self._now_ms // COARSE_MS - start
        decided, joined = self._detail.minutes.between(first, start - end)
        return sum(joined) / sum(decided) if any(decided) else None


def history_of(
    route: str, partition: int, detail: Detail, now_ms: int, span_ms: int
) -> RouteHistory:
    """A route over the last ``span_ms``, at most 6 hours, in the finest buckets that reach."""
    fine = span_ms <= WINDOW_MS
    step, most = (FINE_MS, FINE) if fine else (COARSE_MS, COARSE)
    count = min(most, max(1, math.ceil(span_ms / step)))
    first = now_ms // step - count + 1
    recent = Recent(detail, now_ms)
    minutes = max(1, math.ceil(count * step / COARSE_MS))
    minute = now_ms // COARSE_MS - minutes + 1
    decided, joined = detail.minutes.between(minute, minutes)
    return RouteHistory(
        route=route,
        partition=partition,
        since=detail.since,
        step_ms=step,
        at=[(first + index) * step for index in range(count)],
        curves=[
            _curve(arm.arm, detail.tracks[arm.arm], first, count, fine=fine) for arm in recent.arms
        ],
        arms=recent.arms,
        joins=JoinCurve(
            [(minute + index) * COARSE_MS for index in range(minutes)], decided, joined
        ),
        join_rate=recent.join_rate,
        exploration=recent.exploration,
        convergence=recent.convergence,
        regret=recent.regret,
        marks=[_mark(alert) for alert in detail.marks if alert.timestamp >= first * step],
    )


def latency_p95(detail: Detail, now_ms: int) -> float | None:
    """The 95th percentile of the latencies of all arms, of the last 15 to 18 minutes, in ms."""
    counts: dict[int, int] = {}
    for track in detail.tracks.values():
        add_counts(counts, track.latencies(now_ms // FINE_MS))
    return quantiles(counts)[1] if counts else None


def _curve(arm: str, track: Track, first: int, count: int, *, fine: bool) -> ArmCurve:
    lanes = track.decisions, track.rewards
    decisions, rewards = (
        lane.fine(first, count) if fine else lane.coarse(first, count) for lane in lanes
    )
    n, mean, m2 = rewards[:, N], rewards[:, MEAN], rewards[:, M2]
    low, high = _interval(n, mean, m2)
    calls = rewards[:, CALLS]
    return ArmCurve(
        arm=arm,
        decided=_whole(decisions[:, DECIDED]),
        explored=_whole(decisions[:, EXPLORED]),
        rewards=_whole(n),
        reward=_where(n > 0, mean),
        low=_where(n > 1, low),
        high=_where(n > 1, high),
        cost_usd=_ratio(rewards[:, COST], rewards[:, COSTS]),
        p50=_where(calls > 0, rewards[:, P50]),
        p95=_where(calls > 0, rewards[:, P95]),
        p99=_where(calls > 0, rewards[:, P99]),
        failed=_whole(rewards[:, FAILED]),
        delay_ms=_ratio(rewards[:, DELAY], rewards[:, JOINED]),
    )


def _now(arm: str, track: Track, first: int, bucket: int) -> ArmNow:
    """One arm over the last 15 minutes; its share is not known yet."""
    decisions = track.decisions.fine(first, FINE).sum(axis=0)
    rewards = track.rewards.fine(first, FINE)
    ns, means = rewards[:, N], rewards[:, MEAN]
    n = float(ns.sum())
    mean = float(ns @ means) / n if n else 0.0
    # Chan's formula: within the buckets, and between them.
    m2 = float(rewards[:, M2].sum() + ns @ (means - mean) ** 2)
    low, high = _interval(np.array([n]), np.array([mean]), np.array([m2]))
    sums = rewards.sum(axis=0)
    p50, p95, p99 = (None if math.isnan(q) else q for q in quantiles(track.latencies(bucket)))
    return ArmNow(
        arm=arm,
        decided=int(decisions[DECIDED]),
        share=0.0,
        explored=int(decisions[EXPLORED]),
        rewards=int(n),
        reward=mean if n else None,
        variance=m2 / (n - 1.0) if n > 1 else None,
        low=float(low[0]) if n > 1 else None,
        high=float(high[0]) if n > 1 else None,
        quality=float(sums[QUALITY] / sums[QUALITIES]) if sums[QUALITIES] else None,
        cost_usd=float(sums[COST] / sums[COSTS]) if sums[COSTS] else None,
        total_cost_usd=float(sums[COST]),
        p50=p50,
        p95=p95,
        p99=p99,
        error_rate=float(sums[FAILED] / sums[TOLD]) if sums[TOLD] else None,
    )


def _with_share(arm: ArmNow, decided: int) -> ArmNow:
    return msgspec.structs.replace(arm, share=arm.decided / decided)


def _interval(n: Floats, mean: Floats, m2: Floats) -> tuple[Floats, Floats]:
    """Student's t interval of means, clipped to [0, 1]; of fewer than two rewards, anything."""
    freedom = np.maximum(n - 1.0, 1.0)
    reach = special.stdtrit(freedom, 0.5 + _LEVEL / 2.0) * np.sqrt(
        m2 / freedom / np.maximum(n, 1.0)
    )
    return np.clip(mean - reach, 0.0, 1.0), np.clip(mean + reach, 0.0, 1.0)


def _whole(values: Floats) -> list[int]:
    found: list[int] = values.astype(np.int64).tolist()
    return found


def _where(kept: NDArray[np.bool_], values: Floats) -> list[float | None]:
    pairs = zip(kept.tolist(), values.tolist(), strict=True)
    return [value if keep else None for keep, value in pairs]


def _ratio(total: Floats, count: Floats) -> list[float | None]:
    return _where(count > 0, total / np.maximum(count, 1.0))


def _mark(alert: Alert) -> Mark:
    return Mark(
        at=alert.timestamp,
        arm=alert.arm,
        type=alert.type,
        severity=alert.severity,
        event=alert.event,
        metric=alert.metric,
        message=alert.message,
        alert_id=alert.alert_id,
        incident_id=alert.incident_id,
    )
