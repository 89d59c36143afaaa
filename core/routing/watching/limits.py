"""Thresholds: what a route does, counted in windows, and told while it is beyond its limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from core.routing.agenda import Agenda
from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveRoute, LiveSegment
from core.routing.live_detector import LiveWindow
from core.routing.memory import Scan
from core.routing.partition import Partition
from core.routing.watching.detectors import window_of
from core.routing.watching.incidents import About, Finding, Incidents
from core.routing.watching.plan import Limit
from core.routing.watching.scale import amount, share, span
from core.watching.panes import Measured, Panes, count_outcome
from schemas.alert import Level
from schemas.policy import Threshold
from schemas.reward import Outcome
from schemas.state import WINDOW, DecisionRecord, split_window_key, window_key

_SHARES: Final = frozenset(("error_rate", "join_rate", "arm_share", "exploration_rate"))


class Limits:
    """The windows and thresholds of a partition's routes."""

    def __init__(self, state: Partition, incidents: Incidents) -> None:
        self._state = state
        self._incidents = incidents
        self.agenda: Agenda[bytes] = Agenda(state)

    def restore(self, scan: Scan) -> None:
        """Rebuild the index of when windows are due."""
        for key, value in scan(WINDOW):
            panes = Panes.decode(value, split_window_key(key)[2])
            if not panes.empty:
                self.agenda.add(panes.due_ms, key)

    def asked(self, route: LiveRoute, compiled: CompiledPolicy, at_ms: int) -> None:
        """Count a request that will be decided; opens its pane by the clock of this moment."""
        for scope in compiled.watch.scopes:
            self._window(route, scope).panes.at(at_ms, self._now).seen += 1

    def decided(
        self, route: LiveRoute, compiled: CompiledPolicy, arm: str, at_ms: int, *, explored: bool
    ) -> None:
        """Count the decision of a request that was ``asked`` at that time, maybe a while ago."""
        memory = self._state.memory
        for scope in compiled.watch.scopes:
            if scope[0] not in ("", arm):
                continue
            live = window_of(memory, route, scope)
            pane = live.panes.kept(at_ms)
            if pane is not None:
                pane.decided += 1
                pane.explored += explored
                memory.touch(live)

    def rewarded(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        arm: str,
        decision: DecisionRecord,
        outcome: Outcome,
        quality: float | None,
        reward: float | None,
    ) -> None:
        """Count a reward; ``arm`` has served."""
        regret = 0.0
        if compiled.watch.regrets and reward is not None:
            regret = self._regret(route, compiled, segment, arm)
        for scope in compiled.watch.scopes:
            panes = self._window(route, scope).panes
            if scope[0] in ("", decision.arm):
                panes.at(decision.timestamp, self._now).joined += 1
            if scope[0] in ("", arm):
                pane = panes.at(self._state.reward_clock, self._now)
                pane.learned += reward is not None
                count_outcome(pane, outcome, quality, reward, regret)

    def drop(self, route: LiveRoute, compiled: CompiledPolicy | None, then: CompiledPolicy) -> None:
        """Delete the windows that a new policy does not look at any more."""
        kept = () if compiled is None else compiled.watch.scopes
        for scope in then.watch.scopes:
            if scope not in kept:
                self._state.memory.put(window_key(route.name, *scope), None)

    def any_due(self, clock: int) -> bool:
        """Whether ``judge`` has something to do: a pane that ends at the clock has ended."""
        return self.agenda.any_due(clock + 1)

    def judge(self, clock: int) -> bool:
        """Judge the windows whose panes have ended; False if the part was full before that."""
        return self.agenda.run(clock + 1, self._close)

    def _close(self, due: int, key: bytes, _: int) -> None:
        memory = self._state.memory
        name, arm, window_ms = split_window_key(key)
        route = memory.route(name)
        compiled = None if route is None else memory.current(route)
        if route is None or compiled is None or (arm, window_ms) not in compiled.watch.scopes:
            return
        live = window_of(memory, route, (arm, window_ms))
        if live.panes.empty or live.panes.due_ms != due:
            return
        live.panes.close(self._now)
        memory.touch(live)
        for limit in compiled.watch.limits:
            if limit.scope == (arm, window_ms):
                self._judge(route, limit, live, window_ms)
        if not live.panes.empty:
            self.agenda.add(live.panes.due_ms, key)

    @property
    def _now(self) -> int:
        return max(self._state.request_clock, self._state.reward_clock)

    def _window(self, route: LiveRoute, scope: tuple[str, int]) -> LiveWindow:
        """The window of a scope, which something is about to be counted in."""
        live = window_of(self._state.memory, route, scope)
        if live.panes.empty:
            live.panes.close(self._now)
            self.agenda.add(live.panes.due_ms, live.key)
        self._state.memory.touch(live)
        return live

    def _regret(
        self, route: LiveRoute, compiled: CompiledPolicy, segment: LiveSegment, arm: str
    ) -> float:
        """How far the arm's mean reward is below the best one's."""
        mean: Callable[[object], float] = compiled.bandit.mean
        arms = [name for name in compiled.eligible if name != arm]
        states = self._state.memory.states(route, segment, compiled, [*arms, arm])
        means = [mean(state) for state in states]
        return max(means) - means[-1]

    def _judge(self, route: LiveRoute, limit: Limit, live: LiveWindow, window_ms: int) -> None:
        spec = limit.spec
        found = live.panes.measured(spec.metric, whole=spec.arm is None)
        about = About(route.name, "threshold", "", spec.arm or "", spec.metric, limit.name)
        now_ms, level = self._now, Level(found.value, found.n)
        if found.n and found.n >= spec.min_samples and _beyond(spec, found.value):
            severity = spec.severity
            message = f"{_measured(about, spec, found, window_ms)}, {_limit(spec)}"
            finding = Finding("threshold", severity, "threshold", None, level, message)
            self._incidents.detect(about, finding, now_ms, repeat_ms=window_ms)
        elif not found.n:
            message = (
                f"{_subject(about, spec)}: nothing was measured over the last {span(window_ms)}, "
                f"so the incident is closed (it was {_limit(spec)})"
            )
            self._incidents.resolve(about, message, None, now_ms, action="alert")
        elif _clear(spec, found.value):
            message = _measured(about, spec, found, window_ms, again="back: ")
            message += f", limit {_bound(spec)}"
            self._incidents.resolve(about, message, level, now_ms, action="alert")


