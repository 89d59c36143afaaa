"""What trials find, counted from decisions and outcomes, and told on the drift topic."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

from core.experiments.policy import trial_values
from core.routing.compiled import CompiledPolicy
from core.routing.live import LiveRoute
from core.routing.meeting import Met
from core.routing.partition import Partition
from core.routing.trial import LiveTrial, News, trial_of
from schemas.alert import Alert
from schemas.encode import encode_alert
from schemas.reward import Outcome
from schemas.state import DecisionRecord, trial_key

_ACTIONS: dict[str, Literal["alert", "stopped", "advanced", "rolled_back", "completed"]] = {
    "guardrail": "stopped",
    "ratio_mismatch": "stopped",
    "advance": "advanced",
    "roll_back": "rolled_back",
    "done": "completed",
}


def count_outcome(
    state: Partition,
    route: LiveRoute,
    current: CompiledPolicy,
    decision: DecisionRecord,
    outcome: Outcome,
    reward: float | None,
) -> None:
    """Show a trial the outcome of a decision that met it, under the rules that still hold."""
    memory, trial = state.memory, trial_of(current)
    if trial is None or not decision.variant:
        return
    then = memory.policy(route, decision.policy_version)
    index = trial.index(decision.variant)
    earlier = None if then is None else trial_of(then)
    if index is None or earlier is None or earlier.fingerprint != trial.fingerprint:
        return
    live = memory.trial(route, trial, state.reward_clock)
    values = trial_values(outcome, current.reward.quality(outcome), reward)
    news = live.observed(index, decision, values, state.reward_clock)
    memory.touch(live)
    tell(state, route, current, live, news, state.reward_clock)


def count_assignment(
    state: Partition,
    route: LiveRoute,
    current: CompiledPolicy,
    met: Met,
    now_ms: int,
) -> None:
    """Count a request that met a variant."""
    news = met.live.assigned(met.variant, met.unit, now_ms)
    state.memory.touch(met.live)
    tell(state, route, current, met.live, news, now_ms)


def tell(
    state: Partition,
    route: LiveRoute,
    current: CompiledPolicy,
    live: LiveTrial,
    news: News | None,
    now_ms: int,
) -> None:
    """Publish what a trial has found, if it has; replay publishes the same."""
    trial = trial_of(current)
    if news is None or trial is None:
        return
    policy = current.policy
    kind: Literal["experiment", "rollout"] = "experiment"
    if policy.experiment is None:
        kind = "rollout"
    before, after = live.levels(news.variant)
    action = _ACTIONS.get(news.verdict, "alert")
    adopted = news.verdict == "winner" and trial.adopts
    identity = "\0".join((route.name, trial.name, news.verdict, str(state.version)))
    alert = Alert(
        alert_id=blake2b(identity.encode(), digest_size=16).hexdigest(),
        incident_id=blake2b(trial_key(route.name, trial.name), digest_size=16).hexdigest(),
        event="notice",
        route=route.name,
        arm=news.variant,
        type=kind,
        severity=news.severity,
        metric=live.metric,
        before=before,
        after=after,
        detector=live.method,
        action="adopted" if adopted else action,
        detections=1,
        opened=now_ms,
        message=f"{kind} {trial.name} on route {route.name}: {news.message}",
        segment="",
        state_version=state.version,
        timestamp=now_ms,
    )
    state.emit("drift", route.name_bytes, encode_alert(alert))
    if state.observer is not None:
        state.observer.alerted(alert)
