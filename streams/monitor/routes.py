"""The routes of one partition: an observer that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.alert import Alert
from schemas.reward import Outcome
from streams.monitor.counts import RouteCounts
from streams.monitor.detail import Detail

if TYPE_CHECKING:
    from streams.monitor.monitor import Monitor


class Route:
    """What is kept of every route, however many there are."""

    __slots__ = (
        "alerts",
        "asked_ms",
        "calls",
        "cost",
        "counts",
        "decided",
        "detail",
        "explored",
        "joined",
        "latest",
        "n",
        "name",
        "partition",
        "per_minute",
        "rated",
        "reward",
        "since",
    )

    def __init__(self, name: str, partition: int, since: int, counts: RouteCounts) -> None:
        self.name = name
        self.partition = partition
        self.since = since
        self.counts = counts
        """Its own, or those of all routes without a name."""
        self.detail: Detail | None = None
        self.decided = 0
        self.explored = 0
        self.joined = 0
        self.n = 0
        self.reward = 0.0
        self.calls = 0
        """Those with a cost."""
        self.cost = 0.0
        self.alerts = 0
        self.latest = 0
        self.asked_ms = 0
        """When somebody last looked at its history; 0 for never."""
        self.per_minute = 0.0
        """Decisions per minute, as of the last time that it was rated: faded by half a minute."""
        self.rated = 0
        """The decisions that are in it."""

    def rate(self, minutes: float) -> None:
        """Take in the decisions since the last time, ``minutes`` ago."""
        fresh = (self.decided - self.rated) / minutes
        self.rated = self.decided
        keep = 0.5**minutes if self.per_minute else 0.0
        self.per_minute = keep * self.per_minute + (1.0 - keep) * fresh


class Routes:
    """Looks on at one partition: see ``core.routing.observer.Observer``."""

    __slots__ = ("_monitor", "by_name", "partition", "since")

    def __init__(self, monitor: Monitor, partition: int, since: int) -> None:
        self._monitor = monitor
        self.partition = partition
        self.since = since
        self.by_name: dict[str, Route] = {}

    def decided(
        self,
        route: str,
        segment: str,  # noqa: ARG002 - arms are counted over all segments
        arm: str,
        propensity: float,  # noqa: ARG002
        at_ms: int,
        *,
        explored: bool,
    ) -> None:
        """See Observer."""
        monitor = self._monitor
        if at_ms > monitor.latest_ms:
            at_ms = monitor.latest_ms
        found = self.by_name.get(route)
        if found is None or not found.latest:
            found = monitor.admit(self, route, at_ms)
        found.decided += 1
        found.latest = at_ms
        counts = found.counts.arm(arm)
        counts.decisions += 1
        if explored:
            found.explored += 1
            counts.explorations += 1
        if found.detail is not None:
            found.detail.decided(arm, at_ms, explored=explored)

    def rewarded(
        self,
        route: str,
        segment: str,  # noqa: ARG002
        arm: str,
        outcome: Outcome,
        reward: float | None,
        delay_ms: int,
        at_ms: int,
    ) -> None:
        """See Observer."""
        monitor = self._monitor
        if at_ms > monitor.latest_ms:
            at_ms = monitor.latest_ms
        found = self.by_name.get(route)
        if found is None or not found.latest:
            found = monitor.admit(self, route, at_ms)
        found.joined += 1
        found.latest = at_ms
        if reward is not None:
            found.n += 1
            found.reward += reward
        if outcome.cost_usd is not None:
            found.calls += 1
            found.cost += outcome.cost_usd
        counts = found.counts
        counts.delay.add(delay_ms * 1e-3)
        counts.arm(arm).rewarded(outcome, reward)
        if found.detail is not None:
            found.detail.rewarded(arm, outcome, reward, delay_ms, at_ms)

    def repeated(self, route: str, at_ms: int) -> None:  # noqa: ARG002
        """See Observer."""
        self._monitor.refused["duplicate"] += 1

    def alerted(self, alert: Alert) -> None:
        """See Observer."""
        monitor = self._monitor
        found = self.by_name.get(alert.route)
        if found is None:
            found = monitor.admit(self, alert.route, min(alert.timestamp, monitor.latest_ms))
        if alert.severity != "info" and alert.event in ("opened", "notice"):
            found.alerts += 1
        if found.detail is not None:
            found.detail.marks.append(alert)
        monitor.note(alert)
