"""A page without a worker: its source told by a seed, served by aiohttp alone."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from aiohttp import web

from core.routing.explained import Belief
from core.routing.summarised import (
    ArmSpecSummary,
    ArmSummary,
    BudgetSummary,
    IncidentSummary,
    RouteSummary,
    SearchSummary,
    SegmentSummary,
    ShadowMetric,
    ShadowSummary,
    TrialSummary,
    VariantSummary,
)
from schemas.alert import Alert, Level
from streams.monitor.view import (
    AlertList,
    ArmCurve,
    ArmNow,
    JoinCurve,
    Lag,
    Mark,
    OpenIncidents,
    RouteHistory,
    RouteLine,
    RouteList,
    Sort,
    WorkerView,
)
from streams.web.api import Cycles, Peer, Reason
from streams.web.serving import add_page

NOW = 1_764_060_000_000
BUCKETS = 90


class SeededSource:
    """Some routes with a past; the first one has everything that a route can have."""

    partitions = 4
    brokers = "127.0.0.1:9092"

    def __init__(
        self,
        routes: int = 12,
        arms: int = 3,
        owned: tuple[int, ...] = (0, 1, 2, 3),
        names: tuple[str, ...] = (),
        now: int | None = NOW,
    ) -> None:
        self.now = int(time.time() * 1000) if now is None else now
        base = ("acme/chat", "acme/search", "globex/support", "initech/code-review")
        self.names = [*names, *base, *(f"tenant-{n:04d}/assistant" for n in range(routes))][:routes]
        self.arms = [
            *("gemini-2.5-pro", "mistral-large", "llama-3.1-8b", "gpt-5-mini", "claude-haiku"),
            *(f"arm-{n}" for n in range(60)),
        ][:arms]
        self.owned = list(owned)
        self.phase: Any = "ready"
        self.reason = ""
        self.extra_alerts: list[Alert] = []
        self._alerts = self._made_alerts() if self.names else []

    def status(self) -> WorkerView:
        return WorkerView(
            phase=self.phase,
            reason=self.reason,
            partitions=self.owned,
            topic_partitions=self.partitions,
            recovery_left=0,
            recovered=48_213,
            loop_age_s=0.01,
            lag={"policies": Lag(0, 0.0), "requests": Lag(12, 0.04), "rewards": Lag(3, 0.01)},
            inbox_records=15,
            inbox_bytes=9_000,
            open_decisions=8_412,
            routes=len(self.names),
            state_keys=123_456,
            state_bytes=48 * 1024 * 1024,
            incidents=[OpenIncidents("drift", "critical", 1)] if self.names else [],
            version="0.1.0",
        )

    def routes(self, search: str, sort: Sort, offset: int, limit: int) -> RouteList:
        found = [name for name in self.names if search.casefold() in name.casefold()]
        if sort == "name":
            found.sort()
        lines = [self._line(name) for name in found[offset : offset + limit]]
        return RouteList(len(found), lines)

    def _mine(self, route: str) -> bool:
        return route in self.names and self.partition_of(route) in self.owned

    def _line(self, name: str) -> RouteLine:
        rng = np.random.default_rng(abs(hash(name)) % 2**32)
        decided = int(rng.integers(500, 90_000))
        return RouteLine(
            route=name,
            partition=self.partition_of(name),
            since=self.now - 3_600_000,
            decided=decided,
            explored=decided // 9,
            rewards=int(decided * rng.uniform(0.8, 0.99)),
            reward=float(rng.uniform(0.4, 0.95)),
            cost_usd=float(10 ** rng.uniform(-4.5, -2)),
            p95=float(rng.uniform(200, 9_000)),
            per_minute=float(rng.uniform(1, 900)),
            latest=self.now - int(rng.integers(0, 60_000)),
            alerts=0,
            detailed=True,
        )

    def history(self, route: str, span_ms: int) -> RouteHistory | None:
        if not self._mine(route):
            return None
        rng = np.random.default_rng(5)
        at = [self.now - (BUCKETS - n) * 10_000 for n in range(BUCKETS)]
        t = np.arange(BUCKETS)
        # The second arm gets worse two thirds through, and loses its share.
        fall = 1 / (1 + np.exp(-(t - 60) / 1.5))
        weights = [np.ones(BUCKETS) * (1 + index) for index in range(len(self.arms))]
        if len(weights) > 1:
            weights[1] = 9 * (1 - 0.93 * np.roll(fall, 3) * (t > 3)) * np.minimum(1, 0.2 + t / 25)
        total = sum(weights)
        curves, arms = [], []
        for index, arm in enumerate(self.arms):
            decided = rng.poisson(150 * weights[index] / total)
            level = 0.88 - 0.09 * index - (0.3 * fall if index == 1 else 0)
            spread = 0.2 / np.sqrt(np.maximum(decided, 2))
            reward = np.clip(level + rng.normal(0, 1, BUCKETS) * spread, 0, 1)
            cost = 0.004 / 6**index * rng.lognormal(0, 0.08, BUCKETS)
            p50 = 900 / (1 + 0.6 * index) * rng.lognormal(0, 0.05, BUCKETS)
            curves.append(
                ArmCurve(
                    arm=arm,
                    decided=decided.tolist(),
                    explored=(decided // 10).tolist(),
                    rewards=decided.tolist(),
                    reward=_values(reward),
                    low=_values(np.clip(reward - 2 * spread, 0, 1)),
                    high=_values(np.clip(reward + 2 * spread, 0, 1)),
                    cost_usd=_values(cost),
                    p50=_values(p50),
                    p95=_values(p50 * 2.6),
                    p99=_values(p50 * 4),
                    failed=[0] * BUCKETS,
                    delay_ms=_values(p50 + 300),
                )
            )
            mean = float(reward.mean())
            arms.append(
                ArmNow(
                    arm=arm,
                    decided=int(decided.sum()),
                    share=float(decided.sum() / (150 * BUCKETS)),
                    explored=int(decided.sum() // 10),
                    rewards=int(decided.sum()),
                    reward=mean,
                    variance=0.04,
                    low=mean - 0.01,
                    high=mean + 0.01,
                    quality=min(1.0, mean + 0.05),
                    cost_usd=float(cost.mean()),
                    total_cost_usd=float((cost * decided).sum()),
                    p50=float(p50.mean()),
                    p95=float(p50.mean() * 2.6),
                    p99=float(p50.mean() * 4),
                    error_rate=0.004 * index,
                )
            )
        marks = [
            Mark(
                one.timestamp, one.arm, one.type, one.severity, one.event, one.metric,
                one.message, one.alert_id, one.incident_id,
            )
            for one in reversed(self.alerts(1000, route).alerts)
        ]  # fmt: skip
        return RouteHistory(
            route=route,
            partition=self.partition_of(route),
            since=at[0],
            step_ms=10_000,
            at=at,
            arms=arms,
            curves=curves,
            joins=JoinCurve([], [], []),
            join_rate=0.971,
            exploration=0.104,
            convergence=0.6,
            regret=0.02,
            marks=marks,
        )

    def summary(self, route: str) -> RouteSummary | None:
        if not self._mine(route):
            return None
        whole = route == self.names[0]
        return RouteSummary(
            route=route,
            status="active",
            policy_version=12,
            algorithm="thompson_gaussian",
            arms=[ArmSpecSummary(arm, f"provider/{arm}", enabled=True) for arm in self.arms],
            decided=48_213,
            joined=46_802,
            duplicates=7,
            late=31,
            contradicting=2,
            unlearned=0,
            segments=[self._segment(name) for name in (("code", "chat") if whole else ("",))],
            segments_in_all=2 if whole else 1,
            trial=TrialSummary(
                kind="rollout",
                name="cheaper-first",
                status="running",
                sentence="no worse than the policy without the change in reward so far",
                metric="reward",
                step=2,
                steps=5,
                shares=[0.05, 0.1, 0.25, 0.5, 1.0],
                variants=[
                    VariantSummary("control", 0.75, Level(0.812, 9_120)),
                    VariantSummary("candidate", 0.25, Level(0.819, 2_988), 0.0071, -0.0042, 0.0184),
                ],
            )
            if whole
            else None,
            budget=BudgetSummary(0.002, 0, 48_213, 81.4, -7_500.0, 12.5, 0.002, held=True)
            if whole
            else None,
            shadow=ShadowSummary(
                name="linear-next",
                metric="reward",
                sentence="its reward would be better",
                scored=2_412,
                next_report=4_000,
                support=0.62,
                metrics=[
                    ShadowMetric("reward", 2_412, 871.0, 0.813, 0.846, 0.011, 0.055),
                    ShadowMetric("cost", 2_412, 871.0, 0.0021, 0.0016, -0.0007, -0.0003),
                    ShadowMetric("success", 31, 12.0, 0.99, 1.0, None, None),
                ],
            )
            if whole
            else None,
            incidents=[_still_open(one) for one in self._alerts if one.type == "drift"]
            if whole
            else [],
        )

    def _segment(self, name: str) -> SegmentSummary:
        n = len(self.arms)
        arms = [
            ArmSummary(
                arm=arm,
                belief=Belief(4_000.0 / (i + 1), 0.86 - 0.1 * i, 0.85 - 0.1 * i, 0.87 - 0.1 * i),
                best=[0.93, 0.07][i] if i < 2 else 0.0,
                pulls=0,
                guardrail=None
                if i != n - 1
                else "min_quality: its mean is 0.52, not clearly above 0.6",
            )
            for i, arm in enumerate(self.arms)
        ]
        search = SearchSummary(
            14, 40, 3, {"temperature": 0.35, "top_p": 0.92}, 0.871, 0.852, 0.89, 412, None
        )
        return SegmentSummary(name, "", arms, search if name == "code" else None)

    def policy(self, route: str) -> dict[str, Any] | None:
        return {"route": route, "version": 12, "arms": [{"id": arm} for arm in self.arms]}

    def alerts(self, limit: int, route: str | None) -> AlertList:
        everything = [*reversed(self.extra_alerts), *self._alerts]
        return AlertList([one for one in everything if route in (None, one.route)][:limit])

    def _made_alerts(self) -> list[Alert]:
        first = self.names[0]
        arm = self.arms[min(1, len(self.arms) - 1)]
        drift = self.now - 285_000
        made = [
            alert(first, arm, drift, type="drift", severity="critical", metric="quality",
                  action="restart_arm", before=Level(0.791, 4_031), after=Level(0.512, 212),
                  message=f"{arm} on route {first} got worse: quality fell from 0.791 to 0.512"),
            alert(first, self.arms[0], self.now - 610_000, type="anomaly", severity="warning",
                  metric="latency", after=Level(9_210.0, 1), event="opened", incident="i-2",
                  before=Level(2_300.0, 100), detector="robust_z",
                  message=f"a call to {self.arms[0]} took 9.21 s, where 2.3 s is usual"),
            alert(first, self.arms[0], self.now - 310_000, type="anomaly", severity="warning",
                  metric="latency", after=Level(9_210.0, 1), event="resolved", incident="i-2",
                  before=Level(2_300.0, 100), detector="robust_z", opened=self.now - 610_000,
                  message="latency is as usual again"),
        ]  # fmt: skip
        return sorted(made, key=lambda one: -one.timestamp)

    def cycles(self) -> Cycles:
        return Cycles(18_211, 96_430, 3.4, 5.3, 4.1, 2.2, 301_234, 61_000_000, 1, 0, 820.0)

    def rejections(self) -> list[Reason]:
        return [Reason("no_eligible_arm", 4)]

    def dead_letters(self) -> list[Reason]:
        return [Reason("unknown_request", 12), Reason("malformed", 3)]

    def partition_of(self, route: str) -> int:
        return sum(route.encode()) % self.partitions

    def per_second(self) -> float | None:
        return 90.2

    def peers(self) -> list[Peer]:
        missing = [n for n in range(self.partitions) if n not in self.owned]
        return [Peer("http://127.0.0.1:6067", missing)] if missing else []


def _values(values: Any) -> list[float | None]:
    return [None if math.isnan(value) else float(value) for value in values]


def alert(route: str, arm: str, at: int, *, incident: str = "i-1", **fields: Any) -> Alert:
    """An alert with what matters to the page."""
    settings: dict[str, Any] = {
        "event": "opened", "type": "drift", "severity": "warning", "metric": "quality",
        "before": None, "after": None, "detector": "adwin", "action": "alert", "detections": 1,
        "opened": at, "message": "something happened", "segment": "", "state_version": 1,
    }  # fmt: skip
    settings |= fields
    identity = f"{incident}-{settings['event']}-{at}"
    return Alert(
        alert_id=identity, incident_id=incident, route=route, arm=arm, timestamp=at, **settings
    )


def _still_open(one: Alert) -> IncidentSummary:
    return IncidentSummary(
        one.type, one.severity, one.segment, one.arm, one.metric, one.of, one.opened,
        one.detections, one.detector, one.before, one.after,
    )  # fmt: skip


@contextmanager
def served(source: Any) -> Iterator[str]:
    """The address of a page that ``source`` tells, in a thread of its own."""
    loop = asyncio.new_event_loop()
    started: list[Any] = []

    async def start() -> int:
        application = web.Application()
        add_page(application, source)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        started.append(runner)
        return int(runner.addresses[0][1])

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(started[0].cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
