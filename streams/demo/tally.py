"""What has happened so far in a run: counted by the proxy, read by the display and the report."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.alert import Alert
from streams.demo.alerts import Place, SeenAlert
from streams.demo.workload import DemoRequest, Drop

RECENT: Final = 150
"""How many decisions of a route make up its present shares."""


@dataclass
class Tally:
    """The counters of one run; times in seconds."""

    drop: Drop
    sent: int = 0
    rewarded: int = 0
    chosen: dict[int, str] = field(default_factory=dict)
    """The arm of each decided request, by the request's index."""
    latencies: list[float] = field(default_factory=list)
    """From the call that sent a request to the reading of its decision."""
    elapsed: float = 0.0
    """From the first request to the latest decision."""
    rejected: Counter[str] = field(default_factory=Counter)
    """By code."""
    repeated: int = 0
    """Answers read again, with the same arm: a worker that recovers may repeat some."""
    contradicted: int = 0
    """Answers read again that differ from the first; there must be none."""
    dead_letters: Counter[str] = field(default_factory=Counter)
    """By reason."""
    alerts: list[SeenAlert] = field(default_factory=list)
    spoilt: Counter[Place] = field(default_factory=Counter)
    """Answers of the dropped arm since the drop."""
    places: set[Place] = field(default_factory=set)
    """Where rewards went to."""
    recent: defaultdict[str, deque[str]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=RECENT))
    )
    """The arms of the latest decisions, by route."""

    @property
    def answered(self) -> int:
        """Requests that got an answer, decision or rejection."""
        return len(self.chosen) + sum(self.rejected.values())

    @property
    def unanswered(self) -> int:
        """Requests whose answer has not been read."""
        return self.sent - self.answered

    def decided(self, request: DemoRequest, arm: str, latency: float, elapsed: float) -> None:
        """Count a decision."""
        self.chosen[request.index] = arm
        self.latencies.append(latency)
        self.elapsed = elapsed
        self.recent[request.route].append(arm)

    def reward(self, request: DemoRequest, arm: str, segment: str) -> None:
        """Count a reward that is being sent."""
        place = request.route, segment
        self.rewarded += 1
        self.places.add(place)
        if arm == self.drop.arm and request.index >= self.drop.first:
            self.spoilt[place] += 1

    def alert(self, alert: Alert, at_s: float) -> SeenAlert:
        """Count an alert."""
        since = self.spoilt[alert.route, alert.segment] if alert.arm == self.drop.arm else 0
        seen = SeenAlert(alert, at_s, since, dropped=since > 0)
        self.alerts.append(seen)
        return seen

    def latency_ms(self, fraction: float, last: int | None = None) -> float:
        """A quantile of the decision latency, of all or of the last ones; NaN without any."""
        return quantile(self.latencies[-last:] if last else self.latencies, fraction) * 1_000.0

    @property
    def per_second(self) -> float:
        """Decisions per second since the first request."""
        return len(self.chosen) / self.elapsed if self.elapsed else 0.0


def quantile(values: Sequence[float], fraction: float) -> float:
    """The nearest-rank quantile; NaN without values."""
    if not values:
        return float("nan")
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(fraction * len(ranked)))]
