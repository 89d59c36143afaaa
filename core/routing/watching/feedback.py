"""The health of the feedback loop: whether decisions get their rewards as they used to."""

from __future__ import annotations

from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveRoute
from core.routing.partition import Partition
from core.routing.watching.incidents import About, Finding, Incidents
from core.routing.watching.scale import share
from core.watching.join import JoinRate
from schemas.alert import Level


class Feedback:
    """Watches the join rates of a partition's routes."""

    def __init__(self, state: Partition, incidents: Incidents) -> None:
        self._state = state
        self._incidents = incidents

    def decided(self, route: LiveRoute, compiled: CompiledPolicy, at_ms: int) -> None:
        """Count a decision, and judge when a pane has ended."""
        panes, spec = route.join_panes(compiled), compiled.policy.join
        if panes is None or spec is None:
            return
        if not panes.ends(at_ms):
            panes.decided(at_ms, learn=True)
            return
        about = About(route.name, "join", "", "", "join_rate")
        is_open = self._incidents.is_open(about)
        panes.decided(at_ms, learn=not is_open)
        found = panes.judged(spec.fall, spec.min_samples)
        if found is None:
            return
        usual, now = Level(found.usual, found.usual_n), Level(found.rate, found.n)
        if found.fallen:
            finding = Finding("join", "critical", "join_rate", usual, now, _fallen(route, found))
            self._incidents.detect(
                about, finding, self._state.request_clock, repeat_ms=compiled.watch.join_ms
            )
        elif is_open and found.back:
            message = (
                f"route {route.name}: {share(found.rate)} of the decisions get a reward again "
                f"(usual: {share(found.usual)})"
            )
            self._incidents.resolve(about, message, now, self._state.request_clock, action="alert")

    def joined(self, route: LiveRoute, compiled: CompiledPolicy, decided_ms: int) -> None:
        """Count a reward."""
        panes = route.join_panes(compiled)
        if panes is not None:
            panes.joined(decided_ms)


def _fallen(route: LiveRoute, found: JoinRate) -> str:
    return (
        f"route {route.name}: only {share(found.rate)} of {found.n:,} decisions got a reward in "
        f"time, usual is {share(found.usual)}: nothing can be learned from the others; look "
        "whether whatever sends the rewards still runs, and for dead letters of the reward topic"
    )
