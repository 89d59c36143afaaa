"""A policy's shadow: it decides every request and routes none, learns, and is scored.

What it is told must be what it could have known: it learns from each reward for the arm that
served, as a variant that shares the traffic would, and is scored by the probability that it gave to
that arm when the request was decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from core.experiments.policy import trial_values
from core.experiments.shadow import ENOUGH, Estimate, Score
from core.routing.compiled import CompiledPolicy
from core.routing.draw import Distribution
from core.routing.live import LiveRoute, LiveSegment
from core.routing.meeting import Side, side_of
from core.routing.memory import NO_CONTEXT, Memory
from core.routing.partition import Partition
from core.routing.trial import VARIANT_MARK, base_segment, escaped
from schemas.alert import Alert, Level
from schemas.encode import encode_alert
from schemas.policy import Shadow
from schemas.request import Request
from schemas.reward import Outcome
from schemas.state import ArmRecord, DecisionRecord, decode_arm, encode_state, shadow_key


def shadowed(
    memory: Memory,
    route: LiveRoute,
    compiled: CompiledPolicy,
    base: LiveSegment,
    request: Request,
    x: bytes,
    now_ms: int,
) -> Distribution | None:
    """How the policy's shadow would draw for a request; None where it has no arm for it.

    ``base`` is the request's segment of the route. Under a budget it sees the route's own price,
    which what it would spend does not move.
    """
    shadow = compiled.shadow
    if shadow is None or (shadow.bandit.contextual and not x):
        return None
    own = x if shadow.bandit.contextual else b""
    segment = memory.variant_segment(route, _segment(compiled, base.name))
    side = side_of(memory, route, segment, shadow, request, own, now_ms)
    return side.distribution if isinstance(side, Side) else None


def against(
    shadow: Distribution, arm: str, true: Distribution | Mapping[str, float]
) -> tuple[float, float]:
    """The shadow's probability of an arm, and of all arms that could have been drawn."""
    shares = dict(zip(shadow.arms, shadow.probabilities, strict=True))
    if isinstance(true, Distribution):
        true = dict(zip(true.arms, true.probabilities, strict=True))
    covered = sum(share for name, share in shares.items() if true.get(name, 0.0) > 0.0)
    return shares.get(arm, 0.0), covered


def score_shadow(
    state: Partition,
    route: LiveRoute,
    current: CompiledPolicy,
    decision: DecisionRecord,
    arm: str,
    outcome: Outcome,
    reward: float | None,
) -> None:
    """Score the policy's shadow by the outcome of a decision, and teach it; ``arm`` has served.

    What was decided beside another shadow, or by rules under which rewards meant something else,
    says nothing of this one.
    """
    memory, spec = state.memory, current.policy.shadow
    then = memory.policy(route, decision.policy_version)
    if spec is None or then is None or then.shadow_rules != current.shadow_rules:
        return
    values = trial_values(outcome, current.reward.quality(outcome), reward)
    if decision.shadow is not None:
        _score(state, route, current, spec, decision, decision.shadow, values)
    _teach(state, route, current, decision, arm, outcome, reward)


def score_so_far(memory: Memory, route: LiveRoute, current: CompiledPolicy, spec: Shadow) -> Score:
    """What is known of the policy's shadow, by its present rules."""
    stored = memory.get(shadow_key(route.name, spec.name))
    record = None if stored is None else decode_arm(stored)
    if record is None or record.fingerprint != current.shadow_rules:
        return Score(spec.first_report)
    return Score.decode(record.state)


def _score(
    state: Partition,
    route: LiveRoute,
    current: CompiledPolicy,
    spec: Shadow,
    decision: DecisionRecord,
    share: float,
    values: dict[str, float],
) -> None:
    memory, key = state.memory, shadow_key(route.name, spec.name)
    score = score_so_far(memory, route, current, spec)
    due = score.observe(share / decision.propensity, decision.support or 0.0, values)
    memory.put(key, encode_state(ArmRecord(current.shadow_rules, score.encode())))
    if due:
        _report(state, route, spec, score)