def _beyond(spec: Threshold, value: float) -> bool:
    if spec.above is not None:
        return value > spec.above
    return spec.below is not None and value < spec.below


def _clear(spec: Threshold, value: float) -> bool:
    if spec.clear is None:
        return not _beyond(spec, value)
    return value <= spec.clear if spec.above is not None else value >= spec.clear


def _subject(about: About, spec: Threshold) -> str:
    whose = f" of arm {about.arm}" if about.arm else ""
    return f"{spec.metric}{whose} on route {about.route}"


def _measured(
    about: About, spec: Threshold, found: Measured, window_ms: int, again: str = ""
) -> str:
    value = share(found.value) if spec.metric in _SHARES else _amount(spec, found.value)
    return (
        f"{_subject(about, spec)} is {again}{value} over the last {span(window_ms)} "
        f"(n = {found.n:,})"
    )


def _limit(spec: Threshold) -> str:
    return f"{'above' if spec.above is not None else 'below'} {_bound(spec)}"


def _bound(spec: Threshold) -> str:
    limit = spec.above if spec.above is not None else spec.below
    assert limit is not None, "a threshold has one of the two"
    return f"{100.0 * limit:.4g} %" if spec.metric in _SHARES else _amount(spec, limit)


def _amount(spec: Threshold, value: float) -> str:
    return amount(spec.metric.split("_p")[0], value)
