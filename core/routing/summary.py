"""A route at a glance: its policy, counters, beliefs, trial, budget and open incidents.

Looking changes no state: what was never met is made for the eye alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Final

from core.experiments.rollout import Rollout
from core.routing.compiled import CompiledPolicy
from core.routing.ledger import ledger_of
from core.routing.live import LiveArm, LiveRoute, LiveSegment
from core.routing.memory import OTHER_SEGMENT, Memory, Scan
from core.routing.shadow import score_so_far, verdict
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
from core.routing.trial import LiveTrial, Trial, trial_of
from core.routing.view import View
from core.routing.watching.incidents import About
from core.statistics.beliefs import Beliefs
from schemas.state import (
    IncidentRecord,
    decode_segments,
    route_key,
    segments_key,
    trial_key,
)

MOST_SEGMENTS: Final = 50
_ROUTES: Final = route_key("")
_Effect = tuple[float | None, float | None, float | None]
_UNKNOWN: Final[_Effect] = (None, None, None)


def route_names(scan: Scan) -> list[str]:
    """The routes of a partition that were ever configured, in order of their keys."""
    return [key[1:].decode() for key, _ in scan(_ROUTES)]


def summarise(
    memory: Memory, name: str, incidents: Iterable[tuple[About, IncidentRecord]] = ()
) -> RouteSummary | None:
    """The route as it is now, or None where there is none of that name.

    ``incidents`` are its open ones. Of segments, the first ``MOST_SEGMENTS`` are shown. Costs
    about a millisecond per arm and segment, most of it for the probabilities of being best.
    """
    route = memory.route(name)
    if route is None:
        return None
    compiled = memory.current(route)
    counts = route.record
    names = _segments(memory, route)
    return RouteSummary(
        route=name,
        status="withdrawn" if compiled is None else "active",
        policy_version=counts.current,
        algorithm="" if compiled is None else str(compiled.policy.algorithm.__struct_config__.tag),
        arms=[] if compiled is None else _declared(compiled),
        decided=counts.decided,
        joined=counts.joined,
        duplicates=counts.duplicates,
        late=counts.late,
        contradicting=counts.contradicting,
        unlearned=counts.unlearned,
        segments=[] if compiled is None else _summaries(memory, route, compiled, names),
        segments_in_all=len(names),
        trial=_trial(memory, route, compiled),
        budget=_budget(route, compiled),
        shadow=_shadow(memory, route, compiled),
        incidents=[_incident(about, record) for about, record in incidents],
    )


def _declared(compiled: CompiledPolicy) -> list[ArmSpecSummary]:
    return [ArmSpecSummary(arm.id, arm.model, arm.enabled) for arm in compiled.policy.arms]


def _segments(memory: Memory, route: LiveRoute) -> list[str]:
    """Those of the route that were met; "" where it is not divided."""
    known = route.known
    if known is None:
        stored = memory.get(segments_key(route.name))
        known = [] if stored is None else decode_segments(stored)
    compiled = memory.current(route)
    if compiled is None or not compiled.policy.context.segment_by:
        return [""]
    full = len(known) >= compiled.policy.context.max_segments
    return [*known, OTHER_SEGMENT] if full else list(known)


def _summaries(
    memory: Memory, route: LiveRoute, compiled: CompiledPolicy, names: Sequence[str]
) -> list[SegmentSummary]:
    found = []
    trial = trial_of(compiled)
    for name in names[:MOST_SEGMENTS]:
        if trial is None:
            found.append(_segment(memory, route, compiled, name, ""))
            continue
        for index, (variant, own) in enumerate(trial.variants):
            found.append(_segment(memory, route, own, trial.segment(name, index), variant))
    return found


def _segment(
    memory: Memory, route: LiveRoute, compiled: CompiledPolicy, name: str, variant: str
) -> SegmentSummary:
    live = route.segments.get(name) or LiveSegment(name)
    if compiled.search is not None:
        report = memory.search(route, live, compiled).report()
        search = SearchSummary(
            report.evaluations,
            report.planned,
            report.in_play,
            report.params,
            report.mean,
            report.low,
            report.high,
            report.rewards,
            report.ended,
        )
        return SegmentSummary(name, variant, [], search)
    view = View(memory, route, compiled, live)
    arms = {arm: view.arm(arm) for arm in compiled.arms}
    best = _best(compiled, [arms[arm] for arm in compiled.eligible])
    guardrails = compiled.policy.guardrails
    return SegmentSummary(
        name,
        variant,
        [
            ArmSummary(
                arm,
                belief,
                best.get(arm),
                found.pulls,
                None
                if found.health is None or guardrails is None
                else found.health.complaint(guardrails),
            )
            for arm, found in arms.items()
            if (belief := view.belief(arm)) is not None
        ],
    )


def _best(compiled: CompiledPolicy, arms: Sequence[LiveArm]) -> dict[str, float]:
    """Of each arm that may be chosen, the probability that its mean reward is the highest."""
    if not arms:
        return {}
    beliefs = Beliefs.of(compiled.bandit, [arm.state for arm in arms])
    chances = beliefs.best_probabilities.tolist()
    return {arm.id: chance for arm, chance in zip(arms, chances, strict=True)}


def _trial(
    memory: Memory, route: LiveRoute, compiled: CompiledPolicy | None
) -> TrialSummary | None:
    trial = None if compiled is None else trial_of(compiled)
    if compiled is None or trial is None:
        return None
    live = route.trial
    if live is None:
        key = trial_key(route.name, trial.name)
        live = LiveTrial(key, trial, memory.get(key), 0)
    status, sentence = _standing(trial, live)
    names = [name for name, _ in trial.variants]
    effects = _effects(live)
    shares = list(live._state._spec.steps) if isinstance(live._state, Rollout) else []
    return TrialSummary(
        kind="experiment" if compiled.policy.rollout is None else "rollout",
        name=trial.name,
        status=status,
        sentence=sentence,
        metric=live.metric,
        step=live.step,
        steps=len(shares) or 1,
        shares=shares,
        variants=[
            VariantSummary(name, share, live.levels(name)[1], *effect)
            for name, share, effect in zip(names, live.shares(), effects, strict=True)
        ],
    )


def _effects(live: LiveTrial) -> list[_Effect]:
    """Of each variant, its difference from the control in the metric that decides."""
    state = live._state
    if isinstance(state, Rollout):
        checks = state.move().overall
        (check,) = (one for one in checks if one.guardrail.metric.name == live.metric)
        if check.harm is None:
            return [_UNKNOWN, _UNKNOWN]
        # Harm is how much worse: the other way round where more is better.
        sign = -check.guardrail.metric.sign
        low, high = sorted((sign * check.at_least, sign * check.at_most))
        return [_UNKNOWN, (sign * check.harm, low, high)]
    found = [comparison.difference for comparison in state.decision().comparisons]
    return [
        _UNKNOWN,
        *(
            _UNKNOWN if one is None else (one.value, one.interval.low, one.interval.high)
            for one in found
        ),
    ]


def _standing(trial: Trial, live: LiveTrial) -> tuple[str, str]:
    """Its status, and what can be said now."""
    state = live._state
    if isinstance(state, Rollout):
        status: str = state.status
        sentence = state.move().reason if status == "running" else ""
    else:
        decision = state.decision()
        status, sentence = decision.verdict, decision.sentence
    return "paused" if trial.paused and status == "running" else status, sentence


def _budget(route: LiveRoute, compiled: CompiledPolicy | None) -> BudgetSummary | None:
    pacer = ledger_of(route, compiled)
    if pacer is None or compiled is None or compiled.pace is None:
        return None
    return BudgetSummary(
        usd=compiled.pace.usd,
        period_ms=compiled.pace.period_ms,
        requests=pacer.requests,
        spent_usd=pacer.spent_usd,
        debt=pacer.debt,
        price=pacer.price,
        worth_usd=pacer.worth_usd,
        held=pacer.held,
    )


def _shadow(
    memory: Memory, route: LiveRoute, compiled: CompiledPolicy | None
) -> ShadowSummary | None:
    if compiled is None or compiled.policy.shadow is None:
        return None
    spec = compiled.policy.shadow
    score = score_so_far(memory, route, compiled, spec)
    found = {
        name: sums.estimate(spec.alpha, spec.first_report) for name, sums in score.metrics.items()
    }
    return ShadowSummary(
        name=spec.name,
        metric=spec.metric,
        sentence=verdict(spec, found[spec.metric]),
        scored=score.scored,
        next_report=score.next_report,
        support=score.support,
        metrics=[
            ShadowMetric(
                name,
                one.outcomes,
                one.effective,
                one.logged,
                one.shadow,
                one.low if isfinite(one.low) else None,
                one.high if isfinite(one.high) else None,
            )
            for name, one in found.items()
            if one is not None
        ],
    )


def _incident(about: About, record: IncidentRecord) -> IncidentSummary:
    return IncidentSummary(
        kind=about.kind,
        severity=record.severity,
        segment=about.segment,
        arm=about.arm,
        metric=about.metric,
        of=about.of,
        opened=record.opened,
        detections=record.detections,
        detector=record.detector,
        before=record.before,
        after=record.after,
    )