def _teach(
    state: Partition,
    route: LiveRoute,
    current: CompiledPolicy,
    decision: DecisionRecord,
    arm_id: str,
    outcome: Outcome,
    reward: float | None,
) -> None:
    memory, shadow = state.memory, current.shadow
    assert shadow is not None, "the policy has one"
    contextual = shadow.bandit.contextual
    if arm_id not in shadow.arms or (contextual and not decision.x):
        return
    base = memory.segment(route, base_segment(decision.segment), current.policy.context)
    segment = memory.variant_segment(route, _segment(current, base.name))
    arm = memory.arm(route, segment, shadow, arm_id)
    if reward is not None:
        x = shadow.encoder.unpack(decision.x) if contextual else NO_CONTEXT[0]
        others = memory.other_states(route, segment, shadow, (arm_id,))
        shadow.bandit.learn(arm.state, x, reward, others)
        segment.distributions.clear()
    if arm.health is not None and shadow.policy.guardrails is not None:
        quality = shadow.reward.quality(outcome)
        arm.health.observe(outcome, quality, state.reward_clock, shadow.policy.guardrails)
    memory.touch(arm)


def _segment(compiled: CompiledPolicy, base: str) -> str:
    """Where the shadow keeps its statistics for a segment; no variant's mark is without a =."""
    assert compiled.policy.shadow is not None, "the policy has one"
    mark = f"{VARIANT_MARK}{escaped(compiled.policy.shadow.name)}"
    return f"{base}|{mark}" if base else mark


def _report(state: Partition, route: LiveRoute, spec: Shadow, score: Score) -> None:
    """Publish what is known of the shadow by now; replay publishes the same."""
    found = {
        name: sums.estimate(spec.alpha, spec.first_report) for name, sums in score.metrics.items()
    }
    key = shadow_key(route.name, spec.name)
    identity = key + b"\0" + str(state.version).encode()
    primary = found[spec.metric]
    state.emit(
        "drift",
        route.name_bytes,
        encode_alert(
            Alert(
                alert_id=blake2b(identity, digest_size=16).hexdigest(),
                incident_id=blake2b(key, digest_size=16).hexdigest(),
                event="notice",
                route=route.name,
                arm=spec.name,
                type="experiment",
                severity="info",
                metric=spec.metric,
                before=None if primary is None else Level(primary.logged, primary.outcomes),
                after=None if primary is None else Level(primary.shadow, primary.outcomes),
                detector="snips",
                action="alert",
                detections=1,
                opened=state.reward_clock,
                message=f"shadow {spec.name} on route {route.name}: {_words(spec, score, found)}",
                segment="",
                state_version=state.version,
                timestamp=state.reward_clock,
                of="shadow",
            )
        ),
    )


def _words(spec: Shadow, score: Score, found: dict[str, Estimate | None]) -> str:
    """The report's sentences."""
    said = [f"{verdict(spec, found[spec.metric])}, after {score.scored:,} outcomes."]
    for name, estimate in found.items():
        if estimate is None:
            continue
        between = ""
        if estimate.effective >= ENOUGH:
            between = f", differs by {estimate.low:.4g} to {estimate.high:.4g}"
        said.append(
            f"{name}: {estimate.shadow:.4g} for {estimate.logged:.4g}{between} "
            f"({estimate.effective:,.0f} of {estimate.outcomes:,} outcomes' worth)."
        )
    if score.support < _COVERED:
        said.append(
            f"Only {score.support:.1%} of what it would choose could have been served, so its "
            "numbers are of that part: explore more, or give each arm a min_share."
        )
    return " ".join(said)


_COVERED = 0.99


def verdict(spec: Shadow, estimate: Estimate | None) -> str:
    """What can be said of the shadow by the metric that decides, in words."""
    if estimate is None or estimate.effective < ENOUGH:
        return f"too few outcomes tell of its {spec.metric}"
    low, high = estimate.low, estimate.high
    if spec.metric in ("cost", "latency"):
        low, high = -high, -low
    if low > 0.0:
        return f"its {spec.metric} would be better"
    if high < 0.0:
        return f"its {spec.metric} would be worse"
    return f"its {spec.metric} is not shown to differ"
