"""Change and anomaly detectors of arms, and what is done when one has found something."""

from __future__ import annotations

from typing import Final

from core.anomaly.base import Anomaly
from core.drift.base import Cut
from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveArm, LiveRoute, LiveSegment
from core.routing.partition import Partition
from core.routing.watching.detectors import anomaly_detector, change_detector
from core.routing.watching.incidents import About, Finding, Incidents
from core.routing.watching.scale import (
    amount,
    higher_is_better,
    in_units,
    measured,
    number,
    scaled,
)
from schemas.alert import Action, Level, Severity
from schemas.reward import Outcome

_DONE: Final[dict[Action, str]] = {
    "restart_arm": "; the arm was restarted and is being explored again",
    "discount_arm": "; what the arm had learned was discounted",
    "explore_arm": "; the arm is being explored again",
}


class ArmWatch:
    """Shows outcomes to the detectors of the arms that served."""

    def __init__(self, state: Partition, incidents: Incidents) -> None:
        self._state = state
        self._incidents = incidents

    def drift(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        arm: LiveArm,
        outcome: Outcome,
        quality: float | None,
        reward: float | None,
    ) -> None:
        """Alert, and act, where a metric of the arm has changed."""
        state, memory, spec = self._state, self._state.memory, compiled.policy.drift
        for metric in spec.on:
            value = measured(metric, outcome, quality, reward)
            if value is None:
                continue
            live = change_detector(memory, route, segment, compiled, arm.id, metric)
            cut = live.detector.update(scaled(metric, value))
            memory.touch(live)
            if cut is None:
                continue
            action: Action = "alert"
            if cut.level == "drift" and spec.action != "alert":
                action = spec.action
                _act(action, compiled, arm, state.version, spec.keep)
                if action == "restart_arm":
                    # The values that led here would make the rest of the window cut again.
                    live.restart()
                segment.distributions.clear()
                memory.touch(arm)
            about = About(route.name, "drift", segment.name, arm.id, metric)
            self._incidents.detect(
                about,
                _change(about, cut, str(spec.detector.__struct_config__.tag), action),
                state.reward_clock,
                repeat_ms=compiled.watch.repeat_ms,
                cooldown_ms=compiled.watch.cooldown_ms,
            )

    def anomalies(
        self,
        route: LiveRoute,
        compiled: CompiledPolicy,
        segment: LiveSegment,
        arm: LiveArm,
        outcome: Outcome,
        quality: float | None,
        reward: float | None,
    ) -> None:
        """Alert where an outcome lies far off what is usual for the arm."""
        spec = compiled.policy.anomalies
        if spec is None:
            return
        memory = self._state.memory
        for metric in spec.on:
            value = measured(metric, outcome, quality, reward)
            if value is None:
                continue
            live = anomaly_detector(memory, route, segment, compiled, arm.id, metric)
            found = live.detector.judge(value)
            memory.touch(live)
            if found is None:
                continue
            about = About(route.name, "anomaly", segment.name, arm.id, metric)
            self._incidents.detect(
                about,
                _outlier(about, found, str(spec.detector.__struct_config__.tag)),
                self._state.reward_clock,
                repeat_ms=compiled.watch.anomaly_repeat_ms,
                cooldown_ms=compiled.watch.anomaly_cooldown_ms,
            )

    def health(
        self, route: LiveRoute, compiled: CompiledPolicy, segment: LiveSegment, arm: LiveArm
    ) -> None:
        """Alert where a guardrail sets an arm aside, and when it is let in again."""
        guardrails = compiled.policy.guardrails
        if guardrails is None or arm.health is None:
            return
        about = About(route.name, "guardrail", segment.name, arm.id, "health")
        complaint = arm.health.complaint(guardrails)
        now_ms = self._state.reward_clock
        where = _where(about)
        if complaint is None:
            message = f"arm {arm.id} on route {route.name}{where} keeps all guardrails again"
            self._incidents.resolve(about, message, None, now_ms, action="reinstated")
        elif not self._incidents.is_open(about):
            broken = "max_error_rate" if arm.health.opened else "guardrails"
            severity: Severity = "critical" if arm.health.opened else "warning"
            message = f"arm {arm.id} on route {route.name}{where} was set aside: {complaint}"
            found = Finding("guardrail", severity, broken, None, None, message, "set_aside")
            self._incidents.detect(about, found, now_ms, repeat_ms=0)


def _act(action: Action, compiled: CompiledPolicy, arm: LiveArm, version: int, keep: float) -> None:
    if action == "restart_arm":
        arm.restart(version)
    elif action == "discount_arm":
        arm.state = compiled.bandit.faded(arm.state, keep)
    else:
        arm.pulls = 0


def _change(about: About, cut: Cut, detector: str, action: Action) -> Finding:
    metric = about.metric
    before, after = in_units(metric, cut.before_mean), in_units(metric, cut.after_mean)
    worse = after < before if higher_is_better(metric) else after > before
    what = f"{metric} of arm {about.arm} on route {about.route}{_where(about)}"
    mean, severity = "", _severity(cut, worse=worse, better="info")
    suspected, found = ("may have fallen", "fell") if after < before else ("may have risen", "rose")
    if detector == "ks_window":
        # The mean may be as good as it was: it is the whole distribution that differs.
        what, mean, severity = f"the distribution of {what}", "mean ", _severity(cut, worse=worse)
        suspected, found = "may have changed", "changed"
    message = (
        f"{what} {suspected if cut.level == 'warning' else found}: "
        f"{mean}{amount(metric, before)} over {cut.before_n:,} rewards, then "
        f"{amount(metric, after)} over the last {cut.after_n:,}{_DONE.get(action, '')}"
    )
    levels = Level(before, cut.before_n), Level(after, cut.after_n)
    return Finding(cut.level, severity, detector, *levels, message, action)


def _severity(cut: Cut, *, worse: bool, better: Severity = "warning") -> Severity:
    """That of a change; ``better`` where a drift has made nothing worse."""
    if cut.level == "warning":
        return "warning" if worse else "info"
    return "critical" if worse else better


def _outlier(about: About, found: Anomaly, detector: str) -> Finding:
    metric = about.metric
    better = (found.value > found.center) == higher_is_better(metric)
    severity: Severity = "info" if better else found.level
    message = (
        f"{metric} of arm {about.arm} on route {about.route}{_where(about)} was "
        f"{amount(metric, found.value)}; usual is {number(found.low)} to "
        f"{amount(metric, found.high)} (centre {amount(metric, found.center)})"
    )
    levels = Level(found.center, found.n), Level(found.value, 1)
    return Finding("anomaly", severity, detector, *levels, message)


def _where(about: About) -> str:
    return f" in segment {about.segment}" if about.segment else ""
